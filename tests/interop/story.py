"""Lives through turns of the signing keys, condemnations, a clock that was wrong and a network that is away, with the README's
apps in Python and Node, which are started anew for each step. Stops the stack for the last part.

Usage: story.py local.json PID
"""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stack import api, ask, base, operator, sold


def said(token):
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


class Run:
    """An app on a machine."""

    def __init__(self, name, issued, built_in, command, names):
        self.name, self.command, self.names = name, command, names
        self.file, self.folder = Path(f"{name}.json"), Path(f"{name}-folder")
        self.folder.mkdir()
        self.file.write_text(json.dumps({
            "built_in": built_in, "folder": str(self.folder), "machine_id": name, "license_key": issued["license_key"],
        }))

    def does(self, method):
        done = self.tries(method)
        assert done.returncode == 0, f"{self.name} {method}: {done.stderr}"
        return json.loads(done.stdout)

    def refuses(self, method, why):
        done = self.tries(method)
        assert done.returncode != 0 and why in done.stderr, f"{self.name} {method}: {done}"

    def tries(self, method):
        command = [*self.command, str(self.file), self.names.get(method, method)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def token(self):
        return said((self.folder / "token").read_text())

    def kid(self):
        return self.token()[0]["kid"]

    def licensed(self):
        claims = self.does("licensed")
        assert claims == self.token()[1], claims
        assert claims["activation"]["machine_id"] == self.name, claims


def past(second):
    while time.time() < second:
        time.sleep(0.05)


def turn():
    """Another key signs. The set on disk is from before."""
    api("signing-keys/rotate", {"force": True}, operator)


def condemn():
    """The key that signs is known to be stolen."""
    # Sets are told apart by the second in which they were signed.
    past(said(ask("/.well-known/jwks.jwt"))[1]["iat"] + 1)
    kid = next(key["kid"] for key in api("signing-keys", headers=operator)["items"] if key["state"] == "current")
    api(f"signing-keys/{kid}/condemn", {"reason": "seen elsewhere"}, operator)


with ThreadPoolExecutor() as pool:

    def each(do):
        list(pool.map(do, runs))

    issued = sold("mercury")
    built_in = {"issuer": base, "product": "mercury", "root_keys": api("signing-keys", headers=operator)["root_keys"]}
    runs = [
        Run("python", issued, built_in, [sys.executable, "once.py"], {}),
        Run("node", issued, built_in, ["node", "once.mjs"], {"fetch_keys": "fetchKeys"}),
    ]

    # The first start: nothing is on disk yet.
    each(Run.licensed)
    first = [run.kid() for run in runs]
    # A heartbeat brings a token of a key that the set on disk has not.
    for _ in range(2):
        turn()
    # A token that is younger than the tier's renew_after_seconds would come back as it was sent.
    past(max(run.token()[1]["iat"] for run in runs) + 2)
    each(lambda run: run.does("heartbeat"))
    assert all(run.kid() not in first for run in runs)
    each(Run.licensed)

    # A heartbeat answers that the key was condemned.
    gone = runs[0].kid()
    condemn()
    each(lambda run: run.does("heartbeat"))
    assert all(run.kid() != gone for run in runs)
    each(Run.licensed)

    # The set that is fetched once a day says so.
    gone = runs[0].kid()
    condemn()
    each(Run.licensed)
    assert all(run.kid() == gone for run in runs), "the app has not heard of it"
    each(lambda run: run.does("fetch_keys"))
    each(Run.licensed)
    assert all(run.kid() != gone for run in runs)

    # A clock was wrong once, and a heartbeat mends that.
    for run in runs:
        (run.folder / "last-seen").write_text(str(int(time.time()) + 1000))
    each(lambda run: run.refuses("licensed", "set back"))
    each(lambda run: run.does("heartbeat"))
    each(Run.licensed)

    # What the vendor says no to reaches the user.
    license_id = issued["license"]["id"]
    api(f"license-keys/{license_id}/suspend", {}, operator)
    each(lambda run: run.refuses("heartbeat", "403" if run.name == "python" else "suspended"))
    api(f"license-keys/{license_id}/reinstate", {}, operator)
    each(lambda run: run.does("heartbeat"))

    # The network is away.
    os.kill(int(sys.argv[2]), signal.SIGTERM)
    while Path(sys.argv[1]).exists():
        time.sleep(0.05)
    for method in ["licensed", "heartbeat", "fetch_keys", "licensed"]:
        each(lambda run: run.does(method))
    assert all({path.name for path in run.folder.iterdir()} == {"jwks.jwt", "last-seen", "token"} for run in runs)
print("story: the apps in Python and Node lived through it")
