"""A stack in memory on this machine, and calls to its API."""

import base64
import json
import subprocess
import time
import urllib.request
from pathlib import Path

STARTUP_SECONDS = 30


class Stack:
    """Runs the `signet` binary. Its data directory, which it creates, gets the log files."""

    def __init__(self, signet, folder, *options):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        with (self.folder / "signet.out").open("w") as out, (self.folder / "signet.err").open("w") as err:
            command = [signet, "--memory", "--listen", "127.0.0.1:0", "--data", self.folder / "data", *options]
            self.process = subprocess.Popen(command, stdout=out, stderr=err)
        local = self._wait_for_local_json()
        self.base_url = local["base_url"]
        self.operator = {"X-Api-Key": local["operator_api_key"]}
        self.http = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def _wait_for_local_json(self):
        deadline = time.monotonic() + STARTUP_SECONDS
        path = self.folder / "data" / "local.json"
        while time.monotonic() < deadline and self.process.poll() is None:
            if path.exists():
                return json.loads(path.read_text())
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("signet did not start: " + (self.folder / "signet.err").read_text())

    def request(self, path, body=None, headers=()):
        """Returns the text of a response."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **dict(headers)}
        with self.http.open(urllib.request.Request(self.base_url + path, data, headers)) as response:
            return response.read().decode()

    def api(self, path, body=None, headers=()):
        """Returns the JSON of a response of the API."""
        return json.loads(self.request("/api/v1.0/" + path, body, headers))

    def issue_license_key(self, product_code, max_users=3):
        """Creates a product with one tier and one feature, and issues a license key for it."""
        product = self.api("products", {"code": product_code, "name": "Atlas"}, self.operator)
        feature = {"product_id": product["id"], "key": "export.pdf", "name": "PDF export"}
        feature = self.api("product-features", feature, self.operator)
        tier = self.api("pricing-tiers", {
            "product_id": product["id"], "code": "pro", "name": "Pro", "feature_ids": [feature["id"]],
            "max_users": max_users, "monthly_price": 1900, "annual_price": 19000, "currency": "EUR",
            "billing_period": "annual", "offline_grace_seconds": 600, "renew_after_seconds": 1,
            "max_borrow_seconds": 31_536_000,
        }, self.operator)
        customer = self.api("customers", {"name": "Ada", "email": f"{product_code}@example.com"}, self.operator)
        return self.api("license-keys", {"customer_id": customer["id"], "tier_id": tier["id"]}, self.operator)

    def activate(self, issued, machine_id, **fields):
        body = {"license_key": issued["license_key"], "machine_id": machine_id, **fields}
        return self.api("license-activations/activate", body)

    def verifier_config(self, product_code):
        """Returns what an app has built in."""
        root_keys = self.api("signing-keys", headers=self.operator)["root_keys"]
        issuer = json.loads(self.request("/.well-known/license-configuration"))["issuer"]
        return {"issuer": issuer, "product": product_code, "root_keys": root_keys}


def encode_base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_jwt(jwt):
    """Returns the header and the claims, without verification."""
    return [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in jwt.split(".")[:2]]
