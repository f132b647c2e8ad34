"""The background task and the process: exit and fork."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import signing
from servers import api, serve

import signet_client
from signet_client import Options

SOURCE = Path(signet_client.__file__).resolve().parents[1]

PROGRAM = """
import json, sys
import signet_client
license = signet_client.open(json.loads(sys.argv[1]), signet_client.Options(folder=sys.argv[2], machine_id="machine-1"))
print(license.state().name, flush=True)
"""


def run_program(url, folder, program=PROGRAM):
    arguments = [signing.json.dumps(signing.config(url)), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )


def activate(url, folder):
    with signet_client.open(signing.config(url), Options(folder=folder, machine_id="machine-1")) as license:
        license.activate(signing.LICENSE_KEY)


def test_a_process_exits_although_the_background_task_runs(tmp_path):
    with serve(api) as server:
        activate(server.url, tmp_path)
        started = time.monotonic()
        result = run_program(server.url, tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "Active\n", "")
    assert time.monotonic() - started < 30


def test_a_process_exits_during_a_request_of_the_background_task(tmp_path):
    program = PROGRAM + "import time\nwhile not sys.stdin.readline(): time.sleep(0.01)\n"
    silent = []

    def never(handler):
        silent.append(handler)
        process.stdin.write("exit\n")
        process.stdin.flush()
        time.sleep(60)

    (tmp_path / "license-key").write_text(signing.LICENSE_KEY)
    with serve(never) as server:
        arguments = [signing.json.dumps(signing.config(server.url)), str(tmp_path)]
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )
        assert process.wait(40) == 0
        assert process.stderr.read() == ""
        process.stdin.close()
        process.stderr.close()
    assert silent


def test_a_process_can_close_in_an_exit_handler(tmp_path):
    program = """
import atexit, json, sys
import signet_client
options = signet_client.Options(folder=sys.argv[2], machine_id="machine-1", instance_id="worker-1")
license = signet_client.open(json.loads(sys.argv[1]), options)
license.activate("ATLAS")
atexit.register(license.close)
"""
    with serve(api) as server:
        result = run_program(server.url, tmp_path, program)
    assert (result.returncode, result.stderr) == (0, "")
    assert server.seen[-1][1].endswith("/deactivate")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_ended_by_a_signal_frees_its_seat(tmp_path, number):
    program = """
import json, signal, sys, time
import signet_client
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
options = signet_client.Options(folder=sys.argv[2], machine_id="machine-1", instance_id="worker-1")
with signet_client.open(json.loads(sys.argv[1]), options) as license:
    print(license.activate("ATLAS").name, flush=True)
    time.sleep(60)
"""
    with serve(api) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", program, signing.json.dumps(signing.config(server.url)), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )
        with process:
            assert process.stdout.readline() == "Active\n"
            process.send_signal(number)
            process.wait(30)
    assert server.seen[-1][1].endswith("/deactivate")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_the_background_task_starts_again_in_a_forked_process(tmp_path):
    program = """
import json, os, sys, threading
import signet_client
license = signet_client.open(json.loads(sys.argv[1]), signet_client.Options(folder=sys.argv[2], machine_id="machine-1"))
session = license._session
session._operation_lock.acquire()  # as another thread does during a request
session._reporter._lock.acquire()
changed = threading.Event()
license.on_change(lambda state: changed.set())
child = os.fork()
if child == 0:
    print(changed.wait(20), license.state().name, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(license.state().name, session.core_lock.acquire(timeout=1))
"""
    (tmp_path / "license-key").write_text(signing.LICENSE_KEY)
    with serve(api) as server:
        result = run_program(server.url, tmp_path, program)
    assert result.stdout == "True Active\nUnactivated True\n", result.stderr
