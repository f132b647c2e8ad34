//! Timeouts of requests and of calls to AWS.

use std::time::Duration;

/// Timeouts; those of an attempt, an operation and a request are each longer than the previous one. A request whose dependencies are slow fails with 503 within the request
/// timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// The timeout of one attempt of an AWS client, which makes up to three. Most calls take a few milliseconds.
    pub attempt: Duration,
    /// The timeout of an operation of an AWS client, including all attempts.
    pub operation: Duration,
    /// The timeout of a request. It must be less than 30 seconds: after that, API Gateway and most clients give up,
    /// and a retry may take over the reservation of an idempotency key.
    pub request: Duration,
    /// How long an import begins to process lines. Half of the request timeout: the lines that it has begun must end within
    /// that, too.
    pub import: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(2),
            operation: Duration::from_secs(8),
            request: Duration::from_secs(10),
            import: Duration::from_secs(5),
        }
    }
}
