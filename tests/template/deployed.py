"""The template as CloudFormation would deploy it: through the SAM transform, with its functions resolved."""

import logging
import os
import re
from functools import cache, cached_property
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

# It warns of metrics of its own that it would send.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION, STACK = "111122223333", "eu-west-1", "signet"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/0f4d6e2a-1b3c-4d5e-8f90-a1b2c3d4e5f6",
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()

# What Ref and GetAtt give for a resource, by its type.
REFS = {"AWS::DynamoDB::Table": "TableName", "AWS::Lambda::Function": "FunctionName", "AWS::Logs::LogGroup": "LogGroupName"}
ARNS = {
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{ref}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{ref}",
    "AWS::KMS::Key": "arn:aws:kms:{region}:{account}:key/{ref}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{ref}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{ref}:*",
}


def source():
    """The template as it is written."""
    return yaml_parse((ROOT / "template.yaml").read_text())


@cache
def transformed():
    """The template after the SAM transform. Code that is not built stands for code that is uploaded."""
    template = source()
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/code"
    os.environ["AWS_DEFAULT_REGION"] = REGION
    return transform(template, {}, None)


class Stack:
    """The template with these parameters; the rest have their defaults."""

    def __init__(self, **parameters):
        self.template = transformed()
        self.parameters = {name: str(one.get("Default", "")) for name, one in self.template["Parameters"].items()}
        unknown = parameters.keys() - self.parameters.keys()
        assert not unknown, unknown
        self.parameters.update(parameters)
        self.raw = self.present("Resources")

    @cached_property
    def resources(self):
        return {name: self.resolve(one) for name, one in self.raw.items()}

    @cached_property
    def outputs(self):
        return {name: self.resolve(one) for name, one in self.present("Outputs").items()}

    def present(self, section):
        """What of a section there is with these parameters."""
        there = lambda one: "Condition" not in one or self.holds({"Condition": one["Condition"]})
        return {name: one for name, one in self.template[section].items() if there(one)}

    def of_type(self, kind):
        return {name: one["Properties"] for name, one in self.resources.items() if one["Type"] == kind}

    def broken_rules(self):
        """What CloudFormation would say of these parameters."""
        wrong = [
            one["ConstraintDescription"]
            for name, one in self.template["Parameters"].items()
            if "AllowedPattern" in one and not re.fullmatch(one["AllowedPattern"], self.parameters[name])
        ]
        assertions = [one for rule in self.template["Rules"].values() for one in rule["Assertions"]]
        return wrong + [one["AssertDescription"] for one in assertions if not self.holds(one["Assert"])]

    def holds(self, condition):
        ((function, argument),) = condition.items()
        if function == "Condition":
            return self.holds(self.template["Conditions"][argument])
        if function == "Fn::Equals":
            return self.resolve(argument[0]) == self.resolve(argument[1])
        if function == "Fn::Not":
            return not self.holds(argument[0])
        if function == "Fn::And":
            return all(self.holds(one) for one in argument)
        if function == "Fn::Or":
            return any(self.holds(one) for one in argument)
        raise ValueError(function)

    def resolve(self, node):
        if isinstance(node, list):
            return [one for one in map(self.resolve, node) if one is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((function, argument),) = node.items()
            functions = {
                "Ref": self.ref,
                "Fn::GetAtt": self.getatt,
                "Fn::If": self.choose,
                "Fn::Join": lambda parts: parts[0].join(self.resolve(parts[1])),
                "Fn::Select": lambda parts: self.resolve(parts[1])[int(parts[0])],
                "Fn::Split": lambda parts: self.resolve(parts[1]).split(parts[0]),
                "Fn::Sub": self.sub,
            }
            if function in functions or function.startswith("Fn::"):
                return functions[function](argument)
        pairs = ((name, self.resolve(value)) for name, value in node.items())
        return {name: value for name, value in pairs if value is not NOTHING}

    def ref(self, name):
        if name == "AWS::NoValue":
            return NOTHING
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        resource = self.raw[name]
        if resource["Type"] == "AWS::SecretsManager::Secret":
            return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}"
        own = resource["Properties"].get(REFS.get(resource["Type"]), name)
        return self.resolve(own)

    def getatt(self, argument):
        name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
        kind = self.raw[name]["Type"]
        if attribute == "Arn":
            return ARNS[kind].format(region=REGION, account=ACCOUNT, ref=self.ref(name))
        return f"{name}.{attribute}"

    def sub(self, argument):
        text, values = argument if isinstance(argument, list) else (argument, {})

        def value(found):
            name = found[1]
            if name in values:
                return str(self.resolve(values[name]))
            return str(self.getatt(name) if "." in name else self.ref(name))

        return re.sub(r"\$\{([^!}]+)\}", value, text)

    def choose(self, argument):
        condition, yes, no = argument
        return self.resolve(yes if self.holds({"Condition": condition}) else no)
