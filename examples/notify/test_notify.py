"""Tests the receiver against a Signet server, a stand-in for Slack and a mail server.

Run `SIGNET=path/to/signet python3 -m unittest discover examples/notify`.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from support import HttpServer, MailServer, Program, Signet, http, wait_until  # noqa: E402

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def event(type, event_id="evt_01KF1Q5T9C8V0R2M4N6P7S3W5X", **data):
    license_id = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB"
    return {
        "id": event_id, "type": type, "at": "2026-01-15T12:00:00.123Z",
        "actor": {"kind": "api_key", "id": "key_01JD8W0V5XK6Q3R7T2N4M8P9ZB"},
        "subject": {"type": "license", "id": license_id}, "license_id": license_id,
        "ip": "203.0.113.7", "request_id": "1-5759e988-bd862e3fe1be46a994272793", "data": data,
    }


def sign(event_id, timestamp, body, key=KEY):
    signed = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


class NotifyTest(unittest.TestCase):
    def setUp(self):
        self.slack_status, self.slack_texts = 200, []
        self.slack, self.mail = HttpServer(self.respond_as_slack), MailServer()
        self.addCleanup(self.slack.close)
        self.addCleanup(self.mail.close)
        self.receiver = self.start(SECRET)

    def respond_as_slack(self, method, path, headers, body):
        if self.slack_status == 200:
            self.slack_texts.append(json.loads(body)["text"])
        return self.slack_status, "ok"

    def start(self, secret, **environment):
        receiver = Program(HERE / "notify.py", {
            "WEBHOOK_SECRET": secret,
            "SLACK_WEBHOOK_URL": f"{self.slack.url}/services/T0/B0/x",
            "SMTP_URL": self.mail.url, "MAIL_FROM": "signet@example.com", "MAIL_TO": "ops@example.com",
            "SLACK_EVENTS": "license.*", "MAIL_EVENTS": "license.suspended, webhook_endpoint.disabled", **environment,
        })
        self.addCleanup(receiver.close)
        return receiver

    def send(self, event, **changed):
        """Sends a signed event, with other headers if they are given. Returns the status of the response."""
        body, timestamp = json.dumps(event).encode(), str(int(time.time()))
        headers = {
            "webhook-id": event["id"], "webhook-timestamp": timestamp,
            "webhook-signature": sign(event["id"], timestamp, body), "Content-Type": "application/json",
            **{f"webhook-{name}": value for name, value in changed.items()},
        }
        return http("POST", self.receiver.url, body, headers)[0]

    def test_event_is_sent_to_slack_and_by_email(self):
        self.assertEqual(self.send(event("license.suspended", reason="unpaid <!channel> & more")), 204)
        self.assertEqual(self.slack_texts, [
            "*license.suspended: lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB*\n"
            "A license key was suspended: unpaid &lt;!channel&gt; &amp; more\n"
            "by api_key key_01JD8W0V5XK6Q3R7T2N4M8P9ZB at 2026-01-15T12:00:00.123Z",
        ])
        [message] = self.mail.messages
        for line in [
            "Subject: license.suspended: lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "From: signet@example.com",
            "To: ops@example.com", "A license key was suspended: unpaid <!channel> & more",
        ]:
            self.assertIn(f"{line}\n", message)

    def test_each_channel_gets_the_types_that_it_selects(self):
        self.send(event("license.renewed", "evt_1", expires_at="2027-02-01T00:00:00Z", **{"from": None}))
        self.send(event("webhook_endpoint.disabled", "evt_2", reason="failing"))
        self.send(event("customer.created", "evt_3", origin="operator"))
        [text] = self.slack_texts
        self.assertIn("license.renewed", text)
        self.assertIn("expires_at: 2027-02-01T00:00:00Z", text)
        [message] = self.mail.messages
        self.assertIn("webhook_endpoint.disabled", message)

    def test_field_without_a_value_does_not_stop_a_notification(self):
        self.assertEqual(self.send(event("license.suspended", reason=None)), 204)
        self.assertIn("A license key was suspended: -", self.slack_texts[0])

    def test_repeated_event_is_sent_once(self):
        for _ in range(3):
            self.assertEqual(self.send(event("license.suspended", reason="unpaid")), 204)
        self.assertEqual((len(self.slack_texts), len(self.mail.messages)), (1, 1))

    def test_failed_channel_is_tried_again_and_the_other_is_not(self):
        suspended = event("license.suspended", reason="unpaid")
        self.slack_status = 500
        self.assertEqual(self.send(suspended), 503)
        self.assertEqual(len(self.mail.messages), 1)
        self.slack_status = 200
        self.assertEqual(self.send(suspended), 204)
        self.assertEqual((len(self.slack_texts), len(self.mail.messages)), (1, 1))

    def test_failed_mail_is_sent_again(self):
        suspended = event("license.suspended", reason="unpaid")
        self.mail.is_failing = True
        self.assertEqual(self.send(suspended), 503)
        self.mail.is_failing = False
        self.assertEqual(self.send(suspended), 204)
        self.assertEqual((len(self.slack_texts), len(self.mail.messages)), (1, 1))

    def test_wrong_signatures_and_old_timestamps_are_refused(self):
        suspended = event("license.suspended", reason="unpaid")
        body, now = json.dumps(suspended).encode(), int(time.time())
        valid = sign(suspended["id"], now, body)
        for changed in [
            {"signature": sign(suspended["id"], now, body, b"other")}, {"signature": valid[3:]}, {"signature": ""},
            {"signature": "v1,é"}, {"id": "evt_2"}, {"timestamp": str(now + 1), "signature": valid},
            {"timestamp": "x"}, {"timestamp": "9" * 5000}, {"timestamp": ""},
            {"timestamp": str(now - 310), "signature": sign(suspended["id"], now - 310, body)},
            {"timestamp": str(now + 310), "signature": sign(suspended["id"], now + 310, body)},
        ]:
            self.assertEqual(self.send(suspended, **changed), 400, changed)
        self.assertEqual(http("POST", self.receiver.url, body)[0], 400)
        self.assertEqual(http("POST", self.receiver.url, None, {"Content-Length": "2000000"})[0], 413)
        self.assertEqual((self.slack_texts, self.mail.messages), ([], []))

    def test_one_of_several_signatures_is_enough(self):
        suspended = event("license.suspended", reason="unpaid")
        now = int(time.time())
        valid = sign(suspended["id"], now, json.dumps(suspended).encode())
        self.assertEqual(self.send(suspended, timestamp=str(now), signature=f"v1,AAAA {valid}"), 204)

    def test_nothing_secret_is_logged(self):
        self.slack_status = 500
        self.send(event("license.suspended", reason="unpaid"))
        logged = self.receiver.logged()
        self.assertIn("was not sent", logged)
        self.assertNotIn("/services/", logged)
        self.assertNotIn(SECRET, logged)

    def test_signet_delivers_events_with_valid_signatures(self):
        signet = Signet()
        self.addCleanup(signet.close)
        # The endpoint is created with the address of a receiver that is started with the secret of the endpoint.
        url = self.receiver.url
        self.receiver.close()
        endpoint = signet.api("POST", "webhook-endpoints", {"url": url, "event_types": ["license.*"]})
        self.receiver = self.start(endpoint["secret"], LISTEN=url.removeprefix("http://"))
        signet.api("POST", f"webhook-endpoints/{endpoint['id']}/test", {})
        wait_until(lambda: self.slack_texts and self.mail.messages)
        self.assertIn("Notifications work", self.slack_texts[0])
        deliveries = f"webhook-endpoints/{endpoint['id']}/deliveries?status=delivered"
        wait_until(lambda: signet.api("GET", deliveries)["items"])


if __name__ == "__main__":
    unittest.main()
