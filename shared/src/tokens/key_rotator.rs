//! Who looks after the ring: makes keys, lets each take its turn, retires and ends them, and signs their set.
//!
//! It does whatever is due, a step at a time, and may die between any two things: each step is one transaction on the
//! version of the ring that it read, and a key that was made and not yet written down is found again by its name.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;

use super::{PublicKey, SignError, Signer, signed_key_set, signer::NewKey};
use crate::{
    domain::key_ring::{DueStep, KeyRing, KeyState, PendingKey, RootKey, RotationPolicy, SigningKey},
    store::{StoreError, Table, key_ring::KeyRingUpdate},
};

/// More steps than a ring can have due at once.
const MAX_STEPS: usize = 20;

/// Why the ring was not looked after to the end. What is due is done by the next that looks.
#[derive(Debug, thiserror::Error)]
pub enum KeyRotationError {
    /// The signer.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks after the ring. Only who may make keys and sign with the root keys can.
#[derive(Debug, Clone)]
pub struct KeyRotator {
    table: Table,
    signer: Arc<dyn Signer>,
    rules: RotationPolicy,
    /// The handles of the root keys; the first signs.
    roots: Arc<[String]>,
    issuer: Arc<str>,
}

impl KeyRotator {
    /// For the ring of this table, whose root keys have these handles: all of them are there for apps to build in, and
    /// the first signs. To replace a root key, one is added at the end; once every app in the field has it built in, it
    /// is put first; and once no app has the old one alone, that is left out.
    pub fn new(table: Table, signer: Arc<dyn Signer>, rules: RotationPolicy, roots: &[String], issuer: &str) -> Self {
        Self { table, signer, rules, roots: roots.into(), issuer: issuer.into() }
    }

    /// Does all that is due; last what may be forbidden for good, which nothing else waits for.
    pub async fn keep(&self, now: Timestamp) -> Result<(), KeyRotationError> {
        for _ in 0..MAX_STEPS {
            let ring = self.table.ring().await?;
            if !self.step(&ring, now).await? {
                return self.end_keys(&ring, now).await;
            }
        }
        Err(StoreError::Contended.into())
    }

    /// Does the first thing that is due; tells whether there was one.
    async fn step(&self, ring: &KeyRing, now: Timestamp) -> Result<bool, KeyRotationError> {
        let Some(step) = ring.due(self.rules, now) else { return self.keep_set(ring, now).await };
        let changed = match step {
            DueStep::Make => {
                self.make(ring, now).await?;
                return Ok(true);
            }
            DueStep::Promote => ring.promoted(self.rules, now).unwrap_or_default(),
            DueStep::Retire => ring.retired(now),
        };
        if self.table.update_key_ring(ring, KeyRingUpdate { changed: &changed, ..KeyRingUpdate::default() }).await? {
            let kids: Vec<_> = changed.iter().map(|key| key.kid.as_str()).collect();
            tracing::info!(?step, ?kids, "the signing key ring has turned");
        }
        Ok(true)
    }

    /// Lets the private parts end that are of no use any more. One that does not is passed over, and told of, until it
    /// does: many an account forbids everybody to delete keys, and such a key signs nothing that is honoured.
    async fn end_keys(&self, ring: &KeyRing, now: Timestamp) -> Result<(), KeyRotationError> {
        let mut ended = ring.ended(self.rules, now);
        let mut refused = Vec::new();
        for key in &ended {
            if let Err(error) = self.signer.end(&key.handle).await {
                tracing::error!(kid = key.kid, %error, "a signing key that is of no use any more could not be deleted");
                refused.push(key.kid.clone());
            }
        }
        ended.retain(|key| !refused.contains(&key.kid));
        if ended.is_empty() {
            return Ok(());
        }
        // Where the ring has moved meanwhile, the next that looks does it again: it can be done twice.
        if self.table.update_key_ring(ring, KeyRingUpdate { changed: &ended, ..KeyRingUpdate::default() }).await? {
            let kids: Vec<_> = ended.iter().map(|key| key.kid.as_str()).collect();
            tracing::info!(?kids, "signing keys have ended");
        }
        Ok(())
    }

    /// Makes the key that is missing. That it is being made is written first, so that nobody makes it too, and so that
    /// one which a process made before it died is looked for.
    async fn make(&self, ring: &KeyRing, now: Timestamp) -> Result<(), KeyRotationError> {
        let making = PendingKey { serial: ring.made + 1, since: now };
        if !self.table.update_key_ring(ring, KeyRingUpdate { making: Some(making), ..KeyRingUpdate::default() }).await?
        {
            return Ok(());
        }
        let name = format!("signing key {}", making.serial);
        let found = if ring.making.is_some() { self.signer.find(&name).await? } else { None };
        let made = match found {
            Some(found) => found,
            None => self.signer.create(&name).await?,
        };
        let key = new_key(&made, making);
        loop {
            let ring = self.table.ring().await?;
            if ring.making != Some(making) {
                // Somebody took this for dead, and has found the key, or made another.
                return Ok(());
            }
            let key = ring.admitted(key.clone(), now);
            if self
                .table
                .update_key_ring(&ring, KeyRingUpdate { added: Some(&key), ..KeyRingUpdate::default() })
                .await?
            {
                tracing::info!(kid = key.kid, "a signing key was made");
                return Ok(());
            }
        }
    }

    /// Writes down the root keys, and signs the set when it is another or grows old.
    async fn keep_set(&self, ring: &KeyRing, now: Timestamp) -> Result<bool, KeyRotationError> {
        if !ring.roots.iter().map(|root| &root.handle).eq(self.roots.iter()) {
            let roots = self.read_roots(ring).await?;
            self.table.set_roots(ring, &roots).await?;
            return Ok(true);
        }
        let Some(root) = ring.roots.first() else { return Ok(false) };
        if !signed_key_set::is_due(ring, root, &self.issuer, now) {
            return Ok(false);
        }
        self.confirm(ring).await?;
        let set = signed_key_set::sign(&*self.signer, root, ring, &self.issuer, now).await?;
        self.table.keep_signed_set(ring, &set).await?;
        Ok(true)
    }

    /// Refuses a published key that the signer does not have as the table says. Whoever could write the table could put a
    /// key of their own there, and go on making tokens with it when they have lost the table: the root key must not vouch
    /// for it. What it has vouched for is not asked again, as a key may be published that can sign no more.
    async fn confirm(&self, ring: &KeyRing) -> Result<(), SignError> {
        for key in signed_key_set::not_vouched_for(ring) {
            let public = self.signer.public(&key.handle).await?;
            if public.kid() != key.kid || BASE64URL_NOPAD.encode(&public.n) != key.n {
                return Err(SignError::Refused(format!("the key {} of the table is not the signer's", key.kid)));
            }
        }
        Ok(())
    }

    async fn read_roots(&self, ring: &KeyRing) -> Result<Vec<RootKey>, SignError> {
        let mut roots = Vec::new();
        for handle in &*self.roots {
            let root = match ring.roots.iter().find(|root| root.handle == *handle) {
                Some(known) => known.clone(),
                None => root_key(handle, &self.signer.public(handle).await?),
            };
            roots.push(root);
        }
        Ok(roots)
    }
}

fn new_key(NewKey { handle, public }: &NewKey, PendingKey { serial, since }: PendingKey) -> SigningKey {
    SigningKey {
        kid: public.kid(),
        serial,
        state: KeyState::Next,
        handle: handle.clone(),
        n: BASE64URL_NOPAD.encode(&public.n),
        e: BASE64URL_NOPAD.encode(&public.e),
        created_at: since,
        published_at: None,
        signs_since: None,
        retires_at: None,
        longest_life_seconds: 0,
        condemned_at: None,
        condemned_reason: None,
        ended_at: None,
    }
}

fn root_key(handle: &str, public: &PublicKey) -> RootKey {
    RootKey {
        kid: public.kid(),
        handle: handle.to_owned(),
        n: BASE64URL_NOPAD.encode(&public.n),
        e: BASE64URL_NOPAD.encode(&public.e),
    }
}
