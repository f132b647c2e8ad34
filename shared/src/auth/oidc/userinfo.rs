//! Profiles of users from the issuer's userinfo endpoint (OpenID Connect Core §5.3).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{
    bearer::is_true,
    error::OidcError,
    fetch::{FetchError, IssuerClient},
    keys::IssuerKeys,
    user::User,
};
use crate::ttl_cache::Cached;

/// How long a profile is cached.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(5);
/// The maximum number of cached profiles.
const MAX_PROFILES: usize = 1000;

/// The profile of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Profile {
    email: Option<String>,
    email_verified: bool,
    name: Option<String>,
}

#[derive(Deserialize)]
struct UserinfoResponse {
    sub: String,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
}

impl Profile {
    /// Adds the profile to a user. The token's claims take precedence, and `email` and `email_verified` always come
    /// from the same source.
    pub(super) fn add_to(self, mut user: User) -> User {
        if user.email.is_none() {
            user.email = self.email;
            user.email_verified = self.email_verified;
        }
        user.name = user.name.or(self.name);
        user
    }
}

/// A cache of profiles by subject; not a [`TtlCache`](crate::ttl_cache::TtlCache), which holds one value.
#[derive(Default)]
pub(super) struct ProfileCache(Mutex<HashMap<String, Cached<Profile>>>);

impl ProfileCache {
    /// Returns the profile of a user. It is empty if the issuer has no userinfo endpoint or does not accept the token
    /// there, as is common for ID tokens.
    pub(super) async fn get(
        &self,
        user: &User,
        keys: &IssuerKeys,
        client: &IssuerClient,
        now: Timestamp,
    ) -> Result<Profile, OidcError> {
        if let Some(cached) = self.cached(&user.subject, now) {
            return Ok(cached);
        }
        let discovery = keys.discovery(now).await?;
        let Some(endpoint) = &discovery.userinfo_endpoint else { return Ok(Profile::default()) };
        let response: UserinfoResponse = match client.get_json(endpoint, Some(&user.token)).await {
            Ok(response) => response,
            Err(FetchError::Rejected(status)) => {
                tracing::info!(%status, "the OIDC issuer's userinfo endpoint rejected a token");
                return Ok(Profile::default());
            }
            Err(FetchError::Unavailable(cause)) => return Err(OidcError::Unavailable(cause)),
        };
        // A response with another `sub` must not be used (§5.3.2).
        if response.sub != user.subject {
            return Err(OidcError::Unavailable(format!("{endpoint}: the response is about another user")));
        }
        let email = response.email.filter(|email| !email.is_empty());
        let profile = Profile {
            email_verified: email.is_some() && is_true(response.email_verified.as_ref()),
            email,
            name: response.name.filter(|name| !name.is_empty()),
        };
        let cached = Cached::new(profile, now);
        self.store(user.subject.clone(), cached.clone());
        Ok(Profile::clone(&cached.value))
    }

    fn cached(&self, subject: &str, now: Timestamp) -> Option<Profile> {
        let profiles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        profiles.get(subject).filter(|cached| is_fresh(cached, now)).map(|cached| Profile::clone(&cached.value))
    }

    fn store(&self, subject: String, profile: Cached<Profile>) {
        let mut profiles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        profiles.retain(|_, cached| is_fresh(cached, profile.read_at));
        if profiles.len() < MAX_PROFILES {
            profiles.insert(subject, profile);
        }
    }
}

fn is_fresh(cached: &Cached<Profile>, now: Timestamp) -> bool {
    cached.age(now).abs() < MAX_AGE
}
