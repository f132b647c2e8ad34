//! Authorization codes that were issued, and the users of access tokens.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use shared::domain::secret::sha256;

use super::user::{DevUser, RequestedScope};

/// Lifetime of an authorization code. RFC 6749 §4.1.2 requires a short one.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);

/// The authorization that a code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) scope: RequestedScope,
    pub(super) user: DevUser,
}

/// The user and scope of an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenHolder {
    pub(super) user: DevUser,
    pub(super) scope: RequestedScope,
}

/// Codes and tokens, in memory. After a restart, tokens remain valid, but the userinfo endpoint no longer knows them.
#[derive(Default)]
pub(super) struct Grants {
    codes: ExpiringMap<String, Grant>,
    tokens: ExpiringMap<[u8; 32], TokenHolder>,
}

impl Grants {
    /// Issues a code for a grant. It can be redeemed once within a minute.
    pub(super) fn issue_code(&self, grant: Grant, now: Timestamp) -> String {
        let code = random_text();
        self.codes.insert(code.clone(), grant, now + CODE_LIFETIME, now);
        code
    }

    /// Redeems a code.
    pub(super) fn redeem(&self, code: &str, now: Timestamp) -> Option<Grant> {
        self.codes.remove(code, now)
    }

    /// Stores the holder of an access token.
    pub(super) fn remember_token(&self, token: &str, holder: TokenHolder, until: Timestamp, now: Timestamp) {
        self.tokens.insert(sha256(token.as_bytes()), holder, until, now);
    }

    /// Returns the holder of an access token of this issuer that has not expired.
    pub(super) fn holder(&self, token: &str, now: Timestamp) -> Option<TokenHolder> {
        self.tokens.get(&sha256(token.as_bytes()), now)
    }
}

/// Returns 256 random bits as base64url.
pub(super) fn random_text() -> String {
    BASE64URL_NOPAD.encode(&rand::rng().random::<[u8; 32]>())
}

/// A map whose entries expire.
struct ExpiringMap<K, V>(Mutex<HashMap<K, (Timestamp, V)>>);

impl<K, V> Default for ExpiringMap<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: std::hash::Hash + Eq, V: Clone> ExpiringMap<K, V> {
    /// Locks the map and removes expired entries.
    fn unexpired(&self, now: Timestamp) -> MutexGuard<'_, HashMap<K, (Timestamp, V)>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, (until, _)| *until > now);
        entries
    }

    fn insert(&self, key: K, value: V, until: Timestamp, now: Timestamp) {
        self.unexpired(now).insert(key, (until, value));
    }

    fn remove<Q: std::hash::Hash + Eq + ?Sized>(&self, key: &Q, now: Timestamp) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.unexpired(now).remove(key).map(|(_, value)| value)
    }

    fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        self.unexpired(now).get(key).map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_can_be_redeemed_once_before_it_expires() {
        let grants = Grants::default();
        let grant = Grant {
            redirect_uri: "http://127.0.0.1/".to_owned(),
            challenge: "c".to_owned(),
            nonce: None,
            scope: RequestedScope::default(),
            user: DevUser::new("ada@example.com", None, Vec::new(), true).unwrap(),
        };
        let start = Timestamp::UNIX_EPOCH;
        let code = grants.issue_code(grant.clone(), start);
        assert_eq!(grants.redeem(&code, start + SignedDuration::from_secs(59)), Some(grant.clone()));
        assert_eq!(grants.redeem(&code, start), None);
        let code = grants.issue_code(grant, start);
        assert_eq!(grants.redeem(&code, start + CODE_LIFETIME), None);
        assert_eq!(grants.redeem("", start), None);
    }
}
