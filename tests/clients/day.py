"""Runs the drivers of the client libraries through a day against a real stack: activation, heartbeats, outages, responses that are
cut off or falsified, rotation and condemnation of signing keys, refusals, restarts, borrowing, license files, two processes, and
floating licenses. The clients call the stack through a proxy. Each language has a stack and a proxy of its own.

Usage: day.py SIGNET_BINARY FOLDER LANGUAGE DRIVER [ARGUMENT...]
"""

import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "interop"))

from proxy import CLOSE_CONNECTION, NEVER_RESPOND, TRUNCATE, Canned, Proxy, problem  # noqa: E402
from stack import Stack, decode_jwt  # noqa: E402

SIGNET, FOLDER, LANGUAGE, *DRIVER = sys.argv[1:]
PATIENCE = 60
MAY_RUN = {"Active", "Offline"}
PORTAL = Canned(200, "text/html", "<h1>Sign in to the network</h1>")
BLOCKED = Canned(403, "text/html", "<h1>Blocked by policy</h1>")
HOUR = 3600


class Driver:
    """A process that uses the client library."""

    started = []

    def __init__(self):
        self.process = subprocess.Popen(DRIVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        Driver.started.append(self)

    def send(self, **request):
        """Returns the answer to a request."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the driver ended at {request}"
        answer = json.loads(line)
        secrets = [license_key] if request["do"] != "activate" else []
        assert not any(secret in line for secret in secrets), f"a secret in the answer to {request['do']}"
        return answer

    def open(self, machine, folder=None, product="day", **options):
        folder = str(Path(FOLDER) / "storage" / (folder or machine))
        app = {**configs[product], "api_url": proxy.url}
        options = {"folder": folder, "machine_id": machine, "timeout_seconds": 2, **options}
        return self.expect(self.send(do="open", config=app, options=options))

    def expect(self, answer, *states, error=None):
        """Checks an answer, and returns its state."""
        assert answer.get("error") == error, answer
        assert not states or answer["state"]["state"] in states, answer
        return answer["state"]

    def call(self, do, *states, error=None, **arguments):
        return self.expect(self.send(do=do, **arguments), *states, error=error)

    def state(self):
        return self.send(do="state")["state"]

    def wait(self, description, condition):
        """Waits until a condition holds. Fails if the app may not run before that."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{description}: {self.state()}"
            time.sleep(0.05)

    def wait_for(self, state):
        self.wait(f"becomes {state}", lambda: self.state()["state"] == state)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def exit(self):
        """The process ends by itself, although the background task runs."""
        self.process.stdin.write('{"do": "exit"}\n')
        self.process.stdin.flush()
        assert self.process.wait(10) == 0


def license_action(action):
    stack.api(f"license-keys/{license_id}/{action}", {}, stack.operator)


def activations(license):
    return stack.api(f"license-activations?license_id={license}", headers=stack.operator)["items"]


def heartbeats(driver, machine, count=1):
    """Waits for requests of a machine, and checks that the app may run all the time."""
    before = sum(proxy.count(machine, name) for name in ["heartbeat", "activate"])

    def arrived():
        state = driver.state()
        assert state["state"] in MAY_RUN, state
        return sum(proxy.count(machine, name) for name in ["heartbeat", "activate"]) >= before + count

    driver.wait(f"{count} requests", arrived)


def issue(code, **tier):
    """Creates a product with a tier whose tokens are short, and issues a license key."""
    product = stack.api("products", {"code": code, "name": "Atlas"}, stack.operator)
    pdf = stack.api("product-features", {"product_id": product["id"], "key": "export.pdf", "name": "PDF"}, stack.operator)
    rows = {"product_id": product["id"], "key": "export.rows", "name": "Rows", "kind": "limit"}
    rows = stack.api("product-features", rows, stack.operator)
    projects = {"product_id": product["id"], "key": "projects", "name": "Projects", "kind": "limit"}
    projects = stack.api("product-features", projects, stack.operator)
    tier = stack.api("pricing-tiers", {
        "product_id": product["id"], "code": "pro", "name": "Pro", "feature_ids": [pdf["id"]],
        "feature_limits": {rows["id"]: 1000, projects["id"]: None}, "max_users": 5, "monthly_price": 1900, "annual_price": 19000,
        "currency": "EUR", "billing_period": "annual", "heartbeat_interval_seconds": 1, "token_ttl_seconds": 4,
        "renew_after_seconds": 1, "offline_grace_seconds": HOUR, **tier,
    }, stack.operator)
    customer = stack.api("customers", {"name": "Ada", "email": f"{code}@example.com"}, stack.operator)
    issued = stack.api("license-keys", {"customer_id": customer["id"], "tier_id": tier["id"]}, stack.operator)
    configs[code] = stack.verifier_config(code)
    return issued["license_key"], issued["license"]["id"]


def activates_and_sends_heartbeats():
    app = Driver()
    assert app.open("laptop")["state"] == "Unactivated"
    app.call("activate", "Unactivated", error="not_found", license_key=license_key[:-1])
    app.call("activate", "Active", license_key=license_key)
    results = [app.send(do="has", feature="export.pdf")["result"], app.send(do="has", feature="export")["result"]]
    results += [app.send(do="limit", feature=name)["result"] for name in ["export.rows", "projects", "other"]]
    assert results == [True, False, 1000, "unlimited", 0], results
    heartbeats(app, "laptop", 3)
    assert [one["machine_id"] for one in activations(license_id)] == ["laptop"]
    return app


def survives_faults(app):
    def falsify(response):
        return response._replace(body=response.body.replace('"token":"e', '"token":"f'))

    for name, reply in {
        "portal": PORTAL, "blocked": BLOCKED, "closed": CLOSE_CONNECTION, "hangs": NEVER_RESPOND, "cut off": TRUNCATE, "falsified": falsify,
        "unavailable": problem(503, "unavailable"), "limited": problem(429, "rate_limited"), "unknown": problem(403, "teapot"),
    }.items():
        proxy.replies = {"*": reply}
        heartbeats(app, "laptop")
        proxy.replies = {}
        app.call("activate", "Active", license_key=license_key)
        print(f"{LANGUAGE}: {name}", file=sys.stderr)

    proxy.replies = {"*": CLOSE_CONNECTION}
    app.wait_for("Offline")
    state = app.state()
    assert state["reason"] == "network" and state["until"] > time.time() + HOUR / 2, state
    # A restart without network, after a crash.
    app.kill()
    app = Driver()
    assert app.open("laptop")["state"] == "Offline"
    assert app.send(do="has", feature="export.pdf")["result"] is True
    proxy.replies = {}
    app.wait_for("Active")
    return app


def follows_signing_keys(app):
    for _ in range(2):
        stack.api("signing-keys/rotate", {"force": True}, stack.operator)
    heartbeats(app, "laptop", 4)
    keys = stack.api("signing-keys", headers=stack.operator)["items"]
    current = next(key["kid"] for key in keys if key["state"] == "current")
    signed = decode_jwt(stack.request("/.well-known/jwks.jwt"))[1]["iat"]
    app.wait("the second in which the key set was signed ends", lambda: time.time() > signed + 1)
    before = proxy.count("laptop", "activate")
    stack.api(f"signing-keys/{current}/condemn", {"reason": "leaked"}, stack.operator)
    app.wait("activates again", lambda: proxy.count("laptop", "activate") > before)
    app.wait_for("Active")
    heartbeats(app, "laptop", 2)


def keeps_a_refusal(app):
    app.send(do="changes")
    license_action("suspend")
    app.wait_for("Refused")
    app.wait("reports the change", lambda: "Refused" in [change["state"] for change in app.send(do="changes")["result"]])
    assert app.send(do="has", feature="export.pdf")["result"] is False
    app.exit()
    proxy.replies = {"*": CLOSE_CONNECTION}
    app = Driver()
    assert app.open("laptop")["code"] == "suspended"
    proxy.replies = {}
    license_action("reinstate")
    app.call("activate", "Active", license_key=license_key)
    return app


def two_processes_share_a_seat(app):
    other = Driver()
    assert other.open("laptop")["state"] == "Active"
    heartbeats(other, "laptop", 3)
    license_action("suspend")
    app.wait_for("Refused")
    other.wait_for("Refused")
    license_action("reinstate")
    for driver in [app, other]:
        driver.call("activate", "Active", license_key=license_key)
    other.exit()


def borrows(app):
    until = int(time.time()) + 2 * HOUR
    state = app.call("borrow", "Active", until=until)
    assert abs(state["until"] - until) <= 1, state
    app.call("borrow", error="borrow_not_allowed", until=until + 365 * 24 * HOUR)
    proxy.replies = {"*": CLOSE_CONNECTION}
    app.exit()
    app = Driver()
    assert app.open("laptop")["state"] == "Active"
    proxy.replies = {}
    return app


def diagnoses(app):
    text = app.send(do="diagnose")["result"]
    assert "laptop" in text and "day" in text and "Active" in text, text


def deactivates(app):
    app.call("deactivate", "Unactivated")
    assert activations(license_id) == []
    app.exit()


def imports_a_license_file():
    proxy.replies = {"*": CLOSE_CONNECTION}
    app = Driver()
    app.open("press", machine_name="Press 3")
    request = app.send(do="offline_request")["result"]
    prefix, _, encoded = request.partition(":")
    assert prefix == "signet-request/1", request
    fields = decode_jwt(f"{encoded}.e30")[0]
    assert fields == {"product": "day", "machine_id": "press", "machine_name": "Press 3"}, fields
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + HOUR))
    body = {"machine_id": "press", "machine_name": "Press 3", "valid_until": until}
    file = stack.api(f"license-keys/{license_id}/offline-activations", body, stack.operator)
    app.call("import_license_file", "Unactivated", error="license_file_invalid", file=json.dumps(file)[:-9])
    state = app.call("import_license_file", "Active", file=json.dumps(file))
    assert abs(state["until"] - time.time() - HOUR) < PATIENCE, state
    app.exit()
    app = Driver()
    assert app.open("press")["state"] == "Active"
    app.exit()
    proxy.replies = {}


def floats():
    key, floating = issue("floating", seat_unit="process", max_users=1, offline_grace_seconds=0, token_ttl_seconds=10)
    one, two = Driver(), Driver()
    one.open("server", "one", "floating", instance_id="worker-1")
    two.open("server", "two", "floating", instance_id="worker-2")
    one.call("activate", "Active", license_key=key)
    two.call("activate", "Refused", error="seat_limit_reached", license_key=key)
    heartbeats(one, "server", 2)
    one.send(do="close")
    two.call("activate", "Active", license_key=key)
    two.send(do="close")
    assert activations(floating) == []
    for driver in [one, two]:
        driver.exit()


configs = {}
proxy = Proxy()
with Stack(SIGNET, Path(FOLDER) / "stack", "--no-rate-limits") as stack:
    proxy.base_url = stack.base_url
    license_key, license_id = issue("day", max_borrow_seconds=24 * HOUR)
    start = time.monotonic()
    try:
        app = activates_and_sends_heartbeats()
        app = survives_faults(app)
        follows_signing_keys(app)
        app = keeps_a_refusal(app)
        two_processes_share_a_seat(app)
        app = borrows(app)
        diagnoses(app)
        deactivates(app)
        imports_a_license_file()
        floats()
    finally:
        for driver in Driver.started:
            driver.kill()
        proxy.close()
    print(f"{LANGUAGE}: a day in {time.monotonic() - start:.0f} s")
