//! What the black-box tests share: a whole [`Stack`] each, a [`Client`] that speaks HTTP to it, helpers that sell
//! something, and [`Faults`] between the SDK and DynamoDB.
//!
//! ```no_run
//! # async fn test() {
//! use signet_tests::Stack;
//!
//! let stack = Stack::start().await;
//! let sold = stack.operator.sell(2).await;
//! let answer = stack.operator.get(&format!("license-keys/{}", sold.license_id)).await;
//! assert_eq!(answer.body["status"], "active");
//! # }
//! ```
#![expect(clippy::expect_used, reason = "what does not work here fails the test")]

mod browser;
mod client;
mod events;
mod faults;
mod fixtures;
mod jose;
mod lambda_runtime;
mod logs;
mod operations;
mod raw_http;
mod raw_table;
mod seats;
mod secrets;
mod setup;
mod signet_process;
mod stack;

pub use browser::{Browser, HtmlPage, SESSION};
pub use client::{Client, TestResponse};
pub use events::events;
pub use faults::{Fault, Faults, Gate, Rule};
pub use jose::{AppKey, Signed, json_of, thumbprint};
pub use lambda_runtime::{Ended, Function, Variables};
pub use logs::Logs;
pub use operations::Operation;
pub use raw_table::{RawTable, plain};
pub use seats::Seats;
pub use secrets::{found_in, items_hold, pieces};
pub use serde_json::{Value, json};
pub use setup::{IssuedLicense, merged, random_word, text};
pub use signet_process::SignetProcess;
pub use stack::{START, Stack};
