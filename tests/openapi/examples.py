"""Checks that every example of an OpenAPI document is what its schema says."""

import json
import sys

import jsonschema_rs

document = json.load(open(sys.argv[1], encoding="utf-8"))


def resolve(part):
    while "$ref" in part:
        to = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            to = to[name]
        part = to
    return part


def examples(content):
    if "example" in content:
        yield content["example"]
    for one in content.get("examples", {}).values():
        yield resolve(one)["value"]


count, wrong = 0, 0
for path, item in document["paths"].items():
    for method, operation in item.items():
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for where, body in bodies.items():
            for content in resolve(body).get("content", {}).values():
                schema = {**content["schema"], "components": document["components"]}
                validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
                for example in examples(content):
                    count += 1
                    for error in validator.iter_errors(example):
                        wrong += 1
                        print(f"{method} {path} {where}: at {list(error.instance_path)}: {error.message}")
print(f"{count} examples, {wrong} wrong")
sys.exit(wrong > 0 or count == 0)
