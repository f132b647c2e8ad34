"""What the guard takes a request for."""

import unittest

from deployed import STACK
from guard import Guard
from test_roles import ROOT_KEY, SIGNING_KEY, TABLE, partition, tags


class Known(Guard):
    """Without a network: KMS says that every key signs for this table."""

    def __init__(self):
        super().__init__("http://127.0.0.1:1", {"RootKey": "arn:aws:kms:us-east-1:000000000000:key/a"})

    def tags(self, arn, headers):
        return {name.replace("__", ":"): value for name, value in tags("sign").items()}


def item(word):
    return {"PK": {"S": partition(word)}, "SK": {"S": "a"}}


class Requests(unittest.TestCase):
    def denied(self, function, service, operation, **request):
        if service == "dynamodb" and operation != "TransactWriteItems":
            request["TableName"] = STACK
        return [one["action"] for one in Known().check(function, service, operation, request, {})]

    def test_a_read_is_of_its_key(self):
        self.assertEqual(self.denied("Customers", "dynamodb", "GetItem", Key=item("CUSTOMER#")), [])
        self.assertEqual(self.denied("Catalog", "dynamodb", "GetItem", Key=item("CUSTOMER#")), ["dynamodb:GetItem"])

    def test_a_query_is_of_its_partition_and_its_index(self):
        query = dict(
            IndexName="GSI1",
            KeyConditionExpression="GSI1PK = :query_pk AND GSI1SK BETWEEN :a AND :b",
            ExpressionAttributeValues={":query_pk": {"S": "CUSTOMERS"}},
        )
        self.assertEqual(self.denied("Customers", "dynamodb", "Query", **query), [])
        self.assertEqual(self.denied("Licenses", "dynamodb", "Query", **query), ["dynamodb:Query"])

    def test_an_update_is_of_the_attributes_that_it_names_and_asks_for(self):
        update = dict(
            Key=item("APIKEYS"),
            UpdateExpression="SET #set0 = :set0",
            ExpressionAttributeNames={"#set0": "last_used_at"},
            ConditionExpression="attribute_exists(PK) AND (last_used_at = :read)",
        )
        self.assertEqual(self.denied("Catalog", "dynamodb", "UpdateItem", **update), [])
        names = {"#set0": "secret_sha256"}
        more = [update | {"ExpressionAttributeNames": names}, update | {"ConditionExpression": "scopes = :read"}]
        for one in more:
            self.assertEqual(self.denied("Catalog", "dynamodb", "UpdateItem", **one), ["dynamodb:UpdateItem"])

    def test_a_transaction_takes_all_that_its_writes_take(self):
        writes = [
            {"Put": {"TableName": STACK, "Item": item("CATALOG")}},
            {"Delete": {"TableName": STACK, "Key": item("CATALOG")}},
            {"ConditionCheck": {"TableName": STACK, "Key": item("LICENSE#")}},
        ]
        denied = self.denied("Catalog", "dynamodb", "TransactWriteItems", TransactItems=writes)
        self.assertEqual(denied, ["dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"])

    def test_keys_of_the_template_and_others(self):
        sign = dict(MessageType="DIGEST", SigningAlgorithm="RSASSA_PKCS1_V1_5_SHA_256")
        other = "arn:aws:kms:us-east-1:000000000000:key/" + SIGNING_KEY.split("/")[1]
        self.assertEqual(Known().own(other), SIGNING_KEY)
        self.assertEqual(Known().own("arn:aws:kms:us-east-1:000000000000:key/a"), ROOT_KEY)
        self.assertEqual(self.denied("Licenses", "kms", "Sign", KeyId=other, **sign), [])
        self.assertEqual(self.denied("Catalog", "kms", "Sign", KeyId=other, **sign), ["kms:Sign"])
        self.assertEqual(self.denied("Licenses", "kms", "Sign", KeyId=other, MessageType="RAW"), ["kms:Sign"])

    def test_a_key_is_made_with_its_tags(self):
        made = dict(
            KeySpec="RSA_2048",
            KeyUsage="SIGN_VERIFY",
            Tags=[{"TagKey": "signet:table", "TagValue": STACK}, {"TagKey": "signet:use", "TagValue": "sign"}],
        )
        self.assertEqual(self.denied("Rotation", "kms", "CreateKey", **made), [])
        self.assertEqual(self.denied("Access", "kms", "CreateKey", **made), ["kms:TagResource", "kms:CreateKey"])
        del made["Tags"]
        self.assertEqual(self.denied("Rotation", "kms", "CreateKey", **made), ["kms:CreateKey"])

    def test_the_table_is_the_stack_s(self):
        ((action, resource, _),) = Known().needs("dynamodb", "GetItem", {"TableName": STACK, "Key": item("LICENSE#")}, {})
        self.assertEqual((action, resource), ("dynamodb:GetItem", TABLE))


if __name__ == "__main__":
    unittest.main()
