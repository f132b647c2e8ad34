"""A licensed program.

Usage: app.py APP_FILE status | activate KEY | run | offline-request | import FILE | deactivate | diagnose
"""

import sys
import time
from pathlib import Path

import signet_client
from signet_client import Active, Expired, License, LicenseError, Offline, Options, Refused, State, Unactivated

VERSION = "4.2.0"
# The commands, and the number of their arguments.
COMMANDS = {"status": 0, "activate": 1, "run": 0, "offline-request": 0, "import": 1, "deactivate": 0, "diagnose": 0}
REFUSALS = {
    "seat_limit_reached": "All seats of this license are in use.",
    "wrong_product": "This license key is for another product.",
}


def describe(state: State) -> str:
    """Returns what the program shows to its user."""
    if isinstance(state, Active):
        until = f" Your license has expired: renew it until {state.grace_ends_at:%d %B %Y}." if state.in_grace else ""
        return f"Licensed.{until}"
    if isinstance(state, Offline):
        return f"Licensed, but offline ({state.reason}). Connect to the internet before {state.until:%d %B %Y}."
    if isinstance(state, Expired):
        return "This machine was offline for too long. Connect to the internet."
    if isinstance(state, Refused):
        return REFUSALS.get(state.code, f"The license cannot be used: {state.code}.")
    if isinstance(state, Unactivated):
        return describe_unactivated(state)
    return "The clock of this machine was set back. Set it right, and connect to the internet."


def describe_unactivated(state: Unactivated) -> str:
    if not state.has_license_key:
        return "Enter a license key."
    return "Activating…" if state.reason == "not_contacted" else f"No connection ({state.reason}). Trying again…"


def run(license: License) -> None:
    """Works until the license ends."""
    print(describe(license.state()), flush=True)
    license.on_change(lambda state: print(describe(state), flush=True))
    while license.state().may_run:
        rows = min(license.limit("export.rows"), 5000)
        print(f"Exporting {rows} rows as {'PDF' if license.has('export.pdf') else 'text'}", flush=True)
        time.sleep(10)


def execute(license: License, command: str, arguments: list[str]) -> None:
    """Runs a command of the command line."""
    if command == "run":
        return run(license)
    if command == "activate":
        license.activate(arguments[0])
    elif command == "deactivate":
        license.deactivate()
    elif command == "import":
        license.import_license_file(Path(arguments[0]).read_bytes())
    elif command == "offline-request":
        print(license.offline_request())
    elif command == "diagnose":
        print(license.diagnose())
    return print(describe(license.state()))


def main() -> None:
    if len(sys.argv) < 3 or len(sys.argv) - 3 != COMMANDS.get(sys.argv[2]):
        sys.exit(__doc__)
    _, app_file, command, *arguments = sys.argv
    try:
        with signet_client.open(Path(app_file).read_text(), Options(app_version=VERSION)) as license:
            execute(license, command, arguments)
    except (LicenseError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
