"""Tests the API of an installation, in five phases: without a signing key (empty, only on MiniStack), the lifecycle of a license up
to an exceeded seat limit (lifecycle), a day of webhooks (webhooks), after the running stack was deleted and created again (rebuilt), and
after an update (update).

Usage: check_api.py empty|lifecycle|webhooks|rebuilt|update STATE_FILE. Requires the environment variables STACK, the name of the data
stack, AWS_REGION, API_KEY for all phases but the first, and AWS_ENDPOINT_URL on MiniStack.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

root = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(root / "examples/verify/python"))
import webhooks  # noqa: E402 (it would write bytecode before)
from api import get, operator, post, repeat, send  # noqa: E402 (likewise)
from installation import IS_AWS, ISSUER, STACK, client  # noqa: E402 (likewise)
from verifier import VerificationError, Verifier  # noqa: E402 (the directory is known only now)

phase, state_file = sys.argv[1], Path(sys.argv[2])
# A schedule creates the keys on AWS; the test on MiniStack has created them. Functions cache the status for five seconds.
SECONDS_UNTIL_HEALTHY = 600 if IS_AWS else 15
# A new KMS key can take some minutes to be usable everywhere: see docs/tutorials/deploy-to-aws.md.
SECONDS_UNTIL_KEYS_SIGN = 300 if IS_AWS else 0


def signing_keys():
    """The KMS keys with the tags of the signing keys of this table."""
    kms, key_ids = client("kms"), []
    for key in kms.get_paginator("list_keys").paginate().search("Keys"):
        tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
        if tags.get("signet:table") == STACK and tags.get("signet:use") == "sign":
            key_ids.append(key["KeyId"])
    return key_ids


def verifier(root_keys):
    """The example verifier in Python, with these root keys."""
    return Verifier({"issuer": ISSUER, "product": "atlas", "root_keys": root_keys}, tempfile.mkdtemp())


def empty():
    """Without a signing key, the API serves what needs no key and reports the missing key."""
    assert get("/health").expect(503)["status"] == "down"
    assert get("/.well-known/license-configuration").expect(200)["issuer"] == ISSUER
    assert get("/openapi.json").expect(200)["openapi"].startswith("3.1")
    assert get("/openapi-3.0.json").expect(200)["openapi"].startswith("3.0")
    assert signing_keys() == []
    post("products", {}).expect(401, "unauthenticated")
    post("license-keys/validate", {"license_key": "ATLAS-1"}).expect(200)
    # Unknown paths and methods have the same problem responses as all others.
    missing = get("/api/v1.0/no-such-thing")
    missing.expect(404, "not_found")
    assert missing.headers["Content-Type"] == "application/problem+json"
    get("/no/such/page").expect(404, "not_found")
    send("DELETE", "/api/v1.0/products").expect(405, "method_not_allowed")
    get("/llms.txt").expect(200)
    get("/docs").expect(200)
    get("/problems/seat_limit_reached").expect(200)


def lifecycle():
    """The example of the README, with an activation above the seat limit."""
    repeat(SECONDS_UNTIL_HEALTHY, lambda: get("/health"), lambda response: response.status == 200).expect(200)
    keys = repeat(SECONDS_UNTIL_HEALTHY, signing_keys, lambda keys: len(keys) == 2)
    assert len(keys) == 2, "expected the current key and the next one"
    product = post("products", {"code": "atlas", "name": "Atlas"}, operator).expect(201)
    feature = {"product_id": product["id"], "key": "export.pdf", "name": "PDF export"}
    feature = post("product-features", feature, operator).expect(201)
    tier = post("pricing-tiers", {
        "product_id": product["id"], "code": "pro", "name": "Pro", "feature_ids": [feature["id"]], "max_users": 2,
        "monthly_price": 1900, "annual_price": 19000, "currency": "EUR", "billing_period": "annual",
    }, operator).expect(201)
    customer = post("customers", {"name": "Ada", "email": "ada@example.com"}, operator).expect(201)
    license_request = {"customer_id": customer["id"], "tier_id": tier["id"]}
    idempotent = {**operator, "Idempotency-Key": "order-1"}
    issue = lambda: post("license-keys", license_request, idempotent)
    issued = repeat(SECONDS_UNTIL_KEYS_SIGN, issue, lambda response: response.status < 500).expect(201)
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

    # Offline verification with the root key of the template.
    root_keys = get("/api/v1.0/signing-keys", operator).expect(200)["root_keys"]
    app = verifier(root_keys)
    app.store_key_set(get("/.well-known/jwks.jwt").expect(200), time.time())
    claims = app.verify(token, "machine-1", time.time())
    assert (claims["iss"], claims["features"]) == (ISSUER, ["export.pdf"]), claims
    try:
        app.verify(token, "machine-2", time.time())
        raise AssertionError("the verifier accepted the token of another machine")
    except VerificationError:
        pass
    assert len(get("/.well-known/jwks.json").expect(200)["keys"]) == 2

    # MiniStack does not serve the keys of the user pool: the host name of its issuer is that of Cognito.
    checks = {check["name"]: check["status"] for check in get("/health").expect(200)["checks"]}
    assert checks == {"dynamodb": "ok", "signing": "ok", "signed_keys": "ok", "oidc": "ok" if IS_AWS else "degraded"}, checks
    state = {"license_request": license_request, "issued": issued, "token": token, "root_keys": root_keys, "second": second}
    state["issuer"] = ISSUER
    state_file.write_text(json.dumps(state))


def webhooks_day():
    """Webhooks are sent, and what is pending at the end stays so."""
    state = json.loads(state_file.read_text())
    state["webhooks"] = webhooks.day()
    state_file.write_text(json.dumps(state))


def rebuilt():
    """A license from before is valid, with the same issuer, and the signing keys from before sign for the new roles."""
    state = json.loads(state_file.read_text())
    assert len(signing_keys()) == 2, "expected no further signing keys"
    app = verifier(state["root_keys"])
    app.store_key_set(get("/.well-known/jwks.jwt").expect(200), time.time())
    app.verify(state["token"], "machine-1", time.time())
    heartbeat = post("license-keys/heartbeat", {"token": state["token"], "machine_id": "machine-1"}).expect(200)
    assert app.verify(heartbeat["token"], "machine-1", time.time())["iss"] == ISSUER == state["issuer"]
    webhooks.go_on(state["webhooks"])
    state_file.write_text(json.dumps(state))


def update():
    """After the update, the licenses exist, tokens can be renewed, and stored idempotent responses can be decrypted."""
    state = json.loads(state_file.read_text())
    issued = state["issued"]
    heartbeat = post("license-keys/heartbeat", {"token": state["token"], "machine_id": "machine-1"}).expect(200)
    license_key = get(f"/api/v1.0/license-keys/{issued['license']['id']}", operator).expect(200)
    assert license_key["seats_used"] == 2, license_key
    idempotent = {**operator, "Idempotency-Key": "order-1"}
    assert post("license-keys", state["license_request"], idempotent).expect(201) == issued, "the replayed response differs"
    assert get("/api/v1.0/signing-keys", operator).expect(200)["root_keys"] == state["root_keys"]
    app = verifier(state["root_keys"])
    app.store_key_set(get("/.well-known/jwks.jwt").expect(200), time.time())
    app.verify(heartbeat["token"], "machine-1", time.time())

    second = state["second"]
    post(f"license-activations/{second['activation']['id']}/deactivate", {"token": second["token"]}).expect(200)
    body = {"license_key": issued["license_key"], "machine_id": "machine-3"}
    post("license-activations/activate", body).expect(201)
    path = f"license-keys/{issued['license']['id']}"
    regenerated = post(path + "/regenerate", {}, operator).expect(200)
    post("license-keys/heartbeat", {"token": heartbeat["token"], "machine_id": "machine-1"}).expect(403, "generation_outdated")
    body = {"license_key": regenerated["license_key"], "machine_id": "machine-1"}
    post("license-activations/activate", body).expect(201)
    audit = post(path + "/audit", {}, operator).expect(200)
    assert audit["ok"], audit
    post(path + "/revoke", {"reason": "refund"}, operator).expect(200)
    body = {"license_key": regenerated["license_key"], "machine_id": "machine-1"}
    post("license-activations/activate", body).expect(403, "revoked")
    webhooks.go_on(state["webhooks"])
    send("DELETE", f"/api/v1.0/webhook-endpoints/{state['webhooks']['endpoint']}", headers=operator).expect(204)


{"empty": empty, "lifecycle": lifecycle, "webhooks": webhooks_day, "rebuilt": rebuilt, "update": update}[phase]()
print(f"API, {phase}: ok")
