//! How long a request waits for what it needs.

use std::time::Duration;

/// Each is longer than the one before. What is slow or away is told as 503 within the last, also where a request needs
/// several things, each of which is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For one attempt of AWS's client; most answers take a few milliseconds. It makes three.
    pub attempt: Duration,
    /// For all its attempts at one operation.
    pub operation: Duration,
    /// For the whole of a request. API Gateway gives up after 30 seconds, and so do most callers; after as long, another
    /// try of a request that is to happen once may begin.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(2), operation: Duration::from_secs(8), request: Duration::from_secs(10) }
    }
}
