"""A proxy between the apps and a stack, which can replace the stack's responses, delay them, and counts the requests."""

import http.client
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit


class Canned(NamedTuple):
    """A response that replaces the stack's."""

    status: int
    content_type: str
    body: str


def problem(status, code):
    body = {"type": f"https://example.com/problems/{code}", "title": code, "status": status, "code": code}
    return Canned(status, "application/problem+json", json.dumps(body))


class Hold:
    """Holds the stack's response back until it is released."""

    def __init__(self):
        self.arrived, self.released = threading.Event(), threading.Event()


CLOSE_CONNECTION = "close the connection"
NEVER_RESPOND = "never respond"
TRUNCATE = "end the connection within the body of the stack's response"


class Proxy:
    """Forwards to `base_url`. `replies` maps the last segment of a path, or `*`, to what replaces the response; a function gets the
    stack's response."""

    def __init__(self):
        self.base_url = None
        self.replies = {}
        self.requests = Counter()
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def count(self, machine_id, name):
        """Returns the number of requests of a machine to a path that ends in this name."""
        return self.requests[(machine_id, name)]

    def _forward(self, method, path, body, content_type):
        connection = http.client.HTTPConnection(urlsplit(self.base_url).netloc, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": content_type} if body else {})
            response = connection.getresponse()
            return Canned(response.status, response.headers["Content-Type"], response.read().decode())
        finally:
            connection.close()

    def _handler(proxy):  # noqa: N805 the handler's own self is another
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.respond()

            do_POST = do_GET

            def respond(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                name = self.path.rsplit("/", 1)[-1]
                if body:
                    proxy.requests[(json.loads(body).get("machine_id"), name)] += 1
                reply = proxy.replies.get(name, proxy.replies.get("*"))
                if reply == CLOSE_CONNECTION:
                    self.close_connection = True
                    return
                if reply == NEVER_RESPOND:
                    proxy._stopped.wait(60)
                    return
                if isinstance(reply, Canned):
                    self.send(reply)
                    return
                response = proxy._forward(self.command, self.path, body, self.headers.get("Content-Type"))
                if isinstance(reply, Hold):
                    reply.arrived.set()
                    reply.released.wait(60)
                if reply == TRUNCATE:
                    self.send(response, cut=10)
                    return
                self.send(reply(response) if callable(reply) else response)

            def send(self, response, cut=0):
                data = response.body.encode()
                try:
                    self.send_response(response.status)
                    self.send_header("Content-Type", response.content_type)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data[:len(data) - cut])
                    self.close_connection |= cut > 0
                except ConnectionError:
                    pass  # the app has stopped waiting

            def log_message(self, *_):
                pass

        return Handler
