"""Shared by the tests of the examples: a Signet server, a program under test, and servers that record requests."""

import json
import os
import socketserver
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

STARTUP_SECONDS = 60
# A proxy that is configured in the environment must not be used for this machine.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1"


def wait_until(condition, seconds=30):
    """Returns the first true value of a condition."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)
    return value


def http(method, url, body=None, headers=()):
    """Returns the status and the body of a response."""
    try:
        with urlopen(Request(url, body, dict(headers), method=method), timeout=60) as response:
            return response.status, response.read()
    except HTTPError as error:
        return error.code, error.read()


class Signet:
    """Runs the binary that the environment variable SIGNET names, with a data directory that survives restarts."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.listen = "127.0.0.1:0"
        self.start()

    def start(self):
        local = Path(self.folder.name, "local.json")
        local.unlink(missing_ok=True)
        command = [os.environ["SIGNET"], "--listen", self.listen, "--data", self.folder.name]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: local.exists() or self.process.poll() is not None, STARTUP_SECONDS)
        found = json.loads(local.read_text())
        self.url, self.key = found["base_url"], found["operator_api_key"]
        self.listen = self.url.removeprefix("http://")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def close(self):
        self.stop()
        self.folder.cleanup()

    def api(self, method, path, body=None):
        """Returns the JSON of a successful response."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Api-Key": self.key, "Content-Type": "application/json"}
        status, text = http(method, f"{self.url}/api/v1.0/{path}", data, headers)
        if status >= 400:
            raise AssertionError(f"{method} {path}: {status} {text.decode()}")
        return json.loads(text or "null")


class Program:
    """Runs a Python program that prints the URL at which it listens."""

    def __init__(self, path, environment):
        # Log lines go to a file, so that the program never waits for a reader.
        self.log = tempfile.TemporaryFile(mode="w+")
        environment = {**os.environ, "LISTEN": "127.0.0.1:0", **environment}
        command = [os.environ.get("PYTHON", "python3"), "-B", str(path)]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.logged())
        self.url = line.split()[-1]

    def logged(self):
        self.log.seek(0)
        return self.log.read()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate()
            self.log.close()


class HttpServer:
    """Serves `respond(method, path, headers, body)`, which returns a status and an object, on a free port."""

    def __init__(self, respond):
        class Handler(BaseHTTPRequestHandler):
            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, result = respond(self.command, self.path, self.headers, body)
                text = json.dumps(result).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class MailServer:
    """Accepts mail by SMTP and stores it in `messages`, or refuses it while `is_failing`."""

    def __init__(self):
        self.messages, self.is_failing = [], False
        mail = self

        class Handler(socketserver.StreamRequestHandler):
            def reply(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                self.reply("220 test")
                while line := self.rfile.readline():
                    command = line[:4].upper()
                    if command == b"DATA":
                        self.reply("354 go on")
                        lines = iter(self.rfile.readline, b".\r\n")
                        mail.messages.append(b"".join(lines).decode().replace("\r\n", "\n"))
                    elif command == b"MAIL" and mail.is_failing:
                        self.reply("451 try again later")
                        continue
                    self.reply("221 bye" if command == b"QUIT" else "250 ok")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"smtp://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
