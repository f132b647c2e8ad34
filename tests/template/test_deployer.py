"""Tests that the policies infra/deployer-policy-*.json allow what CloudFormation needs to create and update the stack, and no more."""

import json
import unittest
from fnmatch import fnmatchcase

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from cloudformation import ACCOUNT, REGION, ROOT, RUNNING_STACK, STACK, Installation
from iam import allows
from test_stack import ALL, CLOUDFRONT

# The physical ID that CloudFormation generates, from the stack name, the logical ID and a random suffix.
PHYSICAL_ID = f"{STACK}-Name-1A2B3C"
ARNS = {
    "AWS::ApiGatewayV2": f"arn:aws:apigateway:{REGION}::/apis/a1b2c3/x",
    "AWS::ApiGatewayV2::Api": f"arn:aws:apigateway:{REGION}::/apis",
    "AWS::ApiGatewayV2::ApiMapping": f"arn:aws:apigateway:{REGION}::/domainnames/licenses.example.com/apimappings/m",
    "AWS::ApiGatewayV2::DomainName": f"arn:aws:apigateway:{REGION}::/domainnames",
    "AWS::Backup": f"arn:aws:backup:{REGION}:{ACCOUNT}:backup-plan:p",
    "AWS::Backup::BackupVault": f"arn:aws:backup:{REGION}:{ACCOUNT}:backup-vault:{STACK}",
    "AWS::Budgets": f"arn:aws:budgets::{ACCOUNT}:budget/{STACK}-monthly-{REGION}",
    "AWS::CloudFront": f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1",
    "AWS::CloudWatch::Alarm": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{PHYSICAL_ID}",
    "AWS::CloudWatch::Dashboard": f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{STACK}-{REGION}",
    "AWS::CodeDeploy::Application": f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:application:{PHYSICAL_ID}",
    "AWS::CodeDeploy::DeploymentGroup": f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentgroup:{PHYSICAL_ID}/{PHYSICAL_ID}",
    "AWS::Cognito": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/p",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{STACK}",
    "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{PHYSICAL_ID}",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/{PHYSICAL_ID}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{PHYSICAL_ID}",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k",
    "AWS::Lambda": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-licenses",
    "AWS::Lambda::EventSourceMapping": f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:0f4d6e2a",
    "AWS::Logs": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{STACK}-licenses",
    "AWS::Route53": "arn:aws:route53:::hostedzone/Z0123456789ABC",
    "AWS::SNS": f"arn:aws:sns:{REGION}:{ACCOUNT}:{PHYSICAL_ID}",
    "AWS::SQS": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{PHYSICAL_ID}",
    "AWS::Scheduler::Schedule": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{PHYSICAL_ID}",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:SessionSecret-1A2B3C-d4e5f6",
}
SERVICES = {
    "AWS::ApiGatewayV2": "apigateway",
    "AWS::Backup": "backup",
    "AWS::Budgets": "budgets",
    "AWS::CloudFront": "cloudfront",
    "AWS::CloudWatch": "cloudwatch",
    "AWS::CodeDeploy": "codedeploy",
    "AWS::Cognito": "cognito-idp",
    "AWS::DynamoDB": "dynamodb",
    "AWS::Events": "events",
    "AWS::IAM": "iam",
    "AWS::KMS": "kms",
    "AWS::Lambda": "lambda",
    "AWS::Logs": "logs",
    "AWS::Route53": "route53",
    "AWS::SNS": "sns",
    "AWS::SQS": "sqs",
    "AWS::Scheduler": "scheduler",
    "AWS::SecretsManager": "secretsmanager",
}
# Permissions in the resource schemas of CloudFormation for properties that the template does not use.
UNUSED_PERMISSIONS = [
    "backup:DeleteBackupVault*",
    "backup:PutBackupVault*",
    "cloudfront:*VpcOrigin",
    "cloudfront:UpdateDistributionWithStagingConfig",
    "codedeploy:RegisterOnPremisesInstance",
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
    "lambda:DeleteProvisionedConcurrencyConfig",
    "lambda:PutFunction[RS]*Config",
    "lambda:PutProvisionedConcurrencyConfig",
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
    # Used only for drift detection. The deployer must not read the secret.
    "secretsmanager:GetSecretValue",
]
# Exceptions from the patterns of UNUSED_PERMISSIONS.
USED_PERMISSIONS = {"lambda:GetFunctionCodeSigningConfig"}


FILES = ["data", "app", "backup", "cloudfront"]


def statements(file, stack=STACK, region=REGION, zone="Z0123456789ABC"):
    """The statements of a policy, for the names that replace its placeholders."""
    text = (ROOT / f"infra/deployer-policy-{file}.json").read_text()
    for name, value in dict(REGION=region, ACCOUNT=ACCOUNT, STACK=stack, ZONE=zone).items():
        text = text.replace(name, value)
    return json.loads(text)


def policy():
    return [statement for file in FILES for statement in statements(file)["Statement"]]


def lookup(table, resource_type):
    """The entry of a resource type, or of its service."""
    return table.get(resource_type) or table.get(resource_type.rsplit("::", 1)[0])


# Updates of these types delete only parts of the resource. The schemas of CloudFormation list the HTTP methods without paths.
DELETED_PARTS = {
    "AWS::ApiGatewayV2::Api": f"arn:aws:apigateway:{REGION}::/apis/a1b2c3/cors",
    "AWS::ApiGatewayV2::DomainName": f"arn:aws:apigateway:{REGION}::/domainnames/licenses.example.com/apimappings/m",
}


def resource_arn(resource_type, action):
    if action == "apigateway:DELETE" and resource_type in DELETED_PARTS:
        return DELETED_PARTS[resource_type]
    return ARNS["AWS::IAM::Role"] if action.endswith("RolePolicy") else lookup(ARNS, resource_type)


def context(action):
    key = "RequestTag" if action in ("kms:CreateKey", "kms:TagResource") else "ResourceTag"
    return {
        f"aws:{key}/signet:table": STACK,
        "iam:PolicyARN": f"arn:aws:iam::{ACCOUNT}:policy/{PHYSICAL_ID}",
        "iam:PassedToService": "lambda.amazonaws.com",
        # Of the function of an event source mapping.
        "lambda:FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-webhooks-feed:live",
    }


def required_actions(resource_type, handlers):
    """The actions that these handlers of a resource type need, according to its CloudFormation schema."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, resource_type).schema["handlers"]
    for action in {action for handler in handlers for action in schema.get(handler, {"permissions": []})["permissions"]}:
        service = SERVICES[resource_type.rsplit("::", 1)[0]]
        is_unused = any(fnmatchcase(action, pattern) for pattern in UNUSED_PERMISSIONS) and action not in USED_PERMISSIONS
        if action.split(":")[0] == service and not is_unused:
            yield action


class Deployer(unittest.TestCase):
    def is_allowed(self, action, resource, **tags):
        return allows(policy(), action, resource, tags or context(action))

    def test_can_create_and_update_all_resources_of_the_template(self):
        stacks = [Installation(**ALL), Installation(**CLOUDFRONT)]
        resource_types = {resource["Type"] for stack in stacks for resource in stack.resources.values()}
        missing = set()
        for resource_type in sorted(resource_types):
            for action in required_actions(resource_type, ["create", "read", "update"]):
                if not self.is_allowed(action, resource_arn(resource_type, action)):
                    missing.add((resource_type, action))
        self.assertEqual(missing, set())

    def test_can_delete_all_resources_that_are_not_retained(self):
        stacks = [Installation(**ALL), Installation(**CLOUDFRONT)]
        resources = {name: resource for stack in stacks for name, resource in stack.resources.items()}
        missing = set()
        for resource in resources.values():
            if not resource.get("DeletionPolicy", "").startswith("Retain"):
                for action in required_actions(resource["Type"], ["delete"]):
                    if not self.is_allowed(action, resource_arn(resource["Type"], action)):
                        missing.add((resource["Type"], action))
        self.assertEqual(missing, set())

    def test_cannot_delete_retained_resources_use_keys_or_read_data(self):
        table, key = ARNS["AWS::DynamoDB::Table"], ARNS["AWS::KMS::Key"]
        for action, resource in [
            *[(f"dynamodb:{verb}", table) for verb in ["DeleteTable", "GetItem", "PutItem", "Query", "Scan", "DeleteBackup"]],
            *[(f"kms:{verb}", key) for verb in ["ScheduleKeyDeletion", "DisableKey", "Sign", "Decrypt", "GenerateDataKey"]],
            ("secretsmanager:GetSecretValue", ARNS["AWS::SecretsManager::Secret"]),
            ("secretsmanager:DeleteSecret", ARNS["AWS::SecretsManager::Secret"]),
            ("backup:DeleteBackupVault", ARNS["AWS::Backup::BackupVault"]),
            ("backup:DeleteRecoveryPoint", ARNS["AWS::Backup::BackupVault"]),
            ("cognito-idp:DeleteUserPool", ARNS["AWS::Cognito"]),
            ("cognito-idp:AdminAddUserToGroup", ARNS["AWS::Cognito"]),
            ("cognito-idp:DeleteUserPoolClient", ARNS["AWS::Cognito"]),
            ("cognito-idp:DeleteGroup", ARNS["AWS::Cognito"]),
            ("apigateway:DELETE", f"arn:aws:apigateway:{REGION}::/apis/a1b2c3"),
            ("apigateway:DELETE", f"arn:aws:apigateway:{REGION}::/domainnames/licenses.example.com"),
            ("cloudfront:DeleteDistribution", ARNS["AWS::CloudFront"]),
            ("lambda:InvokeFunction", ARNS["AWS::Lambda"]),
            *[(f"sqs:{verb}", ARNS["AWS::SQS"]) for verb in ["ReceiveMessage", "SendMessage", "PurgeQueue"]],
        ]:
            self.assertFalse(self.is_allowed(action, resource), action)

    def test_reads_only_the_secret_that_cloudformation_gives_to_cloudfront(self):
        secret = Installation(**CLOUDFRONT).ref("OriginSecret")
        for action in ["CreateSecret", "DescribeSecret", "GetSecretValue", "UpdateSecret"]:
            self.assertTrue(self.is_allowed(f"secretsmanager:{action}", secret), action)
        for other in [secret.replace(STACK, "shop"), ARNS["AWS::SecretsManager::Secret"]]:
            self.assertFalse(self.is_allowed("secretsmanager:GetSecretValue", other), other)
        for action in ["DeleteSecret", "PutSecretValue"]:
            self.assertFalse(self.is_allowed(f"secretsmanager:{action}", secret), action)

    def test_can_use_web_acls_but_not_change_them(self):
        self.assertTrue(self.is_allowed("wafv2:GetWebACL", CLOUDFRONT["WebAclArn"]))
        for action in ["CreateWebACL", "UpdateWebACL", "DeleteWebACL"]:
            self.assertFalse(self.is_allowed(f"wafv2:{action}", CLOUDFRONT["WebAclArn"]), action)

    def test_can_delete_the_running_stack_only(self):
        for stack, expected in [(RUNNING_STACK, True), (STACK, False), ("shop", False)]:
            arn = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack}/0f4d6e2a"
            self.assertEqual(self.is_allowed("cloudformation:DeleteStack", arn), expected, stack)
            deploys = self.is_allowed("cloudformation:ExecuteChangeSet", arn)
            self.assertEqual(deploys, stack != "shop", stack)

    def test_can_roll_out_and_roll_back_versions_of_functions_of_the_stack_only(self):
        # Of an update of an alias with CodeDeployLambdaAliasUpdate
        # (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatepolicy.html).
        for action, resource in [
            ("codedeploy:CreateDeployment", ARNS["AWS::CodeDeploy::DeploymentGroup"]),
            ("codedeploy:GetDeployment", ARNS["AWS::CodeDeploy::DeploymentGroup"]),
            ("codedeploy:RegisterApplicationRevision", ARNS["AWS::CodeDeploy::Application"]),
            ("lambda:GetAlias", ARNS["AWS::Lambda"]),
            ("lambda:ListVersionsByFunction", ARNS["AWS::Lambda"]),
            ("lambda:UpdateAlias", ARNS["AWS::Lambda"]),
        ]:
            self.assertTrue(self.is_allowed(action, resource), action)
            self.assertFalse(self.is_allowed(action, resource.replace(STACK, "shop")), action)
        config = f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentconfig:CodeDeployDefault.LambdaCanary10Percent10Minutes"
        self.assertTrue(self.is_allowed("codedeploy:GetDeploymentConfig", config))
        passed = {"iam:PassedToService": "codedeploy.amazonaws.com"}
        self.assertTrue(allows(policy(), "iam:PassRole", ARNS["AWS::IAM::Role"], passed))

    def test_cannot_change_other_stacks(self):
        for resource_type in [
            "AWS::DynamoDB::Table", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::Lambda", "AWS::Logs", "AWS::SNS", "AWS::SQS",
        ]:
            other = ARNS[resource_type].replace(STACK, "shop")
            for action in ["dynamodb:UpdateTable", "iam:PutRolePolicy", "iam:CreatePolicyVersion", "iam:PassRole",
                           "lambda:UpdateFunctionCode", "logs:DeleteLogGroup", "sns:SetTopicAttributes", "sqs:SetQueueAttributes"]:
                self.assertFalse(self.is_allowed(action, other), (action, other))
        mapping, other_function = ARNS["AWS::Lambda::EventSourceMapping"], f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:shop"
        for action in ["CreateEventSourceMapping", "UpdateEventSourceMapping", "DeleteEventSourceMapping"]:
            self.assertTrue(self.is_allowed(f"lambda:{action}", mapping), action)
            self.assertFalse(self.is_allowed(f"lambda:{action}", mapping, **{"lambda:FunctionArn": other_function}), action)
        other_tags = {"aws:ResourceTag/signet:table": "shop", "aws:RequestTag/signet:table": "shop"}
        for action in ["kms:PutKeyPolicy", "kms:CreateKey", "kms:TagResource"]:
            self.assertFalse(self.is_allowed(action, ARNS["AWS::KMS::Key"], **other_tags), action)

    def test_can_create_the_service_linked_role_for_email_of_the_user_pool_and_no_other(self):
        role = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/%s/AWSServiceRoleFor"
        for service, expected in [("email.cognito-idp.amazonaws.com", True), ("autoscaling.amazonaws.com", False)]:
            context = {"iam:AWSServiceName": service}
            is_allowed = allows(policy(), "iam:CreateServiceLinkedRole", role % service, context)
            self.assertEqual(is_allowed, expected, service)

    def test_policies_fit_into_managed_policies_with_the_longest_names(self):
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        for file in FILES:
            policy = statements(file, stack="s" * 30, region="ap-southeast-1", zone="Z" + "0" * 31)
            self.assertLess(len(json.dumps(policy, separators=(",", ":"))), 6_144, file)

    def test_can_create_the_bucket_of_sam(self):
        # The stack of https://github.com/aws/aws-sam-cli/blob/develop/samcli/lib/bootstrap/bootstrap.py.
        bucket = "arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1a2b3c"
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, "AWS::S3::BucketPolicy").schema["handlers"]
        used = ["CreateBucket", "PutBucketPublicAccessBlock", "PutBucketTagging", "PutBucketVersioning", "PutEncryptionConfiguration"]
        for action in [*schema["create"]["permissions"], *(f"s3:{name}" for name in used), "s3:PutObject"]:
            self.assertTrue(self.is_allowed(action, bucket), action)
            self.assertFalse(self.is_allowed(action, "arn:aws:s3:::shop"), action)

    def test_actions_without_resource_types_are_allowed_for_all_resources(self):
        # A statement that names resources never matches these
        # (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
        for action in ["codedeploy:StopDeployment", "logs:DescribeIndexPolicies"]:
            self.assertTrue(self.is_allowed(action, "*"), action)

    def test_can_back_up_the_table_before_an_update(self):
        self.assertTrue(self.is_allowed("dynamodb:CreateBackup", ARNS["AWS::DynamoDB::Table"]))
        self.assertFalse(self.is_allowed("dynamodb:CreateBackup", ARNS["AWS::DynamoDB::Table"].replace(STACK, "shop")))
