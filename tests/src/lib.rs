//! Helpers for the black-box tests: a complete [`Stack`] for each test, an HTTP [`Client`] for its API, fixtures that
//! issue licenses, and [`Faults`] that are injected between the SDK and AWS.
//!
//! ```no_run
//! # async fn test() {
//! use signet_tests::Stack;
//!
//! let stack = Stack::start().await;
//! let license = stack.operator.issue_new_license(2).await;
//! let response = stack.operator.get(&format!("license-keys/{}", license.license_id)).await;
//! assert_eq!(response.body["status"], "active");
//! # }
//! ```
#![expect(clippy::expect_used, reason = "an error in a helper fails the test")]

mod access;
mod browser;
mod cases;
mod client;
mod dynamodb;
mod events;
mod fake_queue;
mod faults;
mod fixtures;
mod imports;
mod jose;
mod keys;
mod lambda_runtime;
mod logs;
mod operations;
mod raw_http;
mod raw_table;
mod scheduler;
mod seats;
mod secrets;
mod setup;
mod signet_process;
mod snapshot;
mod stack;
mod transport;
mod webhook_receiver;

pub use access::{Access, ROWS, Row};
pub use browser::{Browser, HtmlPage, SESSION};
pub use cases::{Failures, Seed, all_cases, check_each, selected};
pub use client::{Client, TestResponse};
pub use events::events;
pub use fake_queue::FakeQueue;
pub use faults::{Fault, Faults, Gate, Rule};
pub use fixtures::{Fixtures, license_event};
pub use imports::{import_cycles, imports_against};
pub use jose::{AppKey, VerifiedToken, jwk_to_json, thumbprint};
pub use keys::pregenerated_keys;
pub use lambda_runtime::{Environment, Function, FunctionExit};
pub use logs::Logs;
pub use operations::Operation;
pub use raw_table::{RawTable, plain};
pub use scheduler::{Reply, ScheduledCall, Scheduler};
pub use seats::Seats;
pub use secrets::{SecretSearch, secret_fragments};
pub use serde_json::{Value, json};
pub use setup::{IssuedLicense, listed, merged, random_word, text};
pub use signet_process::SignetProcess;
pub use stack::{START, Stack};
pub use webhook_receiver::{Behavior, ReceivedWebhook, WebhookReceiver};
