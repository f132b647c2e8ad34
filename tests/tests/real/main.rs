//! Tests against KMS and Secrets Manager of MiniStack, and DynamoDB Local by AWS.
//!
//! `tests/real.sh` starts these services and runs the tests. Without it, all of them are ignored.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

mod costs;
mod lifecycle;
mod outages;
mod race;
mod reencryption;
mod secrets;
mod services;
mod signer;
mod startup;
