"""Tests which actions the proxy requires for a request."""

import unittest

from cloudformation import STACK
from iam import signing_key_policy
from iam_proxy import IamProxy
from test_roles import ROOT_KEY, SIGNING_KEY, TABLE, key, partition_key, tags


TAGS = [{"TagKey": "signet:table", "TagValue": STACK}, {"TagKey": "signet:use", "TagValue": "sign"}]
FOREIGN_KEY = key("created-by-another-application")
SESSION_SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:a"


class OfflineProxy(IamProxy):
    """A proxy without an upstream. All KMS keys have the tags of a signing key of this stack, and all but one its key policy."""

    def __init__(self):
        super().__init__("http://127.0.0.1:1", {"RootKey": "arn:aws:kms:us-east-1:000000000000:key/a"}, {"SessionSecret": SESSION_SECRET})

    def resource_tags(self, arn, headers):
        return {name.replace("__", ":"): value for name, value in tags("sign").items()}

    def key_policy(self, arn, headers):
        return None if arn in [None, FOREIGN_KEY, *self.keys] else signing_key_policy(self.stack)


def item(prefix):
    return {"PK": {"S": partition_key(prefix)}, "SK": {"S": "a"}}


class Requests(unittest.TestCase):
    def denied(self, function, service, operation, **request):
        if service == "dynamodb" and operation != "TransactWriteItems":
            request["TableName"] = STACK
        denied = OfflineProxy().denied_actions(function, service, operation, request, {})
        return [action["action"] for action in denied]

    def test_get_item_requires_access_to_the_partition(self):
        self.assertEqual(self.denied("Customers", "dynamodb", "GetItem", Key=item("CUSTOMER#")), [])
        self.assertEqual(self.denied("Catalog", "dynamodb", "GetItem", Key=item("CUSTOMER#")), ["dynamodb:GetItem"])

    def test_query_requires_access_to_the_partition_of_the_index(self):
        query = dict(
            IndexName="GSI1",
            KeyConditionExpression="GSI1PK = :query_pk AND GSI1SK BETWEEN :a AND :b",
            ExpressionAttributeValues={":query_pk": {"S": "CUSTOMERS"}},
        )
        self.assertEqual(self.denied("Customers", "dynamodb", "Query", **query), [])
        self.assertEqual(self.denied("Licenses", "dynamodb", "Query", **query), ["dynamodb:Query"])

    def test_update_item_requires_access_to_attributes_of_update_and_condition(self):
        update = dict(
            Key=item("APIKEYS"),
            UpdateExpression="SET #set0 = :set0",
            ExpressionAttributeNames={"#set0": "last_used_at"},
            ConditionExpression="attribute_exists(PK) AND (last_used_at = :read)",
        )
        self.assertEqual(self.denied("Catalog", "dynamodb", "UpdateItem", **update), [])
        names = {"#set0": "secret_sha256"}
        for change in [{"ExpressionAttributeNames": names}, {"ConditionExpression": "scopes = :read"}]:
            denied = self.denied("Catalog", "dynamodb", "UpdateItem", **(update | change))
            self.assertEqual(denied, ["dynamodb:UpdateItem"])

    def test_transaction_requires_the_actions_of_all_its_writes(self):
        writes = [
            {"Put": {"TableName": STACK, "Item": item("CATALOG")}},
            {"Delete": {"TableName": STACK, "Key": item("CATALOG")}},
            {"ConditionCheck": {"TableName": STACK, "Key": item("CATALOG")}},
        ]
        denied = self.denied("Catalog", "dynamodb", "TransactWriteItems", TransactItems=writes)
        self.assertEqual(set(denied), {"dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"})

    def test_transaction_requires_each_action_for_each_item_alone_and_for_all_items_together(self):
        def contexts(*writes):
            return [
                (action, context["dynamodb:LeadingKeys"], context["dynamodb:Attributes"])
                for action, _, context in OfflineProxy().dynamodb_actions(
                    "TransactWriteItems", {"TransactItems": [{kind: {"TableName": STACK, **write}} for kind, write in writes]}
                )
            ]

        catalog, seat = item("CATALOG"), item("LICENSE#") | {"machine": {"S": "a"}}
        keys = [partition_key("CATALOG"), partition_key("LICENSE#")]
        attributes = ["PK", "SK", "machine"]
        expected = [
            ("dynamodb:PutItem", keys[1:], attributes),
            ("dynamodb:DeleteItem", keys[:1], ["PK", "SK"]),
            ("dynamodb:PutItem", keys, attributes),
            ("dynamodb:DeleteItem", keys, attributes),
        ]
        self.assertEqual(contexts(("Put", {"Item": seat}), ("Delete", {"Key": catalog})), expected)

    def test_transaction_is_denied_if_only_separate_statements_allow_its_items(self):
        counter = {"Key": item("RATE#"), "UpdateExpression": "SET counted = :n"}
        seat = {"Key": item("LICENSE#"), "UpdateExpression": "SET life = :n"}
        updates = [{"Update": {"TableName": STACK, **update}} for update in [counter, seat]]
        for update in updates:
            self.assertEqual(self.denied("Activations", "dynamodb", "TransactWriteItems", TransactItems=[update]), [])
        denied = self.denied("Activations", "dynamodb", "TransactWriteItems", TransactItems=updates)
        self.assertEqual(denied, ["dynamodb:UpdateItem"])

    def test_batch_of_messages_requires_access_to_the_queue(self):
        def denied(function, queue):
            url = f"http://127.0.0.1:4566/000000000000/{queue}"
            return self.denied(function, "sqs", "SendMessageBatch", QueueUrl=url, Entries=[])

        self.assertEqual(denied("WebhooksFeed", "signet-app-WebhookQueue-1A2B3C4D5E6F"), [])
        self.assertEqual(denied("Licenses", "signet-app-WebhookQueue-1A2B3C4D5E6F"), ["sqs:SendMessage"])
        self.assertEqual(denied("WebhooksSender", "signet-app-WebhookDeadLetterQueue-1A2B3C4D5E6F"), ["sqs:SendMessage"])
        self.assertEqual(denied("WebhooksFeed", "shop-WebhookQueue-1A2B3C4D5E6F"), ["sqs:SendMessage"])

    def test_key_arns_are_mapped_to_the_account_and_region_of_the_policies(self):
        sign = dict(MessageType="DIGEST", SigningAlgorithm="RSASSA_PKCS1_V1_5_SHA_256")
        other = "arn:aws:kms:us-east-1:000000000000:key/" + SIGNING_KEY.split("/")[1]
        self.assertEqual(OfflineProxy().template_arn(other), SIGNING_KEY)
        self.assertEqual(OfflineProxy().template_arn("arn:aws:kms:us-east-1:000000000000:key/a"), ROOT_KEY)
        self.assertEqual(self.denied("Licenses", "kms", "Sign", KeyId=other, **sign), [])
        self.assertEqual(self.denied("Catalog", "kms", "Sign", KeyId=other, **sign), ["kms:Sign"])
        self.assertEqual(self.denied("Licenses", "kms", "Sign", KeyId=other, MessageType="RAW"), ["kms:Sign"])

    def test_create_key_with_tags_requires_tag_resource_on_all_keys(self):
        request = dict(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
        self.assertEqual(self.denied("Rotation", "kms", "CreateKey", **request), [])
        self.assertEqual(self.denied("Access", "kms", "CreateKey", **request), ["kms:CreateKey"])
        self.assertEqual(self.denied("Rotation", "kms", "CreateKey", **request, Tags=TAGS), ["kms:TagResource"])

    def test_tag_resource_requires_that_the_key_policy_allows_it(self):
        self.assertEqual(self.denied("Rotation", "kms", "TagResource", KeyId=SIGNING_KEY, Tags=TAGS), [])
        for changes in [{"function": "Access"}, {"KeyId": FOREIGN_KEY}, {"Tags": [*TAGS, {"TagKey": "a", "TagValue": "b"}]}]:
            request = dict(function="Rotation", service="kms", operation="TagResource", KeyId=SIGNING_KEY, Tags=TAGS) | changes
            self.assertEqual(self.denied(**request), ["kms:TagResource"], changes)

    def test_table_arn_is_that_of_the_stack(self):
        request = {"TableName": STACK, "Key": item("LICENSE#")}
        ((action, resource, _),) = OfflineProxy().required_actions("dynamodb", "GetItem", request, {})
        self.assertEqual((action, resource), ("dynamodb:GetItem", TABLE))


if __name__ == "__main__":
    unittest.main()
