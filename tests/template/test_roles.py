"""Tests that the role of each function allows what the function needs, and nothing else."""

import json
import re
import unittest
from itertools import product

import rust_source
from cloudformation import ACCOUNT, REGION, STACK, Installation, crate_name
from iam import Role, as_list, signing_key_policy

TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{STACK}"
FUNCTIONS = [
    "Access", "Activations", "Catalog", "Customers", "Dashboard", "Discovery", "Licenses", "Registration", "Rotation",
    "Statistics", "Transfers", "Webhooks", "WebhooksFeed", "WebhooksSender",
]
# Those that are not behind API Gateway.
BACKGROUND = {"Rotation", "Statistics", "WebhooksFeed", "WebhooksSender"}

# DynamoDB actions, by the letters that stand for them in the tables below. A transaction requires the actions of its writes.
ACTIONS = {
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
# The allowed actions on the table by partition key: those of the shared policies, and those of each function.
BASE = {"KEYRING": "q", "CATALOG": "q"}
AUTHENTICATION = {"APIKEYS": "g", "RATE#": "u"}
IDEMPOTENCY = {"IDEMPOTENCY#": "pud"}
# The partitions of events, by the type of the resource.
HISTORIES = [
    *["HISTORY#product#", "HISTORY#pricing_tier#", "HISTORY#product_feature#", "HISTORY#customer#", "HISTORY#api_key#"],
    *["HISTORY#signing_key#", "HISTORY#webhook_endpoint#", "HISTORY#settings#"],
]
ALLOWED = {
    "Access": BASE | AUTHENTICATION | IDEMPOTENCY | {"APIKEYS": "gqpud", "KEYRING": "qpu", "HISTORY#api_key#": "pud", "HISTORY#signing_key#": "pu"},
    "Activations": BASE | AUTHENTICATION | {"KEY#": "g", "SUBJECT#": "g", "CUSTOMER#": "g", "LICENSE#": "gqpudc"},
    "Catalog": BASE
    | AUTHENTICATION
    | IDEMPOTENCY
    | {"CATALOG": "gqpu", "HISTORY#product#": "pu", "HISTORY#pricing_tier#": "pu", "HISTORY#product_feature#": "pu"},
    "Customers": BASE
    | AUTHENTICATION
    | {"CATALOG": "gq", "CUSTOMER#": "gpudc", "EMAIL#": "gpudc", "CUSTOMER_EXTERNAL_ID#": "gpudc", "SUBJECT#": "pudc"}
    | {"CURRENT#": "gpudc", "ERASURES": "pudc", "LICENSE#": "gqpudc", "LICENSE_EXTERNAL_ID#": "pudc", "IDEMPOTENCY#": "pudc"}
    | {"HISTORY#customer#": "qpudc", "SEARCH#": "gpd"},
    "Dashboard": BASE
    | {"CATALOG": "gqpu", "CUSTOMER#": "gpudc", "EMAIL#": "gpudc", "SUBJECT#": "gpudc", "LICENSE#": "gqpudc", "KEY#": "gpuc"}
    | {"CURRENT#": "gpudc", "CLAIM#": "gpuc", "APIKEYS": "gqpud", "KEYRING": "qpu", "STATISTICS": "g", "SESSION#": "gp"}
    | {"CUSTOMER_EXTERNAL_ID#": "gpudc", "LICENSE_EXTERNAL_ID#": "gpudc", "ERASURES": "pudc", "IDEMPOTENCY#": "pudc"}
    | {"RATE#": "u", "WEBHOOKS": "gqpud", "WEBHOOK_HEALTH": "gqpud", "WEBHOOK#": "gqpu", "SEARCH#": "gqpd"}
    | dict.fromkeys(HISTORIES, "q")
    | {"HISTORY#product#": "qpu", "HISTORY#pricing_tier#": "qpu", "HISTORY#product_feature#": "qpu"}
    | {"HISTORY#customer#": "qpudc", "HISTORY#api_key#": "qpud", "HISTORY#signing_key#": "qpu", "HISTORY#webhook_endpoint#": "qpud"},
    "Discovery": BASE | {"KEYRING": "gq"},
    "Licenses": BASE
    | AUTHENTICATION
    | {"CATALOG": "gq", "CUSTOMER#": "g", "CURRENT#": "gpudc", "KEY#": "gpuc", "LICENSE#": "gqpudc"}
    | {"LICENSE_EXTERNAL_ID#": "gpudc", "IDEMPOTENCY#": "pudc"}
    | dict.fromkeys(HISTORIES, "q"),
    "Registration": BASE
    | AUTHENTICATION
    | {"CATALOG": "gq", "CUSTOMER#": "gpu", "CURRENT#": "gpuc", "CLAIM#": "gpuc", "EMAIL#": "gpu", "SUBJECT#": "gpu"}
    | {"LICENSE#": "gqpuc", "KEY#": "gpuc", "IDEMPOTENCY#": "pudc", "HISTORY#customer#": "pu"},
    "Rotation": BASE | {"KEYRING": "qpu", "HISTORY#signing_key#": "pu"},
    "Transfers": BASE
    | AUTHENTICATION
    | {"CATALOG": "gq", "CUSTOMER#": "gp", "EMAIL#": "gp", "CUSTOMER_EXTERNAL_ID#": "gp", "LICENSE_EXTERNAL_ID#": "gpc"}
    | {"LICENSE#": "gqpdc", "KEY#": "gpc", "CURRENT#": "gpc", "HISTORY#customer#": "p"},
    "Statistics": BASE
    | {"STATISTICS": "gpu", "STATISTICS#": "gpu", "LICENSE#": "gqpudc", "CUSTOMER#": "g"}
    | {"LICENSE_EXTERNAL_ID#": "pudc", "ERASURES": "qpudc", "HISTORY#customer#": "qp", "EXPIRY_ANNOUNCEMENTS": "gp"}
    | {"SEARCH#": "gpd"},
    "Webhooks": BASE
    | AUTHENTICATION
    | IDEMPOTENCY
    | {"WEBHOOKS": "gqpud", "WEBHOOK_HEALTH": "gqpud", "WEBHOOK#": "gqpu", "HISTORY#webhook_endpoint#": "pud"},
    "WebhooksFeed": BASE
    | {"WEBHOOKS": "q", "WEBHOOK_HEALTH": "q", "WEBHOOK_FEED": "gp", "WEBHOOK#": "p", "CUSTOMER#": "g", "LICENSE#": "g"}
    | {"SEARCH#": "gpd"},
    # It cannot write endpoints, so that it cannot change where webhooks are sent.
    "WebhooksSender": BASE
    | {"WEBHOOKS": "g", "WEBHOOK_HEALTH": "gp", "WEBHOOK#": "qpdc", "HISTORY#webhook_endpoint#": "p"},
}
# The index partitions that each function can query.
INDEXES = {
    "Activations": {("GSI1", "CUSTOMER#"), ("GSI8", "MACHINE#")},
    "Customers": {("GSI1", "CUSTOMERS"), ("GSI1", "CUSTOMER#"), ("GSI3", "CUSTOMERS")},
    "Dashboard": {("GSI1", "CUSTOMERS"), ("GSI1", "CUSTOMER#"), ("GSI1", "EVENTS#"), ("GSI2", "LICENSES")}
    | {("GSI3", "PRODUCT#")},
    "Licenses": {("GSI1", "CUSTOMER#"), ("GSI1", "EVENTS#"), ("GSI2", "LICENSES")}
    | {("GSI3", "PRODUCT#"), ("GSI4", "TIER#"), ("GSI5", "STATUS#"), ("GSI6", "EXPIRING"), ("GSI7", "TAG#")},
    "Registration": {("GSI1", "CUSTOMER#")},
    "Statistics": {("GSI1", "EVENTS#"), ("GSI1", "CUSTOMERS"), ("GSI1", "CUSTOMER#"), ("GSI1", "STATISTICS")}
    | {("GSI2", "LICENSES"), ("GSI2", "STATISTICS"), ("GSI5", "STATUS#active"), ("GSI5", "STATUS#suspended"), ("GSI6", "EXPIRING")},
    "Transfers": {("GSI1", "CUSTOMERS"), ("GSI1", "EVENTS#"), ("GSI2", "LICENSES")},
    "Webhooks": {("GSI1", "EVENTS#")},
    "WebhooksFeed": {("GSI1", "EVENTS#"), ("GSI1", "WEBHOOK_DUE#")},
    "WebhooksSender": {("GSI1", "EVENTS#"), ("GSI1", "WEBHOOK_DUE#")},
}
# Writes that are restricted to attributes: action, partition key, allowed attributes, examples of denied attributes, functions.
# The dashboard is not restricted in KEYRING, because it also rotates and condemns keys.
ATTRIBUTE_RESTRICTIONS = [
    (
        "UpdateItem",
        "APIKEYS",
        {"last_used_at"},
        {"secret_sha256", "scopes", "expires_at", "ids"},
        {"Activations", "Catalog", "Customers", "Licenses", "Registration", "Transfers", "Webhooks"},
    ),
    (
        "UpdateItem",
        "KEYRING",
        {"longest_life_seconds", "retires_at", "condemned_at"},
        {"kid", "n", "e", "handle", "state", "version", "roots", "jwt"},
        {"Activations", "Licenses", "Registration"},
    ),
]
# The transactions of the store, by the method and possibly a case: functions, and partition keys of the items by action.
TRANSACTIONS = {
    "issue": (
        {"Licenses", "Registration", "Dashboard"},
        {"p": ["LICENSE#", "KEY#", "CURRENT#"], "u": ["LICENSE#", "IDEMPOTENCY#"], "c": ["CURRENT#"]},
    ),
    "issue with an external id": (
        {"Licenses", "Dashboard"},
        {"p": ["LICENSE#", "KEY#", "CURRENT#", "LICENSE_EXTERNAL_ID#"], "u": ["LICENSE#", "IDEMPOTENCY#"], "c": ["CURRENT#"]},
    ),
    "issue for a claim": (
        {"Registration", "Dashboard"},
        {"p": ["LICENSE#", "KEY#", "CURRENT#", "CLAIM#"], "u": ["LICENSE#", "IDEMPOTENCY#"], "c": ["CURRENT#"]},
    ),
    "issue_batch": ({"Licenses", "Dashboard"}, {"p": ["LICENSE#", "KEY#"]}),
    "regenerate": ({"Licenses", "Dashboard"}, {"p": ["LICENSE#", "KEY#"], "u": ["LICENSE#", "IDEMPOTENCY#"]}),
    "revoke": ({"Licenses", "Customers", "Dashboard"}, {"p": ["LICENSE#"], "u": ["LICENSE#", "IDEMPOTENCY#"]}),
    "transition": ({"Licenses", "Dashboard"}, {"p": ["LICENSE#"], "u": ["LICENSE#", "IDEMPOTENCY#"]}),
    "replace_overrides": (
        {"Licenses", "Dashboard"},
        {"p": ["LICENSE#"], "u": ["LICENSE#"], "d": ["LICENSE#"], "c": ["LICENSE#"]},
    ),
    "update_license for a customer": (
        {"Licenses", "Dashboard"},
        {
            "p": ["LICENSE#", "LICENSE_EXTERNAL_ID#", "CURRENT#"],
            "u": ["LICENSE#"],
            "d": ["LICENSE#", "LICENSE_EXTERNAL_ID#"],
            "c": ["LICENSE#", "CURRENT#"],
        },
    ),
    "update_license for a claim": (
        {"Registration", "Dashboard"},
        {"p": ["LICENSE#", "CURRENT#"], "u": ["LICENSE#", "IDEMPOTENCY#"], "c": ["LICENSE#", "CURRENT#"]},
    ),
    "update_license": (
        {"Licenses", "Customers", "Statistics", "Dashboard"},
        {
            "p": ["LICENSE#", "LICENSE_EXTERNAL_ID#"],
            "u": ["LICENSE#"],
            "d": ["LICENSE#", "LICENSE_EXTERNAL_ID#"],
            "c": ["LICENSE#"],
        },
    ),
    "record_audit": ({"Licenses", "Dashboard"}, {"p": ["LICENSE#"], "u": ["IDEMPOTENCY#"]}),
    "end_seatless_activation": ({"Licenses", "Dashboard"}, {"p": ["LICENSE#"], "u": ["LICENSE#"], "c": ["LICENSE#"]}),
    "free_seat": ({"Licenses", "Dashboard"}, {"d": ["LICENSE#"], "c": ["LICENSE#"]}),
    "take_free_seat": ({"Activations", "Dashboard", "Transfers"}, {"p": ["LICENSE#"], "d": ["LICENSE#"]}),
    "take_over": ({"Activations", "Dashboard", "Transfers"}, {"p": ["LICENSE#"], "d": ["LICENSE#"]}),
    "borrow": ({"Activations", "Dashboard", "Licenses"}, {"p": ["LICENSE#"], "u": ["LICENSE#"]}),
    "record_facts": ({"Activations", "Dashboard", "Licenses"}, {"u": ["LICENSE#"], "c": ["LICENSE#"]}),
    "deactivate": ({"Activations", "Customers", "Statistics", "Dashboard"}, {"p": ["LICENSE#"], "u": ["LICENSE#"], "d": ["LICENSE#"]}),
    "import_customer": ({"Transfers"}, {"p": ["EMAIL#", "CUSTOMER#", "CUSTOMER_EXTERNAL_ID#", "HISTORY#customer#"]}),
    "import_license": ({"Transfers"}, {"p": ["LICENSE#", "KEY#", "LICENSE_EXTERNAL_ID#", "CURRENT#"], "c": ["CURRENT#"]}),
    "write_catalog": (
        {"Catalog", "Dashboard"},
        {"p": ["CATALOG", "HISTORY#product#", "HISTORY#pricing_tier#", "HISTORY#product_feature#"], "u": ["IDEMPOTENCY#"]},
    ),
    "add_customer": (
        {"Customers", "Dashboard"},
        {"p": ["EMAIL#", "CUSTOMER#", "CUSTOMER_EXTERNAL_ID#", "HISTORY#customer#"], "u": ["IDEMPOTENCY#"]},
    ),
    "replace_customer": (
        {"Customers", "Dashboard"},
        {
            "p": ["EMAIL#", "CUSTOMER_EXTERNAL_ID#", "CUSTOMER#", "HISTORY#customer#"],
            "u": ["CUSTOMER#"],
            "d": ["EMAIL#", "CUSTOMER_EXTERNAL_ID#", "CUSTOMER#"],
        },
    ),
    "erase_customer": (
        {"Customers", "Dashboard"},
        {
            "p": ["ERASURES", "CURRENT#", "HISTORY#customer#"],
            "u": ["CUSTOMER#"],
            "d": ["EMAIL#", "SUBJECT#", "CUSTOMER_EXTERNAL_ID#", "CUSTOMER#"],
            "c": ["CURRENT#"],
        },
    ),
    "register": (
        {"Registration", "Dashboard"},
        {"p": ["SUBJECT#", "EMAIL#", "CUSTOMER#", "HISTORY#customer#"], "u": ["IDEMPOTENCY#"]},
    ),
    "link_subject": (
        {"Registration", "Dashboard"},
        {"p": ["SUBJECT#", "HISTORY#customer#"], "u": ["CUSTOMER#", "IDEMPOTENCY#"]},
    ),
    "add_api_key": ({"Access", "Dashboard"}, {"p": ["APIKEYS", "HISTORY#api_key#"], "u": ["APIKEYS", "IDEMPOTENCY#"]}),
    "delete_api_key": ({"Access", "Dashboard"}, {"p": ["HISTORY#api_key#"], "u": ["APIKEYS"], "d": ["APIKEYS"]}),
    "update_key_ring": ({"Access", "Dashboard"}, {"p": ["KEYRING", "HISTORY#signing_key#"], "u": ["IDEMPOTENCY#"]}),
    "update_key_ring by schedule": ({"Rotation"}, {"p": ["KEYRING", "HISTORY#signing_key#"]}),
    "replace_words": ({"Customers", "Dashboard", "Statistics", "WebhooksFeed"}, {"p": ["SEARCH#"], "d": ["SEARCH#"]}),
    "commit_changes": ({"Statistics"}, {"p": ["STATISTICS#"], "u": ["STATISTICS"]}),
    "set_roots": ({"Rotation"}, {"p": ["KEYRING"], "u": ["KEYRING"]}),
    "store_signed_set": ({"Rotation"}, {"p": ["KEYRING"], "u": ["KEYRING"]}),
    "announce_expiry": ({"Statistics"}, {"p": ["LICENSE#"], "c": ["LICENSE#"]}),
    "record_seat_limit": ({"Activations", "Dashboard", "Licenses"}, {"p": ["LICENSE#"]}),
    "add_webhook_endpoint": (
        {"Webhooks", "Dashboard"},
        {"p": ["WEBHOOKS", "HISTORY#webhook_endpoint#"], "u": ["WEBHOOKS", "IDEMPOTENCY#"]},
    ),
    "replace_webhook_endpoint": (
        {"Webhooks", "Dashboard"},
        {"p": ["WEBHOOKS", "WEBHOOK_HEALTH", "HISTORY#webhook_endpoint#"], "u": ["IDEMPOTENCY#"]},
    ),
    "delete_webhook_endpoint": (
        {"Webhooks", "Dashboard"},
        {"p": ["HISTORY#webhook_endpoint#", "WEBHOOK_HEALTH"], "u": ["WEBHOOKS"], "d": ["WEBHOOKS"]},
    ),
    "add_webhook_test": ({"Webhooks", "Dashboard"}, {"p": ["WEBHOOK#", "HISTORY#webhook_endpoint#"], "u": ["IDEMPOTENCY#"]}),
    "replace_webhook_delivery": ({"Webhooks", "Dashboard"}, {"p": ["WEBHOOK#"], "u": ["IDEMPOTENCY#"]}),
    "begin_webhook_attempt": ({"WebhooksSender"}, {"p": ["WEBHOOK#"], "c": ["WEBHOOK#"]}),
    "record_webhook_health": ({"WebhooksSender"}, {"p": ["WEBHOOK_HEALTH", "HISTORY#webhook_endpoint#"]}),
    # By `signet reencrypt`.
    "replace_sealed_webhook_secrets": (set(), {"u": ["WEBHOOKS"]}),
}
SIGNERS = {"Activations", "Dashboard", "Licenses", "Registration"}
SEALERS = {"Access", "Catalog", "Customers", "Dashboard", "Licenses", "Registration", "Webhooks"}
# Those that encrypt values and cannot decrypt any, and those that decrypt values and cannot encrypt any.
ENCRYPTERS, DECRYPTERS = {"Transfers"}, {"WebhooksSender"}


def partition_key(prefix):
    return prefix + "01JD8W0V5XK6Q3R7T2N4M8P9ZB" if prefix.endswith("#") else prefix


def key(name):
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"


def tags(use, table=STACK):
    return {"aws__ResourceTag/signet__table": table, "aws__ResourceTag/signet__use": use}


ROOT_KEY, SEALING_KEY, SIGNING_KEY = key("RootKey"), key("SealingKey"), key("created-at-run-time")
KEYS = {
    ROOT_KEY: tags("root"),
    SEALING_KEY: tags("seal"),
    SIGNING_KEY: tags("sign"),
    key("of-another-table"): tags("sign", "other"),
    key("without-tags"): {},
}
SIGNATURE = {"kms__SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256", "kms__MessageType": "DIGEST"}
SEAL = {"kms__EncryptionContext__signet__table": STACK, "kms__EncryptionContext__signet__use": "seal"}
CREATE_KEY = {"kms__KeySpec": "RSA_2048", "kms__KeyUsage": "SIGN_VERIFY"}
TAG_KEY = {
    "aws__RequestTag/signet__table": STACK,
    "aws__RequestTag/signet__use": "sign",
    "aws__TagKeys": ["signet:table", "signet:use"],
}


class Roles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Installation()
        cls.roles = {name: Role(cls.stack, f"{name}Role") for name in FUNCTIONS}

    def allowed_functions(self, is_allowed):
        return {name for name, role in self.roles.items() if is_allowed(role)}

    def allowed_on_key(self, action, arn, **context):
        policy = signing_key_policy(self.stack) if arn == SIGNING_KEY else None
        return self.allowed_functions(lambda role: role.is_allowed_on_key(action, arn, policy, **context))

    def test_each_function_has_its_own_role(self):
        functions = self.stack.of_type("AWS::Lambda::Function")
        roles = {name: function["Role"] for name, function in functions.items()}
        self.assertEqual(roles, {f"{name}Function": self.stack.get_att(f"{name}Role.Arn") for name in FUNCTIONS})
        self.assertEqual(len(set(roles.values())), len(FUNCTIONS))

    def test_names_of_roles_are_unique_in_all_regions_and_fit_into_the_quota(self):
        longest_stack_name, longest_region = 30, len("ap-northeast-1")
        for name in FUNCTIONS:
            role_name = self.stack.resources[f"{name}Role"]["Properties"]["RoleName"]
            self.assertEqual(role_name, f"{STACK}-{crate_name(name)}-{REGION}")
            self.assertLessEqual(longest_stack_name + len(f"-{crate_name(name)}-") + longest_region, 64)

    def test_item_access_is_limited_by_partition_key(self):
        prefixes = sorted({prefix for partitions in ALLOWED.values() for prefix in partitions})
        for function, (letter, action), prefix in product(FUNCTIONS, ACTIONS.items(), prefixes):
            is_allowed = self.roles[function].is_allowed(
                f"dynamodb:{action}",
                TABLE,
                dynamodb__LeadingKeys=[partition_key(prefix)],
                dynamodb__Attributes=["PK", "SK", "anything"],
            )
            self.assertEqual(is_allowed, letter in ALLOWED[function].get(prefix, ""), f"{function} {action} {prefix}")

    def test_all_partition_keys_of_the_store_are_covered(self):
        self.assertEqual(rust_source.partition_keys(), {prefix for partitions in ALLOWED.values() for prefix in partitions})

    def test_request_for_several_partitions_requires_access_to_all_of_them(self):
        keys = [partition_key("LICENSE#"), "KEYRING"]
        self.assertFalse(self.roles["Licenses"].is_allowed("dynamodb:PutItem", TABLE, dynamodb__LeadingKeys=keys))

    def test_request_without_partition_keys_or_attributes_is_denied(self):
        for name, role in self.roles.items():
            for statement in role.statements:
                condition = statement.get("Condition", {})
                for key in ["dynamodb:LeadingKeys", "dynamodb:Attributes"]:
                    if any(operator.startswith("ForAllValues:") and key in keys for operator, keys in condition.items()):
                        self.assertEqual(condition["Null"].get(key), "false", f"{name} {statement['Sid']} {key}")
            for action, arn in product(ACTIONS.values(), [TABLE, *(f"{TABLE}/index/GSI{number}" for number in range(1, 10))]):
                self.assertFalse(role.is_allowed(f"dynamodb:{action}", arn), f"{name} {action} {arn}")

    def test_transactions_are_allowed_for_each_item_alone_and_for_all_items_together(self):
        self.assertEqual({name.split()[0] for name in TRANSACTIONS}, rust_source.transactions())
        for transaction, (functions, writes) in TRANSACTIONS.items():
            together = sorted({partition_key(prefix) for prefixes in writes.values() for prefix in prefixes})
            for function, (letter, prefixes) in product(sorted(functions), writes.items()):
                for keys in [*([partition_key(prefix)] for prefix in prefixes), together]:
                    is_allowed = self.roles[function].is_allowed(
                        f"dynamodb:{ACTIONS[letter]}", TABLE, dynamodb__LeadingKeys=keys, dynamodb__Attributes=["PK", "SK", "anything"]
                    )
                    self.assertTrue(is_allowed, f"{transaction}: {function} {ACTIONS[letter]} {keys}")

    def test_writes_are_restricted_to_attributes(self):
        for action, prefix, allowed, denied, functions in ATTRIBUTE_RESTRICTIONS:
            for name in functions:

                def is_allowed(attributes):
                    return self.roles[name].is_allowed(
                        f"dynamodb:{action}",
                        TABLE,
                        dynamodb__LeadingKeys=[partition_key(prefix)],
                        dynamodb__Attributes=["PK", "SK", *attributes],
                    )

                self.assertTrue(is_allowed(allowed), f"{name} {action} {prefix}")
                for attribute in denied:
                    self.assertFalse(is_allowed([attribute]), f"{name} {action} {prefix} {attribute}")

    def test_allowed_attributes_are_those_that_the_store_writes(self):
        written = {
            "APIKEYS": rust_source.updated_attributes("last_used_at"),
            "KEYRING": rust_source.updated_attributes("longest_life_seconds"),
        }
        restrictions = {prefix: allowed for _, prefix, allowed, _, _ in ATTRIBUTE_RESTRICTIONS}
        self.assertEqual({prefix: restrictions[prefix] for prefix in written}, written)

    def test_index_queries_are_limited_by_partition_key(self):
        partitions = {partition for indexes in INDEXES.values() for partition in indexes}
        partitions |= {("GSI1", "LICENSES"), ("GSI2", "EVENTS#")}
        for function, (index, prefix) in product(FUNCTIONS, sorted(partitions)):
            arn = f"{TABLE}/index/{index}"
            role = self.roles[function]
            is_allowed = role.is_allowed("dynamodb:Query", arn, dynamodb__LeadingKeys=[partition_key(prefix)])
            # A prefix that ends with # includes longer partition keys.
            allowed = {one for of_index, one in INDEXES.get(function, ()) if of_index == index}
            expected = any(prefix == one or (one.endswith("#") and prefix.startswith(one)) for one in allowed)
            self.assertEqual(is_allowed, expected, f"{function} {index} {prefix}")
            for action in ["Scan", "GetItem", "PartiQLSelect"]:
                self.assertFalse(role.is_allowed(f"dynamodb:{action}", arn), f"{function} {action}")

    def test_no_function_can_administer_the_table_or_read_other_tables(self):
        for action in ["DeleteTable", "UpdateTable", "UpdateTimeToLive", "CreateBackup", "DescribeTable", "ExportTable"]:
            self.assertEqual(self.allowed_functions(lambda role: role.is_allowed(f"dynamodb:{action}", TABLE)), set(), action)
        other = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/other"
        readers = self.allowed_functions(
            lambda role: role.is_allowed("dynamodb:Query", other, dynamodb__LeadingKeys=["CATALOG"])
        )
        self.assertEqual(readers, set())

    def test_only_signers_sign_with_signing_keys_and_only_rotation_with_the_root_key(self):
        signers = {SIGNING_KEY: SIGNERS, ROOT_KEY: {"Rotation"}}
        for arn, key_tags in KEYS.items():
            allowed = self.allowed_on_key("kms:Sign", arn, **key_tags, **SIGNATURE)
            self.assertEqual(allowed, signers.get(arn, set()), arn)
            raw = SIGNATURE | {"kms__MessageType": "RAW"}
            self.assertEqual(self.allowed_on_key("kms:Sign", arn, **key_tags, **raw), set(), arn)

    def test_key_policy_of_signing_keys_names_exactly_the_roles_that_sign(self):
        statements = {one["Sid"]: one for one in signing_key_policy(self.stack)["Statement"]}
        signers = {self.stack.get_att(f"{name}Role.Arn") for name in SIGNERS}
        condition = statements["AllowSigning"]["Condition"]
        self.assertEqual(set(condition["ArnEquals"]["aws:PrincipalArn"]), signers)
        self.assertEqual(condition["StringEquals"]["aws:PrincipalAccount"], ACCOUNT)
        may_sign = {sid for sid, one in statements.items() if "kms:Sign" in as_list(one["Action"])}
        self.assertEqual(may_sign, {"AllowSigning"})
        for arn in [SIGNING_KEY, key("created-by-another-application")]:
            self.assertFalse(self.roles["Licenses"].is_allowed("kms:Sign", arn, **tags("sign"), **SIGNATURE), "by IAM")

    def test_key_policies_apply_to_roles_that_were_deleted_and_created_again(self):
        def with_ids(policy):
            """The key policy after its roles were deleted: IAM has replaced their ARNs in Principal by ids."""
            return json.loads(re.sub(r'("AWS": )"arn:aws:iam::\d+:role/[^"]+"', r'\1"AROA1A2B3C"', json.dumps(policy)))

        def allowed(action, policy, **context):
            return self.allowed_functions(lambda role: role.is_allowed_on_key(action, SIGNING_KEY, policy, **context))

        signing = with_ids(signing_key_policy(self.stack))
        self.assertEqual(allowed("kms:Sign", signing, **SIGNATURE), SIGNERS)
        self.assertEqual(allowed("kms:TagResource", signing, **TAG_KEY), {"Rotation"})
        window = {"kms__ScheduleKeyDeletionPendingWindowInDays": "30"}
        self.assertEqual(allowed("kms:ScheduleKeyDeletion", signing, **window), {"Rotation"})
        # New keys can sign before their tags affect authorization.
        self.assertEqual(allowed("kms:GetPublicKey", signing), {"Rotation", "Discovery"} | SIGNERS)
        root = with_ids(self.stack.resources["RootKey"]["Properties"]["KeyPolicy"])
        self.assertEqual(allowed("kms:Sign", root, **SIGNATURE), {"Rotation"})

    def test_statements_for_all_principals_are_limited_to_roles_of_this_stack_in_this_account(self):
        roles = {role.arn for role in self.roles.values()}
        policies = [self.stack.resources["RootKey"]["Properties"]["KeyPolicy"], signing_key_policy(self.stack)]
        for statement in [one for policy in policies for one in policy["Statement"] if one["Principal"]["AWS"] == "*"]:
            condition = statement["Condition"]
            self.assertLessEqual(set(as_list(condition["ArnEquals"]["aws:PrincipalArn"])), roles, statement["Sid"])
            self.assertEqual(condition["StringEquals"]["aws:PrincipalAccount"], ACCOUNT, statement["Sid"])

    def test_only_administrators_can_change_key_policies_and_so_allow_themselves_to_sign(self):
        for arn in KEYS:
            self.assertEqual(self.allowed_on_key("kms:PutKeyPolicy", arn, **KEYS[arn]), set(), arn)

    def test_administrators_can_change_the_policy_of_every_key_that_kms_does_not_check_for_a_lock_out(self):
        stack = Installation(TableEncryption="customer-managed")
        keys = stack.of_type("AWS::KMS::Key")
        # KMS would evaluate the permission of the deployer, which depends on a tag of the key.
        unchecked = {name for name, one in keys.items() if one.get("BypassPolicyLockoutSafetyCheck") is True}
        self.assertEqual(unchecked, {"RootKey", "SealingKey", "TableKey"})
        for policy in [*(one["KeyPolicy"] for one in keys.values()), signing_key_policy(stack)]:
            (administration,) = [one for one in policy["Statement"] if one["Sid"] == "AllowKeyAdministration"]
            self.assertEqual(administration["Principal"]["AWS"], f"arn:aws:iam::{ACCOUNT}:root")
            self.assertIn("kms:PutKeyPolicy", administration["Action"])
            self.assertNotIn("Condition", administration)

    def test_only_sealers_use_the_sealing_key_and_only_for_this_table(self):
        for arn, action in product(KEYS, ["kms:GenerateDataKey", "kms:Decrypt"]):
            allowed = self.allowed_on_key(action, arn, **KEYS[arn], **SEAL)
            expected = SEALERS | (DECRYPTERS if action == "kms:Decrypt" else ENCRYPTERS)
            self.assertEqual(allowed, expected if arn == SEALING_KEY else set(), f"{action} {arn}")
            other = SEAL | {"kms__EncryptionContext__signet__table": "other"}
            self.assertEqual(self.allowed_on_key(action, arn, **KEYS[arn], **other), set())
            self.assertEqual(self.allowed_on_key(action, arn, **KEYS[arn]), set())

    def test_only_rotation_creates_keys_and_only_rsa_signing_keys_of_2048_bits(self):
        def allowed(**changes):
            return self.allowed_functions(lambda role: role.is_allowed("kms:CreateKey", "*", **(CREATE_KEY | changes)))

        self.assertEqual(allowed(), {"Rotation"})
        for changes in [
            {"kms__KeySpec": "RSA_4096"},
            {"kms__KeyUsage": "ENCRYPT_DECRYPT"},
        ]:
            self.assertEqual(allowed(**changes), set(), changes)

    def test_only_rotation_tags_keys_and_only_signing_keys_with_their_tags(self):
        for arn, key_tags in KEYS.items():
            allowed = self.allowed_on_key("kms:TagResource", arn, **TAG_KEY | key_tags)
            self.assertEqual(allowed, {"Rotation"} if arn == SIGNING_KEY else set(), arn)
            self.assertEqual(self.allowed_on_key("kms:UntagResource", arn, **key_tags), set())
        for changes in [
            {"aws__RequestTag/signet__table": "other"},
            {"aws__RequestTag/signet__use": "root"},
            {"aws__TagKeys": ["signet:table", "signet:use", "more"]},
        ]:
            self.assertEqual(self.allowed_on_key("kms:TagResource", SIGNING_KEY, **TAG_KEY | changes), set(), changes)

    def test_no_function_can_tag_disable_delete_or_use_keys_of_other_applications(self):
        context = TAG_KEY | CREATE_KEY | SIGNATURE | {"kms__ScheduleKeyDeletionPendingWindowInDays": "30"}
        # Even with the tags of a signing key, and with the default key policy, which allows what IAM allows.
        for key_tags in [{}, {"aws__ResourceTag/team": "shop"}, tags("sign", "other"), tags("sign")]:
            for action in ["TagResource", "UntagResource", "DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "Sign"]:
                arn = key("created-by-another-application")
                self.assertEqual(self.allowed_on_key(f"kms:{action}", arn, **context | key_tags), set(), action)

    def test_only_rotation_deletes_keys_and_only_signing_keys_of_this_table_after_30_days(self):
        for arn, key_tags in KEYS.items():
            window = {"kms__ScheduleKeyDeletionPendingWindowInDays": "30"}
            allowed = self.allowed_on_key("kms:ScheduleKeyDeletion", arn, **key_tags, **window)
            self.assertEqual(allowed, {"Rotation"} if arn == SIGNING_KEY else set(), arn)
            window = {"kms__ScheduleKeyDeletionPendingWindowInDays": "7"}
            self.assertEqual(self.allowed_on_key("kms:ScheduleKeyDeletion", arn, **key_tags, **window), set())

    def test_all_functions_read_public_signing_keys_and_rotation_reads_all_public_keys(self):
        for arn, key_tags in KEYS.items():
            allowed = self.allowed_on_key("kms:GetPublicKey", arn, **key_tags)
            self.assertEqual(allowed, set(FUNCTIONS) if arn == SIGNING_KEY else {"Rotation"}, arn)

    def test_rotation_describes_all_keys_and_signers_and_discovery_describe_signing_keys(self):
        for arn, key_tags in KEYS.items():
            allowed = self.allowed_on_key("kms:DescribeKey", arn, **key_tags)
            self.assertEqual(allowed, {"Rotation", "Discovery"} | SIGNERS if arn == SIGNING_KEY else {"Rotation"}, arn)

    def test_no_function_can_administer_keys(self):
        for arn, action in product(
            KEYS,
            ["CreateGrant", "PutKeyPolicy", "DisableKey", "CancelKeyDeletion", "Encrypt", "ReEncryptFrom", "ReplicateKey"],
        ):
            self.assertEqual(self.allowed_on_key(f"kms:{action}", arn, **KEYS[arn]), set(), action)

    def test_no_statement_of_a_key_policy_allows_both_deletion_and_use(self):
        policies = {name: kms_key["KeyPolicy"] for name, kms_key in self.stack.of_type("AWS::KMS::Key").items()}
        policies["signing keys"] = signing_key_policy(self.stack)
        for name, policy in policies.items():
            for statement in policy["Statement"]:
                actions = set(as_list(statement["Action"]))
                uses = actions & {"kms:Sign", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"}
                self.assertFalse(uses and "kms:ScheduleKeyDeletion" in actions, f"{name} {statement['Sid']}")
                self.assertNotIn("kms:*", actions)

    def test_administrator_can_manage_signing_keys_but_cannot_sign_with_them_or_delete_them_at_once(self):
        administrator, policy = self.administrator(), signing_key_policy(self.stack)
        is_allowed = lambda action, **context: administrator.is_allowed_on_key(action, SIGNING_KEY, policy, **context)
        for action in ["PutKeyPolicy", "DisableKey", "EnableKey", "CancelKeyDeletion", "TagResource"]:
            self.assertTrue(is_allowed(f"kms:{action}"), action)
        self.assertFalse(is_allowed("kms:Sign", **SIGNATURE))
        self.assertFalse(is_allowed("kms:CreateGrant"))
        self.assertTrue(is_allowed("kms:ScheduleKeyDeletion", kms__ScheduleKeyDeletionPendingWindowInDays="30"))
        self.assertFalse(is_allowed("kms:ScheduleKeyDeletion", kms__ScheduleKeyDeletionPendingWindowInDays="7"))

    def administrator(self):
        """A role that IAM allows everything."""
        administrator = Role(self.stack, "RotationRole")
        administrator.arn = "arn:aws:iam::111122223333:role/Administrator"
        administrator.statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        return administrator

    def test_administrator_can_delete_the_root_key_but_cannot_sign_with_it(self):
        administrator = self.administrator()
        self.assertTrue(administrator.is_allowed_on_key("kms:ScheduleKeyDeletion", ROOT_KEY))
        self.assertTrue(administrator.is_allowed_on_key("kms:PutKeyPolicy", ROOT_KEY))
        self.assertFalse(administrator.is_allowed_on_key("kms:Sign", ROOT_KEY, **SIGNATURE))
        self.assertFalse(administrator.is_allowed_on_key("kms:Decrypt", SEALING_KEY))
        self.assertTrue(administrator.is_allowed_on_key("kms:Decrypt", SEALING_KEY, **SEAL))

    def test_functions_can_only_read_the_secrets_that_they_use(self):
        def allowed(action, arn):
            return self.allowed_functions(lambda role: role.is_allowed(f"secretsmanager:{action}", arn))

        cursors, sessions = self.stack.ref("CursorSecret"), self.stack.ref("SessionSecret")
        readers = {cursors: set(FUNCTIONS) - BACKGROUND - {"Discovery"}, sessions: {"Dashboard"}}
        for secret, functions in readers.items():
            self.assertEqual(allowed("GetSecretValue", secret), functions)
            for action in ["PutSecretValue", "UpdateSecret", "DeleteSecret"]:
                self.assertEqual(allowed(action, secret), set())
        self.assertEqual(allowed("GetSecretValue", sessions.replace("Session", "Other")), set())
        for variable, secret in [("SIGNET_CURSOR_SECRET", cursors), ("SIGNET_SESSION_SECRET", sessions)]:
            functions = self.stack.of_type("AWS::Lambda::Function").items()
            values = {name.removesuffix("Function"): one["Environment"]["Variables"].get(variable) for name, one in functions}
            self.assertEqual({name for name, value in values.items() if value}, readers[secret])
            self.assertLessEqual(set(values.values()), {None, "", secret})

    def test_each_function_writes_only_its_own_log_group(self):
        for function, other in product(FUNCTIONS, FUNCTIONS):
            group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{STACK}-{crate_name(other)}"
            stream = f"{group}:log-stream:2026/01/15"
            is_allowed = self.roles[function].is_allowed("logs:PutLogEvents", stream)
            self.assertEqual(is_allowed, function == other, f"{function} {other}")
            self.assertFalse(self.roles[function].is_allowed("logs:CreateLogGroup", stream))

    def test_policies_have_no_wildcard_actions_and_few_wildcard_resources(self):
        wildcard_resources = set()
        for name, role in self.roles.items():
            for statement in role.statements:
                for action in as_list(statement["Action"]):
                    self.assertNotIn("*", action, f"{name} {statement['Sid']}")
                    if statement["Resource"] == "*":
                        wildcard_resources.add((name, action))
        exceptions = {("Rotation", f"kms:{action}") for action in ["CreateKey", "ListKeys"]}
        self.assertEqual(wildcard_resources, exceptions)

    def test_only_the_feed_of_webhooks_reads_the_stream_and_only_that_of_its_table(self):
        stream = self.stack.get_att("Table.StreamArn")
        for action in ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"]:
            allowed = lambda arn: self.allowed_functions(lambda role: role.is_allowed(f"dynamodb:{action}", arn))
            self.assertEqual(allowed(stream), {"WebhooksFeed"}, action)
            self.assertEqual(allowed(stream.replace(f"/{STACK}/", f"/{STACK}-restored-1/")), set(), action)
        restored = Role(Installation(RestoredSuffix="-restored-1"), "WebhooksFeedRole")
        self.assertTrue(restored.is_allowed("dynamodb:GetRecords", stream.replace(f"/{STACK}/", f"/{STACK}-restored-1/")))
        self.assertFalse(restored.is_allowed("dynamodb:GetRecords", stream))

    def test_messages_are_sent_by_the_feed_and_the_sender_of_webhooks_and_received_by_the_sender(self):
        queue, dead_letters = (self.stack.get_att(f"{name}.Arn") for name in ["WebhookQueue", "WebhookDeadLetterQueue"])
        expected = {
            "SendMessage": ({"WebhooksFeed", "WebhooksSender"}, {"WebhooksFeed"}),
            **dict.fromkeys(["DeleteMessage", "GetQueueAttributes", "ReceiveMessage"], ({"WebhooksSender"}, set())),
            **dict.fromkeys(["AddPermission", "DeleteQueue", "PurgeQueue", "SetQueueAttributes"], (set(), set())),
        }
        for action, functions in expected.items():
            allowed = lambda arn: self.allowed_functions(lambda role: role.is_allowed(f"sqs:{action}", arn))
            self.assertEqual((allowed(queue), allowed(dead_letters)), functions, action)
            self.assertEqual(allowed(queue.replace(STACK, "shop")), set(), action)

    def test_only_api_gateway_the_schedules_and_the_event_source_mappings_can_invoke_functions(self):
        for name, permission in self.stack.of_type("AWS::Lambda::Permission").items():
            self.assertEqual(permission["Principal"], "apigateway.amazonaws.com", name)
            self.assertEqual(permission["SourceArn"], f"arn:aws:execute-api:{REGION}:{ACCOUNT}:Api/*", name)
        schedule = Role(self.stack, "ScheduleRole")
        for name in FUNCTIONS:
            arn = f'{self.stack.get_att(f"{name}Function.Arn")}:live'
            is_scheduled = name in {"Rotation", "Statistics", "WebhooksFeed"}
            self.assertEqual(schedule.is_allowed("lambda:InvokeFunction", arn), is_scheduled, name)
            self.assertEqual(self.allowed_functions(lambda role: role.is_allowed("lambda:InvokeFunction", arn)), set(), name)


class RolesWithParameters(unittest.TestCase):
    """Tests the effect of template parameters on the roles."""

    def test_replaced_sealing_key_encrypts_and_old_keys_decrypt(self):
        new, older = key("new"), key("older")
        role = Role(Installation(SealingKeyArn=new, OldSealingKeyArns=older), "LicensesRole")
        is_allowed = lambda action, arn: role.is_allowed_on_key(action, arn, **SEAL)
        self.assertTrue(is_allowed("kms:GenerateDataKey", new))
        self.assertFalse(is_allowed("kms:GenerateDataKey", SEALING_KEY))
        self.assertFalse(is_allowed("kms:GenerateDataKey", older))
        self.assertTrue(all(is_allowed("kms:Decrypt", arn) for arn in [new, SEALING_KEY, older]))
        role = Role(Installation(SealingKeyArn=new), "LicensesRole")
        decrypt = [arn for arn in [new, SEALING_KEY, older] if role.is_allowed_on_key("kms:Decrypt", arn, **SEAL)]
        self.assertEqual(decrypt, [new, SEALING_KEY])
        sender = Role(Installation(SealingKeyArn=new, OldSealingKeyArns=older), "WebhooksSenderRole")
        self.assertTrue(all(sender.is_allowed_on_key("kms:Decrypt", arn, **SEAL) for arn in [new, SEALING_KEY, older]))

    def test_only_rotation_signs_with_the_root_keys_of_the_parameter(self):
        first, second = key("first"), key("second")
        stack = Installation(RootKeyArns=f"{first},{second}")
        roles = {name: Role(stack, f"{name}Role") for name in FUNCTIONS}
        for arn in [first, second]:
            allowed = {name for name, role in roles.items() if role.is_allowed_on_key("kms:Sign", arn, **SIGNATURE)}
            self.assertEqual(allowed, {"Rotation"})

    def test_restored_table_replaces_the_table_of_the_stack(self):
        role = Role(Installation(RestoredSuffix="-restored-1"), "CustomersRole")
        for table, expected in [(TABLE, False), (TABLE + "-restored-1", True), (TABLE + "-restored-12", False)]:
            get = role.is_allowed("dynamodb:GetItem", table, dynamodb__LeadingKeys=[partition_key("CUSTOMER#")])
            query = role.is_allowed("dynamodb:Query", f"{table}/index/GSI1", dynamodb__LeadingKeys=["CUSTOMERS"])
            self.assertEqual((get, query), (expected, expected), table)
        self.assertTrue(role.is_allowed_on_key("kms:Decrypt", SEALING_KEY, **SEAL))

    def test_with_cloudfront_only_the_functions_of_the_api_read_the_origin_secret(self):
        certificate = "arn:aws:acm:us-east-1:111122223333:certificate/a"
        stack = Installation(CloudFrontCertificateArn=certificate, OriginDomainName="o-7k3qm9.example.com")
        roles, secret = {name: Role(stack, f"{name}Role") for name in FUNCTIONS}, stack.ref("OriginSecret")
        readers = {name for name, role in roles.items() if role.is_allowed("secretsmanager:GetSecretValue", secret)}
        self.assertEqual(readers, set(FUNCTIONS) - BACKGROUND)
        for role in roles.values():
            for other in [secret.replace(STACK, "shop"), secret.replace("-a1B2c3", "-2-a1B2c3")]:
                self.assertFalse(role.is_allowed("secretsmanager:GetSecretValue", other))
            for action in ["PutSecretValue", "UpdateSecret", "DeleteSecret"]:
                self.assertFalse(role.is_allowed(f"secretsmanager:{action}", secret))
        without = Installation()
        for name in FUNCTIONS:
            self.assertFalse(Role(without, f"{name}Role").is_allowed("secretsmanager:GetSecretValue", secret), name)

    def test_active_tracing_allows_writing_to_xray(self):
        role = Role(Installation(Tracing="Active"), "DiscoveryRole")
        self.assertTrue(role.is_allowed("xray:PutTraceSegments", "*"))
        self.assertFalse(Role(Installation(), "DiscoveryRole").is_allowed("xray:PutTraceSegments", "*"))


if __name__ == "__main__":
    unittest.main()
