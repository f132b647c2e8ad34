//! What the issuer remembers: codes that wait to be redeemed, and whom its access tokens speak for.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use shared::domain::secret::sha256;

use super::person::{Person, Words};

/// RFC 6749 §4.1.2: a code is short-lived. A browser carries it at once.
const CODE_LIFE: SignedDuration = SignedDuration::from_secs(60);

/// What a code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) words: Words,
    pub(super) person: Person,
}

/// Whom an access token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issued {
    pub(super) person: Person,
    pub(super) words: Words,
}

/// All of it ends with the process; its tokens go on, but their userinfo.
#[derive(Default)]
pub(super) struct Grants {
    codes: Memory<String, Grant>,
    issued: Memory<[u8; 32], Issued>,
}

impl Grants {
    /// A code for a grant. It works once, and not for long.
    pub(super) fn code(&self, grant: Grant, now: Timestamp) -> String {
        let code = random_text();
        self.codes.keep(code.clone(), grant, now + CODE_LIFE, now);
        code
    }

    /// What a code stands for, once.
    pub(super) fn redeem(&self, code: &str, now: Timestamp) -> Option<Grant> {
        self.codes.take(code, now)
    }

    /// Remembers whom a token speaks for.
    pub(super) fn remember(&self, token: &str, issued: Issued, until: Timestamp, now: Timestamp) {
        self.issued.keep(sha256(token.as_bytes()), issued, until, now);
    }

    /// Whom a token speaks for: none if it is not one of ours, is none for access, or its time is over.
    pub(super) fn holder(&self, token: &str, now: Timestamp) -> Option<Issued> {
        self.issued.find(&sha256(token.as_bytes()), now)
    }
}

/// 256 random bits.
pub(super) fn random_text() -> String {
    BASE64URL_NOPAD.encode(&rand::rng().random::<[u8; 32]>())
}

/// Things that are forgotten when their time is over.
struct Memory<K, V>(Mutex<HashMap<K, (Timestamp, V)>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: std::hash::Hash + Eq, V: Clone> Memory<K, V> {
    /// Takes the lock, and forgets what is over.
    fn at(&self, now: Timestamp) -> MutexGuard<'_, HashMap<K, (Timestamp, V)>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (until, _)| *until > now);
        all
    }

    fn keep(&self, key: K, value: V, until: Timestamp, now: Timestamp) {
        self.at(now).insert(key, (until, value));
    }

    fn take<Q: std::hash::Hash + Eq + ?Sized>(&self, key: &Q, now: Timestamp) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.at(now).remove(key).map(|(_, value)| value)
    }

    fn find(&self, key: &K, now: Timestamp) -> Option<V> {
        self.at(now).get(key).map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_works_once_and_not_for_long() {
        let grants = Grants::default();
        let grant = Grant {
            redirect_uri: "http://127.0.0.1/".to_owned(),
            challenge: "c".to_owned(),
            nonce: None,
            words: Words::default(),
            person: Person::new("ada@example.com", None, Vec::new(), true).unwrap(),
        };
        let start = Timestamp::UNIX_EPOCH;
        let code = grants.code(grant.clone(), start);
        assert_eq!(grants.redeem(&code, start + SignedDuration::from_secs(59)), Some(grant.clone()));
        assert_eq!(grants.redeem(&code, start), None);
        let code = grants.code(grant, start);
        assert_eq!(grants.redeem(&code, start + CODE_LIFE), None);
        assert_eq!(grants.redeem("", start), None);
    }
}
