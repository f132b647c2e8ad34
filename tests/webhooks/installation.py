"""A local server over a data directory, which can be killed and started again, and calls to its API."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "interop"))

from stack import Stack  # noqa: E402


class Installation(Stack):
    """Runs the `signet` binary over a data directory in a folder, which it creates."""

    def __init__(self, signet, folder, environment):
        self.signet, self.folder, self.environment = signet, Path(folder), environment
        self.folder.mkdir(parents=True)
        self.http = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.start()

    def start(self):
        with (self.folder / "signet.out").open("a") as out, (self.folder / "signet.err").open("a") as err:
            command = [self.signet, "--listen", "127.0.0.1:0", "--data", self.folder / "data", "--no-rate-limits"]
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        local = self._wait_for_local_json()
        self.base_url = local["base_url"]
        self.operator = {"X-Api-Key": local["operator_api_key"]}

    def kill(self):
        """Ends the process without warning."""
        self.process.kill()
        self.process.wait()
        self._forget()

    def restart(self):
        self.stop()
        self._forget()
        self.start()

    def _forget(self):
        # So that the next start waits for its own.
        (self.folder / "data" / "local.json").unlink(missing_ok=True)

    def call(self, method, path, body=None):
        """Returns the JSON of a response to the operator, or None if it has no body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.operator}
        url = f"{self.base_url}/api/v1.0/{path}"
        try:
            with self.http.open(urllib.request.Request(url, data, headers, method=method)) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error
        return json.loads(text) if text else None

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, **body):
        return self.call("POST", path, body)

    def items(self, path):
        """Returns the items of all pages of a list."""
        separator = "&" if "?" in path else "?"
        items, cursor = [], ""
        while cursor is not None:
            page = self.get(f"{path}{separator}limit=100" + (f"&cursor={cursor}" if cursor else ""))
            items += page["items"]
            cursor = page["next_cursor"]
        return items

    def create_endpoint(self, url, event_types):
        return self.post("webhook-endpoints", url=url, event_types=event_types)

    def deliveries(self, endpoint, status=None):
        """Returns the deliveries to an endpoint, those of the oldest events first."""
        path = f"webhook-endpoints/{endpoint['id']}/deliveries" + (f"?status={status}" if status else "")
        return sorted(self.items(path), key=lambda delivery: delivery["event_id"])

    def events_for(self, endpoint):
        """Returns the events since an endpoint was created that are not about itself, the oldest first."""
        events = [event for event in self.items("events") if event["at"] >= endpoint["created_at"]]
        return sorted(
            (event for event in events if event["subject"]["id"] != endpoint["id"]), key=lambda event: event["id"]
        )
