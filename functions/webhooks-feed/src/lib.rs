//! Turns events into deliveries to webhook endpoints, wakes the function that attempts them, and keeps the words of searches up to
//! date.

pub mod feed;
pub mod invocation;

pub use feed::Feed;
pub use invocation::Invocations;
