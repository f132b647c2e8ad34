"""Lists what installations leave in the account and region, one line for each resource: its kind, and the name of the data stack.
Stacks are included, KMS keys that are scheduled for deletion are not.

Usage: list_resources.py. Requires the environment variable AWS_REGION, AWS credentials, and AWS_ENDPOINT_URL on MiniStack.
"""

import os
import re

import botocore.session
from botocore.exceptions import ClientError

session = botocore.session.get_session()


def client(service):
    return session.create_client(service, endpoint_url=os.environ.get("AWS_ENDPOINT_URL"), region_name=os.environ["AWS_REGION"])


def listed(service, operation, expression, **arguments):
    """The results of a JMESPath expression on all pages of a list."""
    return client(service).get_paginator(operation).paginate(**arguments).search(expression)


def keys():
    """The names of the tables in the tags of the KMS keys that can be used. Keys of others can refuse to be described."""
    kms = client("kms")
    for key in listed("kms", "list_keys", "Keys[].KeyId"):
        try:
            if kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled":
                tags = kms.list_resource_tags(KeyId=key)["Tags"]
                yield from (tag["TagValue"] for tag in tags if tag["TagKey"] == "signet:table")
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDeniedException":
                raise


stacks = listed("cloudformation", "list_stacks", "StackSummaries[?StackStatus!='DELETE_COMPLETE'].StackName")
descriptions = listed("secretsmanager", "list_secrets", "SecretList[].Description")
matches = (re.match(r"Signet, table (\S+):", description or "") for description in descriptions)
resources = {
    "stack": (name.removesuffix("-app") for name in stacks),
    "table": listed("dynamodb", "list_tables", "TableNames[]"),
    "api": listed("apigatewayv2", "get_apis", "Items[].Name"),
    "user-pool": listed("cognito-idp", "list_user_pools", "UserPools[].Name", MaxResults=60),
    "secret": (match[1] for match in matches if match),
    "key": keys(),
}
for kind, names in resources.items():
    for name in names:
        print(kind, name)
