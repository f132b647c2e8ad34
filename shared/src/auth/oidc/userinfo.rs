//! What the issuer's userinfo endpoint tells of a person (OpenID Connect Core §5.3).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{
    OidcError, User,
    bearer::is_true,
    fetch::{Fetch, FetchError},
    keys::IssuerKeys,
};

/// How long an answer is kept.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// How many are kept.
const MAX_PROFILES: usize = 1000;

/// What is known of a person besides the token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Profile {
    email: Option<String>,
    email_verified: bool,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    sub: String,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
}

impl Profile {
    /// The token's word goes first. An address and whether it is verified are never of two sources.
    pub(super) fn complete(self, mut user: User) -> User {
        if user.email.is_none() {
            user.email = self.email;
            user.email_verified = self.email_verified;
        }
        user.name = user.name.or(self.name);
        user
    }
}

/// Profiles by subject, kept for some minutes.
#[derive(Default)]
pub(super) struct Profiles(Mutex<HashMap<String, (Timestamp, Profile)>>);

impl Profiles {
    /// The profile of a user; an empty one where the issuer tells nothing to the holder of this token, as is so with
    /// most ID tokens.
    pub(super) async fn of(
        &self,
        user: &User,
        keys: &IssuerKeys,
        fetch: &Fetch,
        now: Timestamp,
    ) -> Result<Profile, OidcError> {
        if let Some(kept) = self.kept(&user.subject, now) {
            return Ok(kept);
        }
        let discovery = keys.discovery(now).await?;
        let Some(endpoint) = &discovery.userinfo_endpoint else { return Ok(Profile::default()) };
        let answer: Answer = match fetch.json(endpoint, Some(&user.token)).await {
            Ok(answer) => answer,
            Err(FetchError::Refused(status)) => {
                tracing::info!(%status, "the OIDC issuer's userinfo endpoint refused a token");
                return Ok(Profile::default());
            }
            Err(FetchError::NoAnswer(cause)) => return Err(OidcError::Unavailable(cause)),
        };
        // Of someone else, it must not be used (§5.3.2).
        if answer.sub != user.subject {
            return Err(OidcError::Unavailable(format!("{endpoint} answered for someone else")));
        }
        let email = answer.email.filter(|email| !email.is_empty());
        let profile = Profile {
            email_verified: email.is_some() && is_true(answer.email_verified.as_ref()),
            email,
            name: answer.name.filter(|name| !name.is_empty()),
        };
        self.keep(user.subject.clone(), profile.clone(), now);
        Ok(profile)
    }

    fn kept(&self, subject: &str, now: Timestamp) -> Option<Profile> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(subject).filter(|(at, _)| is_fresh(*at, now)).map(|(_, profile)| profile.clone())
    }

    fn keep(&self, subject: String, profile: Profile, now: Timestamp) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (at, _)| is_fresh(*at, now));
        if kept.len() < MAX_PROFILES {
            kept.insert(subject, (now, profile));
        }
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at).abs() < FRESH
}
