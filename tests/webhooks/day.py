"""Runs the receivers of docs/how-to/receive-webhooks.md through a day of an installation: changes through the API, a
receiver that is down, one that does not respond, a server that is killed, a rotated secret, forged webhooks, and an outage
of all receivers for more than an hour, with a restart of the server. Every receiver must get every event.

Usage: day.py SIGNET_BINARY FOLDER

The folder has the programs in `node`, `python`, `go`, `java` and `without-library`.
"""

import collections
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import burst
from clock import TestClock
from forgeries import FORGED, GENUINE, refused
from installation import Installation
from receiver import Receiver, wait

SIGNET, FOLDER = sys.argv[1], Path(sys.argv[2])
COMMANDS = {
    "node": ["node", "receiver.js"],
    "python": [sys.executable, "receiver.py"],
    "go": ["./receiver"],
    "java": ["java", "-cp", "classes:target/dependency/*", "Receiver"],
}
# A program in Go has the system's clock, and refuses webhooks from the clock of the outage.
WITH_CLOCK = ["node", "python", "java"]
# The minutes of the outage at which something changes. Attempts are made after 5 s, 30 s, 2 min, 10 min and an hour.
OUTAGE = [0, 1, 2, 5, 20, 40, 62]
RESTART = 20
# When the last of these attempts are due, with their jitter.
AFTER_THE_OUTAGE = 80
# After more attempts, the pause is an hour at least.
LATE_ATTEMPTS = 5
MAX_PAUSE = 27 * 3600
# Longer than the lease of an attempt that ends with its process.
CRASH_PATIENCE = 90


def in_hours(hours):
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def create_receivers(installation, clock):
    """Starts each receiver with the secret of an endpoint of its own."""
    for name, command in COMMANDS.items():
        environment = clock.environment() if name in WITH_CLOCK else None
        receiver = Receiver(name, FOLDER / name, command, environment=environment)
        receiver.endpoint = installation.create_endpoint(receiver.url, ["*"])
        receiver.secret = receiver.endpoint["secret"]
        receiver.start()
        yield receiver


def refuses_forgeries(receiver):
    count = refused(receiver.name, receiver.port, receiver.secret)
    wait("the output is read", lambda: GENUINE in receiver.ids)
    time.sleep(0.2)
    assert receiver.ids.count(GENUINE) == 1 and FORGED not in receiver.ids, receiver.ids
    receiver.ids.remove(GENUINE)
    print(f"{receiver.name}: {count} forged webhooks refused")


def receiver_without_library_refuses_forgeries(secret):
    folder = FOLDER / "without-library"
    (folder / "secret").write_text(secret)
    port = folder / "port"
    with (folder / "receiver.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "receiver.py", "secret", "port"], cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    Receiver.started.append(process)
    wait("the receiver without a library listens", lambda: port.exists() and port.read_text())
    count = refused("without a library", int(port.read_text()), secret)
    process.terminate()
    print(f"without a library: {count} forged webhooks refused")


def wait_until_all_arrived(installation, receivers, seconds=30):
    for receiver in receivers:
        expected = {event["id"] for event in installation.events_for(receiver.endpoint)}

        def all_arrived(receiver=receiver, expected=expected):
            return expected <= {*receiver.ids}

        wait(f"{receiver.name} has received all events", all_arrived, seconds)


def check_received(installation, receiver):
    """Checks that a receiver got exactly the events since its endpoint was created, and in which order."""
    events = {event["id"]: event for event in installation.events_for(receiver.endpoint)}
    assert {*receiver.ids} == events.keys(), f"{receiver.name}: {[*{*receiver.ids} ^ events.keys()]}"
    deliveries = installation.deliveries(receiver.endpoint)
    assert [delivery["event_id"] for delivery in deliveries] == [*events]
    wrong = [one for one in deliveries if one["status"] != "delivered" or one["response_status"] != 204]
    assert not wrong, f"{receiver.name}: {wrong}"
    assert all(one["event_type"] == events[one["event_id"]]["type"] for one in deliveries)
    # An event whose first attempt failed or was interrupted does not hold back later ones. A retry changes the order.
    first_attempt = {one["event_id"] for one in deliveries if one["attempts"] == 1}
    received = collections.defaultdict(list)
    for event_id in dict.fromkeys(receiver.ids):
        if event_id in first_attempt - receiver.retried and events[event_id]["license_id"]:
            received[events[event_id]["license_id"]].append(event_id)
    for license_id, ids in received.items():
        assert ids == sorted(ids), f"{receiver.name}: {license_id}: {[(one, events[one]['type']) for one in ids]}"
    print(
        f"{receiver.name}: {len(events)} events, {receiver.repeated()} arrived twice; "
        f"{len(events) - len(first_attempt)} took more than one attempt"
    )


def create_fixtures(installation):
    """Creates everything that a license key needs, issues license keys, and activates machines."""
    product = installation.post("products", code="day", name="Atlas", one_key_per_customer=False)
    feature = installation.post("product-features", product_id=product["id"], key="export.pdf", name="PDF export")
    tier = installation.post(
        "pricing-tiers",
        product_id=product["id"],
        code="pro",
        name="Pro",
        feature_ids=[feature["id"]],
        max_users=5,
        monthly_price=1900,
        annual_price=19000,
        currency="EUR",
        billing_period="annual",
        max_borrow_seconds=86_400,
    )
    customer = installation.post("customers", name="Ada", email="ada@example.com")
    issued = [installation.post("license-keys", customer_id=customer["id"], tier_id=tier["id"]) for _ in range(2)]
    activated = [
        installation.post(
            "license-activations/activate", license_key=license["license_key"], machine_id=machine, machine_name="Press"
        )["activation"]["id"]
        for license in issued
        for machine in ["laptop", "press"]
    ]
    key = issued[0]["license_key"]
    installation.post("license-activations/activate", license_key=key, machine_id="laptop", borrow_until=in_hours(2))
    return tier["id"], customer["id"], [license["license"]["id"] for license in issued], activated


def retry_pending(installation, receiver):
    """Retries pending deliveries, as an operator does after a receiver was corrected."""
    for delivery in installation.deliveries(receiver.endpoint, "pending"):
        receiver.retried.add(delivery["event_id"])
        installation.post(f"webhook-deliveries/{delivery['id']}/retry")
    print(f"{receiver.name}: {len(receiver.retried)} pending deliveries retried")


def outage(installation, clock, receivers, tier):
    """Events of an hour in which no receiver listens arrive when their next attempts are due, without a retry by an operator."""
    license = installation.post("license-keys/batch", tier_id=tier, count=1, tag="outage")["items"][0]["license"]["id"]
    wait_until_all_arrived(installation, receivers)
    for receiver in receivers:
        receiver.stop()

    def expect_attempts(count, event_id):
        def are_made():
            found = [one for receiver in receivers for one in installation.deliveries(receiver.endpoint, "pending")]
            ended = [one for one in found if one["event_id"] == event_id and one["last_attempt_at"]]
            return len(ended) == len(receivers) and all(one["attempts"] >= count for one in ended)

        wait(f"{count} attempts to deliver {event_id}", are_made)

    events, minutes_before = [], 0
    for minutes in OUTAGE:
        clock.advance((minutes - minutes_before) * 60)
        minutes_before = minutes
        if minutes == RESTART:
            installation.restart()
        installation.post(f"license-keys/{license}/renew")
        events.append(installation.get("events?limit=1")["items"][0]["id"])
        expect_attempts(1, events[-1])
    expect_attempts(5, events[0])
    for receiver in receivers:
        receiver.start()
    clock.advance(AFTER_THE_OUTAGE * 60)
    wait_until_all_arrived(installation, receivers)
    print(f"an outage of {OUTAGE[-1]} minutes: {len(events)} events arrived afterwards, the first in attempt 6")


def expect_none_pending(installation, receivers, clock):
    waited_for = set()

    def is_settled():
        pending = [one for receiver in receivers for one in installation.deliveries(receiver.endpoint, "pending")]
        ended = [one for one in pending if one["last_attempt_at"] and one["attempts"] >= LATE_ATTEMPTS]
        # On a machine that is very slow, an attempt can time out whose event has arrived. The next one is made after hours.
        if new := {(one["id"], one["attempts"]) for one in ended} - waited_for:
            waited_for.update(new)
            clock.advance(MAX_PAUSE)
        return not pending

    wait("no delivery is pending", is_settled, CRASH_PATIENCE)


def delete(installation, receiver):
    installation.call("DELETE", f"webhook-endpoints/{receiver.endpoint['id']}")
    receiver.stop()


def run(installation, clock):
    receivers = [*create_receivers(installation, clock)]
    for receiver in receivers:
        refuses_forgeries(receiver)
    receiver_without_library_refuses_forgeries(receivers[0].secret)
    node, python, go, java = receivers

    tier, customer, licenses, activations = create_fixtures(installation)
    wait_until_all_arrived(installation, receivers)
    print(f"morning: {len(installation.events_for(node.endpoint))} events have arrived")

    python.stop()
    for license in licenses:
        for action in ["suspend", "reinstate", "renew"]:
            installation.post(f"license-keys/{license}/{action}")
    new_secret = installation.post(f"webhook-endpoints/{node.endpoint['id']}/rotate-secret")["secret"]
    assert new_secret != node.secret
    for license in licenses:
        installation.post(f"license-keys/{license}/change", max_users=7)
        installation.post(f"license-keys/{license}/regenerate")
    wait_until_all_arrived(installation, [node, go, java])
    node.stop()
    node.secret = new_secret
    node.start()
    print("the Python receiver is down, and the secret of the Node receiver is rotated")

    go.hold()
    key = installation.post("api-keys", name="Till", scopes=["licenses:read"])
    installation.post(f"license-activations/{activations[1]}/deactivate")

    def is_interrupted(delivery):
        return delivery["attempts"] and not delivery["last_attempt_at"]

    wait("Go has a request", lambda: any(map(is_interrupted, installation.deliveries(go.endpoint, "pending"))))
    # The server has not read the events of these requests when it is killed.
    installation.call("DELETE", f"api-keys/{key['id']}")
    installation.post(f"license-keys/{licenses[0]}/revoke", reason="refund")
    installation.kill()
    go.release()
    installation.start()
    counts = {one.name: len(installation.deliveries(one.endpoint, "pending")) for one in receivers}
    assert counts["python"] and counts["go"], counts
    print(f"the server was killed; pending deliveries after its start: {counts}")

    installation.call("DELETE", f"customers/{customer}?revoke=true")
    python.start()
    retry_pending(installation, python)
    wait_until_all_arrived(installation, receivers, CRASH_PATIENCE)

    expect_none_pending(installation, receivers, clock)
    time.sleep(2)
    for receiver in receivers:
        check_received(installation, receiver)
    delete(installation, go)
    outage(installation, clock, [node, python, java], tier)
    expect_none_pending(installation, [node, python, java], clock)
    for receiver in [node, python, java]:
        check_received(installation, receiver)
    for receiver in [node, python, java]:
        delete(installation, receiver)
    burst.measure(installation, tier, clock)


# A test that is stopped ends its processes, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
clock = TestClock(FOLDER / "clock")
with Installation(SIGNET, FOLDER / "installation", clock.environment()) as installation:
    start = time.monotonic()
    try:
        run(installation, clock)
    finally:
        Receiver.kill_all()
print(f"webhooks: ok in {time.monotonic() - start:.0f} s")
