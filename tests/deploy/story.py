"""The story of a license at the API of a stack that is deployed to MiniStack, in three chapters: before there is a signing
key, from the sale to the first refusal, and after an update of the stack.

Usage: story.py empty|sale|update STATE, with AWS_ENDPOINT_URL, STACK and, from the sale on, API_KEY.
"""

import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import botocore.session

root = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(root / "examples/verify/python"))
from verifier import VerificationError, Verifier  # noqa: E402 (the folder is known only now)

chapter, state_file = sys.argv[1], Path(sys.argv[2])
endpoint, stack = os.environ["AWS_ENDPOINT_URL"], os.environ["STACK"]
operator = {"X-Api-Key": os.environ.get("API_KEY", "")}


def client(service):
    return botocore.session.get_session().create_client(service, endpoint_url=endpoint, region_name="us-east-1")


described = client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
issuer = outputs["ApiUrl"]
# The URL's host is Amazon's; this is where MiniStack has the API of that name.
api = endpoint + "/_aws/execute-api/" + issuer.removeprefix("https://").split(".")[0] + "/$default"
http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    def expect(self, status, code=None):
        assert self.status == status, (self.status, self.text)
        found = json.loads(self.text) if self.text.startswith("{") else self.text
        assert code is None or found["code"] == code, found
        return found


def ask(method, path, body=None, headers=()):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **dict(headers)}
    request = urllib.request.Request(api + path, data, headers, method=method)
    try:
        with http.open(request) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read().decode())


def get(path, headers=()):
    return ask("GET", path, headers=headers)


def post(path, body, headers=()):
    return ask("POST", "/api/v1.0/" + path, body, headers)


def sign_keys():
    """The KMS keys that are tagged for signing the license tokens of this table."""
    kms, found = client("kms"), []
    for key in kms.list_keys()["Keys"]:
        tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
        if tags.get("signet:table") == outputs["TableName"] and tags.get("signet:use") == "sign":
            found.append(key["KeyId"])
    return found


def verifier(root_keys):
    """The example verifier in Python, with this root built in."""
    return Verifier({"issuer": issuer, "product": "atlas", "root_keys": root_keys}, tempfile.mkdtemp())


def empty():
    """The stack is there, and nothing is in it: what can be answered is, and the rest is told."""
    assert get("/health").expect(503)["status"] == "down"
    assert get("/.well-known/license-configuration").expect(200)["issuer"] == issuer
    assert get("/openapi.json").expect(200)["openapi"].startswith("3.1")
    assert sign_keys() == []
    post("products", {}).expect(401, "unauthenticated")
    post("license-keys/validate", {"license_key": "ATLAS-1"}).expect(200)
    # Routes that nobody has, and methods, are answered as ours are.
    missing = get("/api/v1.0/no-such-thing")
    missing.expect(404, "not_found")
    assert missing.headers["Content-Type"] == "application/problem+json"
    get("/no/such/page").expect(404, "not_found")
    ask("DELETE", "/api/v1.0/products").expect(405, "method_not_allowed")
    get("/docs").expect(200)
    get("/problems/seat_limit_reached").expect(200)


def sale():
    """Everything that the README's round trip does, and one machine over the seat limit."""
    assert len(sign_keys()) == 2, "one that signs, and the next"
    # Functions that found no key look again after five seconds, and health is found out as often.
    for _ in range(30):
        if get("/health").status == 200:
            break
        time.sleep(0.5)
    product = post("products", {"code": "atlas", "name": "Atlas"}, operator).expect(201)
    feature = {"product_id": product["id"], "key": "export.pdf", "name": "PDF export"}
    feature = post("product-features", feature, operator).expect(201)
    tier = post("pricing-tiers", {
        "product_id": product["id"], "code": "pro", "name": "Pro", "feature_ids": [feature["id"]], "max_users": 2,
        "monthly_price": 1900, "annual_price": 19000, "currency": "EUR", "billing_period": "annual",
    }, operator).expect(201)
    customer = post("customers", {"name": "Ada", "email": "ada@example.com"}, operator).expect(201)
    order = {"customer_id": customer["id"], "tier_id": tier["id"]}
    once = {**operator, "Idempotency-Key": "order-1"}
    issued = post("license-keys", order, once).expect(201)
    key = issued["license_key"]

    machines = {}
    for machine in ["machine-1", "machine-2"]:
        body = {"license_key": key, "machine_id": machine}
        machines[machine] = post("license-activations/activate", body).expect(201)
    body = {"license_key": key, "machine_id": "machine-3"}
    post("license-activations/activate", body).expect(409, "seat_limit_reached")

    token, second = machines["machine-1"]["token"], machines["machine-2"]
    post("license-keys/heartbeat", {"token": token, "machine_id": "machine-1"}).expect(200)
    assert post("license-keys/validate", {"token": token, "machine_id": "machine-1"}).expect(200)["valid"]

    # Offline, with the root key that is built in: the template's own, as KMS says.
    root_keys = get("/api/v1.0/signing-keys", operator).expect(200)["root_keys"]
    app = verifier(root_keys)
    app.store_key_set(get("/.well-known/jwks.jwt").expect(200), time.time())
    claims = app.verify(token, "machine-1", time.time())
    assert (claims["iss"], claims["features"]) == (issuer, ["export.pdf"]), claims
    try:
        app.verify(token, "machine-2", time.time())
        raise AssertionError("another machine's token was taken")
    except VerificationError:
        pass
    assert len(get("/.well-known/jwks.json").expect(200)["keys"]) == 2

    # The user pool's keys are not to be had here: its issuer is Amazon's.
    checks = {check["name"]: check["status"] for check in get("/health").expect(200)["checks"]}
    assert checks == {"dynamodb": "ok", "signing": "ok", "signed_keys": "ok", "oidc": "degraded"}, checks
    state = {"order": order, "issued": issued, "token": token, "root_keys": root_keys, "second": second}
    state_file.write_text(json.dumps(state))


def update():
    """The stack was updated: what was sold is there, tokens from before renew, and answers that were kept open."""
    state = json.loads(state_file.read_text())
    issued = state["issued"]
    beat = post("license-keys/heartbeat", {"token": state["token"], "machine_id": "machine-1"}).expect(200)
    found = get(f"/api/v1.0/license-keys/{issued['license']['id']}", operator).expect(200)
    assert found["seats_used"] == 2, found
    once = {**operator, "Idempotency-Key": "order-1"}
    assert post("license-keys", state["order"], once).expect(201) == issued, "an order that is repeated is no second one"
    assert get("/api/v1.0/signing-keys", operator).expect(200)["root_keys"] == state["root_keys"]
    app = verifier(state["root_keys"])
    app.store_key_set(get("/.well-known/jwks.jwt").expect(200), time.time())
    app.verify(beat["token"], "machine-1", time.time())

    second = state["second"]
    post(f"license-activations/{second['activation']['id']}/deactivate", {"token": second["token"]}).expect(200)
    body = {"license_key": issued["license_key"], "machine_id": "machine-3"}
    post("license-activations/activate", body).expect(201)
    path = f"license-keys/{issued['license']['id']}"
    regenerated = post(path + "/regenerate", {}, operator).expect(200)
    post("license-keys/heartbeat", {"token": beat["token"], "machine_id": "machine-1"}).expect(403, "generation_outdated")
    body = {"license_key": regenerated["license_key"], "machine_id": "machine-1"}
    post("license-activations/activate", body).expect(201)
    audit = post(path + "/audit", {}, operator).expect(200)
    assert audit["ok"], audit
    post(path + "/revoke", {"reason": "refund"}, operator).expect(200)
    body = {"license_key": regenerated["license_key"], "machine_id": "machine-1"}
    post("license-activations/activate", body).expect(403, "revoked")


{"empty": empty, "sale": sale, "update": update}[chapter]()
print(f"{chapter}: ok")
