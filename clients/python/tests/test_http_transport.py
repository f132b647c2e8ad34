import socket
import threading
import time

import pytest
from servers import certificate, connect_proxy, serve

from signet_client.http_transport import HttpTransport
from signet_client.ports import NoResponse, Request, Response

GET = Request("GET", "/x")


def echo(handler):
    handler.reply(200, {"path": handler.path})


def transport(url, **options):
    return HttpTransport(url, "signet-client-python/test", **options)


def test_sends_a_json_body_below_the_path_of_the_api_url():
    with serve(echo) as server:
        result = transport(f"{server.url}/base").send(Request("POST", "/x", {"name": "Büro"}))
    assert result.status == 200
    [(method, path, headers, body)] = server.seen
    assert (method, path, body) == ("POST", "/base/x", b'{"name": "B\\u00fcro"}')
    assert headers["User-Agent"] == "signet-client-python/test"
    assert headers["Content-Type"] == "application/json"


def test_returns_lower_case_header_names():
    with serve(lambda handler: handler.reply(503, b"", Retry_After=7)) as server:
        result = transport(server.url).send(GET)
    assert (result.status, result.headers["retry-after"]) == (503, "7")


def test_does_not_follow_redirects():
    with serve(lambda handler: handler.reply(302, b"", Location="/other")) as server:
        assert transport(server.url).send(GET).status == 302
        assert len(server.seen) == 1


@pytest.mark.parametrize(("size", "kind"), [(1_000_000, Response), (1_000_001, NoResponse)])
def test_limits_the_size_of_a_response(size, kind):
    with serve(lambda handler: handler.reply(200, b"x" * size)) as server:
        assert isinstance(transport(server.url).send(GET), kind)


def test_a_response_that_is_cut_off_is_none():
    def cut_off(handler):
        handler.send_response(200)
        handler.send_header("content-length", "100")
        handler.end_headers()
        handler.wfile.write(b"{}")
        handler.close_connection = True

    with serve(cut_off) as server:
        assert transport(server.url).send(GET) == NoResponse("the response was cut off")


def test_a_chunked_response_that_is_cut_off_is_none():
    def cut_off(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab")
        handler.close_connection = True

    with serve(cut_off) as server:
        assert isinstance(transport(server.url).send(GET), NoResponse)


def test_a_server_that_does_not_answer_times_out():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = time.monotonic()
        result = transport(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.3).send(GET)
    assert isinstance(result, NoResponse)
    assert time.monotonic() - started < 5


def test_a_server_that_answers_slowly_times_out_in_all():
    stopped = threading.Event()
    ended = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.send_header("content-length", "100000")
        handler.end_headers()
        try:
            while not stopped.wait(0.05):
                handler.wfile.write(b"x")
        except OSError:
            ended.set()

    with serve(drip) as server:
        started = time.monotonic()
        assert transport(server.url, timeout=0.4).send(GET) == NoResponse("time-out")
        assert time.monotonic() - started < 5
        assert ended.wait(10), "the connection was not closed"
        stopped.set()


def test_a_request_can_have_a_shorter_time_out():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert isinstance(transport(url).send(Request("GET", "/x", timeout=0.2)), NoResponse)


def test_a_refused_connection_is_no_response():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    result = transport(url).send(GET)
    assert result.detail.startswith("ConnectionRefusedError")
    assert isinstance(result.cause, ConnectionRefusedError)
    assert result.cause.__traceback__ is None, "the traceback has frames with the license key"


def test_a_certificate_is_trusted_only_if_it_is_given(tmp_path):
    context, pem = certificate(tmp_path)
    with serve(echo, context) as server:
        assert "CERTIFICATE_VERIFY_FAILED" in transport(server.url).send(GET).detail
        assert transport(server.url, ca_certificates=pem).send(GET).status == 200


def test_https_goes_through_a_proxy_with_connect(tmp_path):
    context, pem = certificate(tmp_path)
    with serve(echo, context) as server, serve(connect_proxy) as proxy:
        url = proxy.url.replace("http://", "http://user:p%40ss@")
        assert transport(server.url, ca_certificates=pem, proxy=url).send(GET).status == 200
    [(method, path, headers, _)] = proxy.seen
    assert (method, path) == ("CONNECT", server.url.removeprefix("https://"))
    assert headers["Proxy-Authorization"] == "Basic dXNlcjpwQHNz"
    assert "Proxy-Authorization" not in server.seen[0][2]


def test_http_goes_through_a_proxy_without_connect():
    with serve(connect_proxy) as proxy:
        result = transport("http://127.0.0.1:9", proxy=proxy.url).send(GET)
    assert result.body == b'{"proxied": "http://127.0.0.1:9/x"}'
    assert proxy.seen[0][2]["Host"] == "127.0.0.1:9"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_the_proxy_of_the_environment_is_used(monkeypatch, name):
    with serve(connect_proxy) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert transport("http://licenses.example.com").send(GET).status == 200


def test_the_proxy_of_the_environment_is_not_used_for_a_loopback_host(monkeypatch):
    with serve(echo) as server, serve(connect_proxy) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        for host in ("127.0.0.1", "localhost"):
            assert transport(server.url.replace("127.0.0.1", host)).send(GET).status == 200
        assert not proxy.seen


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_hosts_without_proxy_are_respected(monkeypatch, name):
    with serve(connect_proxy) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv(name, "licenses.invalid")
        assert isinstance(transport("http://licenses.invalid").send(GET), NoResponse)
        assert not proxy.seen


def test_a_given_proxy_is_also_used_for_hosts_without_proxy(monkeypatch):
    with serve(connect_proxy) as proxy:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert transport("http://127.0.0.1:9", proxy=proxy.url).send(GET).status == 200


def test_a_proxy_of_the_environment_that_is_no_url_is_no_response(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "socks5://user:p4ss@127.0.0.1:1080")
    detail = transport("http://licenses.example.com").send(GET).detail
    assert "the proxy of the system must be an http or https URL with a host" in detail
    assert "p4ss" not in detail
