"""Tests that infra/import.sh imports exactly the retained resources of the data stack, with the identifiers of their types."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from cloudformation import DATA, REGION, ROOT, STACK, Installation, source
from samcli.yamlhelper import yaml_parse
from test_stack import ALL, CLOUDFRONT

# Copies the files of the change set, and answers the requests about the deleted stack.
AWS = """#!/bin/sh
echo "$*" >> "$FOLDER/log"
case "$2" in
  list-stacks) echo "$STACKS" ;;
  describe-stack-events) cat "$FOLDER/events.json" ;;
  create-change-set)
    for argument; do case "$argument" in file://*) cp "${argument#file://}" "$FOLDER" ;; esac; done ;;
esac
"""


def events(retained, dropped=()):
    """The events of a deleted stack, latest first. An update had dropped resources, and the first attempt to delete it failed."""
    stack = lambda status: {"LogicalResourceId": STACK, "ResourceType": "AWS::CloudFormation::Stack", "ResourceStatus": status}
    skipped = lambda resources: [one | {"ResourceStatus": "DELETE_SKIPPED"} for one in resources]
    return [
        stack("DELETE_COMPLETE"),
        *skipped(retained[:2]),
        stack("DELETE_IN_PROGRESS"),
        stack("DELETE_FAILED"),
        *skipped(retained),
        {"LogicalResourceId": "UserPoolDomain", "ResourceType": "AWS::Cognito::UserPoolDomain", "ResourceStatus": "DELETE_FAILED"},
        stack("DELETE_IN_PROGRESS"),
        stack("UPDATE_COMPLETE"),
        *skipped(dropped),
        stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        stack("CREATE_COMPLETE"),
    ]


class Import(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        aws = self.folder / "aws"
        aws.write_text(AWS)
        aws.chmod(0o755)

    def run_import(self, parameters, stacks='["arn:of-the-last-deletion", "arn:of-an-earlier-one"]', arguments=()):
        """Runs the script with an environment, and returns the import and its parameters."""
        lines = [f"  \"{name}='{value}'\"," for name, value in (parameters | {"LogRetentionDays": "30"}).items()]
        lines = [f'  "DataStack={STACK}",', *lines]
        file = self.folder / "production.toml"
        file.write_text("\n".join([f'region = "{REGION}"', "parameter_overrides = [", *lines, "]", ""]))
        retained = [
            {"LogicalResourceId": name, "ResourceType": one["Type"], "PhysicalResourceId": f"id-of-{name}"}
            for name, one in Installation(**parameters).data.resources.items()
            if "DeletionPolicy" in one
        ]
        dropped = [{"LogicalResourceId": "Table", "ResourceType": "AWS::DynamoDB::Table", "PhysicalResourceId": "id-of-a-former-table"}]
        dropped.append({"LogicalResourceId": "OldKey", "ResourceType": "AWS::KMS::Key", "PhysicalResourceId": "id-of-OldKey"})
        (self.folder / "events.json").write_text(json.dumps(events(retained, dropped)))
        path = f"{self.folder}:{os.environ['PATH']}"
        variables = os.environ | {"PATH": path, "FOLDER": str(self.folder), "STACKS": stacks}
        script = [ROOT / "infra/import.sh", file, *arguments]
        result = subprocess.run(script, env=variables, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads((self.folder / f"{name}.json").read_text()) for name in ["import", "parameters"]]

    def test_each_retained_resource_is_imported_once_with_the_identifier_of_its_type(self):
        for parameters in [{}, ALL, CLOUDFRONT]:
            parameters = {name: value for name, value in parameters.items() if name in source(DATA)["Parameters"]}
            resources, _ = self.run_import(parameters)
            data = Installation(**parameters).data.resources
            names = [one["LogicalResourceId"] for one in resources]
            self.assertEqual(sorted(names), sorted(name for name, one in data.items() if "DeletionPolicy" in one))
            for one in resources:
                schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, one["ResourceType"]).schema
                identifier = [path.split("/")[-1] for path in schema["primaryIdentifier"]]
                self.assertEqual(list(one["ResourceIdentifier"]), identifier, one)
                self.assertEqual(one["ResourceIdentifier"][identifier[-1]], f"id-of-{one['LogicalResourceId']}")
                if len(identifier) == 2:
                    self.assertEqual(one["ResourceIdentifier"]["UserPoolId"], "id-of-UserPool")

    def test_template_of_the_import_has_only_retained_resources_and_no_outputs(self):
        self.run_import({})
        template = yaml_parse((self.folder / "template.yaml").read_text())
        self.assertNotIn("Outputs", template)
        expected = {name: one for name, one in source(DATA)["Resources"].items() if "DeletionPolicy" in one}
        self.assertEqual(template["Resources"], expected)
        for section in ["Parameters", "Rules", "Conditions"]:
            self.assertEqual(template[section], source(DATA)[section])

    def test_parameters_of_the_data_stack_are_those_of_the_environment(self):
        parameters = {"EmailSender": "Example <licenses@example.com>", "Mfa": "OPTIONAL"}
        _, sent = self.run_import(parameters)
        self.assertEqual({one["ParameterKey"]: one["ParameterValue"] for one in sent}, parameters)

    def test_resources_are_those_of_the_last_deletion_and_the_new_stack_is_protected(self):
        self.run_import({})
        commands = (self.folder / "log").read_text().splitlines()
        self.assertIn("--stack-name arn:of-the-last-deletion", commands[1])
        verbs = [command.split()[1] for command in commands]
        expected = ["list-stacks", "describe-stack-events", "create-change-set", "wait", "execute-change-set", "wait"]
        self.assertEqual(verbs, [*expected, "update-termination-protection"])

    def test_resources_can_be_listed_in_a_file(self):
        self.run_import({})
        listed = self.folder / "listed.json"
        listed.write_text('[{"ResourceType": "AWS::DynamoDB::Table", "LogicalResourceId": "Table", "PhysicalResourceId": "signet"}]')
        (self.folder / "log").unlink()
        resources, _ = self.run_import({}, stacks="[]", arguments=[listed])
        self.assertEqual([one["LogicalResourceId"] for one in resources], ["Table"])
        self.assertNotIn("list-stacks", (self.folder / "log").read_text())


if __name__ == "__main__":
    unittest.main()
