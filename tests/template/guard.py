"""Stands before an endpoint of AWS's services and plays IAM: what a function's role in template.yaml may not do is denied
and written down, the rest passed on. So the functions can be run by the very policies that they are deployed with.

A function's endpoint is this one with its name behind it, as in AWS_ENDPOINT_URL=http://127.0.0.1:9001/Licenses. The stack
is called signet, and --key says which keys it has, as in --key RootKey=arn:… --key SealingKey=arn:….
"""

import argparse
import json
import re
import sys
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from deployed import ACCOUNT, REGION, Stack
from iam import Role

KEYWORDS = set("SET ADD DELETE REMOVE AND OR NOT BETWEEN IN".split())
FUNCTIONS = {"attribute_exists", "attribute_not_exists", "size", "begins_with", "contains", "if_not_exists"}
WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}


class Guard:
    """The roles of the stack. Keys of the template are known by the ARNs that they have where the requests go."""

    def __init__(self, upstream, keys):
        self.stack = Stack()
        self.upstream = urlsplit(upstream)
        self.keys = {arn: self.stack.getatt([name, "Arn"]) for name, arn in keys.items()}
        self.roles = {}
        self.denied = []

    def ask(self, headers, body):
        """What the services answer."""
        connection = HTTPConnection(self.upstream.hostname, self.upstream.port, timeout=30)
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def check(self, function, service, operation, request, headers):
        """What of a request the function's role may not do."""
        role = self.roles.setdefault(function, Role(self.stack, f"{function}Role"))
        denied = []
        for action, resource, context in self.needs(service, operation, request, headers):
            may = role.may_with_key if service == "kms" else role.may
            context = {name.replace(":", "__"): value for name, value in context.items()}
            allowed = may(action, resource, **context)
            if not allowed:
                denied.append({"function": function, "action": action, "resource": resource, "context": context})
        self.denied += denied
        return denied

    def needs(self, service, operation, request, headers):
        if service == "dynamodb":
            return list(self.items(operation, request))
        if service == "kms":
            return list(self.of_key(operation, request, headers))
        return [(f"{service}:{operation}", self.stack.ref("Secrets"), {})]

    def items(self, operation, request):
        if operation == "TransactWriteItems":
            for write in request["TransactItems"]:
                ((kind, one),) = write.items()
                yield from self.items(WRITES[kind], one)
            return
        table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{request['TableName']}"
        context = {"dynamodb:Attributes": sorted(attributes(request))}
        if operation == "Query":
            word = request["KeyConditionExpression"].split("=")[1].split()[0]
            context["dynamodb:LeadingKeys"] = [request["ExpressionAttributeValues"][word]["S"]]
            table += f"/index/{request['IndexName']}" if "IndexName" in request else ""
        else:
            key = request.get("Key") or request.get("Item") or {}
            context["dynamodb:LeadingKeys"] = [key["PK"]["S"]] if key else []
        yield f"dynamodb:{operation}", table, context

    def of_key(self, operation, request, headers):
        arn = request.get("KeyId", "*")
        context = self.tags(arn, headers) if arn != "*" else {}
        context |= {f"kms:{name}": request[name] for name in KMS_CONTEXT if name in request}
        for name, value in request.get("EncryptionContext", {}).items():
            context[f"kms:EncryptionContext:{name}"] = value
        if operation == "ScheduleKeyDeletion":
            context["kms:ScheduleKeyDeletionPendingWindowInDays"] = request["PendingWindowInDays"]
        if "Tags" in request:
            context |= {f"aws:RequestTag/{one['TagKey']}": one["TagValue"] for one in request["Tags"]}
            context["aws:TagKeys"] = [one["TagKey"] for one in request["Tags"]]
            yield "kms:TagResource", arn, context
        yield f"kms:{operation}", self.own(arn), context

    def own(self, arn):
        """A key by the account and region that the policies are resolved for."""
        return self.keys.get(arn) or re.sub(r"^arn:aws:kms:[^:]*:[^:]*:", f"arn:aws:kms:{REGION}:{ACCOUNT}:", arn)

    def tags(self, arn, headers):
        asked = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        asked["X-Amz-Target"] = "TrentService.ListResourceTags"
        _, _, body = self.ask(asked, json.dumps({"KeyId": arn}))
        return {f"aws:ResourceTag/{one['TagKey']}": one["TagValue"] for one in json.loads(body).get("Tags", [])}


KMS_CONTEXT = ["KeySpec", "KeyUsage", "SigningAlgorithm", "MessageType"]
SERVICES = {"DynamoDB_20120810": "dynamodb", "TrentService": "kms", "secretsmanager": "secretsmanager"}


def attributes(request):
    """The attributes that a request names: of its key, its item and its expressions."""
    names = set(request.get("Key", {})) | set(request.get("Item", {}))
    given = request.get("ExpressionAttributeNames", {})
    for place in ["UpdateExpression", "ConditionExpression", "ProjectionExpression"]:
        for word in re.findall(r"[#:]?\w+", request.get(place, "")):
            if word.startswith("#"):
                names.add(given[word])
            elif word[0] not in ":0123456789" and word not in KEYWORDS | FUNCTIONS:
                names.add(word)
    return names


def handler(guard):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = dict(self.headers.items())
            service, operation = self.headers["X-Amz-Target"].split(".")
            function = self.path.strip("/")
            denied = guard.check(function, SERVICES[service], operation, json.loads(body), headers)
            if denied:
                print(json.dumps(denied), file=sys.stderr, flush=True)
                text = json.dumps({"__type": "AccessDeniedException", "message": "denied by the template's policies"})
                return self.answer(400, {"Content-Type": "application/x-amz-json-1.0"}, text.encode())
            return self.answer(*guard.ask(headers, body))

        def answer(self, status, headers, body):
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--upstream", required=True, help="the endpoint that requests are passed on to")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--key", action="append", default=[], metavar="RESOURCE=ARN", help="a KMS key of the template")
    given = arguments.parse_args()
    guard = Guard(given.upstream, dict(one.split("=", 1) for one in given.key))
    ThreadingHTTPServer(("127.0.0.1", given.port), handler(guard)).serve_forever()


if __name__ == "__main__":
    main()
