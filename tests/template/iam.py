"""What a role may do: as much of IAM and of KMS's key policies as the template uses. What it does not know, it refuses."""

from fnmatch import fnmatchcase

ACCOUNT_ROOT = "arn:aws:iam::111122223333:root"


def as_list(value):
    return value if isinstance(value, list) else [value]


class Role:
    """The policies of a role of the stack."""

    def __init__(self, stack, name):
        role = stack.resources[name]["Properties"]
        documents = [one["PolicyDocument"] for one in role.get("Policies", [])]
        documents += [stack.resources[one]["Properties"]["PolicyDocument"] for one in role.get("ManagedPolicyArns", [])]
        self.statements = [statement for one in documents for statement in one["Statement"]]
        self.arn = f"arn:aws:iam::111122223333:role/{name}"
        self.stack = stack

    def may(self, action, resource, **context):
        """Whether it may do this, where keys of the context are those of the request."""
        context = {name.replace("__", ":"): value for name, value in context.items()}
        return allows(self.statements, action, resource, context)

    def may_with_key(self, action, arn, **context):
        """Whether it may do this with a KMS key: by the key's policy, or by IAM where the key's policy leaves it to IAM.
        A key that is not in the template has the policy that KMS gives, which leaves everything to IAM."""
        context = {name.replace("__", ":"): value for name, value in context.items()}
        keys = {self.stack.getatt([name, "Arn"]): one for name, one in self.stack.of_type("AWS::KMS::Key").items()}
        by_iam = allows(self.statements, action, arn, context)
        if arn not in keys:
            return by_iam
        policy = keys[arn]["KeyPolicy"]["Statement"]
        named = [one for one in policy if self.arn in as_list(one["Principal"]["AWS"])]
        left_to_iam = [one for one in policy if ACCOUNT_ROOT in as_list(one["Principal"]["AWS"])]
        return allows(named, action, arn, context) or (allows(left_to_iam, action, arn, context) and by_iam)


def allows(statements, action, resource, context):
    matching = [one for one in statements if matches(one, action, resource, context)]
    return bool(matching) and all(one["Effect"] == "Allow" for one in matching)


def matches(statement, action, resource, context):
    unknown = statement.keys() - {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
    assert not unknown, unknown
    return (
        any(fnmatchcase(action.lower(), one.lower()) for one in as_list(statement["Action"]))
        and any(fnmatchcase(resource, one) for one in as_list(statement["Resource"]))
        and all(
            condition(operator, key, as_list(wanted), context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


TESTS = {
    "ArnLike": fnmatchcase,
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": fnmatchcase,
    "NumericEquals": lambda value, wanted: float(value) == float(wanted),
}


def condition(operator, key, wanted, context):
    for_all = operator.startswith("ForAllValues:")
    operator = operator.removeprefix("ForAllValues:")
    if_exists = operator.endswith("IfExists")
    test = TESTS[operator.removesuffix("IfExists")]
    if key not in context:
        return for_all or if_exists
    values = as_list(context[key])
    assert for_all or len(values) == 1, f"{key} has several values: {operator} needs ForAllValues"
    return all(any(test(value, one) for one in wanted) for value in values)
