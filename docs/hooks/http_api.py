"""MkDocs hook: renders the HTTP API reference from the OpenAPI document.

The page `reference/http-api.md` contains the marker `<!-- openapi -->`. At build time the marker is replaced by Markdown
that is generated from `functions/discovery/openapi.json`: an index of operations by tag, then each operation with its
credentials, parameters, body and responses, then the schemas. The result is plain Markdown, so the site's search finds
it, it works without JavaScript, and it loads nothing from other hosts.
"""

import json
import re
from pathlib import Path

PAGE = "reference/http-api.md"
MARKER = "<!-- openapi -->"
DOCUMENT = Path(__file__).resolve().parents[2] / "functions/discovery/openapi.json"
METHODS = ["get", "post", "put", "patch", "delete"]
# Pages that the API serves itself, and where this site explains the same.
LINKS = {"/problems": "error-codes.md"}


def on_page_markdown(markdown, page, **_):
    if page.file.src_uri != PAGE:
        return markdown
    if MARKER not in markdown:
        raise ValueError(f"{PAGE} does not contain {MARKER}")
    return markdown.replace(MARKER, "\n".join(Api(json.loads(DOCUMENT.read_text())).lines()))


def on_serve(server, **_):
    server.watch(str(DOCUMENT))
    return server


class Api:
    def __init__(self, document):
        self.document = document

    def lines(self):
        yield self.prose(re.sub(r"^# ", "## ", self.document["info"]["description"], flags=re.MULTILINE))
        yield from self.index()
        for tag in self.document["tags"]:
            yield from [f"## {self.title(tag['name'])} {{ #{self.anchor('tag', tag['name'])} }}", "", self.prose(tag["description"]), ""]
            for method, path, operation in self.operations(tag["name"]):
                yield from self.operation(method, path, operation)
        yield from ["## Schemas", ""]
        for name in sorted(self.document["components"]["schemas"]):
            yield from self.schema(name)

    def operations(self, tag):
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item and tag in item[method]["tags"]:
                    yield method, path, item[method]

    def index(self):
        yield from ["## All operations", "", "| operation | method | path |", "| --- | --- | --- |"]
        for tag in self.document["tags"]:
            for method, path, operation in self.operations(tag["name"]):
                link = f"[{operation['summary']}](#{operation['operationId']})"
                yield f"| {link} | `{method.upper()}` | `{path}` |"
        yield ""

    def operation(self, method, path, operation):
        yield from [f"### {operation['summary']} {{ #{operation['operationId']} }}", ""]
        yield from ["```http", f"{method.upper()} {path}", "```", ""]
        if "description" in operation:
            yield from [self.prose(operation["description"]), ""]
        yield from [f"**Credentials:** {self.credentials(operation)}.", ""]
        yield from self.parameters(operation)
        yield from self.request(operation)
        yield from self.responses(operation)

    def credentials(self, operation):
        alternatives = []
        for one in operation.get("security") or [{}]:
            if not one:
                alternatives.append("none in a header")
            alternatives += [{"api_key": "`X-Api-Key`", "bearer": "`Authorization: Bearer`"}[scheme] for scheme in one]
        return ", or ".join(alternatives)

    def parameters(self, operation):
        parameters = [self.resolve(one) for one in operation.get("parameters", [])]
        if not parameters:
            return
        yield from ["| parameter | in | type | description |", "| --- | --- | --- | --- |"]
        for one in parameters:
            name = f"`{one['name']}`" + (" (required)" if one.get("required") else "")
            yield f"| {name} | {one['in']} | {self.type(one['schema'])} | {self.cell(one.get('description', ''))} |"
        yield ""

    def request(self, operation):
        body = operation.get("requestBody")
        if not body:
            return
        for kind, content in body["content"].items():
            optional = "" if body.get("required") else " (optional)"
            yield from [f"**Request body{optional}:** `{kind}`, {self.type(content['schema'])}", ""]
            for title, value in self.examples(content):
                yield from self.example(title, value)

    def responses(self, operation):
        yield from ["| status | body | description |", "| --- | --- | --- |"]
        shown, refused = [], []
        for status, response in sorted(operation["responses"].items()):
            response = self.resolve(response)
            content = response.get("content", {})
            if codes := operation["x-error-codes"].get(status):
                links = ", ".join(f"[`{code}`](error-codes.md#{code})" for code in codes)
                refused.append(f"| {status} | [Problem](#schema-problem) | {links} |")
                continue
            types = ", ".join(self.type(one["schema"]) if kind == "application/json" else f"`{kind}`" for kind, one in content.items())
            headers = "".join(f" Header `{name}`." for name in response.get("headers", {}))
            shown.append(f"| {status} | {types} | {self.cell(response['description'])}{headers} |")
            if not operation.get("example shown"):
                for _, value in list(self.examples(content.get("application/json", {})))[:1]:
                    operation["example shown"] = ("Response", value)
        yield from shown + refused + [""]
        if operation.get("example shown"):
            yield from self.example(*operation["example shown"])

    def examples(self, content):
        if "example" in content:
            yield "Example", content["example"]
        for one in content.get("examples", {}).values():
            one = self.resolve(one)
            yield one.get("summary", "Example"), one["value"]

    def example(self, title, value):
        text = json.dumps(value, indent=2, ensure_ascii=False)
        yield from [f'??? example "{title}"', "", "    ```json"]
        yield from [f"    {line}" for line in text.splitlines()]
        yield from ["    ```", ""]

    def schema(self, name):
        schema = self.document["components"]["schemas"][name]
        yield from [f"### {name} {{ #{self.anchor('schema', name)} }}", ""]
        if "description" in schema:
            yield from [self.prose(schema["description"]), ""]
        parts = schema.get("allOf", [schema])
        for part in parts:
            if "$ref" in part:
                yield from [f"Every field of {self.type(part)}, and:", ""]
            else:
                yield from self.fields(part)

    def fields(self, schema):
        if not schema.get("properties"):
            yield from [f"Type: {self.type(schema)}", ""]
            return
        yield from ["| field | type | description |", "| --- | --- | --- |"]
        required = schema.get("required", [])
        for name, one in schema["properties"].items():
            mark = "" if name in required else " (optional)"
            yield f"| `{name}`{mark} | {self.type(one)} | {self.cell(self.described(one))} |"
        yield ""

    def described(self, schema):
        alternatives = [one for kind in ("oneOf", "allOf", "anyOf") for one in schema.get(kind, [])]
        texts = [schema.get("description", "")] + [one.get("description", "") for one in alternatives if "type" not in one]
        if "default" in schema:
            texts.append(f"Default: `{json.dumps(schema['default'])}`.")
        return " ".join(text for text in texts if text)

    def type(self, schema):
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            self.resolve(schema)
            return f"[{name}](#{self.anchor('schema', name)})"
        alternatives = [one for kind in ("oneOf", "allOf", "anyOf") for one in schema.get(kind, [])]
        if alternatives and "properties" not in schema:
            return " or ".join(self.type(one) for one in alternatives)
        if "enum" in schema:
            return self.code(schema["enum"])
        kinds = schema.get("type", "any")
        words = [self.word(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        return " or ".join(words) + self.bounds(schema)

    def word(self, kind, schema):
        if kind == "array":
            return f"array of {self.type(schema['items'])}"
        return schema["format"] if kind == "string" and "format" in schema else kind

    def bounds(self, schema):
        for least, most, unit in [("minimum", "maximum", ""), ("minLength", "maxLength", " characters")]:
            low, high = schema.get(least), schema.get(most)
            if low is not None and high is not None:
                return f", {low} to {high}{unit}"
            if high is not None:
                return f", at most {high}{unit}"
            if low is not None:
                return f", at least {low}{unit}"
        return ""

    def resolve(self, part):
        if "$ref" not in part:
            return part
        found = self.document
        for word in part["$ref"].removeprefix("#/").split("/"):
            found = found[word]
        return found

    def code(self, words):
        return ", ".join(f"`{word}`" for word in words if word is not None)

    def title(self, text):
        return text[:1].upper() + text[1:]

    def anchor(self, kind, name):
        return f"{kind}-{re.sub(r'[^a-z0-9]+', '-', name.lower())}"

    def cell(self, text):
        return self.prose(" ".join(text.split())).replace("|", "\\|")

    def prose(self, text):
        for path, page in LINKS.items():
            text = text.replace(f"]({path})", f"]({page})")
        return text
