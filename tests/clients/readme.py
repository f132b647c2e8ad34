"""Runs the program of a README in a folder that contains the app file, and gives it a license key on standard input. It runs twice: the
second time without network, and the license key is not asked for.

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
    machines = stack.api(f"license-activations?license_id={issued['license']['id']}", headers=stack.operator)["items"]
    is_ephemeral = all(machine["machine_id"].startswith("ephemeral-") for machine in machines)
    assert machines or not is_ephemeral, f"no machine was activated: {first}"
# In a container, the machine id is ephemeral, and its seat is free again.
if machines and not is_ephemeral:
    run("")
print(f"README program: {first.strip()}")
