"""Runs the program of a README in a folder that contains the app file, and gives it a license key on standard input. It runs twice: the
second time without network and without a license key.

Usage: readme.py SIGNET_BINARY FOLDER PROJECT COMMAND [ARGUMENT...]
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "interop"))

from stack import Stack  # noqa: E402

signet, folder, project, *command = sys.argv[1:]
# The program runs on this machine, whatever it is: without these, its machine id would be ephemeral in a CI job.
environment = {name: value for name, value in os.environ.items() if name not in ("CI", "container", "KUBERNETES_SERVICE_HOST")}
environment |= {"HOME": folder, "XDG_DATA_HOME": str(Path(folder) / "data")}


def run(text):
    process = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, timeout=120)
    assert process.returncode == 0, f"{process.returncode}: {process.stdout}{process.stderr}"
    return process.stdout


with Stack(signet, Path(folder) / "stack") as stack:
    issued = stack.issue_license_key("readme")
    config = {"api_url": stack.base_url, **stack.verifier_config("readme")}
    (Path(project) / "signet-app.json").write_text(json.dumps(config))
    first = run(f"{issued['license_key']}\n")
    license = issued["license"]["id"]
    events = stack.api(f"license-keys/{license}/events", headers=stack.operator)["items"]
    assert len(events) > 1, f"no machine was activated: {first}"
    machines = stack.api(f"license-activations?license_id={license}", headers=stack.operator)["items"]
# The seat of an ephemeral machine, as in a container, is free again. Any other starts without network.
if machines:
    run("")
print(f"README program: {first.strip()}")
