"""The state of a client: what is stored, the clock, and when the next request is due.

The core is pure apart from the storage. It is used by one thread at a time.
"""

import uuid
from dataclasses import dataclass
from typing import Optional, Union

from . import delays, state
from .clock import Clock
from .config import Config
from .identity import Identity
from .jws import InvalidTokenError, is_jwt, kid_of
from .key_set import KeySet, is_signed_by_root_key, verify_key_set
from .license_file import token_of, verify_license_file
from .license_token import Token, accept_token
from .ports import Request, Response, Result, Sources, Storage
from .records import ClockRecord, RefusalRecord, TokenRecord, format_record
from .responses import (
    INVALID_RESPONSE,
    RETRIED_CODES,
    UNSIGNED_KEY_SET,
    Failure,
    RefusalReply,
    TokenReply,
    Unreachable,
    read_failure,
)
from .store import CLOCK, KEY_SET, LICENSE_KEY, REFUSAL, TOKEN, Store
from .texts import Redactor
from .times import DAY, format_rfc3339, to_datetime, to_optional_datetime


@dataclass
class DueTimes:
    """When requests are due, in the time of the clock. 0 is at once."""

    start: float = 0
    """No request is sent before this time, if one was due already when the client was opened."""
    retry: float = 0
    """The next try after a failure."""
    refusal: float = 0
    """The retry of the stored refusal. At once if it was stored when the client was opened."""
    keys: Optional[float] = None
    """The next fetch of the key set, after the first one of this process."""

    def shift(self, seconds: float) -> None:
        """Moves all times along with the clock."""
        self.start += seconds
        self.retry += seconds
        self.refusal += seconds
        if self.keys is not None:
            self.keys += seconds


@dataclass(frozen=True)
class NewToken:
    """A verified token of a response."""

    token: Token
    reply: TokenReply
    refusal_id: Optional[str]
    """The id of the refusal that was stored when the request was sent."""


Outcome = Union[NewToken, Failure]


class Core:
    """Derives the state, and applies what responses say."""

    def __init__(
        self, config: Config, identity: Identity, storage: Storage, sources: Sources, *, keep_license_key: bool = True
    ) -> None:
        self.config = config
        self.identity = identity
        self.store = Store(storage, memory_only=(TOKEN, REFUSAL) if identity.is_process else ())
        self.sources = sources
        self.keep_license_key = keep_license_key
        self.key_set: Optional[KeySet] = None
        self.record: Optional[TokenRecord] = None
        self.token: Optional[Token] = None
        """The stored token, if it is accepted."""
        self.refusal: Optional[RefusalRecord] = None
        self.license_key: Optional[str] = None
        self.due = DueTimes()
        self.failures = 0
        self.reason = "not_contacted"
        self.last_contact: Optional[float] = None
        self.last_failure = ""
        self.is_released = False
        """Whether the app has released the seat: the background task then makes no request."""
        self._open()

    def _open(self) -> None:
        stored_clock = ClockRecord.parse(self.store.read(CLOCK))
        self.clock = Clock(stored_clock, self.sources.wall(), self.sources.monotonic())
        self._saved_time, self._saved_set_back = self.clock.time, self.clock.set_back
        if not self.keep_license_key and self.store.read(LICENSE_KEY) is not None:
            self.store.remove(LICENSE_KEY)
        self.load()
        self.due.refusal = 0
        if stored_clock is None and self.token:
            self.clock.reference = self.token.iat
        now = self.observe()
        due = self.next_due()
        if due is not None and due <= now:
            self.due.start = now + delays.after_open(self.sources.random())

    # Reading

    def observe(self) -> float:
        """Reads the clocks, and returns the time."""
        self.clock.observe(self.sources.wall(), self.sources.monotonic(), self.token.nbf if self.token else 0)
        if abs(self.clock.time - self._saved_time) >= 60 or self.clock.set_back != self._saved_set_back:
            self.save_clock()
        return self.clock.time

    def refresh(self) -> float:
        """Reads the storage, which other processes may have changed, and the clocks. Returns the time."""
        before = self.observe()
        stored_clock = ClockRecord.parse(self.store.read(CLOCK))
        if stored_clock:
            self.clock.adopt(stored_clock)
            self._shift_due_times(before)
        self.load()
        return self.observe()

    def load(self) -> None:
        """Reads all files but the clock."""
        self.key_set = self._read_key_set()
        self.record = TokenRecord.parse(self.store.read(TOKEN))
        self.token = self._accept(self.record)
        # `release` removed the token, so that this one is from another process.
        self.is_released = self.is_released and self.token is None
        self._load_refusal()
        self.license_key = (self.store.read(LICENSE_KEY) or "").strip() or None if self.keep_license_key else None

    def _load_refusal(self) -> None:
        before, self.refusal = self.refusal, RefusalRecord.parse(self.store.read(REFUSAL))
        if self.refusal and (before is None or before.id != self.refusal.id):
            self._delay_refusal_retry()

    def _delay_refusal_retry(self) -> None:
        if self.refusal:
            self.due.refusal = delays.refusal_retry_at(self.sources.random(), self.refusal.at, self.refusal.retry_at)

    def _read_key_set(self) -> Optional[KeySet]:
        try:
            return verify_key_set((self.store.read(KEY_SET) or "").strip(), self.config)
        except InvalidTokenError:
            return None

    def _accept(self, record: Optional[TokenRecord]) -> Optional[Token]:
        if record is None:
            return None
        try:
            if not self.is_from_file:
                return self.verify(record.token)
            now = max(self.clock.time, self.sources.wall())
            return verify_license_file(record.license_file or "", self.config, self.identity, now)
        except InvalidTokenError:
            return None

    @property
    def is_from_file(self) -> bool:
        """Whether the stored token is that of the stored license file."""
        return self.record is not None and token_of(self.record.license_file or "") == self.record.token

    def verify(self, text: str) -> Token:
        """Verifies a token with the stored key set. Raises InvalidTokenError, or WrongProductError."""
        return accept_token(text, self.key_set.keys if self.key_set else {}, self.config, self.identity)

    def has_key_of(self, text: str) -> bool:
        """Returns whether the stored key set has the key that a token names."""
        return self.key_set is not None and kid_of(text) in self.key_set.keys

    def redactor(self, request: Request) -> Redactor:
        """Returns what hides the secrets that the response to a request can contain."""
        sent = request.body or {}
        stored_token = self.record.token if self.record else None
        return Redactor((sent.get("license_key"), sent.get("token"), self.license_key, stored_token))

    def state(self) -> state.State:
        """Returns the state at this time."""
        now = self.observe()
        if self.refusal:
            return state.Refused(self.refusal.code, to_optional_datetime(self.refusal.retry_at))
        if self.token is None or self.record is None:
            return state.Unactivated(True, self.reason) if self.license_key else state.Unactivated()
        if self.clock.is_tampered:
            return state.ClockTampered()
        if now > self.token.offline_until:
            return state.Expired(to_datetime(self.token.offline_until))
        if now > self.token.exp:
            return state.Offline(to_datetime(self.token.offline_until), self.reason)
        grace_ends_at = to_optional_datetime(self.record.grace_ends_at)
        return state.Active(to_datetime(self.token.exp), self.record.in_grace, grace_ends_at)

    def has(self, feature: str) -> bool:
        """Returns whether the app may run and the token has a feature."""
        return self.state().may_run and self.token is not None and feature in self.token.features

    def limit(self, feature: str) -> Optional[int]:
        """Returns a limit of the token: 0 if the app may not run or it is not granted, None if it is unlimited."""
        return self.token.limits.get(feature, 0) if self.state().may_run and self.token else 0

    # When requests are due

    def next_due(self) -> Optional[float]:
        """Returns the time of the next request of the background task, or None if none is due ever."""
        times = [time for time in (self.keys_due(), self.license_due()) if time is not None]
        return max(min(times), self.due.start) if times else None

    def next_run(self) -> Optional[float]:
        """Returns when the background task has to run, or None if it need not.

        A request is due then, or the token has ended, which `on_change` reports.
        """
        ends = (self.token.exp, self.token.offline_until) if self.token else ()
        times: list[float] = [end + 1 for end in ends if end + 1 > self.clock.time]
        due = self.next_due()
        if due is not None:
            times.append(due)
        return min(times, default=None)

    def keys_due(self) -> Optional[float]:
        """Returns when the fetch of the key set is due."""
        if self.record is None or self.refusal or self.is_released:
            return None
        if self.key_set is None and self.is_from_file:
            return None
        if self.due.keys is not None:
            return self.due.keys
        if self.key_set is None or not (self.is_from_file or self.has_key_of(self.record.token)):
            return 0
        return self.key_set.iat + DAY

    def license_due(self) -> Optional[float]:
        """Returns when a heartbeat or an activation is due."""
        if self.is_released:
            return None
        if self.refusal:
            is_retried = self.license_key is not None and self.refusal.code in RETRIED_CODES
            return max(self.due.refusal, self.due.retry) if is_retried else None
        if self.token and self.record:
            return self.due.retry if self.clock.is_tampered else max(self.record.next_heartbeat_at, self.due.retry)
        return self.due.retry if self.license_key else None

    @property
    def needs_activation(self) -> bool:
        """Whether only an activation helps, and no heartbeat.

        The response to a heartbeat can be a recent token, which does not set a clock right that was set back.
        """
        is_tampered = self.clock.is_tampered and self.license_key is not None
        return self.token is None or self.refusal is not None or is_tampered

    @property
    def must_activate(self) -> bool:
        """Whether the next request of the background task about the license is an activation."""
        return self.needs_activation and self.license_due() is not None

    # Changes

    def store_token(self, new: NewToken) -> None:
        """Stores the token of a response.

        If another process has stored a refusal since the request was sent, nothing changes but `refusal`.
        """
        current = RefusalRecord.parse(self.store.read(REFUSAL))
        if current and current.id != new.refusal_id:
            self._end_failures()
            self.load()
            return
        is_later = new.token.iat > self.clock.reference
        counts_as_failure = self.clock.is_tampered and not is_later
        if is_later:
            before = self.clock.time
            self.clock.set_by_response(self.sources.wall(), new.token.iat, new.token.exp)
            self._shift_due_times(before)
        if not counts_as_failure:
            self._end_failures()
        self._write_token(new.token, new.reply.next_heartbeat_at, new.reply.in_grace, new.reply.grace_ends_at, None)
        if counts_as_failure:
            self.fail()

    def store_license_file(self, text: str, token: Token) -> None:
        """Stores a verified license file and its token."""
        if token.iat > self.clock.reference:
            before = self.clock.time
            self.clock.set_by_license_file(self.sources.wall(), token.iat)
            self._shift_due_times(before)
        self._end_failures()
        self._write_token(token, None, False, None, text)

    def _write_token(
        self,
        token: Token,
        next_heartbeat_at: Optional[int],
        in_grace: bool,
        grace_ends_at: Optional[int],
        license_file: Optional[str],
    ) -> None:
        now = self.clock.time
        due = int(now + delays.next_heartbeat(self.sources.random(), token, now, next_heartbeat_at))
        record = TokenRecord(token.text, due, in_grace, grace_ends_at, license_file)
        self.store.write(TOKEN, format_record(record))
        self.store.remove(REFUSAL)
        self.is_released = False
        self.record, self.token, self.refusal = record, token, None
        self.save_clock()

    def refuse(self, reply: RefusalReply) -> None:
        """Stores a refusal, and removes the token."""
        self._end_failures()
        record = RefusalRecord(uuid.uuid4().hex, reply.code, int(self.clock.time), reply.retry_at)
        self.store.write(REFUSAL, format_record(record))
        self.store.remove(TOKEN)
        self.load()

    def note_unreachable(self, reply: Unreachable) -> None:
        """Keeps why there is no newer token."""
        self.reason = reply.reason

    def note_failure(self, request: Request, failure: Failure) -> None:
        """Keeps for support why a request did not succeed."""
        self.last_failure = f"{format_rfc3339(self.clock.time)}, {request.name}: {failure.summary}"

    def fail(self, retry_after: float = 0) -> None:
        """Delays the next try after a failure."""
        self._delay_refusal_retry()
        delay = delays.after_failure(self.sources.random(), self.failures, self.token, retry_after)
        self.failures += 1
        self.due.retry = self.clock.time + delay

    def store_keys(self, request: Request, result: Result) -> Optional[Unreachable]:
        """Stores a fetched key set if it is valid and not older than the stored one, and delays the next fetch.

        Returns why it was not stored.
        """
        now = self.clock.time
        if isinstance(result, Response) and result.status == 200:
            failure = self._store_key_set(result.body.decode("ascii", "replace").strip())
        else:
            failure = read_failure(result, now, self.redactor(request))
        self.due.keys = now + delays.after_key_fetch(self.sources.random(), has_succeeded=failure is None)
        self.load()
        return failure

    def _store_key_set(self, text: str) -> Optional[Unreachable]:
        try:
            fetched = verify_key_set(text, self.config)
        except InvalidTokenError:
            is_unsigned = is_jwt(text) and not is_signed_by_root_key(text, self.config)
            return UNSIGNED_KEY_SET if is_unsigned else INVALID_RESPONSE
        stored = self._read_key_set()
        # A clock that was ahead must not make key sets expire.
        if min(self.clock.time, self.sources.wall()) > fetched.exp or (stored and fetched.iat < stored.iat):
            return INVALID_RESPONSE
        self.store.write(KEY_SET, text)
        return None

    def store_license_key(self, license_key: str) -> None:
        """Stores the license key, unless that is switched off."""
        if self.keep_license_key:
            self.store.write(LICENSE_KEY, license_key)
            self.license_key = license_key
            self.is_released = False

    def store_license_key_for_later(self, license_key: str) -> None:
        """Stores a license key with which the background task activates. A refusal of another one no longer counts."""
        if self.license_key is None and self.keep_license_key:
            self.store.remove(REFUSAL)
            self.refusal = None
        self.store_license_key(license_key)

    def forget(self) -> None:
        """Removes everything but the key set and the clock."""
        for name in (TOKEN, LICENSE_KEY, REFUSAL):
            self.store.remove(name)
        self._end_failures()
        self.load()

    def release(self) -> None:
        """Removes the token. The background task makes no request until a token or a license key is stored."""
        self.store.remove(TOKEN)
        self.load()
        self.is_released = True

    def save_clock(self) -> None:
        """Writes the clock."""
        self._saved_time, self._saved_set_back = self.clock.time, self.clock.set_back
        self.store.write(CLOCK, format_record(self.clock.record(self.token.offline_until if self.token else None)))

    def _shift_due_times(self, before: float) -> None:
        if self.clock.time < before:
            self.due.shift(self.clock.time - before)

    def _end_failures(self) -> None:
        self.failures, self.due.retry, self.reason = 0, 0, "not_contacted"
