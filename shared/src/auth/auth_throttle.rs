//! Secrets that do not hold count against the address that they come from, whatever they are: license keys, API keys,
//! tokens. Once there were too many, the address is told nothing more of what holds and what does not.
//!
//! A token whose signature holds is no guess: it is verified before anything is counted, and passes from whatever
//! address, so that one bad client keeps out nobody with a token behind the same router.

use crate::{
    AppState,
    http::{Problem, RequestContext},
    store::rate_limiter::{CountError, RateLimitExceeded},
};

/// Before a secret is looked up: goes on unless this address is known to have guessed too often. No I/O.
pub fn admit(app: &AppState, ctx: &RequestContext) -> Result<(), RateLimitExceeded> {
    match app.settings.rate_limits.guesses_from(&ctx.ip) {
        Some(bucket) => app.rate_limiter.admit(&bucket, ctx.now),
        None => Ok(()),
    }
}

/// After a secret did not hold: counts it.
pub async fn count(app: &AppState, ctx: &RequestContext) -> Result<(), CountError> {
    match app.settings.rate_limits.guesses_from(&ctx.ip) {
        Some(bucket) => app.rate_limiter.count(&app.table, &bucket, ctx.now).await,
        None => Ok(()),
    }
}

/// What to answer to a credential that does not hold: the refusal, or that there were too many.
pub(super) async fn counted(app: &AppState, ctx: &RequestContext, refusal: Problem) -> Problem {
    count(app, ctx).await.map_or_else(Problem::from, |()| refusal)
}
