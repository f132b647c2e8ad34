"""Runs the example apps in Python, Node, Rust and Java through signing key rotation, condemnation, clock changes, refusals and
outages. Every step runs a new process of the app, and so is a restart. The apps call the stack through a proxy.

Usage: app_scenarios.py SIGNET_BINARY RUST_APP [SCENARIO...]
"""

import json
import os
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from proxy import CLOSE_CONNECTION, NEVER_RESPOND, Canned, Hold, Proxy, problem
from stack import Stack, decode_jwt

SIGNET, RUST_APP, *SELECTED = sys.argv[1:]
COMMANDS = {
    "python": [sys.executable, "../python/app.py"],
    "node": ["node", "../node/app.mjs"],
    "rust": [RUST_APP],
    "java": ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", "../java/target/classes:../java/target/lib/*", "example.App"],
}
LICENSE_CODES = ["revoked", "superseded", "suspended", "expired", "product_inactive", "generation_outdated"]
UNREACHABLE = Canned(503, "text/html", "<h1>Service unavailable</h1>")


class App:
    """An example app on a machine, with its data directory."""

    def __init__(self, language, scenario, config, license_key, folder=None, machine_id=None):
        self.language = language
        self.machine_id = machine_id or f"{scenario}-{language}"
        self.license_key = license_key
        self.folder = Path(folder or f"apps/{scenario}-{language}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder.with_suffix(".json")
        self.config.write_text(json.dumps(config))

    def start(self, *command):
        environment = {**os.environ, "MACHINE_ID": self.machine_id, "LICENSE_KEY": self.license_key}
        arguments = [*COMMANDS[self.language], str(self.config), str(self.folder), *command]
        return subprocess.Popen(
            arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self, process):
        """Returns what the app printed, after it has succeeded."""
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"{self.language}: {process.args[-1]}: {err}"
        return json.loads(out)

    def run(self, *command):
        return self.result(self.start(*command))

    def fails(self, command, message, *arguments):
        process = self.start(command, *arguments)
        out, err = process.communicate(timeout=120)
        failed = process.returncode != 0 and message in err
        assert failed, f"{self.language}: {command} must fail with {message!r}: {out}{err}"

    def heartbeat(self):
        assert self.run("heartbeat") is True, f"{self.language}: the heartbeat did not renew the token"

    def heartbeat_is_unavailable(self):
        assert self.run("heartbeat") is False, f"{self.language}: the heartbeat must report an outage"

    def heartbeat_is_refused(self, code):
        self.fails("heartbeat", f"license refused: {code}")
        assert not (self.folder / "token").exists(), f"{self.language}: the token is still on disk"

    def licensed(self):
        claims = self.run("licensed")
        assert claims == self.claims(), claims
        assert claims["activation"]["machine_id"] == self.machine_id, claims
        return claims

    def is_refused(self, code):
        self.fails("licensed", f"license refused: {code}")

    def token_file(self):
        return (self.folder / "token").read_text()

    def header(self):
        return decode_jwt(self.token_file().split(" ")[0])[0]

    def claims(self):
        return decode_jwt(self.token_file().split(" ")[0])[1]

    def kid(self):
        return self.header()["kid"]

    def files(self):
        return {path.name for path in self.folder.iterdir()}


class replies:  # noqa: N801 reads as a statement
    """Replaces responses for the length of a `with` block."""

    def __init__(self, replaced):
        self.replaced = replaced

    def __enter__(self):
        self.before, proxy.replies = proxy.replies, {**proxy.replies, **self.replaced}

    def __exit__(self, *_):
        proxy.replies = self.before


def each(apps, action):
    """Runs an action with each of the apps, in parallel."""
    with ThreadPoolExecutor(len(apps)) as pool:
        list(pool.map(action, apps))


def new_apps(scenario, max_users=8):
    """Issues a license key for a product of its own. Returns it with an app per language, all of which are activated."""
    issued = stack.issue_license_key(scenario, max_users)
    config = stack.verifier_config(scenario)
    apps = [App(language, scenario, config, issued["license_key"]) for language in COMMANDS]
    each(apps, App.licensed)
    return apps, issued


def license_action(issued, action):
    stack.api(f"license-keys/{issued['license']['id']}/{action}", {}, stack.operator)


def deactivate(app):
    """Frees the app's seat, as an operator does."""
    stack.api(f"license-activations/{app.claims()['activation']['id']}/deactivate", {}, stack.operator)


def wait_until(second):
    while time.time() < second:
        time.sleep(0.05)


def wait_until_renewable(apps):
    """A token that is younger than the tier's renew_after_seconds is returned unchanged."""
    wait_until(max(app.claims()["iat"] for app in apps) + 2)


def rotate():
    """Promotes the next signing key. The stored key sets are older."""
    stack.api("signing-keys/rotate", {"force": True}, stack.operator)


def condemn():
    """Condemns the current signing key."""
    # Key sets are ordered by the second in which they were signed.
    wait_until(decode_jwt(stack.request("/.well-known/jwks.jwt"))[1]["iat"] + 1)
    keys = stack.api("signing-keys", headers=stack.operator)["items"]
    kid = next(key["kid"] for key in keys if key["state"] == "current")
    stack.api(f"signing-keys/{kid}/condemn", {"reason": "leaked"}, stack.operator)


def app_follows_signing_keys():
    apps, _ = new_apps("keys")
    first = [app.kid() for app in apps]
    # A heartbeat returns a token of a key that is not in the stored key set.
    for _ in range(2):
        rotate()
    wait_until_renewable(apps)
    each(apps, App.heartbeat)
    assert all(app.kid() not in first for app in apps)
    each(apps, App.licensed)

    # The heartbeat reports that the signing key was condemned: the app activates again.
    condemned = apps[0].kid()
    condemn()
    each(apps, App.heartbeat)
    assert all(app.kid() != condemned for app in apps)
    each(apps, App.licensed)

    # The next key set that is fetched reports it.
    condemned = apps[0].kid()
    condemn()
    each(apps, App.licensed)
    assert all(app.kid() == condemned for app in apps), "the app does not know about it yet"
    each(apps, lambda app: app.run("fetch-keys"))
    each(apps, App.licensed)
    assert all(app.kid() != condemned for app in apps)


def heartbeat_corrects_a_clock_that_was_ahead():
    apps, _ = new_apps("clock")
    for app in apps:
        (app.folder / "last-seen").write_text(str(int(time.time()) + 1000))
    each(apps, lambda app: app.fails("licensed", "the clock was set back"))
    each(apps, App.heartbeat)
    each(apps, App.licensed)


def suspended_license_stops_until_it_is_reinstated():
    apps, issued = new_apps("suspended")
    license_action(issued, "suspend")
    each(apps, lambda app: app.heartbeat_is_refused("suspended"))
    each(apps, lambda app: app.is_refused("suspended"))
    with replies({"*": UNREACHABLE}):
        each(apps, lambda app: app.is_refused("suspended"))
        each(apps, lambda app: app.heartbeat_is_refused("suspended"))
    license_action(issued, "reinstate")
    each(apps, App.heartbeat)
    # The token that followed the refusal is good, also offline.
    with replies({"*": UNREACHABLE}):
        each(apps, App.licensed)
        each(apps, App.heartbeat_is_unavailable)


def revoked_license_stays_stopped_after_a_restart():
    apps, issued = new_apps("revoked")
    tokens = [app.token_file() for app in apps]
    license_action(issued, "revoke")
    # Until it hears of it, the app goes on.
    each(apps, App.licensed)
    each(apps, lambda app: app.heartbeat_is_refused("revoked"))
    each(apps, lambda app: app.is_refused("revoked"))
    with replies({"*": UNREACHABLE}):
        each(apps, lambda app: app.is_refused("revoked"))
        # A crash between writing the refusal and removing the token leaves both.
        for app, token in zip(apps, tokens, strict=True):
            (app.folder / "token").write_text(token)
        each(apps, lambda app: app.is_refused("revoked"))
    each(apps, lambda app: app.heartbeat_is_refused("revoked"))


def every_license_code_stops_the_app():
    apps, _ = new_apps("codes")
    for code in LICENSE_CODES:
        with replies({"heartbeat": problem(403, code)}):
            each(apps, lambda app: app.heartbeat_is_refused(code))  # noqa: B023 runs at once
        with replies({"*": UNREACHABLE}):
            each(apps, lambda app: app.is_refused(code))  # noqa: B023
        each(apps, App.licensed)


def other_responses_count_as_unreachable():
    apps, _ = new_apps("unreachable")
    wait_until_renewable(apps)
    tokens = [app.token_file() for app in apps]
    foreign = stack.activate(stack.issue_license_key("foreign"), "another-machine")["token"]
    html = "<!DOCTYPE html><title>Blocked by policy</title>"
    for reply in [
        Canned(403, "text/html", html),
        Canned(200, "text/html", html),
        Canned(403, "text/html", json.dumps({"code": "revoked"})),
        Canned(403, "application/json", json.dumps({"code": "revoked"})),
        Canned(403, "application/problem+json", "revoked"),
        Canned(403, "application/problem+json", json.dumps(["revoked"])),
        Canned(200, "application/json", json.dumps({"token": f"{foreign}x"})),
        problem(403, "blocked_by_policy"),
        problem(403, "machine_mismatch"),
        problem(404, "not_found"),
        problem(429, "rate_limited"),
        problem(500, "internal_error"),
        problem(503, "unavailable"),
        problem(503, "revoked"),
        CLOSE_CONNECTION,
        NEVER_RESPOND,
    ]:
        with replies({"*": reply}):
            each(apps, App.heartbeat_is_unavailable)
        assert [app.token_file() for app in apps] == tokens, reply
    with replies({"*": Canned(403, "text/html", html)}):
        each(apps, App.licensed)
        each(apps, lambda app: app.run("fetch-keys"))
    assert all(app.files() == {"jwks.jwt", "last-seen", "token"} for app in apps)
    # Parameters and case of the media type do not matter.
    with replies({"heartbeat": Canned(403, "Application/Problem+JSON; charset=utf-8", '{"code": "revoked"}')}):
        each(apps, lambda app: app.heartbeat_is_refused("revoked"))


def outage_at_the_first_start_is_no_refusal():
    issued = stack.issue_license_key("first-start")
    config = stack.verifier_config("first-start")
    apps = [App(language, "first-start", config, issued["license_key"]) for language in COMMANDS]
    with replies({"*": UNREACHABLE}):
        each(apps, lambda app: app.fails("licensed", "API unavailable: HTTP status 503"))
        each(apps, App.heartbeat_is_unavailable)
    for app in apps:
        app.license_key = issued["license_key"][:-1]
    each(apps, lambda app: app.is_refused("not_found"))


def lost_seat_is_activated_once():
    apps, _ = new_apps("seat")

    def activates_once(app, action):
        before = proxy.count(app.machine_id, "activate")
        action(app)
        count = proxy.count(app.machine_id, "activate") - before
        assert count == 1, f"{app.language}: {count} activations"

    before = [app.claims()["activation"]["id"] for app in apps]
    each(apps, deactivate)
    each(apps, lambda app: activates_once(app, App.heartbeat))
    each(apps, App.licensed)
    after = [app.claims()["activation"]["id"] for app in apps]
    assert not set(before) & set(after)

    with replies({"heartbeat": problem(401, "token_invalid")}):
        each(apps, lambda app: activates_once(app, App.heartbeat))
        each(apps, App.licensed)
        # If the activation cannot be reached, the app goes on and tries again at the next heartbeat.
        with replies({"activate": Canned(403, "text/html", "<h1>Blocked</h1>")}):
            each(apps, lambda app: activates_once(app, App.heartbeat_is_unavailable))
            each(apps, App.licensed)
        each(apps, lambda app: activates_once(app, App.heartbeat))

    for code in ["not_activated", "token_invalid"]:
        with replies({"heartbeat": problem(403, "not_activated"), "activate": problem(403, code)}):
            each(apps, lambda app: activates_once(app, lambda app: app.heartbeat_is_refused(code)))  # noqa: B023
        with replies({"*": UNREACHABLE}):
            each(apps, lambda app: app.is_refused(code))  # noqa: B023
        each(apps, App.licensed)


def lost_seat_that_another_machine_took_stops_the_app():
    def run(language):
        scenario = f"taken-{language}"
        issued = stack.issue_license_key(scenario, max_users=1)
        app = App(language, scenario, stack.verifier_config(scenario), issued["license_key"])
        app.licensed()
        deactivate(app)
        other = stack.activate(issued, "another-machine")
        app.heartbeat_is_refused("seat_limit_reached")
        app.is_refused("seat_limit_reached")
        stack.api(f"license-activations/{other['activation']['id']}/deactivate", {}, stack.operator)
        app.licensed()

    each(list(COMMANDS), run)


def processes_share_a_folder():
    issued = stack.issue_license_key("shared")
    config = stack.verifier_config("shared")
    apps = [
        App(language, "shared", config, issued["license_key"], "apps/shared", "shared-machine") for language in COMMANDS
    ]
    for command in ["licensed", "heartbeat", "fetch-keys", "licensed"]:
        processes = [(app, app.start(command)) for app in apps for _ in range(2)]
        assert all(app.result(process) for app, process in processes), command
    assert apps[0].files() == {"jwks.jwt", "last-seen", "token"}, apps[0].files()

    # A refusal that one process receives stops the others.
    license_action(issued, "suspend")
    for app in apps:
        app.heartbeat_is_refused("suspended")
        with replies({"*": UNREACHABLE}):
            each(apps, lambda other: other.is_refused("suspended"))
        license_action(issued, "reinstate")
        app.licensed()
        with replies({"*": UNREACHABLE}):
            each(apps, App.licensed)
        license_action(issued, "suspend")
    license_action(issued, "reinstate")

    # A token that was requested before the refusal, and arrives after it, does not count.
    for app, other in zip(apps, [*apps[1:], apps[0]], strict=True):
        app.licensed()
        wait_until_renewable([app])
        hold = Hold()
        with replies({"heartbeat": hold}):
            process = app.start("heartbeat")
            assert hold.arrived.wait(60), "the heartbeat did not arrive"
        with replies({"heartbeat": problem(403, "revoked")}):
            other.heartbeat_is_refused("revoked")
        hold.released.set()
        process.communicate(timeout=120)
        assert "token" in app.files(), "the late token was not written: the scenario tests nothing"
        with replies({"*": UNREACHABLE}):
            each(apps, lambda app: app.is_refused("revoked"))
    each(apps, App.licensed)
    assert apps[0].files() == {"jwks.jwt", "last-seen", "refusal", "token"}, apps[0].files()


def license_file_licenses_a_machine_that_never_reaches_the_api():
    """The files have the tokens of activations."""
    apps, _ = new_apps("license-file")
    config = json.loads(apps[0].config.read_text())
    key_set = stack.request("/.well-known/jwks.jwt")

    def import_file(app):
        content = {"format": "signet-license/1", "issuer": config["issuer"], "product": config["product"],
                   "token": (app.folder / "token").read_text(), "signed_jwks": key_set}
        file = app.folder.with_suffix(".signet-license")
        file.write_text(json.dumps(content))
        offline = App(app.language, "license-file-offline", config, "", machine_id=app.machine_id)
        imported = offline.run("import-license-file", str(file))
        assert imported["activation"]["machine_id"] == app.machine_id
        assert offline.licensed() == imported
        assert offline.files() == {"last-seen", "license-file", "token"}, offline.files()
        other = App(app.language, "license-file-other", config, "", machine_id="another-machine")
        other.fails("import-license-file", "not for this machine", str(file))

    with replies({"*": UNREACHABLE}):
        each(apps, import_file)


def app_goes_on_when_the_stack_is_stopped():
    apps, _ = new_apps("outage")
    stack.stop()
    proxy.close()
    each(apps, App.licensed)
    each(apps, App.heartbeat_is_unavailable)
    each(apps, lambda app: app.run("fetch-keys"))
    each(apps, App.licensed)
    assert all(app.files() == {"jwks.jwt", "last-seen", "token"} for app in apps)


SCENARIOS = [
    app_follows_signing_keys,
    heartbeat_corrects_a_clock_that_was_ahead,
    suspended_license_stops_until_it_is_reinstated,
    revoked_license_stays_stopped_after_a_restart,
    every_license_code_stops_the_app,
    other_responses_count_as_unreachable,
    outage_at_the_first_start_is_no_refusal,
    lost_seat_is_activated_once,
    lost_seat_that_another_machine_took_stops_the_app,
    processes_share_a_folder,
    license_file_licenses_a_machine_that_never_reaches_the_api,
    app_goes_on_when_the_stack_is_stopped,  # last: it stops the stack
]

proxy = Proxy()
scenarios = [scenario for scenario in SCENARIOS if not SELECTED or scenario.__name__ in SELECTED]
failed = 0
with Stack(SIGNET, "app-stack", "--issuer", proxy.url, "--no-rate-limits") as stack:
    proxy.base_url = stack.base_url
    for scenario in scenarios:
        started = time.monotonic()
        proxy.replies = {}
        try:
            scenario()
            outcome = "ok"
        except Exception:
            traceback.print_exc()
            failed, outcome = failed + 1, "FAILED"
        print(f"{scenario.__name__}: {outcome} ({time.monotonic() - started:.0f} s)", flush=True)
print(f"apps: {len(scenarios) - failed} passed, {failed} failed")
sys.exit(failed > 0 or not scenarios)
