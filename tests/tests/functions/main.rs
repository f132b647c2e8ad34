//! Tests of the function binaries under an emulated Lambda runtime: their responses to the events in `events/`, and
//! their startup errors.
//!
//! `tests/functions.sh` builds the binaries and runs the tests. Without it, all of them are ignored.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

mod installation;
mod lifecycle;
mod startup;
