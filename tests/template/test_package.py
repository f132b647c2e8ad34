"""Tests the release archive that infra/package.sh packs, and its infra/deploy.sh, with commands in place of the SAM CLI and the AWS CLI
that log their arguments. tests/deploy.sh deploys an archive with the functions."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

from cloudformation import ROOT, source
from samcli.yamlhelper import yaml_parse

FUNCTIONS = sorted(path.name for path in (ROOT / "functions").iterdir() if path.is_dir())
MACHINES = {"x86_64": b"\x3e\x00", "arm64": b"\xb7\x00"}
# Guides that say that they need a clone.
PAGES_FOR_CLONES = {"local-development-with-sam.md", "run-a-function-alone.md"}


def write_functions(folder, architecture, names=FUNCTIONS):
    """Writes files with the ELF header of an architecture in place of the functions."""
    for name in names:
        binary = folder / name / "bootstrap"
        binary.parent.mkdir(parents=True)
        binary.write_bytes(b"\x7fELF".ljust(18, b"\0") + MACHINES[architecture] + name.encode())


def pack(folder, architecture, **options):
    """Packs the functions in a directory, and returns the result of the script and the path of the archive."""
    output = folder / "output"
    command = [ROOT / "infra/package.sh", "v1.2.3", architecture, folder / "functions", output]
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    return result, output / f"signet-aws-v1.2.3-{architecture}.tar.gz"


class Archive(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def pack(self, architecture="x86_64", **options):
        result, archive = pack(self.folder, architecture, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, f"{archive}\n")
        return archive

    def test_same_functions_give_the_same_archive(self):
        write_functions(self.folder / "functions", "x86_64")
        first = self.pack().read_bytes()
        for binary in (self.folder / "functions").glob("*/bootstrap"):
            os.utime(binary, (0, 0))
            binary.chmod(0o700)
        self.assertEqual(self.pack(umask=0o077).read_bytes(), first)

    def test_files_have_fixed_owners_and_modes_and_are_sorted(self):
        write_functions(self.folder / "functions", "x86_64")
        with tarfile.open(self.pack()) as archive:
            members = archive.getmembers()
        # tar sorts the names within each directory.
        self.assertEqual([one.name for one in members], sorted((one.name for one in members), key=lambda name: name.split("/")))
        self.assertEqual({(one.uid, one.gid, one.uname, one.mtime) for one in members}, {(0, 0, "", members[0].mtime)})
        for one in members:
            is_executable = one.isdir() or one.name.endswith(("/bootstrap", ".sh"))
            if not one.name.endswith("environment.sh"):
                self.assertEqual(one.mode, 0o755 if is_executable else 0o644, one.name)

    def test_functions_must_be_complete_and_for_the_architecture(self):
        write_functions(self.folder / "functions", "arm64", FUNCTIONS[1:])
        for architecture, error in [("arm64", f"{FUNCTIONS[0]}/bootstrap does not exist"), ("riscv64", "use x86_64 or arm64")]:
            result, archive = pack(self.folder, architecture)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(error, result.stderr)
            self.assertFalse(archive.exists())
        write_functions(self.folder / "functions", "x86_64", FUNCTIONS[:1])
        result, archive = pack(self.folder, "arm64")
        self.assertIn(f"{FUNCTIONS[0]}/bootstrap is not for arm64", result.stderr)
        self.assertFalse(archive.exists())


class Deployment(unittest.TestCase):
    """infra/deploy.sh of an unpacked archive for arm64. Neither git nor Rust is installed."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        write_functions(self.folder / "functions", "arm64")
        result, archive = pack(self.folder, "arm64")
        self.assertEqual(result.returncode, 0, result.stderr)
        subprocess.run(["tar", "-xzf", archive, "-C", self.folder], check=True)
        self.archive = self.folder / "signet-aws-v1.2.3-arm64"
        self.production = self.archive / "infra/environments/production.toml"
        shutil.copy(self.archive / "infra/environments/example.toml", self.production)
        self.log = self.folder / "log"
        self.commands = self.folder / "bin"
        self.commands.mkdir()
        # The template that is deployed, and whether the functions are found beside it.
        copy = 'case "$7" in */release.yaml) cp "$7" "$FOLDER"; ls "$(dirname "$7")/functions" > "$FOLDER/found" ;; esac'
        for name, rest in [("sam", copy), ("aws", ""), ("cargo", "exit 1"), ("cargo-lambda", "exit 1"), ("git", "exit 1")]:
            (self.commands / name).write_text(f'#!/bin/sh\necho "$(basename "$0") $*" >> "$FOLDER/log"\n{rest}\n')
            (self.commands / name).chmod(0o755)

    def deploy(self, environment="production", directory="/"):
        """Runs the script, and returns its exit code, its errors and the logged commands that change stacks."""
        self.log.write_text("")
        variables = os.environ | {"PATH": f"{self.commands}:/usr/bin:/bin", "FOLDER": str(self.folder)}
        command = [self.archive / "infra/deploy.sh", environment]
        result = subprocess.run(command, env=variables, cwd=directory, capture_output=True, text=True, check=False)
        commands = [line for line in self.log.read_text().splitlines() if "describe-stacks" not in line]
        return result.returncode, result.stderr, commands

    def release(self):
        """The description that identifies the release, in the deployed template."""
        template = yaml_parse((self.folder / "release.yaml").read_text())
        return template["Globals"]["Function"]["Description"]

    def test_deploys_the_packed_functions_from_any_directory_without_a_build(self):
        outside = self.folder / "staging.toml"
        shutil.copy(self.production, outside)
        for environment, directory in [("production", "/"), ("staging.toml", self.folder), (outside, self.archive)]:
            code, errors, commands = self.deploy(environment, directory)
            self.assertEqual(code, 0, errors)
            self.assertEqual([command.split()[:2] for command in commands], [["sam", "deploy"], ["aws", "cloudformation"], ["sam", "deploy"]])
            self.assertIn("--template-file infra/data.yaml", commands[0])
            self.assertEqual((self.folder / "found").read_text().split(), FUNCTIONS)

    def test_archive_can_be_read_only_and_is_not_changed(self):
        before = {path: path.stat().st_mtime for path in self.archive.rglob("*")}
        subprocess.run(["chmod", "-R", "a-w", self.archive], check=True)
        self.addCleanup(subprocess.run, ["chmod", "-R", "u+w", self.archive], check=True)
        code, errors, _ = self.deploy()
        self.assertEqual(code, 0, errors)
        self.assertEqual({path: path.stat().st_mtime for path in self.archive.rglob("*")}, before)

    def test_release_changes_if_and_only_if_functions_or_the_environment_change(self):
        releases = []
        for change in [None, None, "environment", "function"]:
            if change == "environment":
                self.production.write_text(self.production.read_text() + "# changed\n")
            if change == "function":
                (self.archive / "functions/licenses/bootstrap").write_bytes(b"changed")
            # Another environment in the archive is no part of the release.
            (self.archive / "infra/environments/other.toml").write_text(str(change))
            self.deploy()
            releases.append(self.release())
        self.assertEqual(releases[0], releases[1])
        self.assertEqual(len(set(releases)), 3, releases)

    def test_environment_of_another_architecture_is_refused(self):
        self.production.write_text(self.production.read_text().replace("Architecture=arm64", "Architecture=x86_64"))
        code, errors, commands = self.deploy()
        self.assertEqual((code, commands), (1, []))
        self.assertIn("has Architecture=x86_64, but the functions in this archive are for arm64", errors)

    def test_template_and_example_are_those_of_the_repository_for_the_architecture_only(self):
        packed, template = yaml_parse((self.archive / "template.yaml").read_text()), source()
        self.assertEqual(packed["Parameters"].pop("Architecture"), template["Parameters"].pop("Architecture") | {
            "Default": "arm64", "AllowedValues": ["arm64"],
        })
        self.assertEqual(packed, template)
        for resource in packed["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                self.assertTrue((self.archive / resource["Properties"]["CodeUri"] / "bootstrap").is_file())
        self.assertIn('"Architecture=arm64"', (self.archive / "infra/environments/example.toml").read_text())

    def test_all_files_that_the_guides_tell_operators_to_use_are_in_the_archive(self):
        pages = [*(ROOT / "docs/tutorials").glob("*.md"), *(ROOT / "docs/how-to").glob("*.md"), self.archive / "README.md"]
        named = set()
        for page in pages:
            text = page.read_text()
            if page.name in PAGES_FOR_CLONES:
                self.assertRegex(text, "(?i)clone of the repository|While `cargo run` runs", page.name)
            else:
                named |= set(re.findall(r"\binfra/[\w./-]*\w", text))
        self.assertLess({"infra/deploy.sh", "infra/delete.sh", "infra/data.yaml", "infra/deployer-policy-data.json"}, named)
        missing = {path for path in named if not (self.archive / path).exists()}
        self.assertEqual(missing, set())

    def test_readme_names_the_release_and_every_file(self):
        text = (self.archive / "README.md").read_text()
        self.assertTrue(text.startswith("# Signet v1.2.3 for AWS, arm64\n"), text)
        unnamed = [path for path in (self.archive / "infra").glob("*.*") if path.name != "environment.sh" and path.name not in text]
        self.assertEqual(unnamed, [])


if __name__ == "__main__":
    unittest.main()
