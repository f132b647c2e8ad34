"""Tests that the SAM CLI, with the options of infra/deploy.sh and a file of an environment, sends the intended parameters."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest.mock import MagicMock, patch

import tomlkit
from click.testing import CliRunner
from cloudformation import DATA, ROOT, RUNNING, source
from samcli.cli.main import cli
from samcli.commands.deploy.deploy_context import DeployContext
from samcli.lib.deploy.deployer import Deployer
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

# The error of the AWS CLI.
MISSING = "An error occurred (ValidationError) when calling DescribeStacks: Stack with id signet does not exist"
EXAMPLE = ROOT / "infra/environments/example.toml"


def parsed_parameters(command, file):
    """The parameters that a command of the SAM CLI reads from a file."""
    arguments = [command, "--config-file", str(file)]
    if command == "deploy":
        arguments += ["--stack-name", "signet", "--template-file", str(ROOT / DATA)]
    with patch(f"samcli.commands.{command}.command.do_cli") as do_cli, patch.dict(os.environ, {"SAM_CLI_TELEMETRY": "0"}):
        result = CliRunner().invoke(cli, arguments)
        assert do_cli.called, result.output
    call = do_cli.call_args
    values = [one for one in [*call.args, *call.kwargs.values()] if isinstance(one, dict) and "DataStack" in one]
    assert len(values) == 1, call
    return values[0]


class CloudFormation:
    """A stack and its parameters, changed by the change sets that the SAM CLI creates."""

    def __init__(self, path):
        self.template = source(path)
        self.parameters = {}

    def deploy(self, file):
        """Deploys as `sam deploy` does, and returns the values of all parameters after that."""
        client = MagicMock()
        client.get_template_summary.return_value = {"Parameters": [{"ParameterKey": name} for name in self.parameters]}
        deployer = Deployer(client)
        sent = DeployContext.merge_parameters(self.template, parsed_parameters("deploy", file))
        with patch.object(deployer, "has_stack", return_value=bool(self.parameters)):
            deployer.create_changeset("signet", "", sent, [], None, None, None, [])
        received = client.create_change_set.call_args.kwargs["Parameters"]
        values = {name: str(spec["Default"]) for name, spec in self.template["Parameters"].items()}
        for parameter in received:
            name = parameter["ParameterKey"]
            values[name] = self.parameters[name] if parameter.get("UsePreviousValue") else parameter["ParameterValue"]
        self.parameters = values
        return values


class Environments(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "production.toml"
        self.file.write_text(EXAMPLE.read_text())

    def add(self, line):
        """Adds a line to the parameters of the environment."""
        self.file.write_text(re.sub(r"\n\]\n$", f"\n  {line}\n]\n", self.file.read_text()))

    def test_a_second_deployment_has_the_parameters_of_the_first(self):
        self.add('"EmailSender=\'Example <licenses@example.com>\'",')
        self.add('"CorsOrigins=https://shop.example.com,https://example.com",')
        for path in [DATA, RUNNING]:
            stack = CloudFormation(path)
            first = stack.deploy(self.file)
            self.assertEqual(stack.deploy(self.file), first)

    def test_a_restore_and_a_replaced_key_outlast_later_deployments(self):
        stack = CloudFormation(RUNNING)
        stack.deploy(self.file)
        key = "arn:aws:kms:eu-west-1:111122223333:key/new"
        kept = {"RestoredSuffix": "-restored-2026-01-15", "SealingKeyArn": key, "RootKeyArns": f"{key},{key}2"}
        for name, value in kept.items():
            self.add(f'"{name}={value}",')
        before = stack.deploy(self.file)
        self.assertEqual({name: before[name] for name in kept}, kept)
        self.add('"LogRetentionDays=30",')
        self.assertEqual(stack.deploy(self.file), before | {"LogRetentionDays": "30"})
        # Also if the file has been lost and written again.
        self.file.write_text(EXAMPLE.read_text())
        self.assertEqual({name: stack.deploy(self.file)[name] for name in kept}, kept)

    def test_no_parameter_is_sent_empty(self):
        self.assertNotIn("", parsed_parameters("deploy", self.file).values())

    def test_build_and_deployment_have_the_same_architecture(self):
        self.file.write_text(self.file.read_text().replace("Architecture=x86_64", "Architecture=arm64"))
        for command in ["build", "deploy"]:
            self.assertEqual(parsed_parameters(command, self.file)["Architecture"], "arm64", command)

    def test_values_with_spaces_are_read_as_one_value(self):
        self.add('"EmailSender=\'Example <licenses@example.com>\'",')
        self.assertEqual(parsed_parameters("deploy", self.file)["EmailSender"], "Example <licenses@example.com>")

    def test_parameters_can_be_reset_to_an_empty_value(self):
        self.add('"AlarmEmail=ops@example.com",')
        stack = CloudFormation(RUNNING)
        self.assertEqual(stack.deploy(self.file)["AlarmEmail"], "ops@example.com")
        self.file.write_text(self.file.read_text().replace("AlarmEmail=ops@example.com", "AlarmEmail=''"))
        self.assertEqual(stack.deploy(self.file)["AlarmEmail"], "")

    def test_example_contains_only_parameters_of_the_templates(self):
        names = set(re.findall(r'^ *(?:# )?"(\w+)=', EXAMPLE.read_text(), re.MULTILINE))
        self.assertLessEqual({"DataStack", "Architecture", "DomainName"}, names)
        self.assertLessEqual(names, source(DATA)["Parameters"].keys() | source(RUNNING)["Parameters"].keys())

    def test_only_the_example_is_tracked_by_git(self):
        ignored = (ROOT / ".gitignore").read_text().splitlines()
        self.assertLess(ignored.index("infra/environments/*.toml"), ignored.index("!infra/environments/example.toml"))

    def test_file_for_development_deploys_nothing(self):
        # Otherwise `sam deploy` without a file would deploy with other parameters, and --guided would save them.
        commands = tomlkit.parse((ROOT / "samconfig.toml").read_text())["default"]
        self.assertEqual(set(commands), {"build", "validate"})


class Script(unittest.TestCase):
    """infra/deploy.sh, with commands in place of the SAM CLI and the AWS CLI that log their arguments."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "test.toml"
        self.file.write_text(EXAMPLE.read_text())
        self.build = self.folder / "build"
        self.build.mkdir()
        commands = self.folder / "bin"
        commands.mkdir()
        log = 'echo "$(basename "$0") $*" >> "$LOG"'
        describe = 'if [ "$2" = describe-stacks ]; then case $STATUS in *" "*) echo "$STATUS" >&2; exit 254 ;; *) echo "$STATUS" ;; esac; fi'
        copy = 'case "$7" in */release.yaml) cp "$7" "$(dirname "$LOG")" ;; esac'
        for name, rest in [("sam", copy), ("aws", describe)]:
            (commands / name).write_text(f"#!/bin/sh\n{log}\n{rest}\n")
            (commands / name).chmod(0o755)

    def run_script(self, status=MISSING, is_built=True):
        """Runs the script with stacks in a status, or with an error of the AWS CLI about them, and returns its exit code, its errors and
        the logged commands."""
        log = self.folder / "log"
        log.write_text("")
        if is_built:
            (self.build / "template.yaml").write_text("AutoPublishAlias: live\n")
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        variables = os.environ | {"PATH": path, "LOG": str(log), "STATUS": status, "SIGNET_BUILD_DIR": str(self.build)}
        script = [ROOT / "infra/deploy.sh", self.file, "--no-confirm-changeset"]
        result = subprocess.run(script, env=variables, capture_output=True, text=True, check=False)
        return result.returncode, result.stderr, log.read_text().splitlines()

    def deployments(self, status):
        code, errors, commands = self.run_script(status)
        self.assertEqual(code, 0, errors)
        return [command for command in commands if command.startswith("sam deploy ")]

    def test_deploys_the_data_stack_protects_it_and_then_deploys_the_running_stack(self):
        _, _, commands = self.run_script()
        changes = [command for command in commands if "describe-stacks" not in command]
        self.assertEqual(len(changes), 3, changes)
        self.assertIn("--stack-name signet --template-file infra/data.yaml", changes[0])
        self.assertTrue(changes[1].startswith("aws cloudformation update-termination-protection --stack-name signet "))
        self.assertRegex(changes[2], "--stack-name signet-app --template-file [^ ]*/release.yaml ")
        self.assertTrue(all(f"--config-file {self.file} " in command for command in [changes[0], changes[2]]))

    def test_a_failed_creation_keeps_its_resources_and_is_continued(self):
        for status in [MISSING, "REVIEW_IN_PROGRESS", "CREATE_FAILED", "UPDATE_FAILED"]:
            for command in self.deployments(status):
                self.assertIn("--disable-rollback", command, status)

    def test_nothing_is_deployed_if_the_status_of_a_stack_is_not_known(self):
        code, errors, commands = self.run_script("An error occurred (Throttling) when calling DescribeStacks: Rate exceeded")
        self.assertNotEqual(code, 0)
        self.assertIn("Rate exceeded", errors)
        self.assertFalse([command for command in commands if command.startswith("sam deploy ")], commands)

    def test_updates_are_rolled_back(self):
        for status in ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"]:
            for command in self.deployments(status):
                self.assertNotIn("--disable-rollback", command, status)

    def versions(self):
        """The logical ids of the versions that a deployment publishes, by function."""
        template = yaml_parse((self.folder / "release.yaml").read_text())
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = "s3://bucket/code"
        resources = transform(template, {}, None)["Resources"]
        return sorted(name for name, one in resources.items() if one["Type"] == "AWS::Lambda::Version")

    def test_every_function_has_a_new_version_if_and_only_if_code_or_parameters_change(self):
        deployed = []
        for text in [None, None, "LogRetentionDays=30"]:
            if text:
                self.file.write_text(self.file.read_text() + f'# "{text}"\n')
            (self.build / "template.yaml").write_text((ROOT / RUNNING).read_text())
            code, errors, _ = self.run_script(is_built=False)
            self.assertEqual(code, 0, errors)
            deployed.append(self.versions())
        first, second, third = deployed
        self.assertEqual(first, second)
        self.assertFalse(set(first) & set(third))
        (self.build / "bootstrap").write_text("new code")
        self.run_script(is_built=False)
        self.assertFalse(set(third) & set(self.versions()))
        self.assertEqual(len(first), len([path for path in (ROOT / "functions").iterdir() if path.is_dir()]))

    def test_builds_only_if_sources_or_the_environment_are_newer(self):
        is_build = lambda command: command.startswith("sam build ")
        _, _, commands = self.run_script(is_built=False)
        self.assertEqual([is_build(command) for command in commands].count(True), 1)
        self.assertIn(f"--config-file {self.file}", commands[0])
        _, _, commands = self.run_script()
        self.assertFalse(any(map(is_build, commands)))
        newer = (self.build / "template.yaml").stat().st_mtime + 60
        os.utime(self.file, (newer, newer))
        _, _, commands = self.run_script(is_built=False)
        self.assertTrue(is_build(commands[0]))

    def test_unknown_parameters_are_rejected_because_sam_ignores_them(self):
        self.file.write_text(self.file.read_text().replace("Architecture=", "Arch="))
        code, errors, commands = self.run_script()
        self.assertEqual((code, commands), (1, []))
        self.assertIn("unknown parameter Arch", errors)

    def test_an_invalid_name_is_rejected_before_the_data_stack_is_created(self):
        for name in ["Signet", "1signet", "s" * 31]:
            self.file.write_text(EXAMPLE.read_text().replace("DataStack=signet", f"DataStack={name}"))
            code, errors, commands = self.run_script()
            self.assertEqual((code, commands), (1, []), name)
            self.assertIn(source(RUNNING)["Parameters"]["DataStack"]["ConstraintDescription"], errors)
        self.assertIn(source(RUNNING)["Parameters"]["DataStack"]["AllowedPattern"], (ROOT / "infra/environment.sh").read_text())

    def test_file_must_contain_the_name_and_the_region(self):
        for setting in ["DataStack", "region"]:
            self.file.write_text(re.sub(rf"(?m)^.*{setting}\b.*=.*\n", "", EXAMPLE.read_text()))
            code, errors, commands = self.run_script()
            self.assertEqual((code, commands), (1, []), setting)
            self.assertIn("must set region, and the parameter DataStack", errors)


class RollBack(unittest.TestCase):
    """infra/roll-back.sh, with a command in place of the AWS CLI that knows the versions and aliases of functions."""

    def run_script(self, live, versions):
        """Returns the exit code and the versions of the aliases that the script moves, by function."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "test.toml").write_text(EXAMPLE.read_text())
            (folder / "aws").write_text(
                f"""#!/bin/sh
                case $2 in
                  get-alias) echo {live} ;;
                  list-versions-by-function) printf '$LATEST\\t{versions[:1]}\\n{versions[1:]}\\n' ;;
                  update-alias) echo "$4 $8" >> {folder}/log ;;
                esac
                """
            )
            (folder / "aws").chmod(0o755)
            variables = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
            script = [ROOT / "infra/roll-back.sh", folder / "test.toml"]
            result = subprocess.run(script, env=variables, capture_output=True, text=True, check=False)
            log = folder / "log"
            moved = dict(line.split(" ") for line in log.read_text().splitlines()) if log.exists() else {}
            return result.returncode, moved

    def test_every_function_returns_to_the_newest_version_before_the_live_one(self):
        names = {f"signet-{path.name}" for path in (ROOT / "functions").iterdir() if path.is_dir()}
        for live, expected in [(10, "9"), (9, "2"), (11, "10")]:
            self.assertEqual(self.run_script(live, "1\\t2\\t9\\t10"), (0, dict.fromkeys(names, expected)))

    def test_nothing_is_moved_if_there_is_no_earlier_version(self):
        self.assertEqual(self.run_script(1, "1\\t2"), (1, {}))


class Runbooks(unittest.TestCase):
    def test_no_command_in_the_documentation_passes_parameters_to_sam(self):
        for file in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
            commands = "\n".join(re.findall(r"```(?:bash|sh)\n(.*?)```", file.read_text(), re.DOTALL))
            self.assertIsNone(re.search(r"--guided|sam deploy", commands), file)


if __name__ == "__main__":
    unittest.main()
