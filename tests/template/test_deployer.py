"""What the deployer's policy allows: all that CloudFormation needs to make and change the stack, and no more."""

import json
import unittest
from fnmatch import fnmatchcase

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from deployed import ACCOUNT, REGION, ROOT, STACK, Stack
from iam import allows
from test_stack import ALL, CLOUDFRONT

# What a resource is to IAM, where CloudFormation names it by stack, logical id and random letters.
MADE = f"{STACK}-Name-1A2B3C"
ARNS = {
    "AWS::ApiGatewayV2": f"arn:aws:apigateway:{REGION}::/apis/a1b2c3/x",
    "AWS::ApiGatewayV2::Api": f"arn:aws:apigateway:{REGION}::/apis",
    "AWS::ApiGatewayV2::ApiMapping": f"arn:aws:apigateway:{REGION}::/domainnames/licenses.example.com/apimappings",
    "AWS::ApiGatewayV2::DomainName": f"arn:aws:apigateway:{REGION}::/domainnames",
    "AWS::CloudFront": f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1",
    "AWS::CloudWatch::Alarm": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{MADE}",
    "AWS::CloudWatch::Dashboard": f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{STACK}",
    "AWS::Cognito": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/p",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{STACK}",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/{MADE}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{MADE}",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k",
    "AWS::Lambda": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-licenses",
    "AWS::Logs": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{STACK}-licenses",
    "AWS::Route53": "arn:aws:route53:::hostedzone/Z0123456789ABC",
    "AWS::SNS": f"arn:aws:sns:{REGION}:{ACCOUNT}:{MADE}",
    "AWS::Scheduler::Schedule": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{MADE}",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:Secrets-1A2B3C-d4e5f6",
}
SERVICES = {
    "AWS::ApiGatewayV2": "apigateway",
    "AWS::CloudFront": "cloudfront",
    "AWS::CloudWatch": "cloudwatch",
    "AWS::Cognito": "cognito-idp",
    "AWS::DynamoDB": "dynamodb",
    "AWS::IAM": "iam",
    "AWS::KMS": "kms",
    "AWS::Lambda": "lambda",
    "AWS::Logs": "logs",
    "AWS::Route53": "route53",
    "AWS::SNS": "sns",
    "AWS::Scheduler": "scheduler",
    "AWS::SecretsManager": "secretsmanager",
}
# What CloudFormation's handlers name for properties that the template does not have.
FOR_OTHER_PROPERTIES = [
    "cloudfront:*VpcOrigin",
    "cloudfront:UpdateDistributionWithStagingConfig",
    "cognito-idp:AddCustomAttributes",
    "dynamodb:AssociateTableReplica",
    "dynamodb:*Item",
    "dynamodb:*KinesisStreamingDestination",
    "dynamodb:CreateTableReplica",
    "dynamodb:DeleteResourcePolicy",
    "dynamodb:ImportTable",
    "dynamodb:PutResourcePolicy",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateContributorInsights",
    "iam:*PermissionsBoundary",
    "iam:Attach[GU]*Policy",
    "iam:Detach[GU]*Policy",
    "iam:UpdateRoleDescription",
    "kms:Disable*",
    "kms:EnableKey",
    "kms:UntagResource",
    "lambda:*CapacityProvider",
    "lambda:*FunctionCodeSigningConfig",
    "lambda:*FunctionConcurrency",
    "lambda:AssociateRuntimeAlias",
    "lambda:GetCodeSigningConfig",
    "lambda:GetLayerVersion",
    "lambda:PublishVersion",
    "lambda:PutFunction[RS]*Config",
    "lambda:PutRuntimeManagementConfig",
    "logs:*KmsKey",
    "logs:DeleteResourcePolicy",
    "logs:DeleteRetentionPolicy",
    "logs:*IndexPolicy",
    "logs:PutBearerTokenAuthentication",
    "logs:PutDataProtectionPolicy",
    "logs:PutLogGroupDeletionProtection",
    "secretsmanager:*Region*",
    "sns:PutDataProtectionPolicy",
    # It is read to tell drift, and a deployer has no business with it.
    "secretsmanager:GetSecretValue",
]
NEEDED = {"lambda:GetFunctionCodeSigningConfig"}


def policy():
    text = (ROOT / "infra/deployer-policy.json").read_text()
    for name, value in dict(REGION=REGION, ACCOUNT=ACCOUNT, STACK=STACK, ZONE="Z0123456789ABC").items():
        text = text.replace(name, value)
    return json.loads(text)["Statement"]


def of(kind, table):
    return table.get(kind) or table.get(kind.rsplit("::", 1)[0])


def resource(kind, action):
    return ARNS["AWS::IAM::Role"] if action.endswith("RolePolicy") else of(kind, ARNS)


def context(action):
    key = "RequestTag" if action in ("kms:CreateKey", "kms:TagResource") else "ResourceTag"
    return {
        f"aws:{key}/signet:table": STACK,
        "iam:PolicyARN": f"arn:aws:iam::{ACCOUNT}:policy/{MADE}",
        "iam:PassedToService": "lambda.amazonaws.com",
    }


def needed(kind, steps):
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema["handlers"]
    for action in {one for step in steps for one in handlers.get(step, {"permissions": []})["permissions"]}:
        service = SERVICES[kind.rsplit("::", 1)[0]]
        is_other = any(fnmatchcase(action, one) for one in FOR_OTHER_PROPERTIES) and action not in NEEDED
        if action.split(":")[0] == service and not is_other:
            yield action


class Deployer(unittest.TestCase):
    def may(self, action, resource, **tags):
        return allows(policy(), action, resource, tags or context(action))

    def test_it_may_make_and_change_everything_in_the_template(self):
        kinds = {one["Type"] for each in [ALL, CLOUDFRONT] for one in Stack(**each).resources.values()}
        lacks = set()
        for kind in sorted(kinds):
            for action in needed(kind, ["create", "read", "update"]):
                if not self.may(action, resource(kind, action)):
                    lacks.add((kind, action))
        self.assertEqual(lacks, set())

    def test_it_may_delete_what_an_update_leaves_out_but_for_what_stays(self):
        resources = {name: one for each in [ALL, CLOUDFRONT] for name, one in Stack(**each).resources.items()}
        lacks = set()
        for one in resources.values():
            if one.get("DeletionPolicy") != "Retain":
                for action in needed(one["Type"], ["delete"]):
                    if not self.may(action, resource(one["Type"], action)):
                        lacks.add((one["Type"], action))
        self.assertEqual(lacks, set())

    def test_it_may_not_destroy_use_or_read_what_matters(self):
        table, key = ARNS["AWS::DynamoDB::Table"], ARNS["AWS::KMS::Key"]
        for action, resource in [
            *[(f"dynamodb:{verb}", table) for verb in ["DeleteTable", "GetItem", "PutItem", "Query", "Scan", "DeleteBackup"]],
            *[(f"kms:{verb}", key) for verb in ["ScheduleKeyDeletion", "DisableKey", "Sign", "Decrypt", "GenerateDataKey"]],
            ("secretsmanager:GetSecretValue", ARNS["AWS::SecretsManager::Secret"]),
            ("secretsmanager:DeleteSecret", ARNS["AWS::SecretsManager::Secret"]),
            ("cognito-idp:DeleteUserPool", ARNS["AWS::Cognito"]),
            ("cognito-idp:AdminAddUserToGroup", ARNS["AWS::Cognito"]),
            ("lambda:InvokeFunction", ARNS["AWS::Lambda"]),
        ]:
            self.assertFalse(self.may(action, resource), action)

    def test_it_may_touch_no_other_stack(self):
        for kind in ["AWS::DynamoDB::Table", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::Lambda", "AWS::Logs", "AWS::SNS"]:
            other = ARNS[kind].replace(STACK, "shop")
            for action in {"dynamodb:UpdateTable", "iam:PutRolePolicy", "iam:CreatePolicyVersion", "iam:PassRole",
                           "lambda:UpdateFunctionCode", "logs:DeleteLogGroup", "sns:SetTopicAttributes"}:
                self.assertFalse(self.may(action, other), (action, other))
        others = {"aws:ResourceTag/signet:table": "shop", "aws:RequestTag/signet:table": "shop"}
        for action in ["kms:PutKeyPolicy", "kms:CreateKey", "kms:TagResource"]:
            self.assertFalse(self.may(action, ARNS["AWS::KMS::Key"], **others), action)

    def test_a_role_of_iam_takes_it(self):
        # Policies in a role may have 10,240 characters in all; a policy of its own, 6,144.
        written = json.dumps(json.loads((ROOT / "infra/deployer-policy.json").read_text()), separators=(",", ":"))
        self.assertLess(len(written), 10_000)
