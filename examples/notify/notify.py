"""Sends chosen events of Signet to a channel of Slack and by email. README.md says how to run it."""

import base64
import hashlib
import hmac
import json
import logging
import os
import re
import smtplib
import ssl
import time
from collections import OrderedDict, defaultdict
from email.message import EmailMessage
from fnmatch import fnmatchcase
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

# Sentences for some types, with fields of `data`. Of other events, all fields are listed.
SENTENCES = {
    "license.expired": "A license key expired on {expires_at}",
    "license.expiring": "A license key expires in {days} days, on {expires_at}",
    "license.revoked": "A license key was revoked: {reason}",
    "license.seat_limit_reached": "{machine_id} was refused, because all {max_users} seats are taken",
    "license.suspended": "A license key was suspended: {reason}",
    "webhook_endpoint.test": "Notifications work",
}
TOLERANCE_SECONDS, TIMEOUT_SECONDS, MAX_BODY_BYTES, MAX_REMEMBERED = 300, 5, 1 << 20, 10_000
log = logging.getLogger("notify")


def is_signed(headers, body, secret, now):
    """Returns whether Signet signed a body within the last five minutes (Standard Webhooks)."""
    event_id, timestamp, signatures = (headers.get(f"webhook-{name}", "") for name in ["id", "timestamp", "signature"])
    if not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    key, signed = base64.b64decode(secret.removeprefix("whsec_")), f"{event_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    return any(hmac.compare_digest(one.encode(), expected) for one in signatures.split(" "))


def describe(event):
    """Returns a subject and a text."""
    data = {name: value for name, value in event["data"].items() if value is not None}
    sentence = SENTENCES.get(event["type"], "\n".join(f"{name}: {{{name}}}" for name in data))
    by = f"by {event['actor']['kind']} {event['actor']['id'] or ''} at {event['at']}"
    text = sentence.format_map(defaultdict(lambda: "-", data)) + "\n" + by
    return f"{event['type']}: {event['subject']['id']}", text.strip()


def send_to_slack(event):
    text = "*{}*\n{}".format(*describe(event)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    headers = {"Content-Type": "application/json"}
    request = Request(os.environ["SLACK_WEBHOOK_URL"], json.dumps({"text": text}).encode(), headers)
    urlopen(request, timeout=TIMEOUT_SECONDS).close()


def send_mail(event):
    message, server = EmailMessage(), urlsplit(os.environ["SMTP_URL"])
    message["From"], message["To"] = os.environ["MAIL_FROM"], os.environ["MAIL_TO"]
    message["Subject"], text = describe(event)
    message.set_content(text + "\n")
    with smtplib.SMTP(server.hostname, server.port or 0, timeout=TIMEOUT_SECONDS) as smtp:
        if server.username:
            smtp.starttls(context=ssl.create_default_context())
            smtp.login(unquote(server.username), unquote(server.password or ""))
        smtp.send_message(message)


# The variables that turn a channel on and select its event types.
CHANNELS = [("SLACK_WEBHOOK_URL", "SLACK_EVENTS", send_to_slack), ("SMTP_URL", "MAIL_EVENTS", send_mail)]
# If one channel fails, Signet repeats the event, which is then sent to that channel only.
sent = OrderedDict()


def notify(event):
    """Sends an event to each channel that selects it. Returns whether none of them failed."""
    failed = False
    for setting, selection, send in CHANNELS:
        types = ["webhook_endpoint.test", *os.environ.get(selection, "*").split(",")]
        is_selected = any(fnmatchcase(event["type"], one.strip()) for one in types)
        if setting in os.environ and is_selected and (event["id"], setting) not in sent:
            try:
                send(event)
                sent[event["id"], setting] = True
            except (OSError, HTTPException) as error:
                failed = True
                log.warning("%s was not sent, and is expected again: %r", event["id"], error)
    while len(sent) > MAX_REMEMBERED:
        sent.popitem(last=False)
    return not failed


class Handler(BaseHTTPRequestHandler):
    timeout = 30

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return self.respond(413)
        body = self.rfile.read(int(length))
        if not is_signed(self.headers, body, os.environ["WEBHOOK_SECRET"], time.time()):
            return self.respond(400)
        return self.respond(204 if notify(json.loads(body)) else 503)

    def respond(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    host, _, port = os.environ.get("LISTEN", "127.0.0.1:9000").rpartition(":")
    with ThreadingHTTPServer((host, int(port)), Handler) as server:
        print(f"listening on http://{host}:{server.server_port}", flush=True)
        server.serve_forever()
