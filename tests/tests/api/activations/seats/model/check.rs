//! Runs the exploration on several threads.

use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rand::seq::SliceRandom;
use signet_tests::Seed;

use super::{
    explorer::{Bounds, Counts, explore},
    scenario::{self, Scenario},
    world::World,
};

/// The number of threads that explore scenarios.
const THREADS: usize = 2;

/// Explores scenarios, in this order, and prints what was explored.
///
/// # Panics
///
/// Panics with the steps that lead to a violation.
#[expect(clippy::print_stdout, reason = "the counts are the result of a longer run")]
fn run(name: &str, scenarios: &[Scenario], bounds: Bounds, seed: &Seed) {
    let start = Instant::now();
    let only = env::var("SIGNET_MODEL_SCENARIO").unwrap_or_default();
    let scenarios: Vec<_> = scenarios.iter().filter(|scenario| scenario.to_string().contains(&only)).collect();
    let (next, counts, failed) = (AtomicUsize::new(0), Mutex::new(Counts::default()), Mutex::new(None));
    if bounds.deadline.is_some_and(|end| end < start) {
        return;
    }
    let is_over = || failed.lock().unwrap().is_some() || bounds.deadline.is_some_and(|end| end < Instant::now());
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::start().await;
            while !is_over() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(scenario) = scenarios.get(index) else { return };
                match explore(&world, scenario, bounds, &mut seed.rng(index as u64)).await {
                    Ok(explored) => counts.lock().unwrap().add(explored),
                    Err(violation) => *failed.lock().unwrap() = Some(violation),
                }
            }
        });
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let explored = counts.into_inner().unwrap();
    println!("{name}, {} faults: {explored} of {} in {:.1?}", bounds.faults, scenarios.len(), start.elapsed());
    if let Some(violation) = failed.into_inner().unwrap() {
        panic!("{violation}");
    }
}

/// Returns when the exploration ends, if `SIGNET_MODEL_SECONDS` is set.
fn deadline() -> Option<Instant> {
    let seconds = env::var("SIGNET_MODEL_SECONDS").ok()?;
    Some(Instant::now() + Duration::from_secs(seconds.parse().expect("SIGNET_MODEL_SECONDS is a number")))
}

#[test]
fn no_interleaving_exceeds_the_seats_or_loses_one() {
    let (seed, deadline) = (Seed::generate(), deadline());
    let bounds = |faults, schedules| Bounds { faults, schedules, deadline };
    let Some(end) = deadline else { return run("short scenarios", &scenario::short(), bounds(0, 50), &seed) };
    let (mut rng, chosen) = (seed.rng(0), scenario::chosen());
    let mut shuffled = |size| {
        let mut scenarios = scenario::generated(size);
        scenarios.shuffle(&mut rng);
        scenarios
    };
    run("chosen scenarios", &chosen, bounds(0, 100), &seed);
    let short = [&[scenario::ended_before_its_repeat()], &*scenario::short()].concat();
    run("short scenarios", &short, bounds(1, 150), &seed);
    run("pairs of commands", &shuffled(2), bounds(0, 20), &seed);
    // Then more schedules and larger scenarios, as long as there is time.
    run("chosen scenarios", &chosen, bounds(0, 3000), &seed);
    run("pairs of commands", &shuffled(2), bounds(0, 1000), &seed);
    let (mut pairs, mut triples) = (shuffled(2), shuffled(3));
    let take = |from: &mut Vec<Scenario>, count| from.split_off(from.len().saturating_sub(count));
    while Instant::now() < end {
        run("sequences beside a command", &scenario::sequences(100, &mut rng), bounds(0, 100), &seed);
        run("pairs of commands", &take(&mut pairs, 50), bounds(1, 1000), &seed);
        run("sequences beside a command", &scenario::sequences(20, &mut rng), bounds(1, 300), &seed);
        run("sets of three commands", &take(&mut triples, 50), bounds(0, 300), &seed);
        run("chosen scenarios", &chosen, bounds(1, 3000), &seed);
        run("sets of three commands", &take(&mut triples, 20), bounds(2, 300), &seed);
    }
}
