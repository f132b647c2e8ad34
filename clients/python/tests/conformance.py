"""A runner for the scenarios of the conformance suite."""

import base64
import json
from pathlib import Path

from signet_client.background_run import run
from signet_client.config import Config
from signet_client.core import Core
from signet_client.errors import LicenseError
from signet_client.identity import Identity
from signet_client.license import UNLIMITED, License
from signet_client.ports import NoResponse, Response, Sources
from signet_client.session import Session

CONFORMANCE = Path(__file__).resolve().parents[2] / "conformance"
CONFIG = json.loads((CONFORMANCE / "config.json").read_text())


def scenarios():
    return [
        (f"{path.stem}: {scenario['name']}", scenario)
        for path in sorted((CONFORMANCE / "scenarios").glob("*.json"))
        for scenario in json.loads(path.read_text())
    ]


class Files:
    """The storage of a scenario."""

    def __init__(self, files, read_only):
        self.files = {name: text.encode() for name, text in files.items()}
        self.read_only = read_only

    def read(self, name):
        return self.files.get(name)

    def write(self, name, content):
        if self.read_only:
            raise OSError("read-only file system")
        self.files[name] = content

    def remove(self, name):
        if self.read_only:
            raise OSError("read-only file system")
        self.files.pop(name, None)

    def change(self, changes):
        for name, text in changes.items():
            if text is None:
                self.files.pop(name, None)
            else:
                self.files[name] = text.encode()


class Server:
    """The transport of a scenario."""

    def __init__(self, files):
        self.files = files
        self.responses = []
        self.requests = []

    def send(self, request):
        seen = {"method": request.method, "path": request.path}
        if request.body is not None:
            seen["body"] = dict(request.body)
        self.requests.append(seen)
        assert self.responses, f"unexpected request {seen}"
        response = self.responses.pop(0)
        self.files.change(response.get("during", {}))
        if "fault" in response:
            return NoResponse(f"fault: {response['fault']}")
        body = response["body"]
        content = body if isinstance(body, str) else json.dumps(body)
        return Response(response["status"], response["headers"], content.encode())


class Runner:
    """Runs the steps of a scenario."""

    def __init__(self, scenario):
        self.options = scenario["options"]
        self.files = Files(scenario["storage"], self.options.get("read_only", False))
        self.server = Server(self.files)
        self.wall, self.monotonic, self.random = scenario["start"], 0, scenario["random"]
        self.clients, self.changes = {}, {}

    def step(self, step):
        name = step.get("client", "a")
        self.server.responses, self.server.requests = list(step.get("responses", [])), []
        self.changes[name] = []
        result, error, message = None, None, ""
        try:
            result = self.perform(name, step)
        except LicenseError as failure:
            error, message = failure.code, failure.message
        assert error == step.get("error")
        assert "\n" not in message
        assert all(text in message for text in step.get("message", [])), message
        assert not any(text in message for text in step.get("message_excludes", [])), message
        assert self.server.requests == step.get("requests", [])
        assert not self.server.responses, "a response was not used"
        self.compare(name, step, result)

    def perform(self, name, step):
        do, client = step["do"], self.clients.get(name)
        if do == "open":
            self.clients[name] = self.open(name)
        elif do == "restart":
            del self.clients[name]
        elif do == "advance":
            self.wall += step["seconds"]
            self.monotonic += step["seconds"]
        elif do == "set_clock":
            self.wall += step["seconds"]
        elif do == "run":
            client._session.perform(run)
        elif do == "borrow":
            client.borrow(to_datetime(step["until"]))
        elif do == "import_license_file":
            client.import_license_file(step["file"])
        elif do == "activate":
            client.activate(step["license_key"])
        elif do in ("has", "limit"):
            return getattr(client, do)(step["feature"])
        else:
            return getattr(client, do)()
        return None

    def open(self, name):
        options = self.options
        identity = Identity.create(
            CONFIG["machine_id"],
            is_ephemeral=options.get("ephemeral", False),
            **{key: options.get(key) for key in ("instance_id", "machine_name", "app_version", "os", "hostname")},
        )
        sources = Sources(lambda: self.wall, lambda: self.monotonic, lambda: self.random)
        core = Core(
            Config.parse(CONFIG), identity, self.files, sources, keep_license_key=options.get("keep_license_key", True)
        )
        client = License(Session(core, self.server), "memory")
        client.on_change(lambda state: self.changes[name].append(to_json(state)))
        return client

    def compare(self, name, step, result):
        client = self.clients.get(name)
        if step.get("state") is not None:
            assert to_json(client.state()) == step["state"]
        if "next" in step:
            seconds = client._session.seconds_until_due()
            expected = step["next"]
            assert (seconds is None) == (expected is None), f"next is {seconds}, expected {expected}"
            assert seconds is None or abs(seconds - expected) <= 1, f"next is {seconds}, expected {expected}"
        if "changes" in step:
            assert self.changes[name] == step["changes"]
        for file, expected in step.get("storage", {}).items():
            self.compare_file(file, expected)
        if "result" in step:
            assert self.to_result(step["do"], result) == step["result"]
        assert all(text in result for text in step.get("contains", [])), result
        assert not any(text in result for text in step.get("excludes", []))

    def compare_file(self, name, expected):
        content = self.files.read(name)
        if expected is None or isinstance(expected, str):
            assert (content and content.decode()) == expected, name
        else:
            stored = json.loads(content)
            assert {key: stored.get(key) for key in expected} == expected, name

    @staticmethod
    def to_result(do, result):
        if do == "offline_request":
            prefix, _, text = result.partition(":")
            assert prefix == "signet-request/1"
            return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return "unlimited" if result == UNLIMITED else result


def to_datetime(seconds):
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc)


def to_json(state):
    """Returns a state in the form of the scenarios."""
    values = {
        name: int(value.timestamp()) if hasattr(value, "timestamp") else value for name, value in vars(state).items()
    }
    return {"state": state.name, **values}


__all__ = ["Runner", "scenarios", "to_json"]
