"""Validates every example of an OpenAPI document against its schema."""

import json
import sys

import jsonschema_rs

document = json.load(open(sys.argv[1], encoding="utf-8"))


def resolve(node):
    """Follows references."""
    while "$ref" in node:
        target = document
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


def examples(content):
    if "example" in content:
        yield content["example"]
    for example in content.get("examples", {}).values():
        yield resolve(example)["value"]


count, invalid = 0, 0
for path, item in document["paths"].items():
    for method, operation in item.items():
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for location, body in bodies.items():
            for content in resolve(body).get("content", {}).values():
                schema = {**content["schema"], "components": document["components"]}
                validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
                for example in examples(content):
                    count += 1
                    for error in validator.iter_errors(example):
                        invalid += 1
                        print(f"{method} {path} {location}: at {list(error.instance_path)}: {error.message}")
print(f"{count} examples, {invalid} errors")
sys.exit(invalid > 0 or count == 0)
