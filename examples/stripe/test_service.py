"""Tests the service against a Signet server and a stand-in for Stripe's API.

Run `SIGNET=path/to/signet python3 -m unittest discover examples/stripe`.
"""

import copy
import hashlib
import hmac
import json
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from support import HttpServer, MailServer, Program, Signet, http, wait_until  # noqa: E402

SECRET = "whsec_test"  # noqa: S105
# The first period of the subscription in the fixtures begins at this time. The tests move all times: it begins now.
FIXTURES_BEGIN = 1767225600
SHIFT = int(time.time()) - FIXTURES_BEGIN
PRO, BUSINESS = "price_1SkExamplePro", "price_1SkExampleBusiness"


def shifted(value):
    if isinstance(value, dict):
        return {name: shifted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shifted(one) for one in value]
    is_time = type(value) is int and value > 1_700_000_000
    return value + SHIFT if is_time else value


def signature(body, secret=SECRET, timestamp=None):
    timestamp = int(time.time()) if timestamp is None else timestamp
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={signed}"


def utc(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Stripe:
    """The part of Stripe's API that the service uses. `subscriptions`, `customers` and `invoices` are objects by id."""

    def __init__(self):
        self.subscriptions, self.customers, self.invoices, self.is_failing = {}, {}, {}, False
        self.server = HttpServer(self.respond)

    def respond(self, method, path, headers, _):
        url = urlsplit(path)
        subscription = self.subscriptions.get(url.path.removeprefix("/v1/subscriptions/"))
        if headers["Authorization"] != "Bearer rk_test":
            return 401, {"error": {"message": "Invalid API Key provided"}}
        if self.is_failing:
            return 500, {"error": {"type": "api_error"}}
        if method != "GET" or subscription is None or "basil" not in headers["Stripe-Version"]:
            return 404, {"error": {"code": "resource_missing"}}
        subscription = copy.deepcopy(subscription)
        for name in parse_qs(url.query)["expand[]"]:
            objects = {"customer": self.customers, "latest_invoice": self.invoices}[name]
            subscription[name] = objects[subscription[name]]
        return 200, subscription

    def happen(self, event):
        """Brings the objects to the state that an event reports."""
        subject = event["data"]["object"]
        if subject["object"] == "subscription":
            self.subscriptions[subject["id"]] = subject
            draft = {"object": "invoice", "status": "draft" if subject["latest_invoice"].endswith("2") else "paid"}
            self.invoices.setdefault(subject["latest_invoice"], draft)
        elif subject["object"] == "invoice":
            self.invoices[subject["id"]] = subject


class ServiceTest(unittest.TestCase):
    number = 0

    @classmethod
    def setUpClass(cls):
        cls.signet, cls.mail, cls.stripe = Signet(), MailServer(), Stripe()
        cls.addClassCleanup(cls.signet.close)
        cls.addClassCleanup(cls.mail.close)
        cls.addClassCleanup(cls.stripe.server.close)
        product = {"code": "orbit", "name": "Orbit", "one_key_per_customer": False}
        cls.product_id = cls.signet.api("POST", "products", product)["id"]
        cls.tiers = {price: cls.create_tier(code) for price, code in [(PRO, "pro"), (BUSINESS, "business")]}
        plans = {"tiers": cls.tiers, "suspend_when": ["past_due", "unpaid", "paused"]}
        file = tempfile.NamedTemporaryFile("w", suffix=".json")
        cls.addClassCleanup(file.close)
        json.dump(plans, file)
        file.flush()
        scopes = ["customers:read", "customers:write", "licenses:read", "licenses:write"]
        cls.environment = {
            "PLANS": file.name, "STRIPE_WEBHOOK_SECRET": SECRET, "STRIPE_API_KEY": "rk_test",
            "STRIPE_API_URL": cls.stripe.server.url, "SIGNET_URL": cls.signet.url,
            "SIGNET_API_KEY": cls.signet.api("POST", "api-keys", {"name": "stripe", "scopes": scopes})["api_key"],
            "SMTP_URL": cls.mail.url, "MAIL_FROM": "shop@example.com",
        }
        cls.service = Program(HERE / "service.py", cls.environment)
        cls.addClassCleanup(cls.service.close)

    @classmethod
    def create_tier(cls, code):
        return cls.signet.api("POST", "pricing-tiers", {
            "product_id": cls.product_id, "code": code, "name": code, "max_users": 1, "monthly_price": 1900,
            "annual_price": 19000, "currency": "EUR", "billing_period": "monthly",
        })["id"]

    def setUp(self):
        """Every test has a subscription and a customer of its own."""
        ServiceTest.number += 1
        self.suffix = f"{self.number:04d}"
        self.subscription_id = f"sub_1SkExampleOrbit{self.suffix}"
        self.customer_id, self.email = f"cus_TiExample{self.suffix}", f"ada{self.suffix}@example.com"
        self.stripe.customers[self.customer_id] = {
            "id": self.customer_id, "object": "customer", "email": self.email, "name": "Ada Lovelace",
        }
        self.period_ends = [1769904000 + SHIFT, 1772323200 + SHIFT]

    def event(self, name):
        text = (HERE / "fixtures" / f"{name}.json").read_text()
        for fixed, own in [
            ("sub_1SkExampleOrbit0001", self.subscription_id), ("cus_TiExample0001", self.customer_id),
            ("ada@example.com", self.email), ("in_1SkExample", f"in_{self.suffix}"),
            ("evt_1SkExample", f"evt_{self.suffix}"),
        ]:
            text = text.replace(fixed, own)
        return shifted(json.loads(text))

    def send(self, event, header=None):
        """Sends an event to the service. Returns the status of the response."""
        body = json.dumps(event).encode()
        headers = {"Content-Type": "application/json", "Stripe-Signature": header or signature(body)}
        return http("POST", f"{self.service.url}/stripe", body, headers)[0]

    def happens(self, *names):
        """Events happen one after the other, and arrive at once."""
        for name in names:
            event = self.event(name)
            self.stripe.happen(event)
            self.assertEqual(self.send(event), 204, self.service.logged())

    def find(self):
        found = self.signet.api("GET", f"license-keys?external_id={self.subscription_id}")["items"]
        return self.signet.api("GET", f"license-keys/{found[0]['id']}") if found else None

    def events(self):
        """The types of the events of the license key, oldest first."""
        items = self.signet.api("GET", f"license-keys/{self.find()['id']}/events?limit=100")["items"]
        return [item["type"] for item in reversed(items) if item["type"] != "license.updated"]

    def check(self, **fields):
        license = self.find()
        self.assertEqual({name: license[name] for name in fields}, fields, self.service.logged())

    def key_strings(self):
        """The license keys that the customer was sent."""
        messages = [message for message in self.mail.messages if f"To: {self.email}" in message]
        return [message.split("Your license key: ")[1].split()[0] for message in messages]

    def validate(self, license_key):
        body = json.dumps({"license_key": license_key}).encode()
        url = f"{self.signet.url}/api/v1.0/license-keys/validate"
        return json.loads(http("POST", url, body, {"Content-Type": "application/json"})[1])["code"]

    def test_license_key_follows_a_subscription_from_checkout_to_its_end(self):
        self.happens("subscription_created", "checkout_session_completed", "invoice_paid")
        first, second = map(utc, self.period_ends)
        self.check(status="active", tier_id=self.tiers[PRO], max_users=2, expires_at=first)
        [customer] = self.signet.api("GET", f"customers?external_id={self.customer_id}")["items"]
        self.assertEqual((customer["name"], customer["email"]), ("Ada Lovelace", self.email))
        self.check(customer_id=customer["id"], metadata={})
        [license_key] = self.key_strings()
        self.assertEqual(self.validate(license_key), "valid")

        self.happens("subscription_renewed")
        self.check(expires_at=first)  # The invoice of the new period is not paid yet.
        self.happens("invoice_payment_failed", "subscription_past_due")
        self.check(status="suspended", expires_at=first)
        self.assertEqual(self.validate(license_key), "suspended")

        self.stripe.happen(self.event("subscription_renewed"))
        self.happens("renewal_invoice_paid")
        self.check(status="active", expires_at=second, metadata={})
        self.happens("subscription_upgraded")
        self.check(tier_id=self.tiers[BUSINESS], max_users=5, expires_at=second)

        self.happens("subscription_cancel_at_period_end", "subscription_ended")
        self.check(status="active", expires_at=second)
        self.assertEqual(self.key_strings(), [license_key])
        self.assertEqual(self.events(), [
            "license.issued", "license.suspended", "license.reinstated", "license.renewed", "license.changed",
        ])

    def test_immediate_cancellation_revokes_the_license_key_for_good(self):
        self.happens("subscription_created", "subscription_canceled_at_once")
        self.check(status="revoked", revocation_reason="Stripe subscription canceled")
        self.assertEqual(self.send(self.event("invoice_paid")), 204)
        self.check(status="revoked")

    def test_license_key_that_an_operator_has_revoked_stays_revoked(self):
        self.happens("subscription_created")
        self.signet.api("POST", f"license-keys/{self.find()['id']}/revoke", {"reason": "refund"})
        self.happens("subscription_renewed", "renewal_invoice_paid", "subscription_canceled_at_once")
        self.check(status="revoked", revocation_reason="refund", expires_at=utc(self.period_ends[0]))

    def test_expired_license_key_is_suspended_and_reinstated(self):
        event = self.event("subscription_created")
        end = int(time.time()) + 2
        event["data"]["object"]["items"]["data"][0]["current_period_end"] = end
        self.stripe.happen(event)
        self.assertEqual(self.send(event), 204)
        wait_until(lambda: self.find()["status"] == "expired")
        event["data"]["object"]["items"]["data"][0]["current_period_end"] = end - 1
        self.assertEqual(self.send(event), 204)  # Signet accepts no expiry in the past.
        self.happens("subscription_past_due")
        self.check(status="suspended", expires_at=utc(end))
        self.stripe.happen(self.event("subscription_renewed"))
        self.happens("renewal_invoice_paid")
        self.check(status="active", expires_at=utc(self.period_ends[1]))

    def test_repeated_events_change_nothing(self):
        names = ["subscription_created", "subscription_renewed", "subscription_past_due", "renewal_invoice_paid"]
        self.happens(*names[:3])
        for _ in range(2):
            self.assertEqual(self.send(self.event("subscription_past_due")), 204)
        self.stripe.happen(self.event("subscription_renewed"))
        self.happens(names[3])
        for name in names * 2:
            self.assertEqual(self.send(self.event(name)), 204)
        expected = ["license.issued", "license.suspended", "license.reinstated", "license.renewed"]
        self.assertEqual(self.events(), expected)
        self.assertEqual(len(self.key_strings()), 1)

    def test_events_in_reverse_order_lead_to_the_same_license_key(self):
        names = ["subscription_created", "checkout_session_completed", "subscription_renewed", "renewal_invoice_paid",
                 "subscription_upgraded"]
        for name in names:
            self.stripe.happen(self.event(name))
        for name in reversed(names):
            self.assertEqual(self.send(self.event(name)), 204, self.service.logged())
        self.check(status="active", tier_id=self.tiers[BUSINESS], max_users=5, expires_at=utc(self.period_ends[1]))
        self.assertEqual(self.events(), ["license.issued"])

    def test_canceled_subscription_gets_no_license_key_from_a_late_event(self):
        self.stripe.happen(self.event("subscription_canceled_at_once"))
        self.assertEqual(self.send(self.event("subscription_created")), 204)
        self.assertIsNone(self.find())

    def test_simultaneous_events_issue_one_license_key(self):
        names = ["subscription_created", "checkout_session_completed", "invoice_paid"]
        for name in names:
            self.stripe.happen(self.event(name))
        with ThreadPoolExecutor(6) as pool:
            statuses = list(pool.map(lambda name: self.send(self.event(name)), names * 2))
        self.assertEqual(statuses, [204] * 6, self.service.logged())
        self.assertEqual(self.events(), ["license.issued"])
        self.assertEqual(len(self.key_strings()), 1)

    def test_incomplete_subscription_gets_no_license_key_before_it_is_paid(self):
        event = self.event("subscription_created")
        event["data"]["object"]["status"] = "incomplete"
        self.stripe.happen(event)
        self.assertEqual(self.send(event), 204)
        self.assertIsNone(self.find())
        self.happens("subscription_created")
        self.check(status="active")

    def test_each_status_of_the_plans_suspends(self):
        self.happens("subscription_created")
        for status in ["past_due", "unpaid", "paused"]:
            event = self.event("subscription_created")
            event["data"]["object"]["status"] = status
            self.stripe.happen(event)
            self.assertEqual(self.send(event), 204)
            self.check(status="suspended")
            self.happens("subscription_created")
            self.check(status="active")

    def test_payment_does_not_lift_the_suspension_of_an_operator(self):
        self.happens("subscription_created")
        self.signet.api("POST", f"license-keys/{self.find()['id']}/suspend", {"reason": "abuse"})
        self.happens("subscription_renewed", "renewal_invoice_paid")
        self.check(status="suspended", expires_at=utc(self.period_ends[1]))

    def test_existing_customer_with_the_same_email_address_is_used(self):
        body = {"name": "Ada", "email": self.email.upper()}
        customer = self.signet.api("POST", "customers", body)
        self.happens("subscription_created")
        self.check(customer_id=customer["id"])
        found = self.signet.api("GET", f"customers/{customer['id']}")
        self.assertEqual((found["name"], found["external_id"]), ("Ada", self.customer_id))

    def test_second_subscription_of_a_customer_has_a_license_key_of_its_own(self):
        self.happens("subscription_created")
        first = self.find()
        self.subscription_id += "b"
        self.happens("subscription_created")
        self.assertEqual(self.find()["customer_id"], first["customer_id"])
        self.assertEqual(self.signet.api("GET", f"license-keys/{first['id']}")["status"], "active")

    def test_subscription_for_something_else_is_ignored(self):
        event = self.event("subscription_created")
        event["data"]["object"]["items"]["data"][0]["price"]["id"] = "price_1SkExampleTShirts"
        self.stripe.happen(event)
        self.assertEqual(self.send(event), 204)
        self.assertIsNone(self.find())

    def test_licensed_subscription_with_an_unknown_price_is_an_error(self):
        self.happens("subscription_created")
        event = self.event("subscription_upgraded")
        event["data"]["object"]["items"]["data"][0]["price"]["id"] = "price_1SkExampleNew"
        self.stripe.happen(event)
        self.assertEqual(self.send(event), 500)
        self.assertIn("has no price of the plans", self.service.logged())

    def test_event_without_a_subscription_is_ignored(self):
        event = self.event("checkout_session_completed")
        event["data"]["object"].update(mode="payment", subscription=None)
        self.assertEqual(self.send(event), 204)
        other = {"id": "evt_1", "type": "balance.available", "data": {"object": {"object": "balance"}}}
        self.assertEqual(self.send(other), 204)

    def test_invoice_of_an_older_version_of_the_api_is_understood(self):
        event = self.event("invoice_paid")
        del event["data"]["object"]["parent"]
        event["data"]["object"]["subscription"] = self.subscription_id
        self.stripe.happen(self.event("subscription_created"))
        self.assertEqual(self.send(event), 204)
        self.check(status="active")

    def test_fewer_seats_than_are_in_use_are_set_when_a_machine_is_deactivated(self):
        self.happens("subscription_created")
        [license_key] = self.key_strings()
        activated = [self.signet.api("POST", "license-activations/activate", {
            "license_key": license_key, "machine_id": f"machine-{number}",
        }) for number in range(2)]
        event = self.event("subscription_created")
        event["data"]["object"]["items"]["data"][0]["quantity"] = 1
        self.stripe.happen(event)
        self.assertEqual(self.send(event), 500)
        self.assertIn("2 seats are in use", self.service.logged())
        self.signet.api("POST", f"license-activations/{activated[0]['activation']['id']}/deactivate", {
            "token": activated[0]["token"],
        })
        self.assertEqual(self.send(event), 204, self.service.logged())
        self.check(max_users=1)

    def test_wrong_signatures_are_refused(self):
        event = self.event("subscription_created")
        self.stripe.happen(event)
        body = json.dumps(event).encode()
        now = int(time.time())
        valid = signature(body).split("v1=")[1]
        for header in [
            signature(body, secret="whsec_other"), signature(body + b" "), f"t={now},v1=", f"t={now}", f"v1={valid}",
            f"t={now},v0={valid}", f"t={now + 1},v1={valid}x", "t=x,v1=y", f"t={'9' * 5000},v1={valid}", "é", ",,==",
        ]:
            self.assertEqual(self.send(event, header.encode().decode("latin-1")), 400, header)
        self.assertEqual(http("POST", self.service.url, body)[0], 400)
        self.assertIsNone(self.find())

    def test_old_timestamps_are_refused(self):
        event = self.event("subscription_created")
        self.stripe.happen(event)
        body = json.dumps(event).encode()
        for seconds in [-310, 310]:
            self.assertEqual(self.send(event, signature(body, timestamp=int(time.time()) + seconds)), 400)
        self.assertIsNone(self.find())
        self.assertEqual(self.send(event, signature(body, timestamp=int(time.time()) - 290)), 204)

    def test_second_signature_is_accepted_while_the_secret_is_rolled(self):
        event = self.event("subscription_created")
        self.stripe.happen(event)
        body = json.dumps(event).encode()
        other = signature(body, secret="whsec_old")
        self.assertEqual(self.send(event, f"{other},v1={signature(body).split('v1=')[1]}"), 204)
        self.check(status="active")

    def test_too_large_body_is_refused(self):
        self.assertEqual(http("POST", self.service.url, None, {"Content-Length": "2000000"})[0], 413)

    def test_event_is_handled_when_signet_is_available_again(self):
        event = self.event("subscription_created")
        self.stripe.happen(event)
        self.signet.stop()
        try:
            self.assertEqual(self.send(event), 503)
        finally:
            self.signet.start()
        self.assertEqual(self.send(event), 204, self.service.logged())
        self.check(status="active")
        self.assertEqual(len(self.key_strings()), 1)

    def test_lost_response_to_the_issuance_is_returned_again(self):
        lost = []

        def relay(method, path, headers, body):
            passed = {name: headers[name] for name in ["X-Api-Key", "Idempotency-Key", "Content-Type"] if headers[name]}
            status, text = http(method, self.signet.url + path, body or None, passed)
            if method == "POST" and path.endswith("/license-keys") and not lost:
                lost.append(status)
                return 502, {}
            return status, json.loads(text)

        server = HttpServer(relay)
        self.addCleanup(server.close)
        self.service = Program(HERE / "service.py", {**self.environment, "SIGNET_URL": server.url})
        self.addCleanup(self.service.close)
        self.happens("subscription_created")
        self.assertEqual(lost, [201])
        self.assertEqual(self.events(), ["license.issued"])
        [license_key] = self.key_strings()
        self.assertEqual(self.validate(license_key), "valid")

    def test_event_is_repeated_while_stripe_is_unavailable(self):
        event = self.event("subscription_created")
        self.stripe.happen(event)
        self.stripe.is_failing = True
        try:
            self.assertEqual(self.send(event), 503)
        finally:
            self.stripe.is_failing = False
        self.assertEqual(self.send(event), 204)
        self.check(status="active")

    def test_license_key_is_sent_when_the_mail_server_is_available_again(self):
        event = self.event("subscription_created")
        self.stripe.happen(event)
        self.mail.is_failing = True
        try:
            self.assertEqual(self.send(event), 503)
            self.assertEqual(self.send(event), 503)
        finally:
            self.mail.is_failing = False
        self.assertEqual(self.key_strings(), [])
        self.assertEqual(self.send(event), 204, self.service.logged())
        self.assertEqual(self.send(event), 204)
        [license_key] = self.key_strings()
        self.assertEqual(self.validate(license_key), "valid")
        self.check(status="active", metadata={})

    def test_nothing_secret_is_logged(self):
        self.happens("subscription_created")
        logged = self.service.logged()
        for secret in [*self.key_strings(), SECRET, "rk_test", self.email]:
            self.assertNotIn(secret, logged)


if __name__ == "__main__":
    unittest.main()
