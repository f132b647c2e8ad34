//! The whole of it on real parts: MiniStack's KMS and Secrets Manager, and Amazon's own DynamoDB Local.
//!
//! `tests/real.sh` brings them up and runs this. Without it, every test is passed over.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod costs;
mod faults;
mod parts;
mod race;
mod reencryption;
mod secrets;
mod signer;
mod starts;
mod story;
