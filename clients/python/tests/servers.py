"""Servers on loopback, on free ports."""

import contextlib
import json
import select
import socket
import ssl
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import signing
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Handler(BaseHTTPRequestHandler):
    """Calls `server.respond(handler)` for each request."""

    def handle_any(self):
        length = int(self.headers.get("content-length") or 0)
        self.body = self.rfile.read(length)
        self.server.seen.append((self.command, self.path, dict(self.headers.items()), self.body))
        with contextlib.suppress(OSError):
            self.server.respond(self)

    do_GET = do_POST = do_CONNECT = handle_any  # noqa: N815

    def reply(self, status, body=b"", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        headers = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        for name, value in {"content-length": len(body), "content-type": "application/json", **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


@contextlib.contextmanager
def serve(respond, context=None):
    """Runs a server, over TLS if a context is given."""
    server = Server(("127.0.0.1", 0), Handler)
    server.respond, server.seen = respond, []
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def api(handler):
    """A small licensing API, which accepts every request."""
    issuer = getattr(handler.server, "issuer", handler.server.url)
    if handler.path == "/.well-known/jwks.jwt":
        return handler.reply(200, signing.key_set(issuer).encode(), content_type="application/jwt")
    if handler.path.endswith("/deactivate"):
        return handler.reply(200, {"status": "deactivated"})
    instance_id = json.loads(handler.body).get("instance_id")
    activation = {"id": "act_1", "machine_id": signing.MACHINE_ID}
    if instance_id:
        activation["instance_id"] = instance_id
    token = signing.token(issuer, activation=activation)
    return handler.reply(200, {"token": token, "in_grace": False, "grace_ends_at": None})


def connect_proxy(handler):
    """A proxy: tunnels CONNECT, and answers every other request itself."""
    if handler.command != "CONNECT":
        return handler.reply(200, {"proxied": handler.path})
    host, _, port = handler.path.rpartition(":")
    with socket.create_connection((host, int(port))) as upstream:
        handler.send_response(200)
        handler.end_headers()
        sockets = [handler.connection, upstream]
        while True:
            for source in select.select(sockets, [], [], 5)[0]:
                content = source.recv(65536)
                if not content:
                    handler.close_connection = True
                    return None
                (upstream if source is handler.connection else handler.connection).sendall(content)


def certificate(tmp_path):
    """Returns a server context with a new certificate for 127.0.0.1, and the certificate in PEM form."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(timezone.utc)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem = cert.public_bytes(Encoding.PEM)
    path = tmp_path / "server.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, pem.decode()
