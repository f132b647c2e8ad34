"""The dashboard of a stack that is deployed to MiniStack: an operator's pages and forms and a customer's, under the policies
of the function's role. Nobody can sign in at Amazon's issuer from here, so sessions are sealed as the function seals them, by
whoever may read the secret.

Usage: pages.py LICENSE_ID, with AWS_ENDPOINT_URL and STACK.
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

import botocore.session
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

endpoint, stack = os.environ["AWS_ENDPOINT_URL"], os.environ["STACK"]
COOKIE = "__Host-signet-session"


def client(service):
    return botocore.session.get_session().create_client(service, endpoint_url=endpoint, region_name="us-east-1")


described = client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
base = endpoint + "/_aws/execute-api/" + outputs["ApiUrl"].removeprefix("https://").split(".")[0] + "/$default"


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


http = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay())


def session(subject, email, is_operator):
    """A session's cookie."""
    secret = json.loads(client("secretsmanager").get_secret_value(SecretId=outputs["SecretArn"])["SecretString"])
    key = HKDF(hashes.SHA256(), 32, None, b"signet sessions").derive(secret["key"].encode())
    ends = datetime.now(timezone.utc) + timedelta(hours=1)
    said = {
        "id": secrets.token_urlsafe(16), "form_token": "token", "issuer": outputs["SignInIssuer"], "subject": subject,
        "is_operator": is_operator, "email": email, "email_verified": True, "name": email.split("@")[0].title(),
        "ends_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(key).encrypt(nonce, json.dumps(said).encode(), COOKIE.encode())
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


class Visitor:
    def __init__(self, cookie):
        self.headers = {"Cookie": f"{COOKIE}={cookie}"}

    def ask(self, path, fields=None):
        data = None if fields is None else urllib.parse.urlencode({"form_token": "token", **fields}, doseq=True).encode()
        headers = {**self.headers, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        try:
            with http.open(urllib.request.Request(base + path, data, headers)) as answer:
                return answer.status, answer.read().decode(), ""
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers.get("Location", "")

    def page(self, path):
        status, text, location = self.ask(path)
        assert status == 200, (path, status, location, text)
        return text

    def form(self, path, wanted=303, **fields):
        status, text, location = self.ask(path, fields)
        assert status == wanted, (path, status, location, text)
        return location if wanted == 303 else text


def operator(license_id):
    grace = Visitor(session("grace", "grace@example.com", True))
    assert "Machine activated" in grace.page("/dashboard")
    made = grace.form("/dashboard/products/new", code="charts", name="Charts", is_active="on")
    product = made.split("?")[0]
    for key in ["export", "zoom"]:
        grace.form(f"{product}/features/new", key=key, name=key.title())
    for code in ["basic", "pro"]:
        grace.form(
            f"{product}/tiers/new", code=code, name=code.title(), max_users=3, currency="EUR", monthly_price="19.90",
            annual_price="199", billing_period="annual", is_active="on", is_claimable="on",
        )
    tiers = re.findall(r'data-id="(tier_\w+)"', grace.page(product))
    grace.form(f"{product}/tiers/move", id=tiers[1], before=tiers[0])
    assert re.findall(r'data-id="(tier_\w+)"', grace.page(product)) == [tiers[1], tiers[0]]
    grace.page(f"{product}/picture")
    customer = grace.form("/dashboard/customers/new", name="Mary", email="mary@example.com").split("?")[0]
    version = re.search(r'name="version" value="([^"]*)"', grace.page(f"{customer}/edit"))[1].replace("&quot;", '"')
    grace.form(f"{customer}/edit", name="Mary Shelley", email="mary.shelley@example.com", version=version)
    once = secrets.token_urlsafe(16)
    order = {"customer_id": "mary.shelley@example.com", "tier_id": tiers[0], "ends": "period", "seats": "tier", "once": once}
    shown = [re.search(r'class="secret-text">([^<]*)', grace.form("/dashboard/license-keys/new", 200, **order))[1] for _ in "ab"]
    assert shown[0] == shown[1], "a form that is sent twice issues one key"
    license = grace.form("/dashboard/search", q=shown[0])
    for path in ["", "/history", "/revoke"]:
        grace.page(license + path)
    for action in ["suspend", "reinstate", "renew"]:
        grace.form(f"{license}/{action}", once=secrets.token_urlsafe(16), ends="never")
    assert "All is as it should be" in grace.form(f"{license}/audit", 200, once=secrets.token_urlsafe(16))
    grace.form(f"{license}/regenerate", 200, once=secrets.token_urlsafe(16))
    grace.form(f"{license}/revoke", once=secrets.token_urlsafe(16), reason="refund")
    machines = grace.page(f"/dashboard/license-keys/{license_id}")
    machine = re.search(r"machines/(act_[^/]+)/free", machines)[1]
    grace.page(f"/dashboard/license-keys/{license_id}/machines/{machine}/free")
    for path in ["/dashboard/customers?name=mary", "/dashboard/license-keys?status=revoked", "/dashboard/health"]:
        grace.page(path)
    made = grace.form("/dashboard/api-keys/new", 200, name="ci", scopes=["licenses:read"], once=secrets.token_urlsafe(16))
    assert "signet_key_" in made
    key = [one for one in re.findall(r"api-keys/(key_\w+)/delete", grace.page("/dashboard/api-keys"))][0]
    grace.form(f"/dashboard/api-keys/{key}/delete")
    grace.page("/dashboard/signing-keys")
    grace.form("/dashboard/signing-keys/rotate", 409)
    grace.form("/dashboard/sign-out", 200)
    assert grace.ask("/dashboard")[0] == 303, "the session is over"
    return tiers[1]


def customer(tier):
    ada = Visitor(session("ada", "ada.lovelace@example.com", False))
    assert ada.ask("/dashboard/customers")[0] == 403
    ada.form("/dashboard/welcome", name="Ada", once=secrets.token_urlsafe(16))
    ada.page("/dashboard/catalog")
    claimed = ada.form(f"/dashboard/catalog/{tier}/claim", 200, once=secrets.token_urlsafe(16))
    key = re.search(r'class="secret-text">([^<]*)', claimed)[1]
    license = re.search(r"/dashboard/licenses/lic_\w+", ada.page("/dashboard/licenses"))[0]
    ada.page(license)
    assert key in ada.form(f"{license}/key", 200)
    assert json.loads(ada.form(f"{license}/download", 200))["license_key"] == key


def figures():
    """The schedule's run, and what the overview shows of it."""
    answer = client("lambda").invoke(FunctionName=f"{stack}-statistics", Payload=b"{}")
    made = json.loads(answer["Payload"].read())
    assert made["license_keys"]["active"] >= 1, made
    grace = Visitor(session("grace", "grace@example.com", True))
    assert "Counted" in grace.page("/dashboard") and "Ending within 30 days" in grace.page("/dashboard")


status, _, location = Visitor("nobody").ask("/dashboard")
assert (status, location) == (303, "/dashboard/sign-in?to=%2Fdashboard"), (status, location)
customer(operator(sys.argv[1]))
figures()
print("pages: ok")
