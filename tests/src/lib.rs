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

mod behind;
mod client;
mod events;
mod faults;
mod jose;
mod lambda_runtime;
mod logs;
mod operations;
mod running;
mod seats;
mod secrets;
mod shop;
mod stack;
mod things;
mod visitor;
mod wire;

pub use behind::{Behind, plain};
pub use client::{Answer, Client};
pub use events::events;
pub use faults::{Fault, Faults, Gate, Rule};
pub use jose::{AppKey, Signed, json_of, thumbprint};
pub use lambda_runtime::{Ended, Function, Variables};
pub use logs::Logs;
pub use operations::Operation;
pub use running::Running;
pub use seats::Seats;
pub use secrets::{found_in, items_hold, pieces};
pub use serde_json::{Value, json};
pub use shop::{Sold, merged, random_word, text};
pub use stack::{START, Stack};
pub use visitor::{SESSION, Shown, Visitor};
