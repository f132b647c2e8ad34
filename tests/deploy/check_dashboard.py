"""Tests the dashboard of a stack that is deployed to MiniStack: pages and forms of an operator and of a customer, under the
policies of the function's role. Cognito is not available, so the test encrypts session cookies itself, with the secret of the
stack and in the same way as the function.

Usage: check_dashboard.py LICENSE_ID. Requires the environment variables AWS_ENDPOINT_URL, AWS_REGION and STACK.
"""

import base64
import json
import os
import re
import secrets
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

sys.dont_write_bytecode = True
from api import repeat  # noqa: E402 (it would write bytecode before)
from installation import BASE, OUTPUTS, STACK, client  # noqa: E402 (likewise)

COOKIE = "__Host-signet-session"


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


http = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirects())


def session_cookie(subject, email, is_operator):
    """The encrypted value of a session cookie."""
    secret = json.loads(client("secretsmanager").get_secret_value(SecretId=OUTPUTS["SessionSecretArn"])["SecretString"])
    key = HKDF(hashes.SHA256(), 32, None, b"signet sessions").derive(secret["key"].encode())
    expires = datetime.now(timezone.utc) + timedelta(hours=1)
    claims = {
        "id": secrets.token_urlsafe(16), "csrf_token": "token", "issuer": OUTPUTS["SignInIssuer"], "subject": subject,
        "is_operator": is_operator, "email": email, "email_verified": True, "name": email.split("@")[0].title(),
        "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(key).encrypt(nonce, json.dumps(claims).encode(), COOKIE.encode())
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


class Browser:
    def __init__(self, cookie):
        self.headers = {"Cookie": f"{COOKIE}={cookie}"}

    def send(self, path, fields=None):
        data = None if fields is None else urllib.parse.urlencode({"csrf_token": "token", **fields}, doseq=True).encode()
        headers = {**self.headers, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        try:
            with http.open(urllib.request.Request(BASE + path, data, headers)) as response:
                return response.status, response.read().decode(), ""
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers.get("Location", "")

    def get(self, path):
        status, text, location = self.send(path)
        assert status == 200, (path, status, location, text)
        return text

    def submit(self, path, expected=303, **fields):
        status, text, location = self.send(path, fields)
        assert status == expected, (path, status, location, text)
        return location if expected == 303 else text


def version_of(page):
    """The field with the version of what the page's form edits, if it has one."""
    found = re.search(r'name="version" value="([^"]*)"', page)
    return {"version": found[1].replace("&quot;", '"')} if found else {}


def operator(license_id):
    grace = Browser(session_cookie("grace", "grace@example.com", True))
    assert "Machine activated" in grace.get("/dashboard")
    location = grace.submit("/dashboard/products/new", code="charts", name="Charts", is_active="on")
    product = location.split("?")[0]
    for key in ["export", "zoom"]:
        grace.submit(f"{product}/features/new", key=key, kind="flag", name=key.title())
    for code in ["basic", "pro"]:
        grace.submit(
            f"{product}/tiers/new", code=code, name=code.title(), seat_unit="machine", max_users=3, currency="EUR", monthly_price="19.90",
            annual_price="199", billing_period="annual", is_active="on", is_claimable="on",
        )
    tiers = re.findall(r'data-id="(tier_\w+)"', grace.get(product))
    grace.submit(f"{product}/tiers/reorder", id=tiers[1], before=tiers[0])
    assert re.findall(r'data-id="(tier_\w+)"', grace.get(product)) == [tiers[1], tiers[0]]
    grace.get(f"{product}/hierarchy")
    assert json.loads(grace.get(f"{product}/app-file"))["product"] == "charts"
    customer = grace.submit("/dashboard/customers/new", name="Mary", email="mary@example.com").split("?")[0]
    version = version_of(grace.get(f"{customer}/edit"))
    grace.submit(f"{customer}/edit", name="Mary Shelley", email="mary.shelley@example.com", **version)
    issue_form = {"customer_id": "mary.shelley@example.com", "tier_id": tiers[0], "expiry": "term", "seats": "default"}
    issue_form["idempotency_key"] = secrets.token_urlsafe(16)
    assert "Mary Shelley" in grace.submit("/dashboard/license-keys/new", 200, **issue_form), "no preview"
    issue_form["previewed"] = "yes"
    key_strings = [re.search(r'class="secret-value">([^<]*)', grace.submit("/dashboard/license-keys/new", 200, **issue_form))[1] for _ in range(2)]
    assert key_strings[0] == key_strings[1], "a form that is submitted twice issued two keys"
    license = grace.submit("/dashboard/search", q=key_strings[0])
    # The words of a customer are written from its event.
    found = lambda: grace.submit("/dashboard/search/results", 200, q="shell")
    assert "Mary Shelley" in repeat(30, found, lambda text: "Mary Shelley" in text)
    assert "Deactivate this product?" in grace.submit(f"{product}/edit", 200, name="Charts", **version_of(grace.get(f"{product}/edit")))
    for path in ["", "/history", "/revoke"]:
        grace.get(license + path)
    for action in ["suspend", "reinstate", "renew"]:
        grace.submit(f"{license}/{action}", idempotency_key=secrets.token_urlsafe(16), expiry="never")
    assert "No issues found" in grace.submit(f"{license}/audit", 200, idempotency_key=secrets.token_urlsafe(16))
    grace.submit(f"{license}/regenerate", 200, idempotency_key=secrets.token_urlsafe(16))
    grace.submit(f"{license}/revoke", idempotency_key=secrets.token_urlsafe(16), reason="refund")
    machines = grace.get(f"/dashboard/license-keys/{license_id}")
    machine = re.search(r"machines/(act_[^/]+)/deactivate", machines)[1]
    grace.get(f"/dashboard/license-keys/{license_id}/machines/{machine}/deactivate")
    for path in ["/dashboard/customers?name=mary", "/dashboard/license-keys?status=revoked", "/dashboard/health"]:
        grace.get(path)
    text = grace.submit("/dashboard/api-keys/new", 200, name="ci", scopes=["licenses:read"], idempotency_key=secrets.token_urlsafe(16))
    assert "signet_key_" in text
    key = re.search(r"api-keys/(key_\w+)/delete", grace.get("/dashboard/api-keys"))[1]
    grace.submit(f"/dashboard/api-keys/{key}/delete")
    grace.get("/dashboard/signing-keys")
    webhooks(grace)
    grace.submit("/dashboard/signing-keys/rotate", 409)
    grace.submit("/dashboard/sign-out", 200)
    assert grace.send("/dashboard")[0] == 303, "the session is still valid after sign-out"
    return tiers[1]


def webhooks(grace):
    """Each form of a webhook endpoint. Its host name is not found, so that attempts fail."""
    key = lambda: {"idempotency_key": secrets.token_urlsafe(16)}
    form = {"url": "https://receiver.invalid/webhooks", "event_types": ["*"], "is_active": "on"}
    created = grace.submit("/dashboard/webhooks/new", 200, **form, **key())
    assert "whsec_" in created
    endpoint = re.search(r"/dashboard/webhooks/whe_\w+", created)[0]
    for path in ["", "/rotate-secret", "/test", "/replay", "/delete"]:
        grace.get(endpoint + path)
    assert endpoint in grace.get("/dashboard/webhooks")
    grace.submit(f"{endpoint}/edit", **form, description="Shop", **version_of(grace.get(f"{endpoint}/edit")))
    assert "whsec_" in grace.submit(f"{endpoint}/rotate-secret", 200, **key())
    grace.submit(f"{endpoint}/test", **key())
    grace.submit(f"{endpoint}/replay", since=datetime.now(timezone.utc).strftime("%Y-%m-%dT00:00"), only_undelivered="on")
    delivery = re.search(r"/dashboard/webhook-deliveries/whd_\w+", grace.get(endpoint))[0]
    grace.get(delivery)
    grace.submit(f"{delivery}/retry")
    grace.submit(f"{endpoint}/delete")


def customer(tier):
    ada = Browser(session_cookie("ada", "ada.lovelace@example.com", False))
    assert ada.send("/dashboard/customers")[0] == 403
    ada.submit("/dashboard/welcome", name="Ada", idempotency_key=secrets.token_urlsafe(16))
    ada.get("/dashboard/catalog")
    claimed = ada.submit(f"/dashboard/catalog/{tier}/claim", 200, idempotency_key=secrets.token_urlsafe(16))
    key = re.search(r'class="secret-value">([^<]*)', claimed)[1]
    license = re.search(r"/dashboard/licenses/lic_\w+", ada.get("/dashboard/licenses"))[0]
    ada.get(license)
    assert key in ada.submit(f"{license}/key", 200)
    assert json.loads(ada.submit(f"{license}/download", 200))["license_key"] == key


def statistics():
    """The statistics function updates the figures of the overview."""
    response = client("lambda").invoke(FunctionName=f"{STACK}-statistics", Payload=b"{}")
    figures = json.loads(response["Payload"].read())
    assert figures["license_keys"]["active"] >= 1, figures
    grace = Browser(session_cookie("grace", "grace@example.com", True))
    assert "Updated" in grace.get("/dashboard") and "Expiring in 30 days" in grace.get("/dashboard")


status, _, location = Browser("invalid").send("/dashboard")
assert (status, location) == (303, "/dashboard/sign-in?return_to=%2Fdashboard"), (status, location)
customer(operator(sys.argv[1]))
statistics()
print("dashboard: ok")
