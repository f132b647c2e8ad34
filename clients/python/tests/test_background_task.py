"""When the background task runs."""

import pytest
import signing

from signet_client import MemoryStorage
from signet_client.background_run import run
from signet_client.config import Config
from signet_client.core import Core
from signet_client.identity import Identity
from signet_client.ports import Sources
from signet_client.records import TokenRecord, format_record
from signet_client.session import Session

ISSUER = "https://licenses.example.com"
NOW = 1_800_000_000
EXP, OFFLINE_UNTIL = 3600, 3600 + 3 * 86_400
NEXT_HEARTBEAT = 30 * 86_400
KEY_FETCH = 20 * 86_400


@pytest.fixture
def open_session():
    """Opens sessions at a number of seconds after NOW, with a token that needs no request for days."""
    storage = MemoryStorage()
    token = signing.token(ISSUER, iat=NOW)
    storage.write("token.json", format_record(TokenRecord(token, NOW + NEXT_HEARTBEAT)).encode())
    storage.write("keys.jwt", signing.key_set(ISSUER, iat=NOW + KEY_FETCH - 86_400).encode())

    def open_at(seconds):
        now = [NOW + seconds]
        sources = Sources(lambda: now[0], lambda: now[0], lambda: 0.5)
        core = Core(Config.parse(signing.config(ISSUER)), Identity(signing.MACHINE_ID), storage, sources)
        return Session(core, transport=None), now

    return open_at


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        (0, EXP + 1),
        (EXP, 1),
        (EXP + 0.25, 0.75),
        (EXP + 1, OFFLINE_UNTIL - EXP),
        (OFFLINE_UNTIL, 1),
        (OFFLINE_UNTIL + 1, KEY_FETCH - OFFLINE_UNTIL - 1),
    ],
)
def test_the_task_runs_as_soon_as_the_token_has_ended(open_session, at, seconds):
    session, _ = open_session(at)
    assert session.seconds_until_run() == pytest.approx(seconds)
    assert session.seconds_until_due() == pytest.approx(KEY_FETCH - at)


def test_a_run_at_the_end_of_the_token_reports_the_change_without_a_request(open_session):
    session, now = open_session(0)
    seen = []
    session.on_change(lambda state: seen.append(state.name))
    for end in (EXP, OFFLINE_UNTIL):
        now[0] = NOW + end
        session.perform(run)
        now[0] += session.seconds_until_run()
        session.perform(run)
    assert seen == ["Offline", "Expired"]


def test_a_client_without_a_token_and_a_license_key_has_nothing_to_do():
    core = Core(Config.parse(signing.config(ISSUER)), Identity(signing.MACHINE_ID), MemoryStorage(), Sources())
    assert Session(core, transport=None).seconds_until_run() is None
