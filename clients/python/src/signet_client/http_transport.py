"""Requests over HTTP, with the standard library."""

import base64
import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Optional
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from .config import is_loopback
from .errors import invalid_config
from .ports import NoResponse, Request, Response, Result

_MAX_BODY_BYTES = 1_000_000
_TIME_OUT = NoResponse("time-out")


class HttpTransport:
    """Sends each request over a connection of its own, to `api_url` or through a proxy."""

    def __init__(
        self,
        api_url: str,
        user_agent: str,
        *,
        proxy: Optional[str] = None,
        connect_timeout: float = 10,
        timeout: float = 30,
        ca_certificates: Optional[str] = None,
    ) -> None:
        self._url = urlsplit(api_url)
        self._user_agent = _check_user_agent(user_agent)
        self._proxy = None if proxy is None else _parse_proxy(proxy, "proxy")
        self._connect_timeout = _check_seconds(connect_timeout, "connect_timeout")
        self._timeout = _check_seconds(timeout, "timeout")
        self._ca_certificates = None if ca_certificates is None else _check_certificates(ca_certificates)

    def send(self, request: Request) -> Result:
        """Sends a request. Does not raise, and does not follow redirects."""
        timeout = self._timeout if request.timeout is None else min(self._timeout, request.timeout)
        try:
            attempt = self._attempt(request, timeout)
        except Exception as error:
            return _no_response(error)
        return attempt.wait(timeout)

    def _attempt(self, request: Request, timeout: float) -> "_Attempt":
        headers = {"User-Agent": self._user_agent, "Accept": "application/json, application/jwt", "Connection": "close"}
        body = None
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(request.body).encode()
        target = self._url.path + request.path
        proxy = self._proxy or self._system_proxy()
        connection = self._connection(proxy, min(timeout, self._connect_timeout))
        if proxy and self._url.scheme == "http":
            target = f"http://{self._url.netloc}{target}"
            headers.update(_proxy_authorization(proxy))
        return _Attempt(connection, request.method, target, body, headers, timeout)

    def _connection(self, proxy: Optional[SplitResult], timeout: float) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        first = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
        if self._url.scheme == "http":
            return http.client.HTTPConnection(*first, timeout=timeout)
        context = ssl.create_default_context()
        if self._ca_certificates is not None:
            context.load_verify_locations(cadata=self._ca_certificates)
        connection = http.client.HTTPSConnection(*first, timeout=timeout, context=context)
        if proxy:
            connection.set_tunnel(host, port or 443, headers=dict(_proxy_authorization(proxy)))
        return connection

    def _system_proxy(self) -> Optional[SplitResult]:
        if is_loopback(self._url.hostname or ""):
            return None
        url = getproxies().get(self._url.scheme)
        return _parse_proxy(url, "the proxy of the system") if url and not proxy_bypass(self._url.netloc) else None


class _Attempt:
    """One request. A thread of its own sends it, because a time-out of a socket does not limit a name resolution or a
    response that arrives slowly."""

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: Optional[bytes],
        headers: Mapping[str, str],
        timeout: float,
    ) -> None:
        self._connection = connection
        self._message = (method, target, body, headers)
        self._timeout = timeout
        self._socket: Optional[socket.socket] = None
        self._result: Optional[Result] = None
        self._is_cancelled = False

    def wait(self, seconds: float) -> Result:
        """Returns the result within the time."""
        thread = threading.Thread(target=self._run, name="signet-client-request", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # The interpreter is shutting down, and starts no thread.
            self._run()
        else:
            thread.join(seconds)
        result = self._result
        if result is None:
            self._cancel()
            return _TIME_OUT
        return result

    def _run(self) -> None:
        try:
            self._result = self._exchange()
        except Exception as error:
            self._result = _no_response(error)
        finally:
            self._connection.close()

    def _exchange(self) -> Result:
        self._connection.connect()
        self._socket = self._connection.sock  # The connection forgets it when the head of the response has arrived.
        if self._is_cancelled:
            return _TIME_OUT
        self._socket.settimeout(self._timeout)
        method, target, body, headers = self._message
        self._connection.request(method, target, body, headers)
        response = self._connection.getresponse()
        content = response.read(_MAX_BODY_BYTES + 1)
        if len(content) > _MAX_BODY_BYTES:
            return NoResponse("the response is larger than 1 MB")
        if response.length:
            return NoResponse("the response was cut off")
        return Response(response.status, {name.lower(): value for name, value in response.getheaders()}, content)

    def _cancel(self) -> None:
        """Ends the connection, so that the thread ends."""
        self._is_cancelled = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _parse_proxy(url: str, name: str) -> SplitResult:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (TypeError, ValueError) as error:
        raise invalid_config(f"{name} must be an http or https URL with a host") from error
    if not is_valid:
        raise invalid_config(f"{name} must be an http or https URL with a host")
    return parts


def _proxy_authorization(proxy: SplitResult) -> Mapping[str, str]:
    if proxy.username is None:
        return {}
    credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(credentials).decode()}"}


def _check_certificates(pem: str) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, TypeError, ValueError) as error:
        raise invalid_config("ca_certificates must be at least one certificate in PEM form") from error
    if not isinstance(pem, str) or not context.cert_store_stats()["x509"]:
        raise invalid_config("ca_certificates must be at least one certificate in PEM form")
    return pem


def _check_seconds(value: float, name: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= threading.TIMEOUT_MAX:
        raise invalid_config(f"{name} must be a number of seconds greater than 0")
    return value


def _check_user_agent(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise invalid_config("user_agent must be ASCII without control characters")
    return text


def _no_response(error: Exception) -> NoResponse:
    # Without its traceback: a tool that reports errors with their local variables would send the license key.
    return NoResponse(f"{type(error).__name__}: {error}", error.with_traceback(None))
