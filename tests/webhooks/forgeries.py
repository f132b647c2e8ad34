"""Webhooks that a receiver must refuse: falsified, old, signed with another secret, or malformed."""

import base64
import hashlib
import hmac
import http.client
import json
import time

GENUINE = "evt_00000000000000000000000001"
FORGED = "evt_00000000000000000000000002"


def sign(secret, event_id, timestamp, body):
    """Returns the header `webhook-signature`, as Standard Webhooks defines it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def post(port, headers, body):
    """Returns the status of a response, or the name of the error if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/webhooks", body, {"Content-Type": "application/json", **headers})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def event(event_id):
    return json.dumps({"id": event_id, "type": "webhook_endpoint.test", "data": {}}).encode()


def webhook(secret, event_id, body=None, age=0):
    """Returns the headers and the body of a webhook that was signed some seconds ago."""
    body, timestamp = event(event_id) if body is None else body, int(time.time()) - age
    signature = sign(secret, event_id, timestamp, body)
    return {"webhook-id": event_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}, body


def forgeries(secret):
    """Yields what is wrong with a webhook, its headers and its body."""
    headers, body = webhook(secret, FORGED)
    yield "falsified body", headers, body.replace(b"{}", b'{"a": 1}')
    yield "falsified body that is not text", headers, b"\xff" + body
    yield "empty body", headers, b""
    yield "other id", {**headers, "webhook-id": GENUINE}, body
    yield "changed timestamp", {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}, body
    yield "timestamp older than five minutes", *webhook(secret, FORGED, age=310)
    yield "timestamp in more than five minutes", *webhook(secret, FORGED, age=-310)
    other_secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    yield "other secret", *webhook(other_secret, FORGED)
    for name in headers:
        yield f"no {name}", {other: value for other, value in headers.items() if other != name}, body
    for value in ["v1", "v1,", "v1,%", "v1,\xe4", "v2" + headers["webhook-signature"][2:], ",", " ", "text"]:
        yield f"signature {value!r}", {**headers, "webhook-signature": value}, body
    for value in ["text", "1e400", "-1", "nan", "9" * 30, "\xb2"]:
        yield f"timestamp {value!r}", {**headers, "webhook-timestamp": value}, body


def refused(name, port, secret):
    """Checks that a receiver accepts a genuine webhook and refuses all others with 400. Returns how many it refused."""
    headers, body = webhook(secret, GENUINE)
    status = post(port, headers, body)
    assert status == 204, f"{name}: {status} to a genuine webhook"
    faults = {what: status for what, *request in forgeries(secret) if (status := post(port, *request)) != 400}
    assert not faults, f"{name}: not 400: {faults}"
    return sum(1 for _ in forgeries(secret))
