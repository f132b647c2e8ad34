"""Answers each JSON object, one per line on standard input, with one JSON line. Uses only the public API."""

import json
import os
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path

import signet_client

OPTIONS = (
    "folder",
    "machine_id",
    "instance_id",
    "machine_name",
    "app_version",
    "os",
    "hostname",
    "keep_license_key",
    "proxy",
)


class Driver:
    """Holds the license handle of the process."""

    def __init__(self):
        self.license = None
        self.lock = threading.Lock()
        self.changes = []

    def answer(self, command):
        do = command["do"]
        try:
            result = getattr(self, f"do_{do}")(command)
        except signet_client.LicenseError as error:
            answer = {"error": error.code}
            return answer if self.license is None else {"state": to_json(self.license.state()), **answer}
        return result if result is not None else {"state": to_json(self.license.state())}

    def do_open(self, command):
        given = command.get("options", {})
        options = {name: given[name] for name in OPTIONS if name in given}
        if given.get("ca_file"):
            options["ca_certificates"] = Path(given["ca_file"]).read_text()
        if given.get("timeout_seconds"):
            options["timeout"] = given["timeout_seconds"]
        self.license = signet_client.open(command["config"], signet_client.Options(**options))
        self.license.on_change(self.record)

    def record(self, state):
        with self.lock:
            self.changes.append(to_json(state))

    def do_state(self, command):
        pass

    def do_activate(self, command):
        self.license.activate(command["license_key"])

    def do_deactivate(self, command):
        self.license.deactivate()

    def do_release(self, command):
        self.license.release()

    def do_close(self, command):
        self.license.close()

    def do_borrow(self, command):
        self.license.borrow(datetime.fromtimestamp(command["until"], timezone.utc))

    def do_import_license_file(self, command):
        self.license.import_license_file(command["file"])

    def do_offline_request(self, command):
        return {"result": self.license.offline_request()}

    def do_diagnose(self, command):
        return {"result": self.license.diagnose()}

    def do_has(self, command):
        return {"result": self.license.has(command["feature"])}

    def do_limit(self, command):
        limit = self.license.limit(command["feature"])
        return {"result": "unlimited" if limit == signet_client.UNLIMITED else limit}

    def do_changes(self, command):
        with self.lock:
            changes, self.changes = self.changes, []
        return {"result": changes}

    def do_exit(self, command):
        sys.stdout.flush()
        os._exit(0)


def to_json(state):
    """Returns a state in the form of the scenarios."""
    fields = {
        name: int(value.timestamp()) if isinstance(value, datetime) else value for name, value in vars(state).items()
    }
    return {"state": state.name, **fields}


def main():
    driver = Driver()
    for line in sys.stdin:
        print(json.dumps(driver.answer(json.loads(line))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
