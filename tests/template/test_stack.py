"""Tests the resources of both stacks: environment variables, retained data, log groups, parameters, domains, alarms."""

import json
import re
import unittest

import rust_source
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from cloudformation import ACCOUNT, DATA, REGION, ROOT, RUNNING, STACK, Installation, Stack, crate_name, resource_prefix, source
from iam import Role
from samcli.yamlhelper import yaml_parse
from test_roles import BACKGROUND, DECRYPTERS, SEALERS, SIGNERS

RETAINED_TYPES = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::Backup::BackupVault",
    "AWS::CloudFront::CachePolicy",
    "AWS::CloudFront::Distribution",
    "AWS::CloudFront::OriginRequestPolicy",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolGroup",
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::SecretsManager::Secret",
}
ALL = dict(
    AlarmEmail="a@example.com",
    DomainName="licenses.example.com",
    CertificateArn="arn:aws:acm:eu-west-1:111122223333:certificate/a",
    HostedZoneId="Z0123456789ABC",
    CorsOrigins="https://shop.example.com, http://localhost:5173",
    Tracing="Active",
    TableEncryption="customer-managed",
    MonthlyBudget="50",
    Rollout="canary",
    BackupRetentionDays="365",
    MaxReadUnitsPerSecond="2000",
    MaxWriteUnitsPerSecond="500",
)
CLOUDFRONT = ALL | {
    "CloudFrontCertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/a",
    "OriginDomainName": "o-7k3qm9.example.com",
    "OriginHeaderVersion": "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0",
    "WebAclArn": "arn:aws:wafv2:us-east-1:111122223333:global/webacl/signet/0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0",
}
EMAIL = dict(
    SesIdentityArn="arn:aws:ses:eu-west-1:111122223333:identity/example.com",
    EmailSender="Example <licenses@example.com>",
)
EXTERNAL_ISSUER = dict(CreateUserPool="false", OidcIssuer="https://login.example.com/", OidcAudiences="signet, shop")


def health_check():
    """The resources of the external health check, with unresolved functions."""
    return yaml_parse((ROOT / "infra/health-check.yaml").read_text())["Resources"]


def health_check_alarms():
    return {name: one["Properties"] for name, one in health_check().items() if one["Type"] == "AWS::CloudWatch::Alarm"}


def web_acl(**parameters):
    """The properties of the web ACL in infra/web-acl.yaml."""
    return Stack("infra/web-acl.yaml", "signet-web-acl", parameters, {}).resources["WebAcl"]["Properties"]


def environment(stack, function):
    return stack.resources[f"{function}Function"]["Properties"]["Environment"]["Variables"]


def functions():
    return sorted(resource_prefix(folder.name) for folder in (ROOT / "functions").iterdir() if folder.is_dir())


class Environment(unittest.TestCase):
    def test_functions_have_all_required_variables_and_no_unknown_ones(self):
        known, required = rust_source.environment_variables()
        self.assertEqual(len(required), 3, required)
        for parameters in [{}, ALL, CLOUDFRONT, EXTERNAL_ISSUER]:
            stack = Installation(**parameters)
            for function in functions():
                variables = environment(stack, function)
                self.assertTrue(all(variables[name] for name in required), function)
                self.assertLessEqual(set(variables), known)

    def test_endpoint_overrides_are_empty(self):
        for function in functions():
            endpoints = {name: value for name, value in environment(Installation(), function).items() if "ENDPOINT" in name}
            self.assertEqual(set(endpoints.values()), {""})

    def test_local_keys_are_not_configured(self):
        for function in functions():
            self.assertFalse({"SIGNET_KEY_DIR", "SIGNET_ALLOW_LOCAL_KEYS"} & environment(Installation(), function).keys())

    def test_only_rotation_has_the_root_keys(self):
        configured = {name for name in functions() if environment(Installation(), name).get("SIGNET_ROOT_KEYS")}
        self.assertEqual(configured, {"Rotation"})

    def test_only_rotation_has_the_key_policy_of_signing_keys(self):
        configured = {name for name in functions() if environment(Installation(), name).get("SIGNET_SIGNING_KEY_POLICY")}
        self.assertEqual(configured, {"Rotation"})

    def test_environment_fits_into_the_quota_of_lambda(self):
        # The quota is 4 KB for all variables of a function. Role names have up to 64 characters.
        keys = ",".join(f"arn:aws:kms:ap-southeast-1:111122223333:key/{'a' * 36}" for _ in range(3))
        origins = ",".join(f"https://shop-{number}.example.com" for number in range(10))
        parameters = dict(RootKeyArns=keys, SealingKeyArn=keys.split(",")[0], OldSealingKeyArns=keys, CorsOrigins=origins)
        for function in functions():
            variables = environment(Installation(**CLOUDFRONT | parameters), function)
            text = "".join(name + value for name, value in variables.items())
            self.assertLess(len(re.sub(r"role/[\w-]+", "role/" + 64 * "a", text)), 4096, function)

    def test_issuer_is_the_api_url_unless_a_parameter_overrides_it(self):
        issuer = lambda **parameters: environment(Installation(**parameters), "Licenses")["SIGNET_ISSUER"]
        self.assertEqual(issuer(), "https://Api.execute-api.eu-west-1.amazonaws.com")
        self.assertEqual(issuer(**ALL), "https://licenses.example.com")
        self.assertEqual(issuer(**CLOUDFRONT), "https://licenses.example.com")
        self.assertEqual(issuer(**ALL, Issuer="https://old.example.com"), "https://old.example.com")

    def test_oidc_settings_are_those_of_the_user_pool_or_of_the_external_issuer(self):
        pool = environment(Installation(), "Catalog")
        self.assertEqual(pool["SIGNET_OIDC_ISSUER"], "https://cognito-idp.eu-west-1.amazonaws.com/UserPool")
        self.assertEqual(pool["SIGNET_OIDC_AUDIENCES"], "DashboardClient")
        self.assertEqual(pool["SIGNET_OIDC_ROLES_CLAIM"], "cognito:groups")
        stack = Installation(**EXTERNAL_ISSUER)
        external = environment(stack, "Catalog")
        self.assertEqual(external["SIGNET_OIDC_ISSUER"], "https://login.example.com/")
        self.assertEqual(external["SIGNET_OIDC_AUDIENCES"], "signet, shop")
        self.assertEqual(external["SIGNET_OIDC_ROLES_CLAIM"], "roles")
        self.assertFalse([name for name, one in stack.resources.items() if one["Type"].startswith("AWS::Cognito::")])
        self.assertNotIn("FirstOperator", stack.outputs)

    def test_replaced_sealing_keys_remain_configured_for_decryption(self):
        new, old = (f"arn:aws:kms:eu-west-1:111122223333:key/{name}" for name in ["new", "old"])
        stack = Installation(SealingKeyArn=new, OldSealingKeyArns=old)
        variables = environment(stack, "Licenses")
        self.assertEqual(variables["SIGNET_SEALING_KEY"], new)
        self.assertEqual(variables["SIGNET_OLD_SEALING_KEYS"].split(","), [stack.get_att("SealingKey.Arn"), old])
        self.assertEqual(environment(Installation(), "Licenses")["SIGNET_OLD_SEALING_KEYS"], "")

    def test_original_table_name_is_kept_after_a_restore(self):
        stack = Installation(RestoredSuffix="-restored-1")
        variables = environment(stack, "Licenses")
        self.assertEqual((variables["SIGNET_TABLE"], variables["SIGNET_ORIGINAL_TABLE"]), ("signet-restored-1", "signet"))
        variables = environment(Installation(), "Licenses")
        self.assertEqual((variables["SIGNET_TABLE"], variables["SIGNET_ORIGINAL_TABLE"]), ("signet", "signet"))


class DataTemplate(unittest.TestCase):
    def test_template_can_be_sent_without_a_bucket(self):
        # `aws cloudformation deploy` and infra/import.sh send the text itself:
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
        self.assertLessEqual((ROOT / "infra/data.yaml").stat().st_size, 51_200)


class Rollout(unittest.TestCase):
    ROLLOUTS = ["all-at-once", "canary"]

    def update_policies(self, rollout):
        aliases = {name: one for name, one in Installation(Rollout=rollout).resources.items() if one["Type"] == "AWS::Lambda::Alias"}
        self.assertEqual({name.removesuffix("FunctionAliaslive") for name in aliases}, set(functions()))
        return {name: one["UpdatePolicy"] for name, one in aliases.items() if "UpdatePolicy" in one}

    def test_alias_of_each_function_is_moved_at_once_by_default(self):
        self.assertEqual(source()["Parameters"]["Rollout"]["Default"], "all-at-once")
        self.assertEqual(self.update_policies("all-at-once"), {})
        types = {one["Type"] for one in Installation().resources.values()}
        self.assertFalse([name for name in types if name.startswith("AWS::CodeDeploy::")])
        self.assertNotIn("RolloutRole", Installation().resources)

    def test_canary_moves_the_aliases_of_the_functions_of_the_api_gradually(self):
        gradual = {name.removesuffix("FunctionAliaslive") for name in self.update_policies("canary")}
        self.assertEqual(gradual, set(functions()) - BACKGROUND)
        for group in Installation(Rollout="canary").of_type("AWS::CodeDeploy::DeploymentGroup").values():
            self.assertEqual(group["DeploymentConfigName"], "CodeDeployDefault.LambdaCanary10Percent10Minutes")
            self.assertEqual(group["ServiceRoleArn"], Installation(Rollout="canary").get_att("RolloutRole.Arn"))

    def test_canary_is_rolled_back_by_the_alarms_of_the_function_and_of_the_api(self):
        stack = Installation(Rollout="canary")
        for name in set(functions()) - BACKGROUND:
            group = stack.resources[f"{name}FunctionDeploymentGroup"]["Properties"]
            self.assertIn("DEPLOYMENT_STOP_ON_ALARM", group["AutoRollbackConfiguration"]["Events"])
            alarms = [one["Name"] for one in group["AlarmConfiguration"]["Alarms"]]
            self.assertEqual(alarms, [f"{name}ErrorsAlarm", "ServerErrorsAlarm"], name)
            for alarm in alarms:
                properties = stack.resources[alarm]["Properties"]
                # A canary of 10 minutes contains at least one whole period.
                self.assertLessEqual(properties["Period"] * properties["EvaluationPeriods"], 300, alarm)

    def test_role_of_codedeploy_can_only_move_aliases_of_this_stack(self):
        stack = Installation(Rollout="canary")
        role = Role(stack, "RolloutRole")
        (statement,) = stack.resources["RolloutRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(statement["Principal"], {"Service": "codedeploy.amazonaws.com"})
        alias = f'{stack.get_att("LicensesFunction.Arn")}:live'
        self.assertTrue(role.is_allowed("lambda:UpdateAlias", alias))
        self.assertFalse(role.is_allowed("lambda:UpdateAlias", alias.replace(STACK, "shop")))
        for action in ["lambda:InvokeFunction", "lambda:UpdateFunctionCode", "lambda:PublishVersion"]:
            self.assertFalse(role.is_allowed(action, alias), action)


class Functions(unittest.TestCase):
    def test_each_crate_is_a_function(self):
        crates = {}
        for name, resource in source()["Resources"].items():
            if resource["Type"] == "AWS::Serverless::Function":
                self.assertEqual(resource["Metadata"]["BuildMethod"], "rust-cargolambda")
                crates[name] = (resource["Properties"]["CodeUri"], resource["Metadata"]["BuildProperties"]["Binary"])
        expected = {f"{name}Function": (f"functions/{crate_name(name)}", crate_name(name)) for name in functions()}
        self.assertEqual(crates, expected)

    def test_timeouts_exceed_the_request_timeout(self):
        request_timeout = rust_source.request_timeout_seconds()
        for name, function in Installation().of_type("AWS::Lambda::Function").items():
            self.assertGreater(function["Timeout"], request_timeout, name)
            # API Gateway has a timeout of 30 seconds.
            limits = {"RotationFunction": 120, "StatisticsFunction": 901, "WebhooksFeedFunction": 301, "WebhooksSenderFunction": 120}
            limit = limits.get(name, 30)
            self.assertLess(function["Timeout"], limit, name)

    def test_each_function_has_a_log_group_with_retention(self):
        for parameters in [{}, {"LogRetentionDays": "7"}]:
            stack = Installation(**parameters)
            groups = stack.of_type("AWS::Logs::LogGroup")
            retention = {group["LogGroupName"]: group["RetentionInDays"] for group in groups.values()}
            self.assertEqual(set(retention.values()), {parameters.get("LogRetentionDays", "90")})
            for name, function in stack.of_type("AWS::Lambda::Function").items():
                self.assertEqual(function["LoggingConfig"]["LogGroup"], f"/aws/lambda/{function['FunctionName']}", name)
                self.assertIn(function["LoggingConfig"]["LogGroup"], retention)

    def test_lambda_logs_warnings_as_json_and_does_not_filter_the_lines_of_the_functions(self):
        for parameters, level in [({}, "WARN"), ({"SystemLogLevel": "INFO"}, "INFO")]:
            for name, function in Installation(**parameters).of_type("AWS::Lambda::Function").items():
                settings = {setting: value for setting, value in function["LoggingConfig"].items() if setting != "LogGroup"}
                expected = {"LogFormat": "JSON", "SystemLogLevel": level, "ApplicationLogLevel": "TRACE"}
                self.assertEqual(settings, expected, name)

    def test_architecture_is_a_parameter(self):
        for architecture in ["x86_64", "arm64"]:
            for function in Installation(Architecture=architecture).of_type("AWS::Lambda::Function").values():
                self.assertEqual((function["Architectures"], function["Runtime"]), ([architecture], "provided.al2023"))


class Data(unittest.TestCase):
    def test_irreplaceable_resources_are_retained(self):
        retained = set()
        for parameters in [ALL, CLOUDFRONT]:
            for name, resource in Installation(**parameters).data.resources.items():
                if resource["Type"] in RETAINED_TYPES:
                    retained.add(resource["Type"])
                    # What an option adds is deleted if its first update is rolled back, so that the next attempt can create it again.
                    is_optional = name not in Installation().data.resources
                    expected = "RetainExceptOnCreate" if is_optional else "Retain"
                    self.assertEqual((resource["DeletionPolicy"], resource["UpdateReplacePolicy"]), (expected, "Retain"), name)
        self.assertEqual(retained, RETAINED_TYPES)

    def test_running_stack_contains_nothing_that_a_deletion_would_lose(self):
        for parameters in [{}, ALL, CLOUDFRONT]:
            for name, resource in Installation(**parameters).running.resources.items():
                self.assertNotIn(resource["Type"], RETAINED_TYPES, name)
                # SAM retains old versions. They are deleted with their function.
                if resource["Type"] != "AWS::Lambda::Version":
                    self.assertNotIn("DeletionPolicy", resource, name)

    def test_running_stack_imports_only_ids_of_retained_resources(self):
        # An export cannot change while it is imported, so it must not depend on a parameter.
        for parameters in [{}, ALL, CLOUDFRONT]:
            data = Installation(**parameters).data
            retained = {name for name, resource in data.resources.items() if "DeletionPolicy" in resource}
            exported = {name: one for name, one in data.enabled("Outputs").items() if "Export" in one}
            for name, output in exported.items():
                ((function, argument),) = output["Value"].items()
                self.assertIn(argument.split(".")[0] if isinstance(argument, str) else argument[0], retained, name)
                self.assertEqual(data.resolve(output["Export"]["Name"]), f"{STACK}-{name}")

    def test_running_stack_can_be_created_again_with_the_same_names_and_ids(self):
        first, second = Installation(**ALL), Installation(**ALL)
        second.running.pseudo_parameters["AWS::StackId"] += "-another"
        self.assertEqual(first.running.resources, second.running.resources)

    def test_parameters_of_both_stacks_are_declared_alike(self):
        data, running = source(DATA)["Parameters"], source(RUNNING)["Parameters"]
        self.assertEqual(data.keys() & running.keys(), {"DomainName", "OriginDomainName", "Issuer", "BackupRetentionDays"})
        for name in data.keys() & running.keys():
            self.assertEqual(data[name], running[name])

    def test_sections_of_the_data_stack_say_what_is_retained(self):
        retained, others = (ROOT / DATA).read_text().split("# ── Not retained ─")
        for name, resource in source(DATA)["Resources"].items():
            section = retained if "DeletionPolicy" in resource else others
            self.assertIn(f"\n  {name}:\n    Type: {resource['Type']}\n", section)

    def test_table_has_the_schema_that_the_store_creates(self):
        table = Installation().resources["Table"]["Properties"]
        expected = rust_source.table_indexes()
        attributes = table["AttributeDefinitions"]
        keys = {"PK", "SK"}.union(*(keys for keys, _ in expected.values()))
        self.assertEqual(sorted(attribute["AttributeName"] for attribute in attributes), sorted(keys))
        self.assertEqual({attribute["AttributeType"] for attribute in attributes}, {"S"})
        key_schema = lambda partition, sort: [
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ]
        self.assertEqual(table["KeySchema"], key_schema("PK", "SK"))
        indexes = table["GlobalSecondaryIndexes"]
        self.assertEqual([index["IndexName"] for index in indexes], list(expected))
        for index in indexes:
            keys, others = expected[index["IndexName"]]
            self.assertEqual(index["KeySchema"], key_schema(*keys))
            include = {"ProjectionType": "INCLUDE", "NonKeyAttributes": others}
            projections = {None: {"ProjectionType": "ALL"}, (): {"ProjectionType": "KEYS_ONLY"}}
            self.assertEqual(index["Projection"], projections.get(others if others is None else tuple(others), include))
        ttl = {"AttributeName": rust_source.ttl_attribute(), "Enabled": True}
        self.assertEqual(table["TimeToLiveSpecification"], ttl)
        self.assertEqual(table["BillingMode"], "PAY_PER_REQUEST")
        self.assertEqual(table["StreamSpecification"], {"StreamViewType": "NEW_AND_OLD_IMAGES"})
        self.assertTrue(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"])
        self.assertTrue(table["DeletionProtectionEnabled"])

    def test_indexes_can_be_added_one_by_one(self):
        before = 2
        for number in range(3, 10):
            table = Installation(TableIndexes=str(number)).resources["Table"]["Properties"]
            self.assertEqual(len(table["GlobalSecondaryIndexes"]), before + 1)
            # DynamoDB rejects attributes that are no keys.
            keys = {key["AttributeName"] for one in [table, *table["GlobalSecondaryIndexes"]] for key in one["KeySchema"]}
            self.assertEqual({attribute["AttributeName"] for attribute in table["AttributeDefinitions"]}, keys)
            before += 1

    def test_weekly_backups_in_a_vault_of_their_own_are_optional(self):
        self.assertFalse([name for name in Installation().resources if name.startswith("Backup")])
        stack = Installation(BackupRetentionDays="365")
        plan, selection = (stack.resources[name]["Properties"][name] for name in ["BackupPlan", "BackupSelection"])
        (rule,) = plan["BackupPlanRule"]
        self.assertEqual(rule["Lifecycle"], {"DeleteAfterDays": "365"})
        self.assertEqual(rule["TargetBackupVault"], "BackupVault")
        self.assertEqual(stack.resources["BackupVault"]["Properties"], {"BackupVaultName": STACK})
        self.assertEqual(selection["Resources"], [stack.get_att("Table.Arn")])
        self.assertEqual(selection["IamRoleArn"], stack.get_att("BackupRole.Arn"))

    def test_role_of_backups_can_back_up_this_table_only_and_read_no_item(self):
        stack = Installation(BackupRetentionDays="365")
        (trust,) = stack.resources["BackupRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        expected = {"Effect": "Allow", "Principal": {"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"}
        self.assertEqual(trust, expected, "AWS Backup is not documented to send context keys")
        role, table = Role(stack, "BackupRole"), stack.get_att("Table.Arn")
        self.assertTrue(role.is_allowed("dynamodb:StartAwsBackupJob", table))
        self.assertFalse(role.is_allowed("dynamodb:StartAwsBackupJob", table.replace(STACK, "shop")))
        for action in ["GetItem", "Query", "Scan", "DeleteTable", "RestoreTableFromAwsBackup"]:
            self.assertFalse(role.is_allowed(f"dynamodb:{action}", table), action)

    def test_maximum_throughput_of_the_table_and_its_indexes_is_optional(self):
        limits = lambda **parameters: [
            one.get("OnDemandThroughput")
            for table in [Installation(**parameters).resources["Table"]["Properties"]]
            for one in [table, *table["GlobalSecondaryIndexes"]]
        ]
        self.assertEqual(limits(), [None] * 10)
        both = limits(MaxReadUnitsPerSecond="2000", MaxWriteUnitsPerSecond="500")
        self.assertEqual(both, [{"MaxReadRequestUnits": "2000", "MaxWriteRequestUnits": "500"}] * 10)
        self.assertEqual(limits(MaxWriteUnitsPerSecond="500"), [{"MaxWriteRequestUnits": "500"}] * 10)

    def test_customer_managed_table_key_is_optional(self):
        self.assertNotIn("SSESpecification", Installation().resources["Table"]["Properties"])
        self.assertNotIn("TableKey", Installation().resources)
        stack = Installation(TableEncryption="customer-managed")
        sse = stack.resources["Table"]["Properties"]["SSESpecification"]
        self.assertEqual(sse, {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": stack.get_att("TableKey.Arn")})

    def test_table_has_the_name_of_the_stack(self):
        # Sealed values are bound to the name, and CloudFormation does not replace a table with a custom name.
        self.assertEqual(Installation().resources["Table"]["Properties"]["TableName"], STACK)


class Security(unittest.TestCase):
    def test_secrets_manager_generates_the_secrets(self):
        expected = {
            "SecretStringTemplate": "{}",
            "GenerateStringKey": "key",
            "PasswordLength": 64,
            "ExcludePunctuation": True,
        }
        for name in ["CursorSecret", "SessionSecret", "OriginSecret"]:
            secret = Installation(**CLOUDFRONT).resources[name]["Properties"]
            self.assertNotIn("SecretString", secret)
            self.assertEqual(secret["GenerateSecretString"], expected)

    def test_template_contains_no_secrets(self):
        for path in [DATA, RUNNING]:
            text = (ROOT / path).read_text()
            for name in source(path)["Parameters"]:
                self.assertIsNone(re.search("secret|password|token", name, re.IGNORECASE), name)
            self.assertIsNone(re.search(r"NoEcho|BEGIN [A-Z ]*PRIVATE KEY|signet_key_", text))
            # Only CloudFront cannot read its secret itself.
            self.assertEqual(re.findall(r"\{\{resolve:secretsmanager:\$\{(\w+)\}|\{\{resolve:", text), ["OriginSecret"] * (path == DATA))
            words = re.findall(r"[A-Za-z0-9+/=]{40,}", text)
            self.assertEqual([word for word in words if "/" not in word and not word.isalpha()], [])

    def test_users_cannot_make_themselves_operators(self):
        stack = Installation()
        self.assertEqual(stack.resources["OperatorGroup"]["Properties"]["GroupName"], "operator")
        client = stack.resources["DashboardClient"]["Properties"]
        self.assertFalse(client["GenerateSecret"])
        self.assertEqual(client["WriteAttributes"], ["email", "name"])
        self.assertEqual(client["AllowedOAuthFlows"], ["code"])
        config = lambda **parameters: Installation(**parameters).resources["UserPool"]["Properties"]["AdminCreateUserConfig"]
        self.assertEqual(config(), {"AllowAdminCreateUserOnly": True})
        self.assertEqual(config(SelfSignUp="true"), {"AllowAdminCreateUserOnly": False})

    def test_users_set_up_an_authenticator_app_unless_it_is_optional(self):
        # With OPTIONAL, the sign-in pages do not prompt users to set up MFA.
        pool = lambda **parameters: Installation(**parameters).resources["UserPool"]["Properties"]
        self.assertEqual((pool()["MfaConfiguration"], pool()["EnabledMfas"]), ("ON", ["SOFTWARE_TOKEN_MFA"]))
        self.assertEqual(pool(Mfa="OPTIONAL")["MfaConfiguration"], "OPTIONAL")

    def test_user_pool_has_the_cheapest_plan_and_no_feature_of_another_one(self):
        for parameters in [{}, EMAIL, {"SelfSignUp": "true"}]:
            stack = Installation(**parameters)
            pool = stack.resources["UserPool"]["Properties"]
            self.assertEqual(pool["UserPoolTier"], "LITE")
            # Cognito refuses the plan LITE with email MFA, passkeys or one-time passwords, access token customization, password
            # history and threat protection.
            self.assertEqual(pool["EnabledMfas"], ["SOFTWARE_TOKEN_MFA"])
            self.assertFalse({"LambdaConfig", "UserPoolAddOns", "WebAuthnRelyingPartyID"} & pool.keys())
            self.assertLessEqual(pool["Policies"].keys(), {"PasswordPolicy"})
            self.assertNotIn("PasswordHistorySize", pool["Policies"]["PasswordPolicy"])
            self.assertEqual(stack.resources["UserPoolDomain"]["Properties"]["ManagedLoginVersion"], 1)

    def test_email_is_sent_by_cognito_or_with_the_ses_identity_of_the_parameters(self):
        email = lambda **parameters: Installation(**parameters).resources["UserPool"]["Properties"]["EmailConfiguration"]
        self.assertEqual(email(), {"EmailSendingAccount": "COGNITO_DEFAULT"})
        expected = {
            "EmailSendingAccount": "DEVELOPER",
            "SourceArn": EMAIL["SesIdentityArn"],
            "From": "Example <licenses@example.com>",
        }
        self.assertEqual(email(**EMAIL), expected)


class Parameters(unittest.TestCase):
    def test_parameters_have_a_default_a_description_and_a_group(self):
        for template in [source(DATA), source(RUNNING)]:
            groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
            grouped = [name for group in groups for name in group["Parameters"]]
            self.assertEqual(sorted(grouped), sorted(template["Parameters"]))
            for name, spec in template["Parameters"].items():
                self.assertIn("Default", spec, name)
                self.assertTrue(spec["Description"].endswith("."), name)
                self.assertEqual("AllowedPattern" in spec, "ConstraintDescription" in spec, name)

    def test_valid_combinations_are_accepted(self):
        with_roles_claim = EXTERNAL_ISSUER | {"OidcRolesClaim": "https://a.example/roles"}
        with_address = EMAIL | {"EmailSender": "licenses@example.com"}
        for parameters in [{}, ALL, CLOUDFRONT, EXTERNAL_ISSUER, with_roles_claim, EMAIL, with_address]:
            self.assertEqual(Installation(**parameters).validation_errors(), [], parameters)

    def test_invalid_values_are_rejected_with_one_message_that_names_the_parameter_to_fix(self):
        key = "arn:aws:kms:eu-west-1:111122223333:key/a"
        certificate = ALL["CertificateArn"]
        for parameters, expected in [
            (dict(DomainName="licenses.example.com"), "CertificateArn"),
            (dict(CertificateArn=certificate), "DomainName"),
            (dict(HostedZoneId="Z0123456789ABC"), "DomainName"),
            (CLOUDFRONT | dict(CertificateArn=""), "CertificateArn"),
            (CLOUDFRONT | dict(OriginDomainName=""), "OriginDomainName"),
            (CLOUDFRONT | dict(OriginDomainName="licenses.example.com"), "differ"),
            (CLOUDFRONT | dict(CloudFrontCertificateArn=""), "CloudFrontCertificateArn"),
            (ALL | dict(OriginDomainName="o-7k3qm9.example.com"), "CloudFrontCertificateArn"),
            (ALL | dict(WebAclArn=CLOUDFRONT["WebAclArn"]), "CloudFrontCertificateArn"),
            (CLOUDFRONT | dict(WebAclArn=CLOUDFRONT["WebAclArn"].replace("global", "regional")), "WebAclArn must"),
            (CLOUDFRONT | dict(OriginHeaderVersion="2"), "OriginHeaderVersion must"),
            (CLOUDFRONT | dict(OriginDomainName="https://o-7k3qm9.example.com"), "OriginDomainName must"),
            (dict(OidcIssuer="https://login.example.com"), "OidcAudiences"),
            (dict(OidcAudiences="signet"), "OidcIssuer"),
            (dict(OidcRolesClaim="roles"), "OidcIssuer"),
            (dict(SesIdentityArn=EMAIL["SesIdentityArn"]), "EmailSender"),
            (dict(EmailSender="a@example.com"), "SesIdentityArn"),
            (EXTERNAL_ISSUER | EMAIL, "CreateUserPool"),
            (dict(DataStack="Signet"), "DataStack must"),
            (dict(DataStack="s" * 31), "DataStack must"),
            (EMAIL | dict(EmailSender="Example"), "EmailSender must"),
            (EMAIL | dict(SesIdentityArn="example.com"), "SesIdentityArn must"),
            (dict(OldSealingKeyArns=key), "SealingKeyArn"),
            (dict(AlarmEmail="not-an-address"), "AlarmEmail must"),
            (dict(MonthlyBudget="50"), "AlarmEmail"),
            (ALL | dict(DomainName="https://licenses.example.com"), "DomainName must"),
            (CLOUDFRONT | dict(CloudFrontCertificateArn=certificate), "us-east-1"),
            (dict(Issuer="https://licenses.example.com/"), "Issuer must"),
            (dict(Issuer="http://licenses.example.com"), "Issuer must"),
            (dict(OidcIssuer="login.example.com", OidcAudiences="a"), "OidcIssuer must"),
            (dict(CorsOrigins="*"), "CorsOrigins must"),
            (dict(CorsOrigins="https://shop.example.com/"), "CorsOrigins must"),
            (dict(RootKeyArns="alias/root"), "RootKeyArns must"),
            (dict(RestoredSuffix="restored"), "RestoredSuffix must"),
            (dict(RestoredStreamArn=f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/signet-restored/stream/2026-01-15T12:00:00.000"), "RestoredSuffix"),
            (dict(RestoredSuffix="-restored", RestoredStreamArn="signet-restored"), "RestoredStreamArn must"),
            (dict(SealingKeyArn=f"{key},{key}"), "SealingKeyArn must"),
        ]:
            errors = Installation(**parameters).validation_errors()
            self.assertEqual(len(errors), 1, f"{parameters}: {errors}")
            self.assertIn(expected, errors[0])


class Domains(unittest.TestCase):
    def test_domain_is_served_by_api_gateway_or_cloudfront(self):
        types = lambda stack: {resource["Type"] for resource in stack.resources.values()}
        api_gateway = {"AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping", "AWS::Route53::RecordSet"}
        cloudfront = {"AWS::CloudFront::Distribution", "AWS::CloudFront::CachePolicy", "AWS::CloudFront::OriginRequestPolicy"}
        self.assertFalse(types(Installation()) & (api_gateway | cloudfront))
        self.assertEqual(types(Installation(**ALL)) & (api_gateway | cloudfront), api_gateway)
        self.assertEqual(types(Installation(**CLOUDFRONT)) & (api_gateway | cloudfront), api_gateway | cloudfront)
        self.assertEqual(Installation(**ALL).outputs["DnsTarget"]["Value"], "ApiDomain.RegionalDomainName")
        self.assertEqual(Installation(**CLOUDFRONT).outputs["DnsTarget"]["Value"], "Distribution.DomainName")
        self.assertEqual(Installation(**CLOUDFRONT).outputs["OriginDnsTarget"]["Value"], "ApiDomain.RegionalDomainName")

    def test_records_point_at_the_server_of_each_name(self):
        def records(stack):
            all_records = stack.of_type("AWS::Route53::RecordSet").values()
            return {(one["Name"], one["Type"]): one["AliasTarget"]["DNSName"] for one in all_records}

        domain, origin = CLOUDFRONT["DomainName"], CLOUDFRONT["OriginDomainName"]
        self.assertEqual(records(Installation(**ALL)), {(domain, "A"): "ApiDomain.RegionalDomainName"})
        expected = {
            (domain, "A"): "Distribution.DomainName",
            (domain, "AAAA"): "Distribution.DomainName",
            (origin, "A"): "ApiDomain.RegionalDomainName",
        }
        self.assertEqual(records(Installation(**CLOUDFRONT)), expected)
        self.assertEqual(records(Installation(**CLOUDFRONT | {"HostedZoneId": ""})), {})


class CloudFront(unittest.TestCase):
    def setUp(self):
        self.stack = Installation(**CLOUDFRONT)
        self.config = self.stack.resources["Distribution"]["Properties"]["DistributionConfig"]
        self.behaviors = [self.config["DefaultCacheBehavior"], *self.config["CacheBehaviors"]]

    def test_api_has_no_other_host_name_than_that_of_the_origin(self):
        self.assertIs(self.stack.resources["Api"]["Properties"]["DisableExecuteApiEndpoint"], True)
        self.assertNotIn("ApiEndpoint", self.stack.outputs)
        origin = CLOUDFRONT["OriginDomainName"]
        for resource_type in ["AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping"]:
            self.assertEqual([one["DomainName"] for one in self.stack.of_type(resource_type).values()], [origin])
        for parameters, host in [({}, None), (ALL, "licenses.example.com")]:
            stack = Installation(**parameters)
            self.assertIs(stack.resources["Api"]["Properties"]["DisableExecuteApiEndpoint"], False)
            mappings = stack.of_type("AWS::ApiGatewayV2::ApiMapping").values()
            self.assertEqual([one["DomainName"] for one in mappings], [host] if host else [])

    def test_cloudfront_forwards_over_tls_to_the_host_name_of_the_origin(self):
        (origin,) = self.config["Origins"]
        self.assertEqual(origin["DomainName"], CLOUDFRONT["OriginDomainName"])
        self.assertEqual(origin["CustomOriginConfig"]["OriginProtocolPolicy"], "https-only")
        self.assertEqual(self.config["Aliases"], ["licenses.example.com"])
        self.assertEqual({behavior["TargetOriginId"] for behavior in self.behaviors}, {origin["Id"]})
        self.assertEqual({behavior["ViewerProtocolPolicy"] for behavior in self.behaviors}, {"https-only"})

    def test_cloudfront_sends_the_origin_secret_in_the_header_that_the_functions_read(self):
        secret = self.stack.ref("OriginSecret")
        for parameters, version in [(CLOUDFRONT, CLOUDFRONT["OriginHeaderVersion"]), (CLOUDFRONT | {"OriginHeaderVersion": ""}, "")]:
            (origin,) = Installation(**parameters).resources["Distribution"]["Properties"]["DistributionConfig"]["Origins"]
            (header,) = origin["OriginCustomHeaders"]
            self.assertEqual(header["HeaderName"].lower(), rust_source.origin_secret_header())
            self.assertEqual(header["HeaderValue"], f"{{{{resolve:secretsmanager:{secret}:SecretString:key::{version}}}}}")

    def test_every_function_of_the_api_requires_the_origin_secret(self):
        permissions = self.stack.of_type("AWS::Lambda::Permission").values()
        behind_api = {permission["FunctionName"].split(":")[-2] for permission in permissions}
        self.assertEqual(len(behind_api), len(set(functions()) - BACKGROUND))
        for name, function in self.stack.of_type("AWS::Lambda::Function").items():
            configured = function["Environment"]["Variables"]["SIGNET_ORIGIN_SECRET"]
            expected = self.stack.resources["OriginSecret"]["Properties"]["Name"] if function["FunctionName"] in behind_api else ""
            self.assertEqual(configured, expected, name)
        for parameters in [{}, ALL]:
            stack = Installation(**parameters)
            self.assertEqual({environment(stack, name)["SIGNET_ORIGIN_SECRET"] for name in functions()}, {""})
            self.assertFalse({"OriginSecret", "OriginPolicy"} & stack.resources.keys())

    def test_cloudfront_caches_only_public_paths(self):
        cached = self.config["CacheBehaviors"]
        public = ["/.well-known/*", "/api/*/products/catalog", "/openapi*.json", "/llms.txt", "/docs*", "/problems*"]
        self.assertEqual([behavior["PathPattern"] for behavior in cached], public)
        caching_disabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
        self.assertEqual(self.config["DefaultCacheBehavior"]["CachePolicyId"], caching_disabled)
        self.assertEqual({behavior["CachePolicyId"] for behavior in cached}, {"PublicCachePolicy"})
        policy = self.stack.resources["PublicCachePolicy"]["Properties"]["CachePolicyConfig"]
        self.assertEqual((policy["MinTTL"], policy["DefaultTTL"]), (0, 0), "responses without max-age are not cached")

    def test_requests_for_cached_paths_carry_nothing_that_identifies_a_user(self):
        self.assertEqual({behavior["OriginRequestPolicyId"] for behavior in self.config["CacheBehaviors"]}, {"PublicOriginRequestPolicy"})
        policy = self.stack.resources["PublicOriginRequestPolicy"]["Properties"]["OriginRequestPolicyConfig"]
        self.assertEqual(policy["CookiesConfig"], {"CookieBehavior": "none"})
        self.assertEqual(policy["QueryStringsConfig"], {"QueryStringBehavior": "none"})
        headers = policy["HeadersConfig"]
        cors = {"origin", "access-control-request-method", "access-control-request-headers"}
        self.assertEqual(headers["HeaderBehavior"], "whitelist")
        self.assertEqual({name.lower() for name in headers["Headers"]}, cors | {rust_source.viewer_address_header()})

    def test_other_requests_are_forwarded_with_all_headers_but_host_and_with_the_address_of_the_viewer(self):
        # The managed policy AllViewerExceptHostHeader includes the headers of the viewer's location, such as
        # CloudFront-Viewer-Address.
        self.assertEqual(rust_source.viewer_address_header(), "cloudfront-viewer-address")
        self.assertEqual(self.config["DefaultCacheBehavior"]["OriginRequestPolicyId"], "b689b0a8-53d0-40ab-baf2-68738e2966ac")
        methods = {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"}
        self.assertTrue(all(set(behavior["AllowedMethods"]) == methods for behavior in self.behaviors))

    def test_web_acl_is_optional(self):
        self.assertEqual(self.config["WebACLId"], CLOUDFRONT["WebAclArn"])
        without = Installation(**CLOUDFRONT | {"WebAclArn": ""}).resources["Distribution"]["Properties"]["DistributionConfig"]
        self.assertNotIn("WebACLId", without)


class WebAcl(unittest.TestCase):
    def rules(self, **parameters):
        return {rule["Name"]: rule for rule in web_acl(**parameters)["Rules"]}

    def test_requests_are_limited_by_address_and_sensitive_ones_more(self):
        self.assertEqual(web_acl()["Scope"], "CLOUDFRONT")
        rules = self.rules(RequestsPerMinute="900", SensitiveRequestsPerMinute="90")
        limits = {name: rule["Statement"]["RateBasedStatement"] for name, rule in rules.items()}
        self.assertEqual({name: one["Limit"] for name, one in limits.items()}, {"requests": "900", "sensitive-requests": "90"})
        self.assertEqual({one["AggregateKeyType"] for one in limits.values()}, {"IP"})
        self.assertEqual({one["EvaluationWindowSec"] for one in limits.values()}, {60})
        self.assertNotIn("ScopeDownStatement", limits["requests"])

    def test_sensitive_requests_are_those_with_lower_throttling_limits_and_sign_ins(self):
        statement = self.rules()["sensitive-requests"]["Statement"]["RateBasedStatement"]["ScopeDownStatement"]["RegexMatchStatement"]
        self.assertEqual(statement["FieldToMatch"], {"UriPath": {}})
        is_sensitive = lambda path: bool(re.search(statement["RegexString"], path))
        throttled = Installation().resources["Stage"]["Properties"]["RouteSettings"]
        posts = {route.removeprefix("POST ") for route in throttled if route.startswith("POST ")}
        paths = json.loads((ROOT / "functions/discovery/openapi.json").read_text())["paths"]
        documented = {path for path in paths if path.replace("/v1.0/", "/{version}/") in posts}
        self.assertEqual(len(documented), len(posts))
        self.assertEqual({path for path in paths if is_sensitive(path)}, documented)
        self.assertTrue(all(is_sensitive(path.replace("/v1.0/", "/v1/")) for path in documented))
        self.assertTrue(is_sensitive("/dashboard/sign-in") and is_sensitive("/dashboard/callback"))
        for path in ["/dashboard", "/dashboard/license-keys", "/api/v1x0/register", "/api/v1/register/x"]:
            self.assertFalse(is_sensitive(path), path)

    def test_blocked_clients_get_the_status_and_code_of_the_api(self):
        acl = web_acl()
        for name, rule in self.rules().items():
            response = rule["Action"]["Block"]["CustomResponse"]
            self.assertEqual(response["ResponseCode"], 429, name)
            self.assertEqual(response["ResponseHeaders"], [{"Name": "Retry-After", "Value": "60"}])
            body = json.loads(acl["CustomResponseBodies"][response["CustomResponseBodyKey"]]["Content"])
            self.assertIn(f"| [`{body['code']}`](#{body['code']}) | {body['status']} | {body['title']} |",
                          (ROOT / "docs/reference/error-codes.md").read_text())

    def test_requests_are_not_sampled_because_their_headers_contain_credentials(self):
        acl = web_acl(BlockKnownAttackers="true")
        configs = [acl["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in acl["Rules"])]
        self.assertEqual({one["SampledRequestsEnabled"] for one in configs}, {False})

    def test_ip_reputation_list_is_optional_and_checked_first(self):
        self.assertNotIn("known-attackers", self.rules())
        rules = self.rules(BlockKnownAttackers="true")
        self.assertEqual(min(rules, key=lambda name: rules[name]["Priority"]), "known-attackers")


class Webhooks(unittest.TestCase):
    """The stream, the queue and the schedule of webhooks."""

    def setUp(self):
        self.stack = Installation()

    def mapping(self, function, stack=None):
        return (stack or self.stack).resources[f"{function}Mapping"]["Properties"]

    def live(self, function):
        return f'{self.stack.get_att(f"{function}Function.Arn")}:live'

    def test_records_of_the_stream_invoke_the_feed(self):
        mapping = self.mapping("WebhooksFeed")
        self.assertEqual(mapping["FunctionName"], self.live("WebhooksFeed"))
        self.assertEqual(mapping["EventSourceArn"], self.stack.get_att("Table.StreamArn"))
        self.assertEqual(mapping["StartingPosition"], "LATEST", "the schedule processes earlier events")

    def test_stream_is_that_of_the_restored_table_if_it_is_given(self):
        self.assertNotIn("WebhooksFeedMapping", Installation(RestoredSuffix="-restored-1").resources)
        stream = self.stack.get_att("Table.StreamArn").replace(f"/{STACK}/", f"/{STACK}-restored-1/")
        restored = Installation(RestoredSuffix="-restored-1", RestoredStreamArn=stream)
        self.assertEqual(restored.validation_errors(), [])
        self.assertEqual(self.mapping("WebhooksFeed", restored)["EventSourceArn"], stream)
        self.assertTrue(Role(restored, "WebhooksFeedRole").is_allowed("dynamodb:GetRecords", stream))

    def test_feed_receives_new_events_and_deliveries_that_wait_for_an_attempt_only(self):
        event, delivery, pending = rust_source.stream_patterns()
        patterns = [json.loads(one["Pattern"]) for one in self.mapping("WebhooksFeed")["FilterCriteria"]["Filters"]]

        def matches(pattern, value):
            if isinstance(pattern, dict):
                return all(isinstance(value, dict) and matches(one, value.get(key)) for key, one in pattern.items())
            is_match = lambda one: (value or "").startswith(one["prefix"]) if isinstance(one, dict) else value == one
            return any(map(is_match, pattern))

        def is_received(name, partition, sort, **attributes):
            image = {key: {"S": value} for key, value in {"PK": partition, "SK": sort, **attributes}.items()}
            record = {"eventName": name, "dynamodb": {"OldImage" if name == "REMOVE" else "NewImage": image}}
            return any(matches(pattern, record) for pattern in patterns)

        for partition in ["LICENSE#lic_1", "HISTORY#customer#cus_1"]:
            self.assertTrue(is_received("INSERT", partition, f"{event}01JD"))
            # An erasure changes events.
            self.assertFalse(is_received("MODIFY", partition, f"{event}01JD"))
            self.assertFalse(is_received("REMOVE", partition, f"{event}01JD"))
        for name, status, expected in [
            *[("INSERT", pending, True), ("MODIFY", pending, True), ("REMOVE", pending, False)],
            *[("INSERT", "delivered", False), ("MODIFY", "delivered", False), ("MODIFY", "failed", False)],
        ]:
            self.assertEqual(is_received(name, "WEBHOOK#whe_1", f"{delivery}01JD", status=status), expected, (name, status))
        for partition, sort in [
            *[("LICENSE#lic_1", "MACHINE#1"), ("LICENSE#lic_1", "SEAT#00001"), ("LICENSE#lic_1", "LICENSE"), ("CATALOG", "VERSION")],
            *[("WEBHOOK#whe_1", "SLOT#0"), ("WEBHOOKS", "ENDPOINT#whe_1"), ("WEBHOOK_HEALTH", "HEALTH#whe_1"), ("IDEMPOTENCY#1", "1")],
        ]:
            for name in ["INSERT", "MODIFY"]:
                self.assertFalse(is_received(name, partition, sort, status="pending"), (name, partition, sort))

    def test_records_that_fail_are_repeated_alone_for_an_hour_and_then_reported(self):
        mapping = self.mapping("WebhooksFeed")
        self.assertEqual(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertTrue(mapping["BisectBatchOnFunctionError"])
        self.assertEqual(mapping["MaximumRecordAgeInSeconds"], 3600)
        self.assertNotIn("MaximumRetryAttempts", mapping, "the default is no limit")
        destination = mapping["DestinationConfig"]["OnFailure"]["Destination"]
        self.assertEqual(destination, self.stack.get_att("WebhookDeadLetterQueue.Arn"))
        self.assertTrue(Role(self.stack, "WebhooksFeedRole").is_allowed("sqs:SendMessage", destination))

    def test_schedule_runs_the_feed_as_often_as_it_looks_ahead(self):
        schedule = self.stack.resources["WebhooksFeedSchedule"]["Properties"]
        self.assertEqual(schedule["Target"]["Arn"], self.live("WebhooksFeed"))
        self.assertEqual(schedule["ScheduleExpression"], "rate(1 minute)")
        self.assertGreaterEqual(rust_source.look_ahead_seconds(), 60)

    def test_messages_of_the_queue_invoke_the_sender_with_a_limited_concurrency(self):
        mapping = self.mapping("WebhooksSender")
        self.assertEqual(mapping["FunctionName"], self.live("WebhooksSender"))
        self.assertEqual(mapping["EventSourceArn"], self.stack.get_att("WebhookQueue.Arn"))
        self.assertEqual(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertEqual(mapping["ScalingConfig"], {"MaximumConcurrency": 10})

    def test_both_functions_have_the_queue_and_no_other_function_has(self):
        queues = {name: environment(self.stack, name).get("SIGNET_WEBHOOK_QUEUE") for name in functions()}
        configured = {name: queue for name, queue in queues.items() if queue}
        self.assertEqual(configured, dict.fromkeys(["WebhooksFeed", "WebhooksSender"], self.stack.ref("WebhookQueue")))

    def test_queues_are_encrypted_and_messages_that_fail_reach_the_dead_letter_queue(self):
        queue, dead_letters = (self.stack.resources[name]["Properties"] for name in ["WebhookQueue", "WebhookDeadLetterQueue"])
        self.assertTrue(queue["SqsManagedSseEnabled"] and dead_letters["SqsManagedSseEnabled"])
        redrive = queue["RedrivePolicy"]
        self.assertEqual(redrive["deadLetterTargetArn"], self.stack.get_att("WebhookDeadLetterQueue.Arn"))
        self.assertEqual(redrive["maxReceiveCount"], 5)
        # SQS counts the retention in the dead-letter queue from the time at which the message was sent to the first queue.
        self.assertEqual(dead_letters["MessageRetentionPeriod"], 14 * 24 * 3600)
        longest = rust_source.max_message_delay_seconds() + redrive["maxReceiveCount"] * queue["VisibilityTimeout"]
        self.assertGreater(queue["MessageRetentionPeriod"], longest)

    def test_names_of_queues_are_generated(self):
        # SQS refuses the name of a queue that was deleted within the last 60 seconds.
        for name, queue in self.stack.of_type("AWS::SQS::Queue").items():
            self.assertNotIn("QueueName", queue, name)

    def test_timeouts_of_the_sender_and_of_its_queue_cover_all_attempts_of_an_invocation(self):
        sending, attempt = rust_source.seconds_of_sender()
        timeout = self.stack.resources["WebhooksSenderFunction"]["Properties"]["Timeout"]
        self.assertGreaterEqual(timeout, sending + attempt + rust_source.request_timeout_seconds())
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        self.assertEqual(self.stack.resources["WebhookQueue"]["Properties"]["VisibilityTimeout"], 6 * timeout)

    def test_delays_and_dead_letters_raise_alarms(self):
        alarm = lambda name: self.stack.resources[f"{name}Alarm"]["Properties"]
        watched = lambda one: (one["MetricName"], one["Statistic"], one["Dimensions"][0]["Value"])
        name = lambda queue: self.stack.get_att(f"{queue}.QueueName")
        self.assertEqual(watched(alarm("WebhooksFeedDelay")), ("IteratorAge", "Maximum", "signet-webhooks-feed"))
        age = alarm("WebhookQueueDelay")
        self.assertEqual(watched(age), ("ApproximateAgeOfOldestMessage", "Maximum", name("WebhookQueue")))
        self.assertGreater(age["Threshold"], rust_source.max_message_delay_seconds())
        self.assertLess(age["Threshold"], self.stack.resources["WebhookQueue"]["Properties"]["MessageRetentionPeriod"])
        letters = alarm("WebhookDeadLetters")
        self.assertEqual(watched(letters), ("ApproximateNumberOfMessagesVisible", "Maximum", name("WebhookDeadLetterQueue")))
        self.assertEqual((letters["Threshold"], letters["EvaluationPeriods"]), (1, 1))


class Monitoring(unittest.TestCase):
    def test_alarms_notify_the_topic(self):
        for stack in [Installation(), Installation(**ALL)]:
            alarms = stack.of_type("AWS::CloudWatch::Alarm")
            expected = {f"{name}Errors" for name in functions()}
            expected |= {"Throttles", "ReadThrottles", "WriteThrottles", "ServerErrors", "Latency"}
            expected |= {f"{kind}Throttles{index}" for kind in ["Read", "Write"] for index in rust_source.table_indexes()}
            expected |= {"Signatures", "DecryptionFailures", "RotationMissed"}
            expected |= {"WebhooksFeedDelay", "WebhookQueueDelay", "WebhookDeadLetters"}
            self.assertEqual(set(alarms), {f"{name}Alarm" for name in expected})
            for name, alarm in alarms.items():
                self.assertEqual(alarm["AlarmActions"], ["AlarmTopic"], name)
        self.assertFalse(Installation().of_type("AWS::SNS::Subscription"))
        self.assertEqual(len(Installation(**ALL).of_type("AWS::SNS::Subscription")), 1)

    def test_each_function_has_an_errors_alarm(self):
        for name in functions():
            alarm = Installation().resources[f"{name}ErrorsAlarm"]["Properties"]
            self.assertEqual(alarm["Dimensions"], [{"Name": "FunctionName", "Value": f"signet-{crate_name(name)}"}])

    def test_missing_rotation_runs_notify_the_topic(self):
        alarm = Installation().resources["RotationMissedAlarm"]["Properties"]
        self.assertEqual((alarm["MetricName"], alarm["ComparisonOperator"]), ("Invocations", "LessThanThreshold"))
        self.assertEqual((alarm["TreatMissingData"], alarm["InsufficientDataActions"]), ("missing", ["AlarmTopic"]))

    def test_no_alarm_fires_before_there_is_data(self):
        alarms = Installation(**ALL).of_type("AWS::CloudWatch::Alarm") | health_check_alarms()
        for name, alarm in alarms.items():
            self.assertIn(alarm["TreatMissingData"], ["notBreaching", "missing"], name)

    def test_alarms_are_about_resources_of_this_stack(self):
        def resources(metric):
            values = {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", [])}
            own = {"FunctionName": "signet-", "QueueName": "signet-", "function": "signet-", "TableName": STACK, "ApiId": "Api"}
            is_own = lambda name, value: name in own and value.startswith(own[name])
            return [name for name, value in values.items() if is_own(name, value)] or metric["MetricName"].startswith("signet-")

        for name, alarm in Installation(**ALL).of_type("AWS::CloudWatch::Alarm").items():
            metrics = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one] or [alarm]
            for metric in metrics:
                self.assertTrue(resources(metric), f"{name} {metric}")

    def test_throttling_of_the_table_and_of_each_index_raises_an_alarm(self):
        for kind in ["Read", "Write"]:
            watched = []
            for alarm in Installation(RestoredSuffix="-restored-1").of_type("AWS::CloudWatch::Alarm").values():
                if alarm.get("MetricName") == f"{kind}ThrottleEvents":
                    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
                    self.assertEqual(dimensions["TableName"], "signet-restored-1")
                    watched.append(dimensions.get("GlobalSecondaryIndexName"))
            self.assertEqual(watched, [None, *rust_source.table_indexes()])

    def test_alarms_of_several_functions_cover_the_functions_of_the_api_and_those_that_sign(self):
        def watched(alarm):
            stats = [one["MetricStat"] for one in Installation().resources[alarm]["Properties"]["Metrics"] if "MetricStat" in one]
            return {resource_prefix(stat["Metric"]["Dimensions"][0]["Value"].removeprefix("signet-")) for stat in stats}

        self.assertEqual(watched("ThrottlesAlarm"), set(functions()) - BACKGROUND)
        self.assertEqual(watched("SignaturesAlarm"), SIGNERS)

    def test_services_of_this_account_only_may_publish_to_the_topic(self):
        policy = Installation().resources["AlarmTopicPolicy"]["Properties"]
        self.assertEqual(policy["Topics"], ["AlarmTopic"])
        publishers = {}
        for statement in policy["PolicyDocument"]["Statement"]:
            self.assertEqual((statement["Action"], statement["Resource"]), ("sns:Publish", "AlarmTopic"))
            publishers[statement["Principal"]["Service"]] = statement["Condition"]["StringEquals"]["aws:SourceAccount"]
        self.assertEqual(publishers, {"cloudwatch.amazonaws.com": ACCOUNT, "budgets.amazonaws.com": ACCOUNT})

    def test_failed_backups_of_the_vault_notify_the_topic(self):
        self.assertFalse(Installation().of_type("AWS::Events::Rule"))
        stack = Installation(BackupRetentionDays="365")
        (rule,) = stack.of_type("AWS::Events::Rule").values()
        self.assertEqual(rule["EventPattern"]["detail"]["state"], ["FAILED", "ABORTED", "EXPIRED"])
        vault = stack.resources["BackupVault"]["Properties"]["BackupVaultName"]
        self.assertEqual(rule["EventPattern"]["detail"]["backupVaultName"], [vault])
        (target,) = rule["Targets"]
        self.assertEqual(target["Arn"], "AlarmTopic")
        # The transformer replaces only names that it maps, and the result must be a JSON string.
        template = target["InputTransformer"]["InputTemplate"]
        self.assertEqual(set(re.findall("<(.*?)>", template)), set(target["InputTransformer"]["InputPathsMap"]))
        self.assertIn(f"table {STACK}: a backup has failed", json.loads(template))
        statements = stack.resources["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        (publisher,) = [one for one in statements if one["Principal"]["Service"] == "events.amazonaws.com"]
        self.assertEqual((publisher["Action"], publisher["Resource"]), ("sns:Publish", "AlarmTopic"))
        self.assertNotIn("Condition", publisher)

    def test_names_that_are_unique_in_all_regions_contain_the_region(self):
        stack = Installation(**ALL)
        self.assertEqual(stack.resources["Dashboard"]["Properties"]["DashboardName"], f"{STACK}-{REGION}")
        self.assertEqual(stack.resources["Budget"]["Properties"]["Budget"]["BudgetName"], f"{STACK}-monthly-{REGION}")

    def test_another_email_address_does_not_replace_a_resource_with_a_fixed_name(self):
        # CloudFormation creates the replacement first, which has the same name.
        def create_only_values(email):
            for name, one in Installation(**ALL | {"AlarmEmail": email}).resources.items():
                schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, one["Type"]).schema
                for path in schema.get("createOnlyProperties", []):
                    value = one.get("Properties")
                    for part in path.split("/")[2:]:
                        value = value.get(part) if isinstance(value, dict) else None
                    yield (name, path), value

        first, second = dict(create_only_values("a@example.com")), dict(create_only_values("b@example.com"))
        # A subscription has no name.
        changed = {name for name, path in first if first[name, path] != second[name, path]}
        self.assertEqual(changed, {"AlarmSubscription"})

    def test_budget_is_optional_and_notifies_the_topic(self):
        self.assertNotIn("Budget", Installation(**ALL | {"MonthlyBudget": "0"}).resources)
        budget = Installation(AlarmEmail="a@example.com", MonthlyBudget="50").resources["Budget"]["Properties"]
        self.assertEqual(budget["Budget"]["BudgetLimit"], {"Amount": "50", "Unit": "USD"})
        notifications = budget["NotificationsWithSubscribers"]
        self.assertEqual([one["Notification"]["NotificationType"] for one in notifications], ["ACTUAL", "FORECASTED"])
        for one in notifications:
            self.assertEqual(one["Subscribers"], [{"SubscriptionType": "SNS", "Address": "AlarmTopic"}])
        # AWS Budgets refuses a topic to which it may not publish.
        self.assertEqual(Installation(**ALL).resources["Budget"]["DependsOn"], "AlarmTopicPolicy")

    def test_queries_of_the_documentation_are_saved_for_the_logs_of_all_functions(self):
        pages = [ROOT / f"docs/how-to/{name}.md" for name in ["find-out-why-an-app-was-refused", "monitor", "respond-to-alarms"]]
        text = "\n".join(page.read_text() for page in pages)
        documented = set(re.findall(r"query_logs '([^']+)'", text))
        documented |= {query.strip() for query in re.findall(r"```text\n(filter .*?)```", text, re.DOTALL)}
        self.assertGreater(len(documented), 8)
        stack = Installation()
        saved = stack.of_type("AWS::Logs::QueryDefinition").values()
        self.assertEqual({query["QueryString"] for query in saved}, documented)
        self.assertEqual(len({query["Name"] for query in saved}), len(documented))
        groups = {group["LogGroupName"] for name, group in stack.of_type("AWS::Logs::LogGroup").items() if name != "ApiLogGroup"}
        for query in saved:
            self.assertTrue(query["Name"].startswith(f"{STACK}/"))
            self.assertEqual(set(query["LogGroupNames"]), groups)

    def test_metrics_of_routes_are_optional(self):
        for parameters, expected in [({}, False), ({"RouteMetrics": "true"}, True)]:
            stage = Installation(**parameters).resources["Stage"]["Properties"]
            for settings in [stage["DefaultRouteSettings"], *stage["RouteSettings"].values()]:
                # RouteSettings is JSON without a schema, so CloudFormation does not convert strings.
                self.assertIs(settings["DetailedMetricsEnabled"], expected)

    def test_external_health_check_requests_health_over_https(self):
        config = health_check()["HealthCheck"]["Properties"]["HealthCheckConfig"]
        self.assertEqual((config["Type"], config["ResourcePath"], config["EnableSNI"]), ("HTTPS", "/health", True))
        # Each of these is charged.
        self.assertFalse({"MeasureLatency", "SearchString"} & set(config))
        self.assertEqual(config["RequestInterval"], 30)

    def test_dashboard_shows_exactly_the_metrics_that_the_functions_log(self):
        logged = rust_source.metrics()
        self.assertIn("heartbeats", logged)
        widgets = json.loads(Installation().resources["Dashboard"]["Properties"]["DashboardBody"])["widgets"]
        metrics = [metric for widget in widgets for metric in widget["properties"]["metrics"]]
        shown = {metric[1] for metric in metrics if metric[0] == "Signet" and len(metric) > 3}
        self.assertEqual(shown | {"refused"}, logged)
        self.assertIn('MetricName="refused"', json.dumps(widgets).replace('\\"', '"'))

    def test_metric_filters_match_the_logged_decryption_error(self):
        filters = Installation().of_type("AWS::Logs::MetricFilter")
        # The line of a request has the error as its cause.
        fields = dict.fromkeys(SEALERS, "cause") | dict.fromkeys(DECRYPTERS, "error")
        error = rust_source.decryption_error()
        expected = {f"/aws/lambda/signet-{crate_name(name)}": f'{{ $.{field} = "{error}" }}' for name, field in fields.items()}
        self.assertEqual({one["LogGroupName"]: one["FilterPattern"] for one in filters.values()}, expected)


if __name__ == "__main__":
    unittest.main()
