"""Measures `open` with a stored token, and the memory of an idle handle.

Usage: measure.py FOLDER: an empty folder
"""

import gc
import json
import statistics
import sys
import time
from pathlib import Path

import signing

import signet_client

ISSUER = "https://licenses.example.com"
ROUNDS = 50


def resident_bytes():
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def store(folder):
    now = int(time.time())
    record = {"token": signing.token(ISSUER), "next_heartbeat_at": now + 900, "in_grace": False}
    (folder / "token.json").write_text(json.dumps(record))
    (folder / "keys.jwt").write_text(signing.key_set(ISSUER))
    (folder / "clock.json").write_text(json.dumps({"last_seen": now, "behind": 0, "set_back": 0, "reference": now}))


def main():
    folder = Path(sys.argv[1])
    store(folder)
    config = json.dumps(signing.config(ISSUER))
    options = signet_client.Options(folder=folder, machine_id=signing.MACHINE_ID)
    before = resident_bytes()
    first = signet_client.open(config, options)
    time.sleep(0.2)
    idle = resident_bytes() - before
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        with signet_client.open(config, options) as license:
            times.append(1000 * (time.perf_counter() - started))
            assert license.state().name == "Active", license.diagnose()
    first.close()
    print(json.dumps({"open_ms": round(statistics.median(times), 2), "idle_bytes": idle}))


if __name__ == "__main__":
    main()
