"""Asks a running stack, as its operator and as an app: the first argument is where its local.json lies."""

import json
import sys
import urllib.request
from pathlib import Path

local = json.loads(Path(sys.argv[1]).read_text())
base, operator = local["base_url"], {"X-Api-Key": local["operator_api_key"]}
http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(path, body=None, headers=()):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **dict(headers)}
    with http.open(urllib.request.Request(base + path, data, headers)) as answer:
        return answer.read().decode()


def api(path, body=None, headers=()):
    return json.loads(ask("/api/v1.0/" + path, body, headers))


def sold(code):
    """A license key of three seats of a product."""
    product = api("products", {"code": code, "name": "Atlas"}, operator)
    feature = {"product_id": product["id"], "key": "export.pdf", "name": "PDF export"}
    feature = api("product-features", feature, operator)
    tier = api("pricing-tiers", {
        "product_id": product["id"], "code": "pro", "name": "Pro", "feature_ids": [feature["id"]], "max_users": 3,
        "monthly_price": 1900, "annual_price": 19000, "currency": "EUR", "billing_period": "annual",
        "grace_period_seconds": 600, "renew_after_seconds": 1,
    }, operator)
    customer = api("customers", {"name": "Ada", "email": f"{code}@example.com"}, operator)
    return api("license-keys", {"customer_id": customer["id"], "tier_id": tier["id"]}, operator)


def activated(issued, machine, **fields):
    body = {"license_key": issued["license_key"], "machine_id": machine, **fields}
    return api("license-activations/activate", body)
