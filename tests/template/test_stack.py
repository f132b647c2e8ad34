"""What the stack is made of: environment, data that stays, logs, parameters, alarms."""

import json
import re
import unittest

from deployed import ROOT, STACK, Stack, source

KEEPS = {
    "AWS::Cognito::UserPool",
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
)
CLOUDFRONT = ALL | {
    "CertificateArn": "",
    "CloudFrontCertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/a",
}
OWN_ISSUER = dict(OidcIssuer="https://login.example.com/", OidcAudiences="signet, shop")


def environment(stack, function):
    return stack.resources[f"{function}Function"]["Properties"]["Environment"]["Variables"]


def functions():
    return sorted(one.name.capitalize() for one in (ROOT / "functions").iterdir() if one.is_dir())


class Environment(unittest.TestCase):
    def setUp(self):
        code = (ROOT / "shared/src/configuration.rs").read_text().split("#[cfg(test)]")[0]
        constants = dict(re.findall(r'const (\w+): &str = "(SIGNET_\w+)"', code))
        self.known = {"SIGNET_TABLE"} | set(re.findall(r'"((?:SIGNET|AWS_ENDPOINT_URL)\w*)"', code))
        required = re.findall(r'\.required\("?(\w+)"?\)', code)
        self.required = {constants.get(name, name) for name in required} - {"AWS_REGION"}

    def test_every_function_has_what_it_requires_and_nothing_that_nobody_reads(self):
        self.assertEqual(len(self.required), 4, self.required)
        for parameters in [{}, ALL, OWN_ISSUER]:
            stack = Stack(**parameters)
            for function in functions():
                variables = environment(stack, function)
                self.assertTrue(all(variables[name] for name in self.required), function)
                self.assertLessEqual(set(variables), self.known)

    def test_services_are_the_regions_own(self):
        for function in functions():
            elsewhere = {name: value for name, value in environment(Stack(), function).items() if "ENDPOINT" in name}
            self.assertEqual(set(elsewhere.values()), {""})

    def test_keys_are_in_kms(self):
        for function in functions():
            self.assertFalse({"SIGNET_KEY_DIR", "SIGNET_ALLOW_LOCAL_KEYS"} & environment(Stack(), function).keys())

    def test_only_rotation_looks_after_the_signing_keys(self):
        have = {one for one in functions() if environment(Stack(), one).get("SIGNET_ROOT_KEYS")}
        self.assertEqual(have, {"Rotation"})

    def test_the_issuer_is_where_the_api_answers_unless_it_is_said_otherwise(self):
        issuer = lambda **parameters: environment(Stack(**parameters), "Licenses")["SIGNET_ISSUER"]
        self.assertEqual(issuer(), "https://Api.execute-api.eu-west-1.amazonaws.com")
        self.assertEqual(issuer(**ALL), "https://licenses.example.com")
        self.assertEqual(issuer(**CLOUDFRONT), "https://licenses.example.com")
        self.assertEqual(issuer(**ALL, Issuer="https://old.example.com"), "https://old.example.com")

    def test_who_signs_in(self):
        pool = environment(Stack(), "Catalog")
        self.assertEqual(pool["SIGNET_OIDC_ISSUER"], "https://cognito-idp.eu-west-1.amazonaws.com/UserPool")
        self.assertEqual(pool["SIGNET_OIDC_AUDIENCES"], "DashboardClient")
        self.assertEqual(pool["SIGNET_OIDC_ROLES_CLAIM"], "cognito:groups")
        stack = Stack(**OWN_ISSUER)
        own = environment(stack, "Catalog")
        self.assertEqual(own["SIGNET_OIDC_ISSUER"], "https://login.example.com/")
        self.assertEqual(own["SIGNET_OIDC_AUDIENCES"], "signet, shop")
        self.assertEqual(own["SIGNET_OIDC_ROLES_CLAIM"], "roles")
        self.assertFalse([one for one in stack.resources.values() if one["Type"].startswith("AWS::Cognito::")])
        self.assertNotIn("FirstOperator", stack.outputs)

    def test_the_old_sealing_keys_still_open(self):
        new, old = (f"arn:aws:kms:eu-west-1:111122223333:key/{name}" for name in ["new", "old"])
        stack = Stack(SealingKeyArn=new, OldSealingKeyArns=old)
        variables = environment(stack, "Licenses")
        self.assertEqual(variables["SIGNET_SEALING_KEY"], new)
        self.assertEqual(variables["SIGNET_OLD_SEALING_KEYS"].split(","), [stack.getatt("SealingKey.Arn"), old])
        self.assertEqual(environment(Stack(), "Licenses")["SIGNET_OLD_SEALING_KEYS"], "")


    def test_a_restored_table_keeps_its_keys(self):
        stack = Stack(RestoredSuffix="-restored-1")
        variables = environment(stack, "Licenses")
        self.assertEqual((variables["SIGNET_TABLE"], variables["SIGNET_KEYS_TABLE"]), ("signet-restored-1", "signet"))
        own = environment(Stack(), "Licenses")
        self.assertEqual((own["SIGNET_TABLE"], own["SIGNET_KEYS_TABLE"]), ("signet", "signet"))


class Functions(unittest.TestCase):
    def test_there_is_one_for_each_crate(self):
        template = source()["Resources"]
        crates = {}
        for name, one in template.items():
            if one["Type"] == "AWS::Serverless::Function":
                self.assertEqual(one["Metadata"]["BuildMethod"], "rust-cargolambda")
                crates[name] = (one["Properties"]["CodeUri"], one["Metadata"]["BuildProperties"]["Binary"])
        wanted = {f"{name}Function": (f"functions/{name.lower()}", name.lower()) for name in functions()}
        self.assertEqual(crates, wanted)

    def test_they_outlive_a_request(self):
        patience = (ROOT / "shared/src/patience.rs").read_text()
        request = int(re.search(r"request: Duration::from_secs\((\d+)\)", patience)[1])
        for name, one in Stack().of_type("AWS::Lambda::Function").items():
            self.assertGreater(one["Timeout"], request, name)
            # API Gateway gives up by then.
            self.assertLess(one["Timeout"], {"RotationFunction": 120, "StatisticsFunction": 901}.get(name, 30), name)

    def test_each_has_its_log_which_ends(self):
        for parameters in [{}, {"LogRetentionDays": "7"}]:
            stack = Stack(**parameters)
            groups = stack.of_type("AWS::Logs::LogGroup")
            kept = {one["LogGroupName"]: one["RetentionInDays"] for one in groups.values()}
            self.assertEqual(set(kept.values()), {parameters.get("LogRetentionDays", "90")})
            for name, one in stack.of_type("AWS::Lambda::Function").items():
                self.assertEqual(one["LoggingConfig"]["LogGroup"], f"/aws/lambda/{one['FunctionName']}", name)
                # Metrics are in the lines as they are written; JSON would wrap them.
                self.assertNotIn("LogFormat", one["LoggingConfig"])
                self.assertIn(one["LoggingConfig"]["LogGroup"], kept)

    def test_the_architecture_is_a_parameter(self):
        for wanted in ["x86_64", "arm64"]:
            for one in Stack(Architecture=wanted).of_type("AWS::Lambda::Function").values():
                self.assertEqual((one["Architectures"], one["Runtime"]), ([wanted], "provided.al2023"))


class Data(unittest.TestCase):
    def test_what_can_t_be_made_again_stays(self):
        kept = set()
        for name, one in Stack(**ALL).resources.items():
            if one["Type"] in KEEPS:
                kept.add(one["Type"])
                self.assertEqual((one["DeletionPolicy"], one["UpdateReplacePolicy"]), ("Retain", "Retain"), name)
        self.assertEqual(kept, KEEPS)

    def test_the_table_is_the_one_that_the_store_makes(self):
        schema = (ROOT / "shared/src/store/schema.rs").read_text()
        table = Stack().resources["Table"]["Properties"]
        names = json.loads(re.search(r"let names = (\[[^\]]+\])", schema)[1])
        self.assertEqual([one["AttributeName"] for one in table["AttributeDefinitions"]], names)
        self.assertEqual({one["AttributeType"] for one in table["AttributeDefinitions"]}, {"S"})
        key = lambda name: [
            {"AttributeName": f"{name}PK", "KeyType": "HASH"},
            {"AttributeName": f"{name}SK", "KeyType": "RANGE"},
        ]
        self.assertEqual(table["KeySchema"], key(""))
        indexes = json.loads(re.search(r"const INDEXES: [^=]+= (\[[^\]]+\])", schema)[1])
        self.assertEqual([one["IndexName"] for one in table["GlobalSecondaryIndexes"]], indexes)
        for one in table["GlobalSecondaryIndexes"]:
            self.assertEqual((one["KeySchema"], one["Projection"]), (key(one["IndexName"]), {"ProjectionType": "ALL"}))
        ttl = re.search(r'TTL_ATTRIBUTE: &str = "(\w+)"', schema)[1]
        self.assertEqual(table["TimeToLiveSpecification"], {"AttributeName": ttl, "Enabled": True})
        self.assertEqual(table["BillingMode"], "PAY_PER_REQUEST")
        self.assertEqual(table["StreamSpecification"], {"StreamViewType": "NEW_AND_OLD_IMAGES"})
        self.assertTrue(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"])
        self.assertTrue(table["DeletionProtectionEnabled"])

    def test_the_table_s_key_is_an_option(self):
        self.assertNotIn("SSESpecification", Stack().resources["Table"]["Properties"])
        self.assertNotIn("TableKey", Stack().resources)
        stack = Stack(TableEncryption="customer-managed")
        sse = stack.resources["Table"]["Properties"]["SSESpecification"]
        self.assertEqual(sse, {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": stack.getatt("TableKey.Arn")})

    def test_the_table_has_its_stack_s_name(self):
        # What is sealed is bound to it, and a table that has a name is never replaced.
        self.assertEqual(Stack().resources["Table"]["Properties"]["TableName"], STACK)


class SecretsOfTheTemplate(unittest.TestCase):
    def test_secrets_manager_makes_the_secret(self):
        made = Stack().resources["Secrets"]["Properties"]
        self.assertNotIn("SecretString", made)
        wanted = {
            "SecretStringTemplate": "{}",
            "GenerateStringKey": "key",
            "PasswordLength": 64,
            "ExcludePunctuation": True,
        }
        self.assertEqual(made["GenerateSecretString"], wanted)

    def test_nothing_in_the_template_is_one(self):
        text = (ROOT / "template.yaml").read_text()
        for name in source()["Parameters"]:
            self.assertIsNone(re.search("secret|password|token", name, re.IGNORECASE), name)
        self.assertIsNone(re.search(r"\{\{resolve:|NoEcho|BEGIN [A-Z ]*PRIVATE KEY|signet_key_", text))
        long_texts = re.findall(r"[A-Za-z0-9+/=]{40,}", text)
        self.assertEqual([one for one in long_texts if "/" not in one and not one.isalpha()], [])

    def test_people_can_t_make_themselves_operators(self):
        stack = Stack()
        self.assertEqual(stack.resources["OperatorGroup"]["Properties"]["GroupName"], "operator")
        client = stack.resources["DashboardClient"]["Properties"]
        self.assertFalse(client["GenerateSecret"])
        self.assertEqual(client["WriteAttributes"], ["email", "name"])
        self.assertEqual(client["AllowedOAuthFlows"], ["code"])
        only_admins = lambda **parameters: Stack(**parameters).resources["UserPool"]["Properties"]["AdminCreateUserConfig"]
        self.assertEqual(only_admins(), {"AllowAdminCreateUserOnly": False})
        self.assertEqual(only_admins(SelfSignUp="false"), {"AllowAdminCreateUserOnly": True})


class Parameters(unittest.TestCase):
    def test_all_have_a_default_a_description_and_a_place(self):
        template = source()
        groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        placed = [name for group in groups for name in group["Parameters"]]
        self.assertEqual(sorted(placed), sorted(template["Parameters"]))
        for name, one in template["Parameters"].items():
            self.assertIn("Default", one, name)
            self.assertTrue(one["Description"].endswith("."), name)
            self.assertEqual("AllowedPattern" in one, "ConstraintDescription" in one, name)

    def test_what_fits_together_is_taken(self):
        for parameters in [{}, ALL, CLOUDFRONT, OWN_ISSUER, OWN_ISSUER | {"OidcRolesClaim": "https://a.example/roles"}]:
            self.assertEqual(Stack(**parameters).broken_rules(), [], parameters)

    def test_what_does_not_is_refused_with_one_line_that_names_the_fix(self):
        key = "arn:aws:kms:eu-west-1:111122223333:key/a"
        certificate = ALL["CertificateArn"]
        for parameters, named in [
            (dict(DomainName="licenses.example.com"), "CertificateArn"),
            (dict(CertificateArn=certificate), "DomainName"),
            (dict(HostedZoneId="Z0123456789ABC"), "DomainName"),
            (CLOUDFRONT | dict(CertificateArn=certificate), "not both"),
            (dict(OidcIssuer="https://login.example.com"), "OidcAudiences"),
            (dict(OidcAudiences="signet"), "OidcIssuer"),
            (dict(OidcRolesClaim="roles"), "OidcIssuer"),
            (dict(OldSealingKeyArns=key), "SealingKeyArn"),
            (dict(AlarmEmail="nobody"), "AlarmEmail is"),
            (ALL | dict(DomainName="https://licenses.example.com"), "DomainName is"),
            (CLOUDFRONT | dict(CloudFrontCertificateArn=certificate), "us-east-1"),
            (dict(Issuer="https://licenses.example.com/"), "Issuer is"),
            (dict(Issuer="http://licenses.example.com"), "Issuer is"),
            (dict(OidcIssuer="login.example.com", OidcAudiences="a"), "OidcIssuer is"),
            (dict(CorsOrigins="*"), "CorsOrigins is"),
            (dict(CorsOrigins="https://shop.example.com/"), "CorsOrigins is"),
            (dict(RootKeyArns="alias/root"), "RootKeyArns is"),
            (dict(RestoredSuffix="restored"), "RestoredSuffix is"),
            (dict(SealingKeyArn=f"{key},{key}"), "SealingKeyArn is"),
        ]:
            told = Stack(**parameters).broken_rules()
            self.assertEqual(len(told), 1, f"{parameters}: {told}")
            self.assertIn(named, told[0])


class Domains(unittest.TestCase):
    def test_api_gateway_or_cloudfront_answers_there(self):
        kinds = lambda stack: {one["Type"] for one in stack.resources.values()}
        own = {"AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping", "AWS::Route53::RecordSet"}
        cloudfront = {"AWS::CloudFront::Distribution", "AWS::CloudFront::CachePolicy", "AWS::Route53::RecordSet"}
        self.assertFalse(kinds(Stack()) & (own | cloudfront))
        self.assertEqual(kinds(Stack(**ALL)) & (own | cloudfront), own)
        self.assertEqual(kinds(Stack(**CLOUDFRONT)) & (own | cloudfront), cloudfront)
        self.assertEqual(Stack(**ALL).outputs["DnsTarget"]["Value"], "ApiDomain.RegionalDomainName")
        self.assertEqual(Stack(**CLOUDFRONT).outputs["DnsTarget"]["Value"], "Distribution.DomainName")

    def test_cloudfront_keeps_what_is_public_and_nothing_else(self):
        config = Stack(**CLOUDFRONT).resources["Distribution"]["Properties"]["DistributionConfig"]
        kept = [one["PathPattern"] for one in config["CacheBehaviors"]]
        self.assertEqual(kept, ["/.well-known/*", "/api/*/products/catalog", "/openapi.json", "/docs*", "/problems*"])
        disabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
        self.assertEqual(config["DefaultCacheBehavior"]["CachePolicyId"], disabled)
        self.assertEqual({one["CachePolicyId"] for one in config["CacheBehaviors"]}, {"PublicCachePolicy"})


class Watching(unittest.TestCase):
    def test_alarms_tell_somebody(self):
        for stack in [Stack(), Stack(**ALL)]:
            alarms = stack.of_type("AWS::CloudWatch::Alarm")
            wanted = {f"{name}Errors" for name in functions()}
            wanted |= {"Throttles", "ReadThrottles", "WriteThrottles", "Faults", "Latency"}
            wanted |= {"Signatures", "Unopened", "Rotation"}
            self.assertEqual(set(alarms), {f"{name}Alarm" for name in wanted})
            for name, one in alarms.items():
                self.assertEqual(one["AlarmActions"], ["AlarmTopic"], name)
        self.assertFalse(Stack().of_type("AWS::SNS::Subscription"))
        self.assertEqual(len(Stack(**ALL).of_type("AWS::SNS::Subscription")), 1)

    def test_each_alarm_of_a_function_watches_that_function(self):
        for name in functions():
            alarm = Stack().resources[f"{name}ErrorsAlarm"]["Properties"]
            self.assertEqual(alarm["Dimensions"], [{"Name": "FunctionName", "Value": f"signet-{name.lower()}"}])

    def test_a_schedule_that_no_longer_runs_is_noticed(self):
        alarm = Stack().resources["RotationAlarm"]["Properties"]
        self.assertEqual((alarm["MetricName"], alarm["ComparisonOperator"]), ("Invocations", "LessThanThreshold"))
        self.assertEqual(alarm["TreatMissingData"], "breaching")

    def test_metrics_are_those_that_the_functions_log(self):
        noted = (ROOT / "shared/src/http/noted.rs").read_text()
        logged = set(re.findall(r'Self::\w+ => "(\w+)"', noted))
        self.assertIn("heartbeats", logged)
        text = Stack().resources["Dashboard"]["Properties"]["DashboardBody"]
        widgets = json.loads(text)["widgets"]
        shown = {
            one[1] for widget in widgets for one in widget["properties"]["metrics"] if one[0] == "Signet" and len(one) > 3
        }
        self.assertEqual(shown | {"refused"}, logged)
        self.assertIn('MetricName="refused"', json.dumps(widgets).replace('\\"', '"'))

    def test_what_does_not_open_is_counted_by_the_words_that_are_logged(self):
        sealer = (ROOT / "shared/src/tokens/sealer.rs").read_text()
        words = re.search(r'#\[error\("([^"]+)"\)\]\s+DoesNotOpen', sealer)[1]
        filters = Stack().of_type("AWS::Logs::MetricFilter")
        self.assertEqual({one["FilterPattern"] for one in filters.values()}, {f'{{ $.cause = "{words}" }}'})
        opens = {f"/aws/lambda/signet-{name}" for name in ["access", "catalog", "customers", "dashboard", "licenses", "registration"]}
        self.assertEqual({one["LogGroupName"] for one in filters.values()}, opens)


if __name__ == "__main__":
    unittest.main()
