//! Who asks, and whether they may.

pub mod caller;

pub use caller::Caller;
