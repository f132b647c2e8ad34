"""Properties of the clock."""

from hypothesis import given
from hypothesis import strategies as st

from signet_client.clock import Clock
from signet_client.records import ClockRecord
from signet_client.times import DAY

START = 1_768_478_400
steps = st.lists(st.tuples(st.floats(0, 100_000), st.floats(-200_000, 200_000)), max_size=30)


def clocks(changes):
    """Yields wall and monotonic clocks: each change lets time pass, and sets the wall clock."""
    wall, monotonic = float(START), 0.0
    for passed, change in changes:
        wall, monotonic = max(0.0, wall + passed + change), monotonic + passed
        yield wall, monotonic


@given(steps)
def test_the_time_never_goes_back_and_keeps_up_with_the_monotonic_clock(changes):
    clock, previous = Clock(None, START, 0), 0.0
    for wall, monotonic in clocks(changes):
        before = clock.time
        clock.observe(wall, monotonic, 0)
        assert clock.time >= before + (monotonic - previous) - 1e-6
        previous = monotonic


@given(steps)
def test_the_time_is_never_before_the_wall_clock(changes):
    clock = Clock(None, START, 0)
    for wall, monotonic in clocks(changes):
        clock.observe(wall, monotonic, 0)
        assert clock.time >= wall


@given(steps)
def test_set_backs_only_grow_and_are_at_least_how_far_the_wall_clock_is_behind(changes):
    clock, set_back = Clock(None, START, 0), 0.0
    for wall, monotonic in clocks(changes):
        clock.observe(wall, monotonic, 0)
        assert clock.set_back >= set_back
        assert clock.set_back >= clock.time - wall - 60 - 1e-6
        set_back = clock.set_back


@given(steps)
def test_a_clock_that_is_only_set_forward_is_never_tampered(changes):
    clock = Clock(None, START, 0)
    for wall, monotonic in clocks([(passed, abs(change)) for passed, change in changes]):
        clock.observe(wall, monotonic, 0)
        assert clock.set_back == 0
        assert clock.time == wall


@given(steps, st.integers(0, 29))
def test_a_restart_does_not_forget_a_set_back(changes, restart):
    clock, total = Clock(None, START, 0), 0.0
    for number, (wall, monotonic) in enumerate(clocks(changes)):
        if number == restart:
            clock = Clock(clock.record(None), wall, monotonic)
        clock.observe(wall, monotonic, 0)
        assert clock.set_back >= total - 1
        total = clock.set_back


@given(st.integers(-400 * DAY, 400 * DAY), st.integers(0, 3 * DAY))
def test_a_signed_time_ends_every_doubt(offset, lifetime):
    clock = Clock(ClockRecord(START + 1000 * DAY, 0, 2 * DAY, START), START + offset, 0)
    iat = START + 1
    clock.set_by_response(START + offset, iat, iat + lifetime)
    assert not clock.is_tampered
    assert iat - 60 <= clock.time <= iat + lifetime
    clock.observe(START + offset, 0, iat)
    assert clock.set_back == 0 or clock.set_back <= 60


@given(steps)
def test_the_stored_clock_is_capped_by_the_end_of_the_token(changes):
    clock = Clock(None, START, 0)
    for wall, monotonic in clocks(changes):
        clock.observe(wall, monotonic, 0)
        assert clock.record(START + 100).last_seen <= START + 101


def test_an_earlier_signed_time_of_another_process_is_ignored():
    clock = Clock(ClockRecord(START, 0, 0, START), START, 0)
    clock.adopt(ClockRecord(START - 100, 7, 2 * DAY, START - 100))
    assert (clock.time, clock.behind, clock.set_back) == (START, 0, 0)


def test_a_later_signed_time_of_another_process_is_adopted():
    clock = Clock(ClockRecord(START + 9 * DAY, 5, 2 * DAY, START), START, 0)
    clock.adopt(ClockRecord(START + 100, 0, 0, START + 100))
    assert (clock.time, clock.set_back, clock.reference) == (START + 100, 0, START + 100)


def test_a_set_back_that_another_process_has_counted_is_not_counted_again():
    clock = Clock(ClockRecord(START, 0, 0, START), START, 0)
    clock.adopt(ClockRecord(START, 5000, 5000, START))
    clock.observe(START - 5000, 0, 0)
    assert clock.set_back == 5000
