//! The authentication throttle: limits failed authentication attempts per client address, counting invalid license
//! keys, API keys and tokens together. Above the limit, credentials from that address are rejected without a lookup.
//!
//! Tokens with a valid signature always pass: they are verified before anything is counted, so one misbehaving client
//! does not lock out apps with tokens behind the same router.

use crate::{
    AppState,
    http::{Problem, RequestContext},
    store::rate_limiter::{RateLimitError, RateLimitExceeded},
};

/// Fails if the client's address is known to exceed the limit. Call it before looking up a credential. Does no I/O.
pub fn check(app: &AppState, ctx: &RequestContext) -> Result<(), RateLimitExceeded> {
    match app.settings.rate_limits.failed_auth_bucket(&ctx.ip) {
        Some(bucket) => app.rate_limiter.check(&bucket, ctx.now),
        None => Ok(()),
    }
}

/// Counts a failed attempt.
pub async fn count(app: &AppState, ctx: &RequestContext) -> Result<(), RateLimitError> {
    match app.settings.rate_limits.failed_auth_bucket(&ctx.ip) {
        Some(bucket) => app.rate_limiter.count(&app.table, &bucket, ctx.now).await,
        None => Ok(()),
    }
}

/// Counts a failed attempt. Returns `problem`, or `rate_limited` if the attempt exceeds the limit.
pub(super) async fn count_failure(app: &AppState, ctx: &RequestContext, problem: Problem) -> Problem {
    count(app, ctx).await.map_or_else(Problem::from, |()| problem)
}
