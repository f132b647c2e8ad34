"""`open` checks its options."""

import pytest
import signing
from servers import certificate

import signet_client
from signet_client import LicenseError, MemoryStorage, Options

CONFIG = signing.config("https://licenses.example.com")


def open_license(**options):
    given = {"machine_id": signing.MACHINE_ID, "storage": MemoryStorage(), **options}
    return signet_client.open(CONFIG, Options(**given))


def error_of(**options):
    with pytest.raises(LicenseError) as failure:
        open_license(**options)
    assert failure.value.code == "invalid_config"
    assert "\n" not in failure.value.message
    return failure.value


@pytest.mark.parametrize("machine_id", ["", "x" * 257, "ü" * 129, "a\nb", "a\x00", "a\x85b", "\ud800", b"x", 7])
def test_a_machine_id_that_is_not_allowed_is_an_error(machine_id):
    expected = "machine_id must be 1 to 256 bytes of UTF-8 without control characters"
    assert error_of(machine_id=machine_id).message == expected


@pytest.mark.parametrize("machine_id", ["x", "ü" * 128, " ", "\u200b", lambda: "x" * 256])
def test_a_machine_id_that_is_allowed(machine_id):
    open_license(machine_id=machine_id).close()


@pytest.mark.parametrize("machine_id", [None, "", 7])
def test_a_function_that_returns_no_machine_id_is_an_error(machine_id):
    assert error_of(machine_id=lambda: machine_id).message.startswith("machine_id must be")


def test_a_function_for_the_machine_id_that_raises_is_the_cause_of_the_error():
    def fail():
        raise OSError("no such\ndevice")

    error = error_of(machine_id=fail)
    assert error.message == "the function machine_id failed: OSError: no such device"
    assert isinstance(error.__cause__, OSError)


@pytest.mark.parametrize("instance_id", ["", "x" * 65, "ü" * 33, "a\tb", "\udfff", 7])
def test_an_instance_id_that_is_not_allowed_is_an_error(instance_id):
    expected = "instance_id must be 1 to 64 bytes of UTF-8 without control characters"
    assert error_of(instance_id=instance_id).message == expected


def test_the_machine_id_and_the_instance_id_are_limited_together():
    open_license(machine_id="x" * 192, instance_id="y" * 64).close()
    error = error_of(machine_id="x" * 193, instance_id="y" * 64)
    assert error.message == "instance_id and machine_id must be at most 256 bytes together"


@pytest.mark.parametrize("proxy", ["", "http://", "socks5://127.0.0.1:1080", "http://proxy:0", "http://proxy:x", 7])
def test_a_proxy_that_is_no_url_is_an_error(proxy):
    assert error_of(proxy=proxy).message == "proxy must be an http or https URL with a host"


@pytest.mark.parametrize("proxy", ["http://user:p4ss@proxy:3128", "https://proxy", "proxy:3128"])
def test_a_proxy_that_is_allowed(proxy):
    open_license(proxy=proxy).close()


@pytest.mark.parametrize("name", ["timeout", "connect_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, None, "10"])
def test_a_time_out_that_is_not_allowed_is_an_error(name, seconds):
    assert error_of(**{name: seconds}).message == f"{name} must be a number of seconds greater than 0"


@pytest.mark.parametrize(
    "pem", ["", "x", "ü", b"x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 7]
)
def test_certificates_that_cannot_be_read_are_an_error(pem):
    assert error_of(ca_certificates=pem).message == "ca_certificates must be at least one certificate in PEM form"


def test_certificates_that_are_allowed(tmp_path):
    _, pem = certificate(tmp_path)
    open_license(ca_certificates=pem + pem).close()


@pytest.mark.parametrize("name", ["machine_name", "app_version", "os", "hostname"])
def test_what_is_sent_of_the_machine_must_be_a_text(name):
    assert error_of(**{name: 7}).message == f"{name} must be a text or None"


@pytest.mark.parametrize("user_agent", ["a\r\nX-Header: b", "a\n", "\t", "Büro"])
def test_a_user_agent_that_is_no_header_is_an_error(user_agent):
    assert error_of(user_agent=user_agent).message == "user_agent must be ASCII without control characters"
