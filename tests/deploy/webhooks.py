"""A day of webhooks: changes, a rotated secret, a sender that is killed, and a receiver that is down for more than an hour, whose
deliveries are attempted again without help, also after the running stack was deleted and created again.

The receiver is the one in Python of docs/how-to/receive-webhooks.md, on this machine, and the clock of the functions that are involved
is advanced. On AWS, webhooks are sent to public addresses only: the endpoint is the API itself, which refuses the method.
"""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api import get, operator, post, repeat, send
from installation import ENDPOINT, IS_AWS, ISSUER, STACK, client

sources = Path(__file__).resolve().parents[1] / "webhooks"
sys.path.insert(0, str(sources))
from clock import TestClock  # noqa: E402 (the directory is known only now)
from receiver import Receiver, wait  # noqa: E402 (likewise)

TYPES = ["product.*", "webhook_endpoint.test"]
# The minutes of the outage at which something changes. Attempts are made after 5 s, 30 s, 2 min, 10 min and an hour.
OUTAGE = [0, 1, 2, 5, 20, 40, 62]
# When the last of these attempts are due, with their jitter.
AFTER_THE_OUTAGE = 80


def deliveries(endpoint):
    """The deliveries to an endpoint, those of the oldest events first."""
    listed = get(f"/api/v1.0/webhook-endpoints/{endpoint}/deliveries?limit=100", operator).expect(200)["items"]
    return sorted(listed, key=lambda one: one["event_id"])


def attempted(endpoint, event_id, attempts=1):
    """The delivery of an event, after a number of attempts have ended."""

    def ended():
        found = [one for one in deliveries(endpoint) if one["event_id"] == event_id]
        return found[0] if found and found[0]["attempts"] >= attempts and found[0]["last_attempt_at"] else None

    found = repeat(30, ended, bool)
    assert found, (f"{event_id} was not attempted {attempts} times", deliveries(endpoint))
    return found


def create_endpoint(url):
    post("webhook-endpoints", {"url": "https://10.0.0.1/", "event_types": ["*"]}, operator).expect(422)
    body = {"url": url, "event_types": TYPES}
    created = post("webhook-endpoints", body, {**operator, "Idempotency-Key": "endpoint-1"}).expect(201)
    assert created["secret"].startswith("whsec_"), created
    return created


def send_test_event(endpoint):
    return post(f"webhook-endpoints/{endpoint}/test", {}, operator).expect(200)["event_id"]


def rotate_secret(endpoint):
    return post(f"webhook-endpoints/{endpoint}/rotate-secret", {}, operator).expect(200)["secret"]


def day():
    """Runs the day up to an outage that has not ended. Returns what `go_on` needs."""
    return attempts_on_aws() if IS_AWS else Day.begin().run()


def go_on(state):
    """Checks that the present functions and queue send webhooks, first those that were pending."""
    if IS_AWS:
        assert_refused_by_api(state["endpoint"], send_test_event(state["endpoint"]))
    else:
        Day(state).go_on()


def assert_refused_by_api(endpoint, event_id, attempts=1):
    found = attempted(endpoint, event_id, attempts)
    assert (found["status"], found["response_status"], found["error"]) == ("pending", 405, None), found
    return found


def attempts_on_aws():
    endpoint = create_endpoint(f"{ISSUER}/health")["id"]
    assert_refused_by_api(endpoint, send_test_event(endpoint))
    post("products", {"code": "hooks", "name": "Hooks"}, operator).expect(201)
    found = repeat(30, lambda: [one for one in deliveries(endpoint) if one["event_type"] == "product.created"], bool)
    delivery = assert_refused_by_api(endpoint, found[0]["event_id"])
    post(f"webhook-deliveries/{delivery['id']}/retry", {}, operator).expect(200)
    # The secret before the rotation also signs: the sender decrypts both.
    rotate_secret(endpoint)
    assert_refused_by_api(endpoint, delivery["event_id"], delivery["attempts"] + 1)
    return {"endpoint": endpoint}


class Day:
    """An endpoint, its receiver, and what it has received, which outlives this process as JSON."""

    def __init__(self, state):
        self.state, self.endpoint, self.clock = state, state["endpoint"], TestClock(os.environ["CLOCK"])
        folder = Path(os.environ["RECEIVERS"])
        self.receiver = Receiver(
            "receiver", folder / "python", [sys.executable, "receiver.py"], state["port"], self.clock.environment()
        )
        self.receiver.secret = state["secret"]

    @classmethod
    def begin(cls):
        folder = os.environ["RECEIVERS"]
        page = sources.parents[1] / "docs/how-to/receive-webhooks.md"
        subprocess.run([sys.executable, sources / "extract_receivers.py", page, folder], check=True)
        day = cls({"endpoint": "", "port": None, "secret": "", "ids": [], "uncertain": []})
        created = create_endpoint(day.receiver.url)
        product = post("products", {"code": "hooks", "name": "Hooks"}, operator).expect(201)
        state = {"secret": created["secret"], "since": created["created_at"], "product": product["id"]}
        return cls(day.state | state | {"endpoint": created["id"], "port": day.receiver.port})

    def run(self):
        self.receiver.start()
        self.await_arrival(send_test_event(self.endpoint))
        self.await_arrival(self.change("Morning"))
        self.retry()
        self.rotate()
        self.kill_sender()
        self.outage()
        self.assert_complete()
        self.receiver.stop()
        # Stays pending while the running stack is deleted and created again.
        event = self.change("Night")
        assert attempted(self.endpoint, event)["error"] == "connection_failed"
        return self.end()

    def go_on(self):
        """What was pending arrives when it is due, and new events arrive."""
        self.receiver.start()
        self.pass_time(600)
        self.await_arrival(send_test_event(self.endpoint))
        self.assert_complete()
        self.receiver.stop()
        event = self.change(f"Night after {self.clock.offset()} s")
        assert attempted(self.endpoint, event)["error"] == "connection_failed"
        self.end()

    def end(self):
        self.state["ids"] += self.receiver.ids
        return self.state

    def received(self):
        return self.state["ids"] + self.receiver.ids

    def change(self, name):
        """Renames the product. Returns the id of the event."""
        path = f"/api/v1.0/products/{self.state['product']}"
        send("PATCH", path, {"name": name}, {**operator, "Content-Type": "application/merge-patch+json"}).expect(200)
        events = self.events()
        assert events[-1]["data"]["changes"]["name"]["to"] == name, events[-1]
        return events[-1]["id"]

    def events(self):
        """The events of the product, the oldest first. The clock of the function that lists them is the system's."""
        now = datetime.now(UTC) + timedelta(seconds=self.clock.offset() + 60)
        query = f"type=product.*&since={self.state['since']}&until={now:%Y-%m-%dT%H:%M:%SZ}&limit=100"
        return [*reversed(get(f"/api/v1.0/events?{query}", operator).expect(200)["items"])]

    def await_arrival(self, event_id):
        wait(f"{event_id} arrives", lambda: event_id in self.received())

    def pass_time(self, seconds):
        """Advances the clock, and runs the schedule, which runs every minute."""
        self.clock.advance(seconds)
        response = client("lambda").invoke(FunctionName=f"{STACK}-webhooks-feed:live", Payload=b"{}")
        assert "FunctionError" not in response, response["Payload"].read()

    def retry(self):
        delivered = deliveries(self.endpoint)[-1]
        self.state["uncertain"].append(delivered["event_id"])
        post(f"webhook-deliveries/{delivered['id']}/retry", {}, operator).expect(200)
        attempted(self.endpoint, delivered["event_id"], delivered["attempts"] + 1)

    def rotate(self):
        """The receiver verifies with the secret before the rotation, and with the new one."""
        secret = rotate_secret(self.endpoint)
        assert secret != self.receiver.secret
        self.await_arrival(self.change("Rotated"))
        self.receiver.stop()
        self.receiver.secret = self.state["secret"] = secret
        self.receiver.start()
        self.await_arrival(self.change("With the new secret"))

    def kill_sender(self):
        """A webhook that was being sent when the function was killed is sent again when its lease has lapsed."""
        self.receiver.hold()
        event = self.change("Interrupted")
        self.state["uncertain"].append(event)

        def is_being_sent():
            return any(one["event_id"] == event and one["attempts"] == 1 for one in deliveries(self.endpoint))

        wait("the webhook is being sent", is_being_sent)
        assert kill_function("webhooks-sender") >= 1
        self.receiver.release()
        self.pass_time(60)
        found = attempted(self.endpoint, event, 2)
        assert (found["status"], found["attempts"]) == ("delivered", 2), found

    def outage(self):
        self.receiver.stop()
        events, minutes_before = [], 0
        for minutes in OUTAGE:
            self.pass_time((minutes - minutes_before) * 60)
            minutes_before = minutes
            events.append(self.change(f"Outage, minute {minutes}"))
            failed = attempted(self.endpoint, events[-1])
            assert (failed["status"], failed["error"]) == ("pending", "connection_failed"), failed
        first = attempted(self.endpoint, events[0], 5)
        assert first["attempts"] == 5, first
        self.receiver.start()
        self.pass_time(AFTER_THE_OUTAGE * 60)
        for event in events:
            self.await_arrival(event)
        print(f"webhooks: an outage of {OUTAGE[-1]} minutes: {len(events)} events arrived afterwards, the first in attempt 6")

    def assert_complete(self):
        """The receiver has every event since the endpoint was created, and those twice at most that must be sent again."""
        events = [event["id"] for event in self.events()]
        received = self.received()

        def all_are_delivered():
            delivered = {one["event_id"] for one in deliveries(self.endpoint) if one["status"] == "delivered"}
            return {*events} <= delivered

        wait("all events are delivered", all_are_delivered)
        received = self.received()
        assert {*events} <= {*received}, {*events} - {*received}
        repeated = {event for event in received if received.count(event) > 1}
        assert repeated <= {*self.state["uncertain"]}, repeated
        print(f"webhooks: {len({*received})} events, {len(repeated)} of them arrived twice, in {self.clock.offset()} s")


def kill_function(name):
    """Kills the processes of a function, and returns their number. They are children of MiniStack."""
    wanted = {f"AWS_LAMBDA_FUNCTION_NAME={STACK}-{name}".encode(), f"GATEWAY_PORT={ENDPOINT.rsplit(':', 1)[1]}".encode()}
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = {*(process / "environ").read_bytes().split(b"\0")}
        except OSError:
            continue
        if wanted <= environment:
            os.kill(int(process.name), signal.SIGKILL)
            killed += 1
    return killed
