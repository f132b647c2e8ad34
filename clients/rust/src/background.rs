use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
    thread,
    time::Duration,
};

use crate::{client::Client, time::MINUTE};

/// The shortest pause between two runs, in seconds.
const MIN_PAUSE: f64 = 0.1;

/// Starts the background thread. It is detached, so that it does not keep the process from exiting. Without a thread, for
/// example because of a limit of the system, the license is not renewed.
pub(crate) fn start(client: Arc<Client>) {
    let _ = thread::Builder::new().name("signet-client".to_owned()).spawn(move || run_until_closed(&client));
}

fn run_until_closed(client: &Client) {
    while client.signal.wait(pause(client)) {
        let _ = catch_unwind(AssertUnwindSafe(|| client.run()));
    }
}

/// Returns the time until the next run, but at most a minute: timers stop while a computer sleeps, and the clock can
/// be set.
pub(crate) fn pause(client: &Client) -> Duration {
    let seconds = client.seconds_until_run().unwrap_or(MINUTE);
    Duration::from_secs_f64(seconds.clamp(MIN_PAUSE, MINUTE))
}
