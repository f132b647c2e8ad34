//! The authentication throttle: limits failed authentication attempts per client address, counting invalid license
//! keys, API keys and tokens together. Above the limit, failed attempts get 429 and are no longer counted.
//!
//! Valid credentials always pass, so one client that guesses does not lock out the others behind the same router. The
//! throttle does not have to slow down guessing itself, which the length of the secrets prevents. It bounds the writes,
//! and makes the guessing visible. Above the limit, a guess costs at most one read; one without valid check characters,
//! or with a malformed API key, costs none. Imported key strings of other systems have no check characters, and may be
//! short: above the limit they are not looked up, and machines depend on their tokens until the limit is reset.

use crate::{
    domain::rate_limit::RateLimits,
    http::{Problem, RequestContext},
    store::{
        Table,
        rate_limiter::{RateLimitError, RateLimitExceeded, RateLimiter},
    },
};

/// Counts failed authentication attempts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuthThrottle {
    table: Table,
    rate_limiter: RateLimiter,
    limits: RateLimits,
}

impl AuthThrottle {
    /// Creates the throttle from the parts that it uses.
    pub fn new(table: Table, rate_limiter: RateLimiter, limits: RateLimits) -> Self {
        Self { table, rate_limiter, limits }
    }

    /// Counts a failed attempt, or fails if it exceeds the limit.
    pub async fn count(&self, ctx: &RequestContext) -> Result<(), RateLimitError> {
        match self.limits.failed_auth_bucket(&ctx.ip) {
            Some(bucket) => ctx.count_request(&self.rate_limiter, &self.table, &bucket).await,
            None => Ok(()),
        }
    }

    /// Fails if the client's address is known to exceed the limit. Performs no I/O.
    pub fn check(&self, ctx: &RequestContext) -> Result<(), RateLimitExceeded> {
        match self.limits.failed_auth_bucket(&ctx.ip) {
            Some(bucket) => ctx.check_limit(&self.rate_limiter, &bucket),
            None => Ok(()),
        }
    }

    /// Counts a failed attempt. Returns `problem`, or `rate_limited` if the attempt exceeds the limit.
    pub(super) async fn count_failure(&self, ctx: &RequestContext, problem: Problem) -> Problem {
        self.count(ctx).await.map_or_else(Problem::from, |()| problem)
    }
}
