"""What each function may do, and that it may do nothing else."""

import re
import unittest
from itertools import product

from deployed import ACCOUNT, REGION, ROOT, STACK, Stack
from iam import Role, as_list

TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{STACK}"
FUNCTIONS = [
    "Access", "Activations", "Catalog", "Customers", "Dashboard", "Discovery", "Licenses", "Registration", "Rotation",
    "Statistics",
]

# What shared::store asks for, by the partition key's first word. A transaction asks for each of its writes.
DATA = {
    "g": "GetItem",
    "q": "Query",
    "p": "PutItem",
    "u": "UpdateItem",
    "d": "DeleteItem",
    "c": "ConditionCheckItem",
    "s": "Scan",
    "b": "BatchGetItem",
    "w": "BatchWriteItem",
    "P": "PartiQLSelect",
    "U": "PartiQLUpdate",
}
START = {"KEYRING": "q", "CATALOG": "q"}
CALLERS = {"APIKEYS": "g", "RATE#": "u"}
ONCE = {"IDEMPOTENCY#": "pud"}
MAY = {
    "Access": START | CALLERS | ONCE | {"APIKEYS": "gqpud", "KEYRING": "qp"},
    "Activations": START | CALLERS | {"KEY#": "g", "SUBJECT#": "g", "CUSTOMER#": "g", "LICENSE#": "gqpud"},
    "Catalog": START | CALLERS | ONCE | {"CATALOG": "gqp"},
    "Customers": START | CALLERS | ONCE | {"CUSTOMER#": "gpu", "EMAIL#": "gpd"},
    "Dashboard": START
    | ONCE
    | {"CATALOG": "gqp", "CUSTOMER#": "gpu", "EMAIL#": "gpd", "SUBJECT#": "gp", "LICENSE#": "gqpudc", "KEY#": "gp"}
    | {"APIKEYS": "gqpud", "KEYRING": "qp", "STATISTICS": "g", "SESSION#": "gp"},
    "Discovery": START | {"KEYRING": "gq"},
    "Licenses": START | CALLERS | ONCE | {"CATALOG": "gq", "CUSTOMER#": "g", "KEY#": "gp", "LICENSE#": "gqpudc"},
    "Registration": START
    | CALLERS
    | ONCE
    | {"CATALOG": "gq", "CUSTOMER#": "gpu", "EMAIL#": "gp", "SUBJECT#": "gp", "LICENSE#": "gqpu", "KEY#": "p"},
    "Rotation": START | {"KEYRING": "qpu"},
    "Statistics": START | {"STATISTICS": "gp", "LICENSE#": "q", "CUSTOMER#": "g"},
}
INDEXES = {
    "Customers": {("GSI1", "CUSTOMERS")},
    "Dashboard": {("GSI1", "CUSTOMERS"), ("GSI1", "CUSTOMER#"), ("GSI1", "EVENTS#"), ("GSI2", "LICENSES")},
    "Licenses": {("GSI1", "CUSTOMER#"), ("GSI1", "EVENTS#"), ("GSI2", "LICENSES")},
    "Registration": {("GSI1", "CUSTOMER#")},
    "Statistics": {("GSI1", "EVENTS#"), ("GSI2", "LICENSES")},
}
# What some may write of an item of which they may not write the rest: the attributes, and some of that rest.
SOME_ATTRIBUTES = [
    (
        "UpdateItem",
        "APIKEYS",
        {"last_used_at"},
        {"secret_sha256", "scopes", "expires_at", "ids"},
        {"Activations", "Catalog", "Customers", "Licenses", "Registration"},
    ),
    (
        "UpdateItem",
        "KEYRING",
        {"longest_life_seconds", "retires_at", "condemned_at"},
        {"kid", "n", "e", "handle", "state", "version", "roots", "jwt"},
        {"Activations", "Dashboard", "Licenses", "Registration"},
    ),
    ("PutItem", "CUSTOMER#", {"license_id"}, {"email", "subject", "name"}, {"Licenses"}),
]
SIGNERS = {"Activations", "Dashboard", "Licenses", "Registration"}
SEALERS = {"Access", "Catalog", "Customers", "Dashboard", "Licenses", "Registration"}


def partition(word):
    return word + "01JD8W0V5XK6Q3R7T2N4M8P9ZB" if word.endswith("#") else word


def attributes_of(file, function):
    """The attributes in a function's texts of DynamoDB's language."""
    code = (ROOT / "shared/src/store" / file).read_text()
    body = code[code.index(f"fn {function}(") :].split("\n    }\n")[0]
    texts = " ".join(re.findall(r'"([^"]*)"', body))
    return set(re.findall(r"(?<![:\w])[a-z_]+", texts)) - {"attribute_exists", "attribute_not_exists"}


def key(name):
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"


def tags(use, table=STACK):
    return {"aws__ResourceTag/signet__table": table, "aws__ResourceTag/signet__use": use}


ROOT_KEY, SEALING_KEY, SIGNING_KEY = key("RootKey"), key("SealingKey"), key("made-at-run-time")
KEYS = {
    ROOT_KEY: tags("root"),
    SEALING_KEY: tags("seal"),
    SIGNING_KEY: tags("sign"),
    key("of-another-table"): tags("sign", "other"),
    key("of-somebody-else"): {},
}
SIGNATURE = {"kms__SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256", "kms__MessageType": "DIGEST"}
SEAL = {"kms__EncryptionContext__signet__table": STACK, "kms__EncryptionContext__signet__use": "seal"}
MAKE = {
    "kms__KeySpec": "RSA_2048",
    "kms__KeyUsage": "SIGN_VERIFY",
    "aws__RequestTag/signet__table": STACK,
    "aws__RequestTag/signet__use": "sign",
    "aws__TagKeys": ["signet:table", "signet:use"],
}


class Roles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.roles = {name: Role(cls.stack, f"{name}Role") for name in FUNCTIONS}

    def who(self, may):
        return {name for name, role in self.roles.items() if may(role)}

    def test_every_function_has_its_own_role(self):
        used = {name: one["Role"].split("/")[1] for name, one in self.stack.of_type("AWS::Lambda::Function").items()}
        self.assertEqual(used, {f"{name}Function": f"{name}Role" for name in FUNCTIONS})

    def test_items_of_the_table(self):
        words = sorted({word for may in MAY.values() for word in may})
        for function, (letter, action), word in product(FUNCTIONS, DATA.items(), words):
            attributes = ["PK", "SK", "anything"]
            done = self.roles[function].may(
                f"dynamodb:{action}", TABLE, dynamodb__LeadingKeys=[partition(word)], dynamodb__Attributes=attributes
            )
            self.assertEqual(done, letter in MAY[function].get(word, ""), f"{function} {action} {word}")

    def test_the_partitions_are_those_that_the_store_has(self):
        keys = (ROOT / "shared/src/store/keys.rs").read_text()
        written = set(re.findall(r'const (?:CATALOG|API_KEYS|KEYRING): &str = "(\w+)"', keys))
        written |= {word for word in re.findall(r'format!\("([A-Z]+#)\{', keys)}
        written |= set(re.findall(r'Key::new\("([A-Z]+)", "', keys))
        sort_keys = {"PRODUCT#", "TIER#", "FEATURE#", "CLAIM#", "CURRENT#", "EVENT#", "EVENTS#"}
        self.assertEqual(written - sort_keys, {word for may in MAY.values() for word in may})

    def test_one_request_for_several_partitions_is_held_to_all_of_them(self):
        both = [partition("LICENSE#"), "KEYRING"]
        self.assertFalse(self.roles["Licenses"].may("dynamodb:PutItem", TABLE, dynamodb__LeadingKeys=both))

    def test_attributes_of_items(self):
        for action, word, attributes, rest, functions in SOME_ATTRIBUTES:

            def may(role, names):
                return role.may(
                    f"dynamodb:{action}", TABLE, dynamodb__LeadingKeys=[partition(word)], dynamodb__Attributes=names
                )

            for name in functions:
                self.assertTrue(may(self.roles[name], ["PK", "SK", *attributes]), f"{name} {action} {word}")
                for more in rest:
                    self.assertFalse(may(self.roles[name], ["PK", "SK", more]), f"{name} {action} {word} {more}")

    def test_the_attributes_are_those_that_the_store_writes(self):
        written = {
            "APIKEYS": attributes_of("api_keys.rs", "note_api_key_use"),
            "KEYRING": attributes_of("ring.rs", "lengthen_life"),
            "CUSTOMER#": {"license_id"},
        }
        self.assertEqual({word: attributes for _, word, attributes, _, _ in SOME_ATTRIBUTES}, written)
        licenses = (ROOT / "shared/src/store/licenses.rs").read_text()
        fields = re.search(r"struct CurrentRecord \{([^}]*)\}", licenses)[1]
        self.assertEqual(re.findall(r"(\w+):", fields), ["license_id"])

    def test_indexes(self):
        asked = sorted({one for some in INDEXES.values() for one in some} | {("GSI1", "LICENSES"), ("GSI2", "EVENTS#")})
        for function, (index, word) in product(FUNCTIONS, asked):
            arn = f"{TABLE}/index/{index}"
            done = self.roles[function].may("dynamodb:Query", arn, dynamodb__LeadingKeys=[partition(word)])
            self.assertEqual(done, (index, word) in INDEXES.get(function, ()), f"{function} {index} {word}")
            for action in ["Scan", "GetItem", "PartiQLSelect"]:
                self.assertFalse(self.roles[function].may(f"dynamodb:{action}", arn), f"{function} {action}")

    def test_nobody_touches_the_table_itself(self):
        for action in ["DeleteTable", "UpdateTable", "UpdateTimeToLive", "CreateBackup", "DescribeTable", "ExportTable"]:
            self.assertEqual(self.who(lambda role: role.may(f"dynamodb:{action}", TABLE)), set(), action)
        other = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/other"
        reads = self.who(lambda role: role.may("dynamodb:Query", other, dynamodb__LeadingKeys=["CATALOG"]))
        self.assertEqual(reads, set())

    def test_who_signs_with_what(self):
        signers = {SIGNING_KEY: SIGNERS, ROOT_KEY: {"Rotation"}}
        for arn, tagged in KEYS.items():
            sign = self.who(lambda role: role.may_with_key("kms:Sign", arn, **tagged, **SIGNATURE))
            self.assertEqual(sign, signers.get(arn, set()), arn)
            raw = SIGNATURE | {"kms__MessageType": "RAW"}
            self.assertEqual(self.who(lambda role: role.may_with_key("kms:Sign", arn, **tagged, **raw)), set(), arn)

    def test_who_seals(self):
        for arn, action in product(KEYS, ["kms:GenerateDataKey", "kms:Decrypt"]):
            may = self.who(lambda role: role.may_with_key(action, arn, **KEYS[arn], **SEAL))
            self.assertEqual(may, SEALERS if arn == SEALING_KEY else set(), f"{action} {arn}")
            other = SEAL | {"kms__EncryptionContext__signet__table": "other"}
            self.assertEqual(self.who(lambda role: role.may_with_key(action, arn, **KEYS[arn], **other)), set())
            self.assertEqual(self.who(lambda role: role.may_with_key(action, arn, **KEYS[arn])), set())

    def test_only_rotation_makes_keys_and_only_of_its_own_kind(self):
        make = lambda **changed: self.who(lambda role: role.may("kms:CreateKey", "*", **(MAKE | changed)))
        self.assertEqual(make(), {"Rotation"})
        for changed in [
            {"kms__KeySpec": "RSA_4096"},
            {"kms__KeyUsage": "ENCRYPT_DECRYPT"},
            {"aws__RequestTag/signet__table": "other"},
            {"aws__RequestTag/signet__use": "root"},
            {"aws__TagKeys": ["signet:table", "signet:use", "more"]},
        ]:
            self.assertEqual(make(**changed), set(), changed)

    def test_only_rotation_tags_keys_and_none_that_is_another_s(self):
        wanted = {name: MAKE[name] for name in MAKE if name.startswith("aws__")}
        for arn, tagged in KEYS.items():
            may = self.who(lambda role: role.may_with_key("kms:TagResource", arn, **wanted, **tagged))
            # A key that is just being made has no tags yet, as one that is somebody else's.
            self.assertEqual(may, {"Rotation"} if tagged in ({}, tags("sign")) else set(), arn)
            self.assertEqual(self.who(lambda role: role.may_with_key("kms:UntagResource", arn, **tagged)), set())

    def test_only_rotation_ends_keys_and_only_those_that_signed_for_this_table(self):
        for arn, tagged in KEYS.items():
            days = {"kms__ScheduleKeyDeletionPendingWindowInDays": "30"}
            end = self.who(lambda role: role.may_with_key("kms:ScheduleKeyDeletion", arn, **tagged, **days))
            self.assertEqual(end, {"Rotation"} if arn == SIGNING_KEY else set(), arn)
            soon = {"kms__ScheduleKeyDeletionPendingWindowInDays": "7"}
            self.assertEqual(
                self.who(lambda role: role.may_with_key("kms:ScheduleKeyDeletion", arn, **tagged, **soon)), set()
            )

    def test_public_keys(self):
        for arn, tagged in KEYS.items():
            read = self.who(lambda role: role.may_with_key("kms:GetPublicKey", arn, **tagged))
            self.assertEqual(read, set(FUNCTIONS) if arn == SIGNING_KEY else {"Rotation"}, arn)

    def test_rotation_looks_at_every_key_and_health_at_those_that_sign(self):
        for arn, tagged in KEYS.items():
            described = self.who(lambda role: role.may_with_key("kms:DescribeKey", arn, **tagged))
            self.assertEqual(described, {"Rotation", "Discovery"} if arn == SIGNING_KEY else {"Rotation"}, arn)

    def test_nobody_rules_over_keys(self):
        for arn, action in product(
            KEYS,
            ["CreateGrant", "PutKeyPolicy", "DisableKey", "CancelKeyDeletion", "Encrypt", "ReEncryptFrom", "ReplicateKey"],
        ):
            self.assertEqual(self.who(lambda role: role.may_with_key(f"kms:{action}", arn, **KEYS[arn])), set(), action)

    def test_who_deletes_a_key_does_not_use_it_by_that(self):
        for name, one in self.stack.of_type("AWS::KMS::Key").items():
            for statement in one["KeyPolicy"]["Statement"]:
                actions = set(as_list(statement["Action"]))
                uses = actions & {"kms:Sign", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"}
                self.assertFalse(uses and "kms:ScheduleKeyDeletion" in actions, f"{name} {statement['Sid']}")
                self.assertNotIn("kms:*", actions)

    def test_an_administrator_keeps_the_root_key_and_does_not_sign_with_it(self):
        administrator = Role(self.stack, "RotationRole")
        administrator.arn, administrator.statements = (
            "arn:aws:iam::111122223333:role/Administrator",
            [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        )
        self.assertTrue(administrator.may_with_key("kms:ScheduleKeyDeletion", ROOT_KEY))
        self.assertTrue(administrator.may_with_key("kms:PutKeyPolicy", ROOT_KEY))
        self.assertFalse(administrator.may_with_key("kms:Sign", ROOT_KEY, **SIGNATURE))
        self.assertFalse(administrator.may_with_key("kms:Decrypt", SEALING_KEY))
        self.assertTrue(administrator.may_with_key("kms:Decrypt", SEALING_KEY, **SEAL))

    def test_the_secret_is_read_and_no_more(self):
        secret = self.stack.ref("Secrets")
        self.assertEqual(self.who(lambda role: role.may("secretsmanager:GetSecretValue", secret)), set(FUNCTIONS))
        other = secret.replace("Secrets", "Other")
        self.assertEqual(self.who(lambda role: role.may("secretsmanager:GetSecretValue", other)), set())
        for action in ["PutSecretValue", "UpdateSecret", "DeleteSecret"]:
            self.assertEqual(self.who(lambda role: role.may(f"secretsmanager:{action}", secret)), set())

    def test_each_writes_its_own_log(self):
        for function, log in product(FUNCTIONS, FUNCTIONS):
            stream = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{STACK}-{log.lower()}:log-stream:2026/01/15"
            may = self.roles[function].may("logs:PutLogEvents", stream)
            self.assertEqual(may, function == log, f"{function} {log}")
            self.assertFalse(self.roles[function].may("logs:CreateLogGroup", stream))

    def test_every_action_is_named_and_everything_is_meant_only_where_it_must_be(self):
        everything = set()
        for name, role in self.roles.items():
            for statement in role.statements:
                for action in as_list(statement["Action"]):
                    self.assertNotIn("*", action, f"{name} {statement['Sid']}")
                    if statement["Resource"] == "*":
                        everything.add((name, action))
        allowed = {("Rotation", f"kms:{action}") for action in ["CreateKey", "ListKeys", "TagResource"]}
        self.assertEqual(everything, allowed)

    def test_only_the_gateway_and_the_schedule_call_functions(self):
        for name, one in self.stack.of_type("AWS::Lambda::Permission").items():
            self.assertEqual(one["Principal"], "apigateway.amazonaws.com", name)
            self.assertEqual(one["SourceArn"], f"arn:aws:execute-api:{REGION}:{ACCOUNT}:Api/*", name)
        schedule = Role(self.stack, "ScheduleRole")
        rotation = self.stack.getatt("RotationFunction.Arn")
        self.assertTrue(schedule.may("lambda:InvokeFunction", rotation))
        self.assertFalse(schedule.may("lambda:InvokeFunction", self.stack.getatt("LicensesFunction.Arn")))
        self.assertEqual(self.who(lambda role: role.may("lambda:InvokeFunction", rotation)), set())


class OtherKeys(unittest.TestCase):
    """Where an operator replaces the sealing key and the root key."""

    def test_a_new_key_seals_and_the_old_ones_open(self):
        new, older = key("new"), key("older")
        stack = Stack(SealingKeyArn=new, OldSealingKeyArns=older)
        role = Role(stack, "LicensesRole")
        may = lambda action, arn: role.may_with_key(action, arn, **SEAL)
        self.assertTrue(may("kms:GenerateDataKey", new))
        self.assertFalse(may("kms:GenerateDataKey", SEALING_KEY))
        self.assertFalse(may("kms:GenerateDataKey", older))
        self.assertTrue(all(may("kms:Decrypt", arn) for arn in [new, SEALING_KEY, older]))
        role = Role(Stack(SealingKeyArn=new), "LicensesRole")
        opens = [arn for arn in [new, SEALING_KEY, older] if role.may_with_key("kms:Decrypt", arn, **SEAL)]
        self.assertEqual(opens, [new, SEALING_KEY])

    def test_rotation_signs_with_the_root_keys_that_it_is_given(self):
        first, second = key("first"), key("second")
        stack = Stack(RootKeyArns=f"{first},{second}")
        roles = {name: Role(stack, f"{name}Role") for name in FUNCTIONS}
        for arn in [first, second]:
            may = {name for name, role in roles.items() if role.may_with_key("kms:Sign", arn, **SIGNATURE)}
            self.assertEqual(may, {"Rotation"})

    def test_a_restored_table_is_read_in_place_of_the_stack_s(self):
        role = Role(Stack(RestoredSuffix="-restored-1"), "CustomersRole")
        for table, may in [(TABLE, False), (TABLE + "-restored-1", True), (TABLE + "-restored-12", False)]:
            get = role.may("dynamodb:GetItem", table, dynamodb__LeadingKeys=[partition("CUSTOMER#")])
            listed = role.may("dynamodb:Query", f"{table}/index/GSI1", dynamodb__LeadingKeys=["CUSTOMERS"])
            self.assertEqual((get, listed), (may, may), table)
        self.assertTrue(role.may_with_key("kms:Decrypt", SEALING_KEY, **SEAL))

    def test_tracing_takes_what_it_takes(self):
        role = Role(Stack(Tracing="Active"), "DiscoveryRole")
        self.assertTrue(role.may("xray:PutTraceSegments", "*"))
        self.assertFalse(Role(Stack(), "DiscoveryRole").may("xray:PutTraceSegments", "*"))


if __name__ == "__main__":
    unittest.main()
