"""The receivers of the page, as processes. What they print says which events they have accepted."""

import collections
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

# Receivers print the id first, or the body of the webhook, which begins with the id.
EVENT_ID = re.compile(r"evt_[0-9A-Z]{26}")
PATIENCE = 60


def wait(description, condition, seconds=PATIENCE):
    """Waits until a condition holds, and returns its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not after {seconds} s: {description}"
        time.sleep(0.05)
    return value


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_listening(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Receiver:
    """A receiver in one language, and its endpoint. It can be stopped and started again, on the same port."""

    started = []

    def __init__(self, name, folder, command, port=None, environment=None):
        self.name, self.folder, self.command = name, Path(folder), command
        self.port, self.environment = port or free_port(), environment or {}
        self.url = f"http://127.0.0.1:{self.port}/webhooks"
        self.endpoint = self.secret = self.process = None
        self.ids = []  # of the events that it accepted, in this order
        self.retried = set()  # ids of events that an operator has sent again
        self.log = (self.folder / "receiver.log").open("w")

    def start(self):
        own = {"WEBHOOK_SECRET": self.secret, "PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        environment = {**os.environ, **own, **self.environment}
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        Receiver.started.append(self.process)
        self.reader = threading.Thread(target=self._read, args=[self.process.stdout], daemon=True)
        self.reader.start()
        wait(f"{self.name} listens", lambda: self.process.poll() is None and is_listening(self.port))

    def _read(self, output):
        for line in output:
            self.log.write(line)
            self.log.flush()
            if found := EVENT_ID.search(line):
                self.ids.append(found[0])

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)

    def hold(self):
        """Stops it from running: it accepts connections and does not respond."""
        self.process.send_signal(signal.SIGSTOP)

    def release(self):
        self.process.send_signal(signal.SIGCONT)

    def repeated(self):
        return sum(count > 1 for count in collections.Counter(self.ids).values())

    @staticmethod
    def kill_all():
        for process in Receiver.started:
            if process.poll() is None:
                process.kill()
                process.wait()
