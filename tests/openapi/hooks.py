"""Schemathesis hooks that make generated requests valid where the OpenAPI document cannot express the rule: references to
existing resources, unique values, times, and rules between fields.

Only positive test cases are changed. Negative test cases are sent unmodified.
"""

from datetime import UTC, datetime, timedelta
import itertools
import os
import unicodedata

import requests
import schemathesis

API = os.environ["SIGNET_URL"] + "/api/v1.0"
OPERATOR = {"X-Api-Key": os.environ["SIGNET_API_KEY"]}
# The header of the security scheme that this run does not use. Unset in runs without credentials.
OTHER_SCHEME = os.environ.get("SIGNET_OTHER_SCHEME")
numbers = itertools.count()


def create(path, body):
    response = requests.post(f"{API}/{path}", json=body, headers=OPERATOR, timeout=30)
    response.raise_for_status()
    return response.json()


# Resources that generated requests refer to. The product allows several license keys per customer, so that a new license key
# does not supersede another one.
PRODUCT = create("products", {"code": "seed", "name": "Seed", "one_key_per_customer": False})["id"]
FEATURE = create("product-features", {"product_id": PRODUCT, "key": "seed", "name": "Seed"})["id"]
LIMIT = create("product-features", {"product_id": PRODUCT, "key": "seed-limit", "name": "Seed", "kind": "limit"})["id"]
PRICES = {"monthly_price": 1900, "annual_price": 19000, "currency": "EUR", "billing_period": "annual", "max_users": None}
TIER = create("pricing-tiers", {"product_id": PRODUCT, "code": "seed", "name": "Seed", "is_claimable": True, "max_borrow_seconds": 31_536_000, **PRICES})["id"]
JWK = requests.get(os.environ["SIGNET_URL"] + "/.well-known/jwks.json", timeout=30).json()["keys"][0]
CUSTOMER = create("customers", {"name": "Seed", "email": "seed@example.com"})["id"]


def create_customer():
    return create("customers", {"name": "Erased", "email": f"erased-{next(numbers)}@example.com"})


def create_license():
    return create("license-keys", {"customer_id": CUSTOMER, "tier_id": TIER})


def create_activation():
    machine_id = f"machine-{next(numbers)}"
    body = {"license_key": create_license()["license_key"], "machine_id": machine_id}
    return {**create("license-activations/activate", body), "machine_id": machine_id}


def create_api_key():
    return create("api-keys", {"name": "seed", "scopes": ["licenses:read"]})


# Shared by read requests. Other requests get their own resources, as they may change them irreversibly.
LICENSE, ACTIVATION, API_KEY = create_license()["license"]["id"], create_activation()["activation"]["id"], create_api_key()["id"]


def existing_id(case):
    """The id of an existing resource for the path of a request."""
    is_read = case.method == "GET"
    match case.path.removeprefix("/api/v1.0/").split("/"):
        case ["products", *_]:
            return PRODUCT
        case ["product-features", *_]:
            return FEATURE
        case ["pricing-tiers", *_]:
            return TIER
        case ["customers", *_]:
            return create_customer()["id"] if case.method == "DELETE" else CUSTOMER
        case ["license-keys", _, "reinstate"]:
            license_id = create_license()["license"]["id"]
            create(f"license-keys/{license_id}/suspend", {})
            return license_id
        case ["license-keys", *_]:
            return LICENSE if is_read else create_license()["license"]["id"]
        case ["license-activations", *_]:
            return ACTIVATION if is_read else create_activation()["activation"]["id"]
        case ["api-keys", *_]:
            return API_KEY if is_read else create_api_key()["id"]
        case _:
            return None


REFERENCES = {"product_id": PRODUCT, "tier_id": TIER, "customer_id": CUSTOMER}


@schemathesis.serializer("application/x-ndjson")
def serialize_lines(context, value):
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@schemathesis.hook
def before_call(context, case, kwargs):
    # Requests with two credentials are rejected, so a generated header of the other scheme would hide everything else.
    if OTHER_SCHEME and case.headers:
        case.headers.pop(OTHER_SCHEME, None)
    if not case.meta or not case.meta.generation.mode.is_positive:
        return
    # Valid cursors come only from responses.
    if case.query:
        case.query.pop("cursor", None)
    # One of the filters is required.
    if case.path.endswith("/license-activations") and not {"license_id", "customer_id", "machine_id"} & set(case.query or {}):
        case.query = {**(case.query or {}), "license_id": LICENSE}
    # Each request needs its own idempotency key.
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"{case.headers['Idempotency-Key'][:200]}-{next(numbers)}"
    id = (case.path_parameters or {}).get("id")
    # The stateful phase takes ids from responses, but also words from paths.
    is_from_response = case.meta.phase.name.name == "STATEFUL" and "_" in str(id)
    if id is not None and not is_from_response:
        case.path_parameters["id"] = existing_id(case)
    if isinstance(case.body, dict):
        case.body = whole_numbers(case.body)
        remove_invisible_characters(case.body)
        use_existing_references(case.body)
        use_unique_values(case.body)
        if case.method in ("PUT", "PATCH"):
            remove_immutable_fields(case.body)
            keep_usable(case)
        if case.path.endswith("/change"):
            # The only tier of the license key's product that is known to exist is its current one.
            case.body = {"max_users": case.body.get("max_users")}
        use_valid_credentials(case)
        satisfy_field_rules(case.body)


def whole_numbers(value):
    """Converts numbers such as 288.0, which JSON Schema accepts as integers but the API does not."""
    if isinstance(value, dict):
        return {name: whole_numbers(field) for name, field in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Invisible characters that no Unicode category identifies: fillers and joiners without width.
INVISIBLE = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"


def remove_invisible_characters(body):
    """Removes invisible characters, which the API rejects in display texts. No portable regular expression describes them."""
    for name in ("name", "company", "description", "reason", "machine_name", "app_version", "os", "hostname", "unit"):
        if isinstance(body.get(name), str):
            body[name] = visible(body[name])
    if isinstance(body.get("metadata"), dict):
        body["metadata"] = {name: visible(text) if text else text for name, text in body["metadata"].items()}


def visible(text):
    invisible = ("Cf", "Cn", "Co", "Zl", "Zp")
    kept = "".join(c for c in text if unicodedata.category(c) not in invisible and c not in INVISIBLE)
    return kept if kept.strip() else "x"


def use_existing_references(body):
    """Replaces references with those to existing resources of the same product."""
    for name, existing in REFERENCES.items():
        if name in body:
            body[name] = existing
    if "feature_ids" in body:
        body["feature_ids"] = [FEATURE] if body["feature_ids"] and body.get("product_id") else []
    if body.get("feature_limits") is not None:
        limits = list(body["feature_limits"].values())
        body["feature_limits"] = {LIMIT: limits[0]} if limits and body.get("product_id") else {}
    if "overrides" in body:
        # A feature has one override, whose value has the kind of the feature.
        body["overrides"] = [override(one) for one in body["overrides"][:1]]
    if "includes_tier_id" in body:
        body["includes_tier_id"] = TIER if body["includes_tier_id"] and body.get("product_id") else None


def override(generated):
    used = {"feature_id": LIMIT, "limit": generated["limit"]} if "limit" in generated else {"feature_id": FEATURE, "enabled": True}
    if generated.get("expires_at"):
        used["expires_at"] = "2999-12-31T23:59:59Z"
    if generated.get("note"):
        note = "".join(c for c in generated["note"] if unicodedata.category(c) != "Cc")
        used["note"] = visible(note).encode()[:200].decode(errors="ignore")
    return used


def use_unique_values(body):
    """Makes the values of unique fields unique."""
    for name in ("code", "key"):
        if body.get(name):
            body[name] = f"{body[name][:20]}-{next(numbers)}"
    if body.get("external_id"):
        body["external_id"] = f"{body['external_id'][:200]}-{next(numbers)}"
    if body.get("email"):
        name, domain = body["email"].rsplit("@", 1)
        body["email"] = f"{name[:40]}-{next(numbers)}@{domain[:200].strip('.')}"


def remove_immutable_fields(body):
    """Removes fields that PUT and PATCH requests cannot change."""
    for name in ("code", "key", "kind", "product_id", "seat_unit"):
        body.pop(name, None)
    # A tier cannot include itself, and the tier in the path is not known here.
    body.pop("includes_tier_id", None)


def keep_usable(case):
    """Keeps products and tiers usable: other requests need the existing ones, which the stateful phase finds in lists."""
    if "/products/" in case.path:
        case.body.update(is_active=True, one_key_per_customer=False)
    if "/pricing-tiers/" in case.path:
        case.body.update(is_active=True, max_borrow_seconds=31_536_000)
        if case.method == "PATCH":
            # Must fit to each other, and PATCH keeps those that are omitted.
            intervals = {"token_ttl_seconds": 3600, "heartbeat_interval_seconds": 60, "renew_after_seconds": 60}
            case.body = {**intervals, **case.body}


def use_valid_credentials(case):
    """Replaces license keys and tokens with valid ones, and the machine id with that of the token."""
    body = case.body
    if case.path.endswith(("/activate", "/validate")):
        # Exactly one of the two is required.
        body.pop("token" if body.get("license_key") is not None else "license_key", None)
        if body.get("token") is None:
            body["license_key"] = "generated"
    if body.get("license_key") is not None:
        body["license_key"] = create_license()["license_key"]
    if body.get("token") is not None:
        activated = create_activation()
        body["token"] = activated["token"]
        if "machine_id" in body:
            body["machine_id"] = activated["machine_id"]
        if case.path.endswith("/deactivate"):
            case.path_parameters["id"] = activated["activation"]["id"]


def satisfy_field_rules(body):
    """Satisfies rules that a schema cannot express: valid RSA keys, times in the future, relations between fields, and maximum
    lengths in bytes."""
    if body.get("public_key") is not None:
        body["public_key"] = {name: JWK[name] for name in ("kty", "n", "e")}
    if isinstance(body.get("expires_at"), str):
        body["expires_at"] = "2999-12-31T23:59:59Z"
    # Only for seats of processes, and only if the pricing tier allows it.
    for name in ("instance_id", "borrow_until"):
        body.pop(name, None)
    if body.get("seat_unit") == "process":
        body["max_borrow_seconds"] = 0
    if "valid_until" in body:
        body["valid_until"] = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    if body.get("kind") != "limit" and "unit" in body:
        body["unit"] = None
    ttl = body.get("token_ttl_seconds", 3600)
    for name, maximum in (("heartbeat_interval_seconds", ttl), ("renew_after_seconds", ttl // 2)):
        if body.get(name) is not None:
            body[name] = min(body[name], maximum)
    if isinstance(body.get("metadata"), dict):
        body["metadata"] = dict(list(body["metadata"].items())[:3])
    maximums = {"name": 200, "machine_id": 256, "machine_name": 100, "app_version": 32, "os": 64, "hostname": 64, "unit": 40}
    for name, maximum in maximums.items():
        if isinstance(body.get(name), str):
            body[name] = body[name].encode()[:maximum].decode(errors="ignore")
