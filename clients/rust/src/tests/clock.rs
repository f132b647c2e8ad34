use proptest::prelude::*;

use crate::{
    clock::{Clock, ClockFile},
    ports::ClockReading,
};

const START: f64 = 1_768_478_400.0;

/// One observation: how far the monotonic clock went on, and how far the wall clock was set besides.
fn observations() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0.0..100_000.0, prop_oneof![Just(0.0), -200_000.0..200_000.0]), 1..50)
}

/// Runs a clock, and returns it with the last reading.
fn observe_all(steps: &[(f64, f64)], mut check: impl FnMut(&Clock, ClockReading)) -> (Clock, ClockReading) {
    let mut clock = Clock::new(START);
    let mut reading = ClockReading { wall: START, monotonic: 0.0 };
    clock.observe(reading, None);
    for (elapsed, set) in steps {
        reading.monotonic += elapsed;
        reading.wall += elapsed + set;
        clock.observe(reading, None);
        check(&clock, reading);
    }
    (clock, reading)
}

fn file(last_seen: i64, behind: i64, set_back: i64, reference: i64) -> ClockFile {
    ClockFile { last_seen, behind, set_back, reference }
}

proptest! {
    #[test]
    fn time_never_goes_slower_than_the_monotonic_clock(steps in observations()) {
        let mut previous = (START, 0.0);
        observe_all(&steps, |clock, reading| {
            assert!(clock.now - previous.0 >= reading.monotonic - previous.1 - 1e-3);
            previous = (clock.now, reading.monotonic);
        });
    }

    #[test]
    fn time_is_never_a_minute_before_the_wall_clock_or_earlier(steps in observations()) {
        observe_all(&steps, |clock, reading| assert!(clock.now >= reading.wall - 1e-3));
    }

    #[test]
    fn a_clock_that_is_never_set_is_the_wall_clock(elapsed in prop::collection::vec(0.0..100_000.0, 1..50)) {
        let steps: Vec<_> = elapsed.into_iter().map(|elapsed| (elapsed, 0.0)).collect();
        observe_all(&steps, |clock, reading| {
            assert!((clock.now - reading.wall).abs() < 1e-3);
            assert_eq!(clock.to_file(None).set_back, 0);
        });
    }

    #[test]
    fn one_set_back_is_counted_once(set_back in 61.0..1_000_000.0_f64, later in prop::collection::vec(0.0..1_000.0, 0..20)) {
        let steps: Vec<_> = [(0.0, -set_back)].into_iter().chain(later.into_iter().map(|elapsed| (elapsed, 0.0))).collect();
        let (clock, _) = observe_all(&steps, |_, _| {});
        assert!((f64::from(i32::try_from(clock.to_file(None).set_back).unwrap()) - set_back).abs() <= 1.0);
        assert_eq!(clock.is_tampered(), set_back > 86_400.0);
    }

    #[test]
    fn a_restart_does_not_count_a_set_back_again(steps in observations()) {
        let (clock, reading) = observe_all(&steps, |_, _| {});
        let stored = clock.to_file(None);
        let mut restarted = Clock::new(reading.wall);
        restarted.merge(&stored, 0.0);
        restarted.observe(ClockReading { monotonic: 0.0, ..reading }, None);
        prop_assert!((restarted.now - clock.now).abs() <= 1.0);
        prop_assert_eq!(restarted.to_file(None).set_back, stored.set_back);
    }

    #[test]
    fn a_signed_time_ends_all_set_backs(steps in observations(), offset in -1_000_000.0..1_000_000.0_f64) {
        let (mut clock, reading) = observe_all(&steps, |_, _| {});
        let issued_at = (START + offset).round();
        clock.synchronize(issued_at, issued_at + 3_600.0, reading.wall);
        clock.observe(reading, None);
        prop_assert_eq!(clock.to_file(None).set_back, 0);
        prop_assert!(!clock.is_tampered());
    }
}

#[test]
fn the_clock_of_another_process_with_a_newer_reference_replaces_this_one() {
    let mut clock = Clock::new(START);
    clock.merge(&file(1_768_478_400, 0, 90_000, 1_000), 0.0);
    assert!(clock.is_tampered());
    clock.merge(&file(1_768_478_000, 50, 0, 2_000), 0.0);
    assert_eq!(clock.to_file(None), file(1_768_478_000, 50, 0, 2_000));
}

#[test]
fn the_clock_of_another_process_with_an_older_reference_is_ignored() {
    let mut clock = Clock::new(START);
    clock.merge(&file(1_768_478_000, 0, 0, 2_000), 0.0);
    clock.merge(&file(1_768_480_000, 0, 90_000, 1_000), 0.0);
    assert_eq!(clock.to_file(None), file(1_768_478_000, 0, 0, 2_000));
}

#[test]
fn a_set_back_that_two_processes_see_is_counted_once() {
    let mut clock = Clock::new(START);
    clock.merge(&file(1_768_478_400, 0, 0, 2_000), 0.0);
    clock.observe(ClockReading { wall: START, monotonic: 0.0 }, None);
    clock.merge(&file(1_768_478_400, 50_000, 50_000, 2_000), 0.0);
    clock.observe(ClockReading { wall: START - 50_000.0, monotonic: 0.0 }, None);
    assert_eq!(clock.to_file(None).set_back, 50_000);
}
