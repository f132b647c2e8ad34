//! The real binaries of the functions, spoken to as Lambda does: what they make of the events in `events/`, and what they
//! say where they can't start.
//!
//! `tests/functions.sh` builds them and runs this. Without it, every test is passed over.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod installation;
mod starts;
mod story;
