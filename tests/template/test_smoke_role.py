"""Tests that the role of the smoke test (infra/smoke-role.yaml) may do what the deployer's policies allow, for installations whose
names begin with signet-smoke-, and what tests/smoke.sh does besides. With GENERATE=1, writes the policies that are derived from
the deployer's."""

import json
import os
import re
import unittest

from cloudformation import ACCOUNT, REGION, ROOT, Installation
from iam import allows
from samcli.yamlhelper import yaml_parse
from test_deployer import ARNS, context, required_actions, resource_arn

FILE = ROOT / "infra/smoke-role.yaml"
MARKER = re.compile(r"(?<=\n)  # ── Generated from .*\n")
# Of parameters that the smoke test does not set.
UNUSED = {
    "ApiGatewayServiceLinkedRole", "Budget", "DnsRecords", "DomainName", "ListHostedZones", "Rollout", "StopRollout",
    "UserPoolEmailServiceLinkedRole",
}
# The quota of a managed policy is 6,144 characters without white space.
MAX_POLICY_LENGTH = 6_000


def deployer_statements():
    """The statements of the deployer's policies that are not for options, with their placeholders."""
    files = [ROOT / f"infra/deployer-policy-{name}.json" for name in ["data", "app"]]
    return [statement for file in files for statement in json.loads(file.read_text())["Statement"]]


def smoke_statements():
    """The statements of the deployer's policies, for the names of the smoke test."""
    text = json.dumps(deployer_statements())
    # A pattern needs StringLike.
    text = re.sub(r'"StringEquals": (\{"[^"]*": "STACK"\})', r'"StringLike": \1', text)
    for name, value in {"STACK-*": "STACK", "STACK": "signet-smoke-*", "REGION": "${AWS::Region}", "ACCOUNT": "${AWS::AccountId}"}.items():
        text = text.replace(name, value)
    return [statement for statement in json.loads(text) if statement["Sid"] not in UNUSED]


def policies():
    """The statements, in as few policies as their order and the quota allow."""
    lengths, split = [], []
    for statement in smoke_statements():
        length = len(json.dumps(statement, separators=(",", ":"))) + 1
        if not split or lengths[-1] + length > MAX_POLICY_LENGTH:
            split.append([])
            lengths.append(100)
        split[-1].append(statement)
        lengths[-1] += length
    return split


def yaml_lines(value):
    """A string or a list of strings in YAML, with the strings that contain variables substituted."""
    values = value if isinstance(value, list) else [value]
    return [("!Sub " if "${" in one else "") + json.dumps(one) for one in values]


def generated():
    """The resources that are derived from the deployer's policy."""
    text = ""
    for number, statements in enumerate(policies(), 1):
        text += f"""
  DeployPolicy{number}:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      ManagedPolicyName: SignetSmokeTestDeploy{number}
      Roles: [!Ref Role]
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
"""
        for statement in statements:
            text += f"          - Sid: {statement['Sid']}\n            Effect: {statement['Effect']}\n"
            for key in ["Action", "Resource"]:
                text += f"            {key}:\n" + "".join(f"              - {line}\n" for line in yaml_lines(statement[key]))
            if "Condition" in statement:
                ((operator, keys),) = statement["Condition"].items()
                text += f"            Condition:\n              {operator}:\n"
                for key, value in keys.items():
                    text += f"                {key}:\n" + "".join(f"                  - {line}\n" for line in yaml_lines(value))
    return text


def resolve(node):
    """The value of a node of the template, with the account and the region of the tests."""
    if isinstance(node, dict) and node.keys() == {"Fn::Sub"}:
        values = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "Repository": "example/signet", "GitHubEnvironment": "smoke"}
        return re.sub(r"\$\{([^}]*)\}", lambda match: values[match[1]], node["Fn::Sub"])
    if isinstance(node, dict):
        return {key: resolve(value) for key, value in node.items()}
    return [resolve(one) for one in node] if isinstance(node, list) else node


class SmokeRole(unittest.TestCase):
    def setUp(self):
        self.resources = resolve(yaml_parse(FILE.read_text())["Resources"])
        attached = [one["Properties"] for one in self.resources.values() if one["Type"] == "AWS::IAM::ManagedPolicy"]
        self.assertTrue(all(one["Roles"] == [{"Ref": "Role"}] for one in attached))
        self.statements = [statement for one in attached for statement in one["PolicyDocument"]["Statement"]]

    def is_allowed(self, action, resource, name="signet-smoke-1-1"):
        """Whether the role is allowed an action on a resource of an installation."""
        values = {key: value.replace("signet", name) if key != "iam:PassedToService" else value for key, value in context(action).items()}
        values = {key.replace(f"{name}:table", "signet:table"): value for key, value in values.items()}
        return allows(self.statements, action, resource, values)

    def test_policies_are_those_of_the_deployer_for_the_names_of_the_smoke_test(self):
        text = FILE.read_text()
        marker = MARKER.search(text)
        expected = text[: marker.end()] + generated()
        if os.environ.get("GENERATE"):
            FILE.write_text(expected)
        else:
            self.assertEqual(text, expected, "run `just generate`")

    def test_unused_statements_exist(self):
        self.assertLessEqual(UNUSED, {statement["Sid"] for statement in deployer_statements()})

    def test_can_create_update_and_delete_an_installation_with_default_parameters_of_its_names_only(self):
        for resource in Installation().resources.values():
            kind = resource["Type"]
            handlers = ["create", "read", "update"] + ([] if resource.get("DeletionPolicy", "").startswith("Retain") else ["delete"])
            for action in required_actions(kind, handlers):
                arn = resource_arn(kind, action)
                smoke = re.sub(r"(?<=[:/])signet", "signet-smoke-1-1", arn)
                self.assertTrue(self.is_allowed(action, smoke), (kind, action, smoke))
                # Lists and API Gateway's log deliveries have no resource.
                if smoke != arn and not self.is_allowed(action, "*"):
                    self.assertFalse(self.is_allowed(action, arn, "signet"), (kind, action, arn))

    def test_can_create_the_first_api_key_and_delete_what_the_data_stack_retains_of_its_names_only(self):
        named = lambda arn, name: re.sub(r"(?<=[:/])signet", name, arn)
        stack = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/signet/0f4d6e2a"
        for action, arn in [
            ("cloudformation:DeleteStack", stack),
            ("cloudformation:DescribeStackResources", stack),
            ("cloudformation:UpdateTerminationProtection", stack),
            ("dynamodb:DeleteTable", ARNS["AWS::DynamoDB::Table"]),
            ("dynamodb:DescribeTable", ARNS["AWS::DynamoDB::Table"]),
            ("dynamodb:PutItem", ARNS["AWS::DynamoDB::Table"]),
            ("dynamodb:UpdateItem", ARNS["AWS::DynamoDB::Table"]),
            ("dynamodb:UpdateTable", ARNS["AWS::DynamoDB::Table"]),
            ("lambda:ListVersionsByFunction", ARNS["AWS::Lambda"]),
            ("lambda:UpdateAlias", ARNS["AWS::Lambda"]),
            ("logs:DeleteLogGroup", ARNS["AWS::Logs"]),
        ]:
            self.assertTrue(self.is_allowed(action, named(arn, "signet-smoke-1-1")), action)
            self.assertFalse(self.is_allowed(action, arn, "signet"), action)
        for name, expected in [("signet-smoke-1-1", True), ("signet", False)]:
            tags = {"aws:ResourceTag/signet:table": name}
            self.assertEqual(allows(self.statements, "kms:ScheduleKeyDeletion", ARNS["AWS::KMS::Key"], tags), expected)
        for action, arn in [
            ("apigateway:DELETE", f"arn:aws:apigateway:{REGION}::/apis/a1b2c3"),
            ("apigateway:GET", f"arn:aws:apigateway:{REGION}::/apis"),
            ("cloudformation:ListStacks", "*"),
            ("cognito-idp:DeleteUserPool", ARNS["AWS::Cognito"]),
            ("cognito-idp:ListUserPools", "*"),
            ("cognito-idp:UpdateUserPool", ARNS["AWS::Cognito"]),
            ("dynamodb:ListTables", "*"),
            ("kms:DescribeKey", ARNS["AWS::KMS::Key"]),
            ("kms:ListKeys", "*"),
            ("kms:ListResourceTags", ARNS["AWS::KMS::Key"]),
            ("logs:DescribeLogGroups", "*"),
            ("secretsmanager:DeleteSecret", ARNS["AWS::SecretsManager::Secret"]),
            ("secretsmanager:ListSecrets", "*"),
        ]:
            self.assertTrue(self.is_allowed(action, arn), action)

    def test_cannot_change_itself_or_use_keys_and_secrets(self):
        role, policy = (f"arn:aws:iam::{ACCOUNT}:{kind}/SignetSmokeTest" for kind in ["role", "policy"])
        self.assertEqual(self.resources["Role"]["Properties"]["RoleName"], "SignetSmokeTest")
        names = [one["Properties"]["ManagedPolicyName"] for one in self.resources.values() if "ManagedPolicyName" in one["Properties"]]
        self.assertTrue(all(name.startswith("SignetSmokeTest") for name in names), names)
        for action, arn in [
            *[(f"iam:{verb}", role) for verb in ["AttachRolePolicy", "PutRolePolicy", "UpdateAssumeRolePolicy", "PassRole"]],
            *[("iam:CreatePolicyVersion", policy + suffix) for suffix in ["Delete", "Deploy1"]],
            ("kms:Sign", ARNS["AWS::KMS::Key"]),
            ("kms:Decrypt", ARNS["AWS::KMS::Key"]),
            ("secretsmanager:GetSecretValue", ARNS["AWS::SecretsManager::Secret"]),
        ]:
            self.assertFalse(self.is_allowed(action, arn), (action, arn))

    def test_only_jobs_in_the_environment_of_the_repository_can_assume_the_role(self):
        (statement,) = self.resources["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(statement["Action"], "sts:AssumeRoleWithWebIdentity")
        self.assertEqual(statement["Condition"], {"StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:example/signet:environment:smoke",
        }})
        workflow = yaml_parse((ROOT / ".github/workflows/smoke.yml").read_text())
        environments = {name: job.get("environment") for name, job in workflow["jobs"].items() if "id-token" in job.get("permissions", {})}
        self.assertEqual(environments, {"deploy": "smoke", "delete": "smoke"})

    def test_policies_fit_into_managed_policies(self):
        documents = [one["Properties"]["PolicyDocument"] for one in self.resources.values() if "PolicyDocument" in one["Properties"]]
        for document in documents:
            self.assertLess(len(json.dumps(document, separators=(",", ":"))), 6_144)
