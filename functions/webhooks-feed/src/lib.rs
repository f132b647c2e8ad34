//! Turns events into deliveries to webhook endpoints, and wakes the function that attempts them.

pub mod feed;
pub mod invocation;

pub use feed::Feed;
pub use invocation::Invocations;
