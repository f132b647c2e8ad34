"""Behavior of the handle that the scenarios cannot show."""

import asyncio
import json
import platform
import threading
from datetime import datetime, timezone

import pytest
import signing
from servers import api, serve

import signet_client
from signet_client import LicenseError, MemoryStorage, Options, aio


def options(**more):
    return Options(storage=MemoryStorage(), machine_id=signing.MACHINE_ID, machine_name=None, os=None, **more)


@pytest.fixture
def server():
    with serve(api) as running:
        yield running


@pytest.fixture
def license(server):
    with signet_client.open(signing.config(server.url), options()) as opened:
        yield opened


def test_activates_over_http(license, server):
    assert license.state() == signet_client.Unactivated()
    state = license.activate(signing.LICENSE_KEY)
    assert state.name == "Active"
    assert state.until > datetime.now(timezone.utc)
    assert (license.has("export.pdf"), license.limit("export.rows")) == (True, 1000)
    assert license.limit("projects") == signet_client.UNLIMITED
    assert [path for _, path, _, _ in server.seen] == [
        "/api/v1.0/license-activations/activate",
        "/.well-known/jwks.jwt",
    ]
    assert server.seen[0][2]["User-Agent"] == "signet-client-python/0.1.0"


def test_what_is_said_of_the_machine_is_cut_to_what_the_api_accepts(server):
    given = Options(
        storage=MemoryStorage(),
        machine_id=signing.MACHINE_ID,
        machine_name="Büro\u200b\n" * 60,
        app_version=" 1.2 ",
        os="x" * 65,
        hostname="\u2028",
    )
    with signet_client.open(signing.config(server.url), given) as license:
        license.activate(signing.LICENSE_KEY)
    body = json.loads(server.seen[0][3])
    assert body["machine_name"] == "Büro" * 20
    assert (body["app_version"], body["os"]) == ("1.2", "x" * 64)
    assert "hostname" not in body


def test_the_host_name_and_the_system_are_sent_by_default(server):
    given = Options(storage=MemoryStorage(), machine_id=signing.MACHINE_ID)
    with signet_client.open(signing.config(server.url), given) as license:
        license.activate(signing.LICENSE_KEY)
    body = json.loads(server.seen[0][3])
    assert set(body) == {"license_key", "machine_id", "machine_name", "os"}


@pytest.mark.parametrize(("status", "code"), [(503, "unreachable"), (429, "rate_limited"), (422, "invalid_value")])
def test_only_a_problem_of_the_client_has_a_code_of_its_own(status, code):
    problem = {"code": "unavailable" if status == 503 else code}

    def reply(handler):
        handler.reply(status, problem, content_type="application/problem+json")

    with serve(reply) as server, signet_client.open(signing.config(server.url), options()) as license:
        with pytest.raises(LicenseError) as failure:
            license.activate(signing.LICENSE_KEY)
    assert failure.value.code == code


def test_a_callback_that_raises_disturbs_nothing(license):
    seen = []

    def fail(state):
        raise SystemExit("from a callback")

    license.on_change(fail)
    license.on_change(seen.append)
    assert license.activate(signing.LICENSE_KEY).may_run
    assert [state.name for state in seen] == ["Active"]


def test_a_callback_can_start_an_operation(license):
    license.on_change(lambda state: state.may_run and license.deactivate())
    assert license.activate(signing.LICENSE_KEY).name == "Unactivated"


def test_a_callback_can_wait_for_another_thread(license):
    seen, called, go_on = [], threading.Event(), threading.Event()

    def wait(state):
        seen.append(state.name)
        called.set()
        assert go_on.wait(10)

    license.on_change(wait)
    thread = threading.Thread(target=lambda: license.activate(signing.LICENSE_KEY))
    thread.start()
    assert called.wait(10)
    license.deactivate()
    go_on.set()
    thread.join(10)
    assert seen == ["Active", "Unactivated"]


def test_the_state_is_readable_during_a_request():
    reached, go_on = threading.Event(), threading.Event()

    def wait(handler):
        reached.set()
        go_on.wait(10)
        api(handler)

    with serve(wait) as server, signet_client.open(signing.config(server.url), options()) as license:
        thread = threading.Thread(target=lambda: license.activate(signing.LICENSE_KEY))
        thread.start()
        assert reached.wait(10)
        assert license.state().name == "Unactivated"
        assert not license.has("export.pdf")
        assert "state: Unactivated" in license.diagnose()
        go_on.set()
        thread.join(10)
        assert license.state().name == "Active"


def test_the_background_task_activates_with_the_stored_license_key(server):
    storage = MemoryStorage()
    storage.write("license-key", signing.LICENSE_KEY.encode())
    changed = threading.Event()
    with signet_client.open(
        signing.config(server.url), Options(storage=storage, machine_id=signing.MACHINE_ID)
    ) as license:
        license.on_change(lambda state: changed.set())
        assert changed.wait(20)
        assert license.state().name == "Active"


def test_operations_after_close_are_errors(license):
    license.close()
    license.close()
    with pytest.raises(LicenseError) as failure:
        license.activate(signing.LICENSE_KEY)
    assert failure.value.code == "closed"
    assert license.state().name == "Unactivated"


def test_an_operation_that_close_interrupts_is_an_error(monkeypatch):
    monkeypatch.setattr("signet_client.session._CLOSE_SECONDS", 0.1)
    reached, go_on, errors = threading.Event(), threading.Event(), []

    def wait(handler):
        reached.set()
        go_on.wait(10)
        api(handler)

    def activate():
        with pytest.raises(LicenseError) as failure:
            license.activate(signing.LICENSE_KEY)
        errors.append(failure.value.code)

    with serve(wait) as server:
        license = signet_client.open(signing.config(server.url), options())
        thread = threading.Thread(target=activate)
        thread.start()
        assert reached.wait(10)
        license.close()
        go_on.set()
        thread.join(10)
    assert errors == ["closed"]
    assert license.state().name == "Unactivated"


def test_close_releases_the_seat_of_a_process(server):
    with signet_client.open(signing.config(server.url), options(instance_id="worker-1")) as license:
        license.activate(signing.LICENSE_KEY)
    assert server.seen[-1][1] == "/api/v1.0/license-activations/act_1/deactivate"
    assert license.state().name == "Unactivated"


def test_a_released_seat_stays_free(license):
    license.activate(signing.LICENSE_KEY)
    assert license.release().name == "Unactivated"
    assert license._session.seconds_until_due() is None
    assert license.activate(signing.LICENSE_KEY).name == "Active"


def test_no_secret_is_shown(license):
    license.activate(signing.LICENSE_KEY)
    core = license._session._core
    token = core.token.text
    things = [license, license._session, core, core.token, core.record, core.key_set, core.config]
    text = "".join(map(repr, things)) + license.diagnose()
    assert signing.LICENSE_KEY not in text
    assert token not in text
    assert token.split(".")[2] not in text
    assert "p4ss" not in repr(Options(proxy="http://user:p4ss@proxy:3128"))


def frames_of(error):
    """Returns the local variables of this library and of asyncio in an error and what caused it."""
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename != __file__:
                yield {name: repr(value) for name, value in traceback.tb_frame.f_locals.items()}
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__


def refuse_or_be_unreachable():
    def refuse(handler):
        handler.reply(403, {"code": "revoked"}, content_type="application/problem+json")

    with serve(refuse) as server:
        yield signing.config(server.url)
    yield signing.config(server.url)


def test_an_error_has_no_license_key_in_its_frames():
    for config in refuse_or_be_unreachable():
        with signet_client.open(config, options()) as license:
            with pytest.raises(LicenseError) as failure:
                license.activate(signing.LICENSE_KEY)
            with pytest.raises(LicenseError) as second:
                asyncio.run(aio.AsyncLicense(license).activate(signing.LICENSE_KEY))
        frames = [*frames_of(failure.value), *frames_of(second.value)]
        assert len(frames) >= 4
        assert not [frame for frame in frames if signing.LICENSE_KEY in str(frame)]


@pytest.mark.parametrize(("status", "code"), [(403, "revoked"), (404, "gone"), (422, "invalid_value")])
def test_an_error_shows_its_code_and_no_secret(status, code):
    def refuse(handler):
        errors = [{"pointer": "/license_key", "detail": f"{signing.LICENSE_KEY} is not valid"}]
        problem = {"code": code, "detail": "x" * 290 + signing.LICENSE_KEY, "errors": errors}
        handler.reply(status, problem, content_type="application/problem+json")

    with serve(refuse) as server, signet_client.open(signing.config(server.url), options()) as license:
        with pytest.raises(LicenseError) as failure:
            license.activate(signing.LICENSE_KEY)
        text = license.diagnose()
    error = failure.value
    assert error.code == code
    assert error.message.endswith("x…; /license_key: … is not valid")
    assert str(error) == f"{error.message} ({code})"
    assert signing.LICENSE_KEY[:10] not in repr(error) + str(error) + text


def test_an_error_without_a_response_has_its_cause():
    with serve(api) as server:
        config = signing.config(server.url)
    with signet_client.open(config, options()) as license:
        with pytest.raises(LicenseError) as failure:
            license.activate(signing.LICENSE_KEY)
        assert license.state() == signet_client.Unactivated(has_license_key=True, reason="network")
        assert "Z, activate: network: ConnectionRefusedError: " in license.diagnose()
    assert failure.value.code == "unreachable"
    assert failure.value.message.startswith("the license key was not activated: ConnectionRefusedError: ")
    assert isinstance(failure.value.__cause__, ConnectionRefusedError)


def test_a_code_that_contains_a_license_key_is_shown_without_it():
    def refuse(handler):
        handler.reply(403, {"code": f"not {signing.LICENSE_KEY}"}, content_type="application/problem+json")

    with serve(refuse) as server, signet_client.open(signing.config(server.url), options()) as license:
        with pytest.raises(LicenseError) as failure:
            license.activate(signing.LICENSE_KEY)
        assert "Z, activate: not …\n" in license.diagnose()
    assert failure.value.code == "not …"


@pytest.mark.parametrize("content", [b"\xff", b"[]", "\ufeff{}"])
def test_a_license_file_that_is_not_valid_is_an_error_with_its_cause(license, content):
    with pytest.raises(LicenseError) as failure:
        license.import_license_file(content)
    assert failure.value.code == "license_file_invalid"
    assert failure.value.message == "the license file was not imported: it is not a license file"
    assert failure.value.__cause__ is not None


@pytest.mark.parametrize("encode", [str, str.encode])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_license_file_is_imported_as_bytes_and_as_text(license, server, encode, mark):
    activation = {"id": "act_1", "machine_id": signing.MACHINE_ID}
    fields = {
        "format": "signet-license/1",
        "issuer": server.url,
        "product": signing.PRODUCT,
        "token": signing.token(server.url, activation=activation, sub="lic_1", tier={"code": "pro"}),
        "signed_jwks": signing.key_set(server.url),
    }
    assert license.import_license_file(encode(mark + json.dumps(fields))).name == "Active"
    assert license.release().name == "Active"
    assert "license: lic_1, tier pro" in license.diagnose()
    assert not server.seen


@pytest.mark.parametrize("until", [None, "2030-01-01", 4e9, datetime(2020, 1, 1), datetime.min])
def test_a_borrow_needs_a_time_in_the_future(license, server, until):
    license.activate(signing.LICENSE_KEY)
    before = len(server.seen)
    with pytest.raises(LicenseError, match="until must be a datetime that is later than 20") as failure:
        license.borrow(until)
    assert failure.value.code == "invalid_value"
    assert len(server.seen) == before


def test_an_offline_request_needs_a_machine_id_that_stays_the_same(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with signet_client.open(signing.config("https://a.example"), Options(storage=MemoryStorage())) as license:
        with pytest.raises(LicenseError, match="give one with the option machine_id") as failure:
            license.offline_request()
    assert failure.value.code == "ephemeral_machine_id"


def test_no_change_is_reported_after_close(server):
    seen = []
    license = signet_client.open(signing.config(server.url), options(instance_id="worker-1"))
    license.on_change(lambda state: seen.append(state.name))
    license.activate(signing.LICENSE_KEY)
    license.close()
    assert license.state().name == "Unactivated"
    assert seen == ["Active"]


def test_a_change_during_close_is_not_reported():
    seen, reached, go_on = [], threading.Event(), threading.Event()

    def wait(handler):
        reached.set()
        go_on.wait(10)
        api(handler)

    with serve(wait) as server:
        license = signet_client.open(signing.config(server.url), options())
        license.on_change(seen.append)
        thread = threading.Thread(target=lambda: license.activate(signing.LICENSE_KEY))
        thread.start()
        assert reached.wait(10)
        closing = threading.Thread(target=license.close)
        closing.start()
        closing.join(0.2)
        go_on.set()
        thread.join(10)
        closing.join(10)
    assert seen == []


def test_the_text_for_support_names_the_runtime_and_the_storage(license, tmp_path):
    lines = license.diagnose().splitlines()
    assert lines[0].startswith("client: signet-client-python 0.1.0, ")
    assert platform.python_version() in lines[0]
    assert lines[-1] == "storage: of the app"
    with signet_client.open(signing.config("https://a.example"), Options(folder=tmp_path)) as other:
        assert f"storage: {tmp_path}" in other.diagnose().splitlines()


def test_a_borrow_that_activates_first_is_sent_again():
    borrowed = []

    def lose_seat_once(handler):
        if not handler.path.endswith("/heartbeat"):
            return api(handler)
        borrowed.append(b"borrow_until" in handler.body)
        if len(borrowed) > 1:
            return api(handler)
        return handler.reply(403, {"code": "not_activated"}, content_type="application/problem+json")

    with serve(lose_seat_once) as server, signet_client.open(signing.config(server.url), options()) as license:
        license.activate(signing.LICENSE_KEY)
        license.borrow(datetime(2030, 1, 1, tzinfo=timezone.utc))
    assert borrowed == [True, True]


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": ""},
        {"product": None},
        {"root_keys": []},
        {"root_keys": [{"kty": "RSA", "n": "AA", "e": "AQAB"}]},
        {"root_keys": [{}]},
        {"root_keys": [{"kty": "RSA", "n": signing.jwk("root")["n"]}]},
        {"root_keys": [{"kty": "EC", "n": signing.jwk("root")["n"], "e": "AQAB"}]},
        {"root_keys": [signing.jwk("root"), "x"]},
        {"api_url": "http://licenses.example.com"},
        {"api_url": "http://localhost.example.com"},
        {"api_url": "ftp://127.0.0.1"},
        {"api_url": "https://user@example.com"},
        {"api_url": "https://@example.com"},
        {"api_url": "https://example.com?"},
        {"api_url": "https://example.com?a=b"},
        {"api_url": "https://example.com#"},
        {"api_url": "https://"},
    ],
)
def test_a_configuration_that_is_not_valid_is_an_error(change):
    with pytest.raises(LicenseError) as failure:
        signet_client.open({**signing.config("https://licenses.example.com"), **change})
    assert failure.value.code == "invalid_config"


@pytest.mark.parametrize("url", ["https://a.example", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"])
def test_allowed_urls(url):
    signet_client.open({**signing.config("https://a.example"), "api_url": url}, options()).close()


def test_json_text_that_is_damaged_is_an_error():
    with pytest.raises(LicenseError, match="invalid_config"):
        signet_client.open('{"issuer":')


def test_asyncio_reports_no_change_after_close(server):
    async def main():
        seen = []
        license = await aio.open(signing.config(server.url), options())
        license.on_change(seen.append)
        # The change is on its way to the event loop, which does not run before `close` is called.
        license._license.activate(signing.LICENSE_KEY)
        await license.close()
        await asyncio.sleep(0)
        assert seen == []

    asyncio.run(main())


def test_asyncio(server):
    async def main():
        seen = asyncio.Queue()
        async with await aio.open(signing.config(server.url), options()) as license:
            license.on_change(seen.put_nowait)
            state = await license.activate(signing.LICENSE_KEY)
            assert await asyncio.wait_for(seen.get(), 10) == state
            assert license.has("export.pdf")
            assert (await license.deactivate()).name == "Unactivated"
            with pytest.raises(LicenseError, match="not_activated"):
                await license.borrow(datetime(2030, 1, 1, tzinfo=timezone.utc))

    asyncio.run(main())
