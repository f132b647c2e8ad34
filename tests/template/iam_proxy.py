"""A proxy in front of an AWS endpoint that enforces the IAM policies of template.yaml: it denies and logs requests that the
role of the calling function does not allow, and forwards all others. Tests run the functions with it under the policies
with which they are deployed.

Each function has its own path on the proxy, as in AWS_ENDPOINT_URL=http://127.0.0.1:9001/Licenses. The stack name is
signet. --key maps the KMS keys of the template to their ARNs, as in --key RootKey=arn:… --key SealingKey=arn:….
"""

import argparse
import json
import re
import sys
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from cloudformation import ACCOUNT, REGION, RUNNING_STACK, Installation
from iam import Role, signing_key_policy

KEYWORDS = set("SET ADD DELETE REMOVE AND OR NOT BETWEEN IN".split())
FUNCTIONS = {"attribute_exists", "attribute_not_exists", "size", "begins_with", "contains", "if_not_exists"}
WRITE_OPERATIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
KMS_CONTEXT_KEYS = ["KeySpec", "KeyUsage", "SigningAlgorithm", "MessageType"]
SERVICES = {"DynamoDB_20120810": "dynamodb", "TrentService": "kms", "secretsmanager": "secretsmanager", "AmazonSQS": "sqs"}


class IamProxy:
    """Checks requests against the roles of the stack. `keys` and `secrets` map the logical IDs of KMS keys and secrets to the
    ARNs at the upstream."""

    def __init__(self, upstream, keys, secrets):
        self.stack = Installation()
        self.upstream = urlsplit(upstream)
        self.keys = {arn: self.stack.get_att([name, "Arn"]) for name, arn in keys.items()}
        self.secrets = {arn: self.stack.ref(name) for name, arn in secrets.items()}
        self.roles = {}

    def forward(self, headers, body):
        """Sends a request to the upstream and returns the status, headers and body of the response."""
        connection = HTTPConnection(self.upstream.hostname, self.upstream.port, timeout=30)
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()

    def denied_actions(self, function, service, operation, request, headers):
        """The actions of a request that the role of the function does not allow."""
        role = self.roles.setdefault(function, Role(self.stack, f"{function}Role"))
        denied = []
        for action, resource, context in self.required_actions(service, operation, request, headers):
            is_allowed = role.is_allowed
            if service == "kms":
                is_allowed = partial(role.is_allowed_on_key, key_policy=self.key_policy(request.get("KeyId"), headers))
            context = {name.replace(":", "__"): value for name, value in context.items()}
            if not is_allowed(action, resource, **context):
                denied.append({"function": function, "action": action, "resource": resource, "context": context})
        return denied

    def required_actions(self, service, operation, request, headers):
        """The actions that a request requires, each with its resource and context keys."""
        if service == "dynamodb":
            return list(self.dynamodb_actions(operation, request))
        if service == "kms":
            return list(self.kms_actions(operation, request, headers))
        if service == "sqs":
            # Batches need the permission of the single operation
            # (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html).
            return [(f"sqs:{operation.removesuffix('Batch')}", self.queue_arn(request["QueueUrl"]), {})]
        return [(f"{service}:{operation}", self.secrets.get(request["SecretId"], request["SecretId"]), {})]

    def dynamodb_actions(self, operation, request):
        if operation == "TransactWriteItems":
            yield from self.transaction_actions(request["TransactItems"])
            return
        table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{request['TableName']}"
        context = {"dynamodb:Attributes": sorted(request_attributes(request))}
        if operation == "Query":
            placeholder = request["KeyConditionExpression"].split("=")[1].split()[0]
            context["dynamodb:LeadingKeys"] = [request["ExpressionAttributeValues"][placeholder]["S"]]
            table += f"/index/{request['IndexName']}" if "IndexName" in request else ""
        else:
            key = request.get("Key") or request.get("Item") or {}
            context["dynamodb:LeadingKeys"] = [key["PK"]["S"]] if key else []
        yield f"dynamodb:{operation}", table, context

    def transaction_actions(self, items):
        """The actions of each item alone, and then each action with the keys and attributes of all items. AWS does not document
        which of the two DynamoDB evaluates, so a role must allow both."""
        writes = [next(iter(item.items())) for item in items]
        single = [one for kind, write in writes for one in self.dynamodb_actions(WRITE_OPERATIONS[kind], write)]
        yield from single
        keys = ["dynamodb:LeadingKeys", "dynamodb:Attributes"]
        together = {key: sorted({value for _, _, context in single for value in context[key]}) for key in keys}
        for action, resource in dict.fromkeys((action, resource) for action, resource, _ in single):
            yield action, resource, together

    def kms_actions(self, operation, request, headers):
        arn = request.get("KeyId", "*")
        context = self.resource_tags(arn, headers) if arn != "*" else {}
        context |= {f"kms:{name}": request[name] for name in KMS_CONTEXT_KEYS if name in request}
        for name, value in request.get("EncryptionContext", {}).items():
            context[f"kms:EncryptionContext:{name}"] = value
        if operation == "ScheduleKeyDeletion":
            context["kms:ScheduleKeyDeletionPendingWindowInDays"] = request["PendingWindowInDays"]
        if "Tags" in request:
            context |= {f"aws:RequestTag/{tag['TagKey']}": tag["TagValue"] for tag in request["Tags"]}
            context["aws:TagKeys"] = [tag["TagKey"] for tag in request["Tags"]]
            if operation == "CreateKey":
                yield "kms:TagResource", arn, context
        yield f"kms:{operation}", self.template_arn(arn), context

    def queue_arn(self, url):
        """The ARN of a queue of the template, whose generated name contains its logical ID, or the URL of another one."""
        match = re.fullmatch(rf"{RUNNING_STACK}-(\w+)-\w+", url.split("/")[-1])
        return self.stack.get_att([match[1], "Arn"]) if match and match[1] in self.stack.of_type("AWS::SQS::Queue") else url

    def template_arn(self, arn):
        """The ARN of a key in the account and region for which the policies are resolved."""
        return self.keys.get(arn) or re.sub(r"^arn:aws:kms:[^:]*:[^:]*:", f"arn:aws:kms:{REGION}:{ACCOUNT}:", arn)

    def resource_tags(self, arn, headers):
        """The tags of a key, as context keys."""
        tags = self.kms(headers, "ListResourceTags", KeyId=arn).get("Tags", [])
        return {f"aws:ResourceTag/{tag['TagKey']}": tag["TagValue"] for tag in tags}

    def key_policy(self, arn, headers):
        """The key policy of a signing key, with the ARNs of the template, or None if the key has another key policy."""
        if arn is None or arn in self.keys:
            return None
        policy = self.kms(headers, "GetKeyPolicy", KeyId=arn, PolicyName="default").get("Policy", "")
        return signing_key_policy(self.stack) if "AllowSigning" in policy else None

    def kms(self, headers, operation, **request):
        """Sends a request to KMS with the credentials in the headers of another one."""
        forwarded = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        forwarded["X-Amz-Target"] = f"TrentService.{operation}"
        _, _, body = self.forward(forwarded, json.dumps(request))
        return json.loads(body)


def request_attributes(request):
    """The attributes in the key, the item and the expressions of a request."""
    names = set(request.get("Key", {})) | set(request.get("Item", {}))
    aliases = request.get("ExpressionAttributeNames", {})
    for field in ["UpdateExpression", "ConditionExpression", "ProjectionExpression"]:
        for word in re.findall(r"[#:]?\w+", request.get(field, "")):
            if word.startswith("#"):
                names.add(aliases[word])
            elif word[0] not in ":0123456789" and word not in KEYWORDS | FUNCTIONS:
                names.add(word)
    return names


def handler(proxy):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = dict(self.headers.items())
            service, operation = self.headers["X-Amz-Target"].split(".")
            function = self.path.strip("/")
            denied = proxy.denied_actions(function, SERVICES[service], operation, json.loads(body), headers)
            if denied:
                print(json.dumps(denied), file=sys.stderr, flush=True)
                error = json.dumps({"__type": "AccessDeniedException", "message": "denied by the policies of the template"})
                return self.respond(400, {"Content-Type": "application/x-amz-json-1.0"}, error.encode())
            return self.respond(*proxy.forward(headers, body))

        def respond(self, status, headers, body):
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True, help="endpoint that allowed requests are forwarded to")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--key", action="append", default=[], metavar="RESOURCE=ARN", help="ARN of a KMS key of the template")
    parser.add_argument("--secret", action="append", default=[], metavar="RESOURCE=ARN", help="ARN of a secret of the template")
    arguments = parser.parse_args()
    arns = (dict(arn.split("=", 1) for arn in arns) for arns in [arguments.key, arguments.secret])
    proxy = IamProxy(arguments.upstream, *arns)
    ThreadingHTTPServer(("127.0.0.1", arguments.port), handler(proxy)).serve_forever()


if __name__ == "__main__":
    main()
