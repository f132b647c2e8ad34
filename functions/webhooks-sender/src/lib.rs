//! Sends webhooks.

pub mod client;
pub mod invocation;
pub mod resolver;
pub mod sender;

pub use client::{ClientSettings, WebhookClient};
pub use invocation::Invocations;
pub use resolver::{Resolve, SystemResolver};
pub use sender::Sender;
