"""A receiver of webhooks on this machine, which verifies their signatures as Standard Webhooks describes."""

import base64
import hashlib
import hmac
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Receiver:
    """Keeps the events that it receives, by their id."""

    def __init__(self):
        self.port, self.secrets, self.received, self.refused = 0, [], {}, []
        self._server = None

    def start(self):
        """Starts to listen, on the same port as before. Returns the URL."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                is_valid = receiver.verify(self.headers, body)
                if is_valid:
                    receiver.received[self.headers["webhook-id"]] = json.loads(body)
                else:
                    receiver.refused.append(self.headers["webhook-id"])
                self.send_response(204 if is_valid else 400)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.port}/webhooks"

    def stop(self):
        """Refuses connections from now on."""
        self._server.shutdown()
        self._server.server_close()

    def verify(self, headers, body):
        """Whether one of the signatures is that of one of the secrets."""
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        given = [text.removeprefix("v1,") for text in headers["webhook-signature"].split(" ")]
        for secret in self.secrets:
            key = base64.b64decode(secret.removeprefix("whsec_"))
            own = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            if any(hmac.compare_digest(own, text) for text in given):
                return True
        return False


receiver = Receiver()
