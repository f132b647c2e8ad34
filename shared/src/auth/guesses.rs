//! Secrets that do not hold count against the address that they come from, whatever they are: license keys, API keys,
//! tokens. Once there were too many, the address is told nothing more of what holds and what does not.
//!
//! A token whose signature holds is no guess: it is verified before anything is counted, and passes from whatever
//! address, so that one bad client keeps out nobody with a token behind the same router.

use crate::{
    Services,
    http::{Call, Problem},
    store::rates::{CountError, Limited},
};

/// Before a secret is looked up: goes on unless this address is known to have guessed too often. No I/O.
pub fn admit(services: &Services, call: &Call) -> Result<(), Limited> {
    match services.settings.rate_limits.guesses_from(&call.ip) {
        Some(bucket) => services.full_buckets.admit(&bucket, call.now),
        None => Ok(()),
    }
}

/// After a secret did not hold: counts it.
pub async fn count(services: &Services, call: &Call) -> Result<(), CountError> {
    match services.settings.rate_limits.guesses_from(&call.ip) {
        Some(bucket) => services.full_buckets.count(&services.table, &bucket, call.now).await,
        None => Ok(()),
    }
}

/// What to answer to a credential that does not hold: the refusal, or that there were too many.
pub(super) async fn counted(services: &Services, call: &Call, refusal: Problem) -> Problem {
    count(services, call).await.map_or_else(Problem::from, |()| refusal)
}
