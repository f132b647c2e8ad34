"""Evaluates IAM policies and KMS key policies, as far as the template uses them. Fails on anything that it does not support."""

import json
from fnmatch import fnmatchcase

from cloudformation import ACCOUNT

ACCOUNT_ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def as_list(value):
    return value if isinstance(value, list) else [value]


def signing_key_policy(stack):
    """The key policy with which the rotation function creates signing keys."""
    return json.loads(stack.resources["RotationFunction"]["Properties"]["Environment"]["Variables"]["SIGNET_SIGNING_KEY_POLICY"])


class Role:
    """The policies of a role of the stack."""

    def __init__(self, stack, name):
        role = stack.resources[name]["Properties"]
        documents = [policy["PolicyDocument"] for policy in role.get("Policies", [])]
        documents += [stack.resources[arn]["Properties"]["PolicyDocument"] for arn in role.get("ManagedPolicyArns", [])]
        self.statements = [statement for document in documents for statement in document["Statement"]]
        self.arn = stack.get_att([name, "Arn"])
        self.stack = stack

    def is_allowed(self, action, resource, **context):
        """Whether the policies of the role allow the action. Context keys are those of the request, with "__" for ":"."""
        context = {name.replace("__", ":"): value for name, value in context.items()}
        return allows(self.statements, action, resource, context)

    def is_allowed_on_key(self, action, arn, key_policy=None, **context):
        """Whether the role is allowed the action on a KMS key, by the key policy or, where the key policy delegates to it, by
        IAM. Keys that are not in the template have the given key policy, or the default one, which delegates everything to
        IAM."""
        context = {name.replace("__", ":"): value for name, value in context.items()}
        context = {"aws:PrincipalArn": self.arn, "aws:PrincipalAccount": ACCOUNT} | context
        keys = {self.stack.get_att([name, "Arn"]): key for name, key in self.stack.of_type("AWS::KMS::Key").items()}
        by_iam = allows(self.statements, action, arn, context)
        key_policy = keys[arn]["KeyPolicy"] if arn in keys else key_policy
        if not key_policy:
            return by_iam
        statements = key_policy["Statement"]
        direct = [statement for statement in statements if {self.arn, "*"} & set(as_list(statement["Principal"]["AWS"]))]
        delegated = [statement for statement in statements if ACCOUNT_ROOT in as_list(statement["Principal"]["AWS"])]
        return allows(direct, action, arn, context) or (allows(delegated, action, arn, context) and by_iam)


def allows(statements, action, resource, context):
    matching = [statement for statement in statements if matches(statement, action, resource, context)]
    return bool(matching) and all(statement["Effect"] == "Allow" for statement in matching)


def matches(statement, action, resource, context):
    unsupported = statement.keys() - {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
    assert not unsupported, unsupported
    return (
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in as_list(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in as_list(statement["Resource"]))
        and all(
            condition_matches(operator, key, as_list(expected), context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


OPERATORS = {
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
    "StringEquals": lambda value, expected: value == expected,
    "StringLike": fnmatchcase,
    "NumericEquals": lambda value, expected: float(value) == float(expected),
}


def condition_matches(operator, key, expected, context):
    if operator == "Null":
        return str(not context.get(key)).lower() == expected[0]
    for_all_values = operator.startswith("ForAllValues:")
    operator = operator.removeprefix("ForAllValues:")
    if_exists = operator.endswith("IfExists")
    compare = OPERATORS[operator.removesuffix("IfExists")]
    if key not in context:
        return for_all_values or if_exists
    values = as_list(context[key])
    assert for_all_values or len(values) == 1, f"{key} has several values: {operator} needs ForAllValues"
    return all(any(compare(value, pattern) for pattern in expected) for value in values)
