"""The reference pages of the documentation agree with the template."""

import json
import re
import subprocess
import unittest
from tempfile import TemporaryDirectory

from cloudformation import DATA, ROOT, RUNNING, resource_prefix, source
from test_roles import ALLOWED, AUTHENTICATION, BASE, HISTORIES, IDEMPOTENCY, INDEXES, SEALERS, SIGNERS

REFERENCE = ROOT / "docs/reference"


class TemplateParameters(unittest.TestCase):
    def setUp(self):
        self.page = (REFERENCE / "template-parameters.md").read_text()

    def test_all_parameters_and_their_defaults_are_documented(self):
        rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", self.page, re.MULTILINE))
        parameters = source(DATA)["Parameters"] | source(RUNNING)["Parameters"]
        outputs = source(DATA)["Outputs"] | source(RUNNING)["Outputs"]
        self.assertEqual(set(rows) - set(outputs), set(parameters) - set(outputs))
        for name, one in parameters.items():
            default = str(one["Default"])
            if default:
                self.assertEqual(rows[name].strip("` "), default, name)

    def test_all_outputs_are_documented(self):
        section = self.page.split("## Outputs")[1].split("\n## ")[0]
        outputs = set(source(DATA)["Outputs"]) | set(source(RUNNING)["Outputs"])
        self.assertEqual(set(re.findall(r"`(\w+)`", section)) & outputs, outputs)


class Deletion(unittest.TestCase):
    def test_script_finds_all_retained_resources_but_those_that_it_says_it_does_not_delete(self):
        script = (ROOT / "infra/delete.sh").read_text()
        named = set(re.findall(r"\$\(ids (\w+)\)", script))
        resources = {name: one for name, one in source(DATA)["Resources"].items() if "DeletionPolicy" in one}
        tagged = {name for name, one in resources.items() if one["Type"] == "AWS::KMS::Key"}
        # The table has the name of the stack, the group and the client belong to the user pool, and the domain and the distribution
        # are deleted by hand.
        others = {"Table", "OperatorGroup", "DashboardClient", "ApiDomain"} | tagged
        others |= {name for name, one in resources.items() if one["Type"].startswith("AWS::CloudFront::")}
        self.assertEqual(named, resources.keys() - others)
        self.assertRegex(script, r"It does not delete\s+# a custom domain name, a CloudFront distribution")


class LogQueries(unittest.TestCase):
    def query(self, page, statuses):
        """Runs the function of a page with the statuses of a query, one for each request. The last one is that of all further requests."""
        (function,) = re.findall(r"^query_logs\(\) \{.*?^\}", (ROOT / f"docs/how-to/{page}.md").read_text(), re.DOTALL | re.MULTILINE)
        stub = r"""
            sleep() { :; }
            aws() {
              case "$*" in
                *"--query status "*) head -n 1 statuses; [ "$(wc -l < statuses)" = 1 ] || sed -i 1d statuses ;;
                *) echo "$2" ;;
              esac
            }
            printf '%s\n' "$@" > statuses
        """
        with TemporaryDirectory() as folder:
            script = ["bash", "-euc", f"{stub}\n{function}\nquery_logs 'fields @message'", "bash", *statuses]
            return subprocess.run(script, cwd=folder, capture_output=True, text=True, check=True, timeout=20)

    def test_query_waits_for_the_result_and_stops_if_there_is_none(self):
        for page in ["monitor", "respond-to-alarms"]:
            self.assertEqual(self.query(page, ["Scheduled", "Running", "Complete"]).stderr, "")
            for status in ["Failed", "Cancelled", "Timeout"]:
                self.assertIn(status, self.query(page, ["Running", status]).stderr)


class Markdown(unittest.TestCase):
    def test_items_of_numbered_lists_begin_a_line(self):
        for page in (ROOT / "docs").rglob("*.md"):
            self.assertIsNone(re.search(r"\. \d\. [A-Z]", page.read_text()), page)


class Import(unittest.TestCase):
    def setUp(self):
        page = (ROOT / "docs/how-to/back-up-and-restore.md").read_text()
        (self.commands,) = re.findall(r"```bash\n(key\(\) .*?)```", page, re.DOTALL)
        self.retained = {name: one for name, one in source(DATA)["Resources"].items() if "DeletionPolicy" in one}

    def test_commands_list_all_retained_resources_with_their_types(self):
        listing = self.commands.replace("infra/import.sh production resources.json\n", "")
        self.assertNotEqual(listing, self.commands)
        with TemporaryDirectory() as folder:
            script = f'aws() {{ echo "id of $2"; }}\n{listing}cat resources.json'
            result = subprocess.run(["bash", "-euc", script], cwd=folder, capture_output=True, text=True, check=True)
        resources = json.loads(result.stdout)
        listed = {one["LogicalResourceId"]: one["ResourceType"] for one in resources}
        self.assertEqual(listed, {name: one["Type"] for name, one in self.retained.items()})
        self.assertTrue(all(one["PhysicalResourceId"] for one in resources), resources)

    def test_commands_print_resources_that_are_not_found(self):
        with TemporaryDirectory() as folder:
            script = "aws() { echo None; }\n" + self.commands.replace("infra/import.sh production resources.json\n", "")
            result = subprocess.run(["bash", "-euc", script], cwd=folder, capture_output=True, text=True, check=True)
        self.assertIn("SessionSecret", result.stdout.split())
        self.assertNotIn("Table", result.stdout.split())

    def test_secrets_are_found_by_their_descriptions(self):
        contents = re.findall(r"\$\(secret '(.*?)'\)", self.commands)
        secrets = [one for one in self.retained.values() if one["Type"] == "AWS::SecretsManager::Secret"]
        descriptions = [one["Properties"]["Description"]["Fn::Sub"] for one in secrets]
        self.assertEqual([f"Signet, table ${{AWS::StackName}}: {text}" for text in contents], descriptions)


class IamPermissions(unittest.TestCase):
    def setUp(self):
        page = (REFERENCE / "iam-permissions.md").read_text()
        rows = re.findall(r"^\| `([a-z-]+)` \| (.*?) \|(.*?)\| ([a-z, ]+) \|$", page, re.MULTILINE)
        self.rows = {resource_prefix(name): rest for name, *rest in rows}

    def test_partitions_and_policies_of_each_function(self):
        shared = {"start": BASE, "callers": AUTHENTICATION, "once": IDEMPOTENCY, "sign": {}}
        self.assertEqual(set(self.rows), set(ALLOWED))
        for name, (partitions, _, policies) in self.rows.items():
            documented = {}
            for policy in policies.split(", "):
                documented |= shared[policy]
            for word, letters in re.findall(r"`([A-Z_]+(?:#(?:[a-z_]+#)?)?)` ([gqpudc]+)", partitions):
                for partition in HISTORIES if word == "HISTORY#" else [word]:
                    documented[partition] = documented.get(partition, "") + letters
            sets = lambda may: {word: set(letters) for word, letters in may.items()}
            self.assertEqual(sets(documented), sets(ALLOWED[name]), name)
            self.assertEqual("sign" in policies, name in SIGNERS, name)
            self.assertEqual("once" in policies, name in SEALERS, name)

    def test_index_queries_of_each_function(self):
        for name, (_, queries, _) in self.rows.items():
            documented = {
                (index, word)
                for index, words in re.findall(r"`(GSI\d)`: ([^;]+)", queries)
                for word in re.findall(r"`([A-Z_]+(?:#[a-z]*)?)`", words)
            }
            self.assertEqual(documented, INDEXES.get(name, set()), name)
