"""Evaluates infra/data.yaml and template.yaml as CloudFormation does: the SAM transform, parameters, conditions, rules, exports
and intrinsic functions."""

import logging
import os
import re
from functools import cache, cached_property
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

# The translator logs a warning about its own usage metrics.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

ROOT = Path(__file__).resolve().parents[2]
# STACK is the name of the data stack, which all names of resources begin with.
ACCOUNT, REGION, STACK, RUNNING_STACK = "111122223333", "eu-west-1", "signet", "signet-app"
DATA, RUNNING = "infra/data.yaml", "template.yaml"
NO_VALUE = object()

# The property that Ref returns, by resource type. The default is the logical ID.
REF_PROPERTIES = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
}
ARNS = {
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{ref}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{ref}",
    "AWS::KMS::Key": "arn:aws:kms:{region}:{account}:key/{ref}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{ref}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{ref}:*",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{ref}",
}


def crate_name(name):
    """The crate of a function, by the name that its resources begin with: webhooks-feed, for WebhooksFeed."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def resource_prefix(crate):
    """The name that the resources of a function begin with, by its crate: WebhooksFeed, for webhooks-feed."""
    return "".join(part.capitalize() for part in crate.split("-"))


def source(path=RUNNING):
    """A template before the SAM transform."""
    return yaml_parse((ROOT / path).read_text())


@cache
def transformed(path, rollout):
    """A template after the SAM transform, with a placeholder for the uploaded code. The transform evaluates no other parameter
    than Rollout."""
    template = source(path)
    if "Transform" not in template:
        return template
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/code"
    os.environ["AWS_DEFAULT_REGION"] = REGION
    return transform(template, {"Rollout": rollout} if rollout else {}, None)


class Installation:
    """Both stacks, with the given parameter values and the defaults of the other parameters. As in a deployment, each stack uses
    the parameters that its template declares."""

    def __init__(self, **parameters):
        self.data = Stack(DATA, STACK, parameters, {})
        self.running = Stack(RUNNING, RUNNING_STACK, parameters, self.data.exports)
        self.stacks = [self.data, self.running]
        unknown = parameters.keys() - self.data.parameters.keys() - self.running.parameters.keys()
        assert not unknown, unknown
        shared = self.data.raw.keys() & self.running.raw.keys()
        assert not shared, shared

    @cached_property
    def resources(self):
        return self.data.resources | self.running.resources

    @cached_property
    def outputs(self):
        return self.data.outputs | self.running.outputs

    @property
    def raw(self):
        return self.data.raw | self.running.raw

    def of_type(self, resource_type):
        return self.data.of_type(resource_type) | self.running.of_type(resource_type)

    def validation_errors(self):
        """The messages with which CloudFormation rejects the parameters, each once."""
        return list(dict.fromkeys(error for stack in self.stacks for error in stack.validation_errors()))

    def stack_of(self, name):
        return next(stack for stack in self.stacks if name in stack.raw)

    def ref(self, name):
        return self.stack_of(name).ref(name)

    def get_att(self, argument):
        name = argument[0] if isinstance(argument, list) else argument.split(".", 1)[0]
        return self.stack_of(name).get_att(argument)


class Stack:
    """A template with the values of its parameters, which default to those of the template, and the exports of other stacks."""

    def __init__(self, path, name, parameters, imports):
        self.template = transformed(path, parameters.get("Rollout"))
        self.pseudo_parameters = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/0f4d6e2a-1b3c-4d5e-8f90-a1b2c3d4e5f6",
            "AWS::StackName": name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        self.imports = imports
        defaults = {name: str(spec.get("Default", "")) for name, spec in self.template["Parameters"].items()}
        self.parameters = {name: parameters.get(name, default) for name, default in defaults.items()}
        self.raw = self.enabled("Resources")

    @cached_property
    def resources(self):
        return {name: self.resolve(resource) for name, resource in self.raw.items()}

    @cached_property
    def outputs(self):
        return {name: self.resolve(output) for name, output in self.enabled("Outputs").items()}

    @cached_property
    def exports(self):
        exported = [output for output in self.enabled("Outputs").values() if "Export" in output]
        return {self.resolve(output["Export"]["Name"]): self.resolve(output["Value"]) for output in exported}

    def enabled(self, section):
        """The entries of a section whose conditions are true."""
        return {
            name: entry
            for name, entry in self.template[section].items()
            if "Condition" not in entry or self.evaluate({"Condition": entry["Condition"]})
        }

    def of_type(self, resource_type):
        return {
            name: resource["Properties"] for name, resource in self.resources.items() if resource["Type"] == resource_type
        }

    def validation_errors(self):
        """The messages with which CloudFormation rejects the parameters."""
        errors = [
            spec["ConstraintDescription"]
            for name, spec in self.template["Parameters"].items()
            if "AllowedPattern" in spec and not re.fullmatch(spec["AllowedPattern"], self.parameters[name])
        ]
        assertions = [assertion for rule in self.template["Rules"].values() for assertion in rule["Assertions"]]
        return errors + [
            assertion["AssertDescription"] for assertion in assertions if not self.evaluate(assertion["Assert"])
        ]

    def evaluate(self, condition):
        ((function, argument),) = condition.items()
        if function == "Condition":
            return self.evaluate(self.template["Conditions"][argument])
        if function == "Fn::Equals":
            return self.resolve(argument[0]) == self.resolve(argument[1])
        if function == "Fn::Not":
            return not self.evaluate(argument[0])
        if function == "Fn::And":
            return all(self.evaluate(operand) for operand in argument)
        if function == "Fn::Or":
            return any(self.evaluate(operand) for operand in argument)
        raise ValueError(function)

    def resolve(self, node):
        if isinstance(node, list):
            return [item for item in map(self.resolve, node) if item is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((function, argument),) = node.items()
            functions = {
                "Ref": self.ref,
                "Fn::GetAtt": self.get_att,
                "Fn::If": self.if_,
                "Fn::ImportValue": lambda name: self.imports[self.resolve(name)],
                "Fn::Join": lambda arguments: arguments[0].join(self.resolve(arguments[1])),
                "Fn::Select": lambda arguments: self.resolve(arguments[1])[int(arguments[0])],
                "Fn::Split": lambda arguments: self.resolve(arguments[1]).split(arguments[0]),
                "Fn::Sub": self.sub,
            }
            if function in functions or function.startswith("Fn::"):
                return functions[function](argument)
        pairs = ((name, self.resolve(value)) for name, value in node.items())
        return {name: value for name, value in pairs if value is not NO_VALUE}

    def ref(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.pseudo_parameters:
            return self.pseudo_parameters[name]
        if name in self.parameters:
            return self.parameters[name]
        resource = self.raw[name]
        if resource["Type"] == "AWS::SecretsManager::Secret":
            # Secrets Manager appends a hyphen and six characters.
            name = f"{self.resolve(resource['Properties']['Name'])}-a1B2c3" if "Name" in resource["Properties"] else name
            return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}"
        if resource["Type"] == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{RUNNING_STACK}-{name}"
        if resource["Type"] == "AWS::Lambda::Alias":
            function, alias = self.resolve([resource["Properties"]["FunctionName"], resource["Properties"]["Name"]])
            return ARNS["AWS::Lambda::Function"].format(region=REGION, account=ACCOUNT, ref=f"{function}:{alias}")
        return self.resolve(resource["Properties"].get(REF_PROPERTIES.get(resource["Type"]), name))

    def get_att(self, argument):
        name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
        resource_type = self.raw[name]["Type"]
        if resource_type == "AWS::SQS::Queue":
            # The name is generated: the name of the stack, the logical ID and random characters.
            queue = f"{RUNNING_STACK}-{name}"
            return {"Arn": ARNS[resource_type].format(region=REGION, account=ACCOUNT, ref=queue), "QueueName": queue}[attribute]
        if attribute == "StreamArn":
            return f"{self.get_att([name, 'Arn'])}/stream/2026-01-15T12:00:00.000"
        if attribute == "Arn":
            return ARNS[resource_type].format(region=REGION, account=ACCOUNT, ref=self.ref(name))
        return f"{name}.{attribute}"

    def sub(self, argument):
        text, values = argument if isinstance(argument, list) else (argument, {})

        def value(match):
            name = match[1]
            if name in values:
                return str(self.resolve(values[name]))
            return str(self.get_att(name) if "." in name else self.ref(name))

        return re.sub(r"\$\{([^!}]+)\}", value, text)

    def if_(self, argument):
        condition, if_true, if_false = argument
        return self.resolve(if_true if self.evaluate({"Condition": condition}) else if_false)
