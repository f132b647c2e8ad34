"""What no document can tell of valid requests: which things there are, what time it is, and which fields go together.

Only what schemathesis takes for valid is touched. What it makes wrong on purpose is sent as it is.
"""

import itertools
import os
import unicodedata

import requests
import schemathesis

API = os.environ["SIGNET_URL"] + "/api/v1.0"
OPERATOR = {"X-Api-Key": os.environ["SIGNET_API_KEY"]}
# The header of the security scheme that this run does not use; none where it shows no credential.
OTHER_SCHEME = os.environ.get("SIGNET_OTHER_SCHEME")
numbers = itertools.count()


def make(path, body):
    answer = requests.post(f"{API}/{path}", json=body, headers=OPERATOR, timeout=30)
    answer.raise_for_status()
    return answer.json()


# Something to refer to. The product lets a customer have many license keys, so that none ends another.
PRODUCT = make("products", {"code": "seed", "name": "Seed", "one_key_per_customer": False})["id"]
FEATURE = make("product-features", {"product_id": PRODUCT, "key": "seed", "name": "Seed"})["id"]
PRICES = {"monthly_price": 1900, "annual_price": 19000, "currency": "EUR", "billing_period": "annual", "max_users": None}
TIER = make("pricing-tiers", {"product_id": PRODUCT, "code": "seed", "name": "Seed", "is_claimable": True, **PRICES})["id"]
JWK = requests.get(os.environ["SIGNET_URL"] + "/.well-known/jwks.json", timeout=30).json()["keys"][0]
CUSTOMER = make("customers", {"name": "Seed", "email": "seed@example.com"})["id"]


def new_license():
    return make("license-keys", {"customer_id": CUSTOMER, "tier_id": TIER})


def new_machine():
    machine_id = f"machine-{next(numbers)}"
    body = {"license_key": new_license()["license_key"], "machine_id": machine_id}
    return {**make("license-activations/activate", body), "machine_id": machine_id}


def new_key():
    return make("api-keys", {"name": "seed", "scopes": ["licenses:read"]})


# What is only read is made once; what a request may end or change for good is made for it.
LICENSE, MACHINE, KEY = new_license()["license"]["id"], new_machine()["activation"]["id"], new_key()["id"]


def in_path(case):
    """An id that is there, of the kind that the path takes."""
    is_read = case.method == "GET"
    match case.path.removeprefix("/api/v1.0/").split("/"):
        case ["products", *_]:
            return PRODUCT
        case ["product-features", *_]:
            return FEATURE
        case ["pricing-tiers", *_]:
            return TIER
        case ["customers", *_]:
            return CUSTOMER
        case ["license-keys", _, "reinstate"]:
            license_id = new_license()["license"]["id"]
            make(f"license-keys/{license_id}/suspend", {})
            return license_id
        case ["license-keys", *_]:
            return LICENSE if is_read else new_license()["license"]["id"]
        case ["license-activations", *_]:
            return MACHINE if is_read else new_machine()["activation"]["id"]
        case ["api-keys", *_]:
            return KEY if is_read else new_key()["id"]
        case _:
            return None


REFERENCES = {"product_id": PRODUCT, "tier_id": TIER, "customer_id": CUSTOMER}
made = set()


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code == 201:
        made.add(response.json().get("id"))


@schemathesis.hook
def before_call(context, case, kwargs):
    # Two credentials are refused, so what is made up for the other scheme would hide all that is behind.
    if OTHER_SCHEME and case.headers:
        case.headers.pop(OTHER_SCHEME, None)
    if not case.meta or not case.meta.generation.mode.is_positive:
        return
    # Only an answer makes a cursor.
    if case.query:
        case.query.pop("cursor", None)
    # A key is for one request.
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"{case.headers['Idempotency-Key'][:200]}-{next(numbers)}"
    is_followed = case.meta.phase.name.name == "STATEFUL"
    if not is_followed and case.path_parameters and "id" in case.path_parameters:
        case.path_parameters["id"] = in_path(case)
    if isinstance(case.body, dict):
        case.body = whole_numbers(case.body)
        show(case.body)
        refer(case.body)
        be_nobody_elses(case.body)
        if case.method == "PUT":
            leave_what_never_changes(case.body)
        if case.path.endswith("/change"):
            # A tier of the license key's own product, whichever that is, is the one that it has.
            case.body = {"max_users": case.body.get("max_users")}
        if not is_followed:
            prove(case)
        go_together(case.body)


def whole_numbers(value):
    """JSON Schema takes 288.0 for an integer; a reader of whole numbers takes 288."""
    if isinstance(value, dict):
        return {name: whole_numbers(field) for name, field in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


# What no category tells of: fillers and joiners that have no width.
UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"


def show(body):
    """Nothing hides in what people read: no pattern that all tools can read names each character that shows nothing."""
    for name in ("name", "company", "description", "reason", "machine_name"):
        if isinstance(body.get(name), str):
            seen = [c for c in body[name] if unicodedata.category(c) not in ("Cf", "Cn", "Co", "Zl", "Zp") and c not in UNSEEN]
            body[name] = "".join(seen) if "".join(seen).strip() else "x"


def refer(body):
    """What is named must be there, and of the same product."""
    for name, there in REFERENCES.items():
        if name in body and body[name] not in made:
            body[name] = there
    if "feature_ids" in body:
        body["feature_ids"] = [FEATURE] if body["feature_ids"] and body.get("product_id") == PRODUCT else []
    if "includes_tier_id" in body:
        body["includes_tier_id"] = TIER if body["includes_tier_id"] and body.get("product_id") == PRODUCT else None


def be_nobody_elses(body):
    """What is unique must be new."""
    for name in ("code", "key"):
        if body.get(name):
            body[name] = f"{body[name][:20]}-{next(numbers)}"
    if body.get("email"):
        name, domain = body["email"].rsplit("@", 1)
        body["email"] = f"{name[:40]}-{next(numbers)}@{domain[:200].strip('.')}"


def leave_what_never_changes(body):
    for name in ("code", "key", "product_id"):
        body.pop(name, None)
    # Its own tier can't be included, and which one the path names is not known here.
    body.pop("includes_tier_id", None)


def prove(case):
    """A license key or a token that holds, and the machine that it is for."""
    body = case.body
    if body.get("license_key") is not None:
        body["license_key"] = new_license()["license_key"]
    if body.get("token") is not None:
        machine = new_machine()
        body["token"] = machine["token"]
        if "machine_id" in body:
            body["machine_id"] = machine["machine_id"]
        if case.path.endswith("/deactivate"):
            case.path_parameters["id"] = machine["activation"]["id"]


def go_together(body):
    """Rules between fields, in a unit that no schema counts, of the time, or of what a key is."""
    if body.get("public_key") is not None:
        body["public_key"] = {name: JWK[name] for name in ("kty", "n", "e")}
    if isinstance(body.get("expires_at"), str):
        body["expires_at"] = "2999-12-31T23:59:59Z"
    ttl = body.get("token_ttl_seconds", 3600)
    for name, most in (("heartbeat_interval_seconds", ttl), ("renew_after_seconds", ttl // 2)):
        if body.get(name) is not None:
            body[name] = min(body[name], most)
    for name, most in (("machine_id", 256), ("machine_name", 100)):
        if isinstance(body.get(name), str):
            body[name] = body[name].encode()[:most].decode(errors="ignore")
