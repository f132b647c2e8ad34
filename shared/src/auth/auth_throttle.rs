//! The authentication throttle: limits failed authentication attempts per client address, counting invalid license
//! keys, API keys and tokens together. Above the limit, credentials from that address are rejected without a lookup.
//!
//! Tokens with a valid signature always pass: they are verified before anything is counted, so one misbehaving client
//! does not lock out apps with tokens behind the same router.

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

    /// Fails if the client's address is known to exceed the limit. Call it before looking up a credential. Does no I/O.
    pub fn check(&self, ctx: &RequestContext) -> Result<(), RateLimitExceeded> {
        match self.limits.failed_auth_bucket(&ctx.ip) {
            Some(bucket) => self.rate_limiter.check(&bucket, ctx.now),
            None => Ok(()),
        }
    }

    /// Counts a failed attempt.
    pub async fn count(&self, ctx: &RequestContext) -> Result<(), RateLimitError> {
        match self.limits.failed_auth_bucket(&ctx.ip) {
            Some(bucket) => self.rate_limiter.count(&self.table, &bucket, ctx.now).await,
            None => Ok(()),
        }
    }

    /// Counts a failed attempt. Returns `problem`, or `rate_limited` if the attempt exceeds the limit.
    pub(super) async fn count_failure(&self, ctx: &RequestContext, problem: Problem) -> Problem {
        self.count(ctx).await.map_or_else(Problem::from, |()| problem)
    }
}
