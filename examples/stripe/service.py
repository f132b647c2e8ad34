"""Keeps license keys of Signet in step with subscriptions of Stripe. README.md says how to run it.

Events of Stripe can arrive twice and in any order. The service uses an event only to know that a subscription has
changed: it fetches the subscription from Stripe, compares it with the license key whose `external_id` is the id of the
subscription, and makes the calls that are missing.
"""

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import smtplib
import ssl
import threading
import time
from datetime import datetime, timezone
from email.message import EmailMessage
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

# Determines the fields of the subscriptions that the service fetches, whatever version the webhooks have.
STRIPE_VERSION = "2025-03-31.basil"
TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 1 << 20
TIMEOUT_SECONDS = 5
log = logging.getLogger("stripe-signet")


class SyncError(Exception):
    """An event that cannot be handled before someone corrects the cause."""


def is_signed(header, body, secret, now):
    """Returns whether Stripe signed a body within the last five minutes. The header is `t=TIME,v1=SIGNATURE`, and has a
    second signature while the secret is rolled."""
    fields = [field.partition("=")[::2] for field in header.split(",")]
    timestamp = next((value for name, value in fields if name == "t"), "")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    expected = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest().encode()
    return any(hmac.compare_digest(value.encode(), expected) for name, value in fields if name == "v1")


def request(method, url, headers, body=None):
    """Returns the JSON of a response. Repeats a request that failed for a reason that may pass."""
    data = None if body is None else json.dumps(body).encode()
    for pause in [0.2, 1, None]:
        try:
            with urlopen(Request(url, data, headers, method=method), timeout=TIMEOUT_SECONDS) as response:
                return json.load(response)
        except HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise SyncError(f"{method} {url}: {error.code} {error.read(2000).decode(errors='replace')}") from error
            if pause is None:
                raise
        except (OSError, HTTPException):
            if pause is None:
                raise
        time.sleep(pause)


def rfc3339(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def subscription_id(event):
    """The subscription that an event is about, or None. Since 2025, invoices have it in `parent`."""
    subject = event["data"]["object"]
    if subject["object"] == "subscription":
        return subject["id"]
    details = (subject.get("parent") or {}).get("subscription_details") or {}
    return subject.get("subscription") or details.get("subscription")


class Service:
    def __init__(self, environment):
        with open(environment.get("PLANS", "plans.json"), encoding="utf-8") as file:
            plans = json.load(file)
        self.tiers, self.suspend_when = plans["tiers"], plans["suspend_when"]
        self.webhook_secret = environment["STRIPE_WEBHOOK_SECRET"]
        self.stripe_url = environment.get("STRIPE_API_URL", "https://api.stripe.com")
        self.stripe_key = environment["STRIPE_API_KEY"]
        self.signet_url = environment["SIGNET_URL"].rstrip("/") + "/api/v1.0/"
        self.signet_key = environment["SIGNET_API_KEY"]
        self.smtp, self.mail_from = urlsplit(environment["SMTP_URL"]), environment["MAIL_FROM"]
        # Handles one event at a time, so that two events of a new subscription do not both issue a license key.
        self.lock = threading.Lock()

    def handle(self, event):
        if subscription := subscription_id(event):
            with self.lock:
                # `request` repeats a POST with the same Idempotency-Key, so that Signet returns a response that was
                # lost. A repeated event gets another one: otherwise, errors would be returned again for a day.
                self.idempotency_key = f"{event['id']}-{secrets.token_hex(4)}"
                self.sync(subscription)

    def sync(self, subscription_id):
        """Makes the license key of a subscription what the subscription says."""
        url = f"{self.stripe_url}/v1/subscriptions/{quote(subscription_id)}?expand[]=customer&expand[]=latest_invoice"
        headers = {"Authorization": f"Bearer {self.stripe_key}", "Stripe-Version": STRIPE_VERSION}
        subscription = request("GET", url, headers)
        items = subscription["items"]["data"]
        item = next((item for item in items if item["price"]["id"] in self.tiers), None)
        license, status = self.find("license-keys", external_id=subscription_id), subscription["status"]
        if license is None:
            # Without a price of the plans, it is for something else. If it is `incomplete`, nothing was paid yet.
            if item and status in ("active", "trialing"):
                self.issue(subscription, item)
            return
        # Lists have no metadata.
        license = self.signet("GET", f"license-keys/{license['id']}")
        if license["status"] in ("revoked", "superseded"):
            return
        if status in ("canceled", "incomplete_expired"):
            # One that was canceled at the end of its period has ended by itself.
            if (subscription["ended_at"] or 0) < max(item["current_period_end"] for item in items):
                self.change(license, "revoke", {"reason": f"Stripe subscription {status}"})
        elif status in self.suspend_when:
            if license["status"] in ("active", "expired"):
                self.set_metadata(license, "stripe_suspended", status)
                self.change(license, "suspend", {"reason": f"Stripe subscription {status}"})
        elif status in ("active", "trialing"):
            if item is None:
                raise SyncError(f"{subscription_id} has no price of the plans: add it")
            self.continue_license(license, subscription, item)

    def continue_license(self, license, subscription, item):
        """Reinstates, renews and changes a license key that is paid for."""
        if "stripe_suspended" in license["metadata"]:
            # Only then: an operator can have suspended the license key for another reason.
            if license["status"] == "suspended":
                self.change(license, "reinstate", {"reason": "Stripe subscription paid"})
            self.set_metadata(license, "stripe_suspended", None)
        end, invoice = item["current_period_end"], subscription["latest_invoice"]
        # A period begins before its invoice is paid.
        is_paid = invoice is None or invoice["status"] == "paid"
        if is_paid and end > time.time() and license["expires_at"] != rfc3339(end):
            self.change(license, "renew", {"expires_at": rfc3339(end)})
        if license["metadata"].get("stripe_key") == "unsent":
            # Signet shows a key string only once, so a repeated event generates another one.
            regenerated = self.signet("POST", f"license-keys/{license['id']}/regenerate", {})
            self.send_key(license, subscription["customer"], regenerated["license_key"])
        terms = self.terms(item)
        # Last, because Signet refuses fewer seats than are in use. Stripe then repeats the event for three days.
        if any(license[name] != value for name, value in terms.items()):
            self.change(license, "change", terms)

    def terms(self, item):
        # A metered price has no quantity: the seats of the tier apply.
        terms = {"tier_id": self.tiers[item["price"]["id"]]}
        return {**terms, "max_users": item["quantity"]} if item.get("quantity") else terms

    def issue(self, subscription, item):
        body = {
            "customer_id": self.customer_id(subscription["customer"]), "external_id": subscription["id"],
            "expires_at": rfc3339(item["current_period_end"]), "metadata": {"stripe_key": "unsent"}, **self.terms(item),
        }
        issued = self.signet("POST", "license-keys", body)
        log.info("%s: issued %s", subscription["id"], issued["license"]["id"])
        self.send_key(issued["license"], subscription["customer"], issued["license_key"])

    def customer_id(self, customer):
        """Finds the customer by the id or the email address of Stripe's, or creates it."""
        email, name = customer["email"], customer["name"] or customer["email"]
        found = self.find("customers", external_id=customer["id"]) or self.find("customers", email=email)
        if found is None:
            found = self.signet("POST", "customers", {"name": name, "email": email, "external_id": customer["id"]})
        elif found["external_id"] is None:
            self.signet("PATCH", f"customers/{found['id']}", {"external_id": customer["id"]})
        return found["id"]

    def send_key(self, license, customer, license_key):
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self.mail_from, customer["email"], "Your license key"
        message.set_content(f"Thank you for your order.\n\nYour license key: {license_key}\n")
        with smtplib.SMTP(self.smtp.hostname, self.smtp.port or 0, timeout=TIMEOUT_SECONDS) as smtp:
            if self.smtp.username:
                smtp.starttls(context=ssl.create_default_context())
                smtp.login(unquote(self.smtp.username), unquote(self.smtp.password or ""))
            smtp.send_message(message)
        self.set_metadata(license, "stripe_key", None)

    def signet(self, method, path, body=None):
        headers = {"X-Api-Key": self.signet_key, "Content-Type": "application/json"}
        if method == "POST":
            headers["Idempotency-Key"] = f"{self.idempotency_key}-{path}"
        return request(method, self.signet_url + path, headers, body)

    def find(self, resource, **query):
        [(name, value)] = query.items()
        return next(iter(self.signet("GET", f"{resource}?{name}={quote(value, safe='')}")["items"]), None)

    def change(self, license, operation, body):
        self.signet("POST", f"license-keys/{license['id']}/{operation}", body)
        log.info("%s: %s %s", license["external_id"], operation, body)

    def set_metadata(self, license, name, value):
        self.signet("PATCH", f"license-keys/{license['id']}", {"metadata": {name: value}})


class Handler(BaseHTTPRequestHandler):
    service = None
    timeout = 30

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return self.respond(413)
        body = self.rfile.read(int(length))
        signature = self.headers.get("Stripe-Signature", "")
        if not is_signed(signature, body, self.service.webhook_secret, time.time()):
            return self.respond(400)
        try:
            self.service.handle(json.loads(body))
        except (OSError, HTTPException) as error:
            log.warning("Stripe, Signet or the mail server is unavailable: %r", error)
            return self.respond(503)
        except Exception:
            log.exception("an event was not handled")
            return self.respond(500)
        return self.respond(204)

    def respond(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main():
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    Handler.service = Service(os.environ)
    host, _, port = os.environ.get("LISTEN", "127.0.0.1:4242").rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    print(f"listening on http://{host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
