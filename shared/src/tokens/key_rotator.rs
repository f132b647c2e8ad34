//! Rotates the signing keys: creates, promotes, retires and deletes keys, and signs the key set.
//!
//! Safe against crashes at any point: each step is one transaction on the version of the ring that it read, and a key
//! that was created but not recorded is found by its name.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;

use super::{PublicKey, SignError, Signer, signed_key_set, signer::NewKey};
use crate::{
    domain::{
        EventSource,
        key_ring::{DueStep, KeyRing, PendingKey, RootKey, RotationPolicy, SigningKey},
    },
    store::{StoreError, Table, key_ring::KeyRingUpdate},
};

/// The maximum number of steps per run, more than can be due at once.
const MAX_STEPS: usize = 20;

/// An error that ends a run. The next run continues with the remaining steps.
#[derive(Debug, thiserror::Error)]
pub enum KeyRotationError {
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rotates the signing keys. Needs permission to create keys and to sign with the root keys.
#[derive(Debug, Clone)]
pub struct KeyRotator {
    table: Table,
    signer: Arc<dyn Signer>,
    policy: RotationPolicy,
    /// The handles of the root keys; the first signs.
    root_handles: Arc<[String]>,
    issuer: Arc<str>,
}

impl KeyRotator {
    /// Creates a rotator for the ring of a table. `root_handles` are the handles of the root keys. All of them are
    /// listed for apps to build in, and the first signs.
    ///
    /// To replace a root key, add the new one at the end. Move it to the front once every app in use has it built in,
    /// and remove the old one once no app relies on it alone.
    pub fn new(
        table: Table,
        signer: Arc<dyn Signer>,
        policy: RotationPolicy,
        root_handles: &[String],
        issuer: &str,
    ) -> Self {
        Self { table, signer, policy, root_handles: root_handles.into(), issuer: issuer.into() }
    }

    /// Runs all due steps. Deletions come last, because they may be permanently forbidden and must not block other
    /// steps.
    pub async fn run_due_steps(&self, now: Timestamp) -> Result<(), KeyRotationError> {
        for _ in 0..MAX_STEPS {
            let ring = self.table.ring().await?;
            if !self.run_next_step(&ring, now).await? {
                return self.delete_keys(&ring, now).await;
            }
        }
        Err(StoreError::Contended.into())
    }

    /// Runs the first due step. Returns false if none is due.
    async fn run_next_step(&self, ring: &KeyRing, now: Timestamp) -> Result<bool, KeyRotationError> {
        let Some(step) = ring.due_step(self.policy, now) else { return self.update_signed_set(ring, now).await };
        let changed = match step {
            DueStep::Create => {
                self.create_key(ring, now).await?;
                return Ok(true);
            }
            DueStep::Promote => ring.promote(self.policy, now).unwrap_or_default(),
            DueStep::Retire => ring.retire(now),
        };
        let update = KeyRingUpdate { changed: &changed, ..KeyRingUpdate::default() };
        if self.table.update_key_ring(ring, update, &source(now)).await? {
            let kids: Vec<_> = changed.iter().map(|key| key.kid.as_str()).collect();
            tracing::info!(?step, ?kids, "the signing key ring was updated");
        }
        Ok(true)
    }

    /// Deletes the private keys that are no longer used. A key that cannot be deleted is logged, skipped and retried by
    /// the next run: many AWS accounts forbid deletions, and no token of such a key is accepted anyway.
    async fn delete_keys(&self, ring: &KeyRing, now: Timestamp) -> Result<(), KeyRotationError> {
        let mut deleted = ring.due_deletions(self.policy, now);
        let mut failed = Vec::new();
        for key in &deleted {
            if let Err(error) = self.signer.schedule_deletion(&key.handle).await {
                tracing::error!(kid = key.kid, %error, "failed to delete an unused signing key");
                failed.push(key.kid.clone());
            }
        }
        deleted.retain(|key| !failed.contains(&key.kid));
        if deleted.is_empty() {
            return Ok(());
        }
        // If the ring was changed concurrently, the next run repeats the deletions, which are idempotent.
        let update = KeyRingUpdate { changed: &deleted, ..KeyRingUpdate::default() };
        if self.table.update_key_ring(ring, update, &source(now)).await? {
            let kids: Vec<_> = deleted.iter().map(|key| key.kid.as_str()).collect();
            tracing::info!(?kids, "unused signing keys were deleted");
        }
        Ok(())
    }

    /// Creates a key. The pending creation is recorded first, so that no other process creates a key too, and so that a
    /// key of a process that crashed is found.
    async fn create_key(&self, ring: &KeyRing, now: Timestamp) -> Result<(), KeyRotationError> {
        let pending = PendingKey { serial: ring.keys_created + 1, since: now };
        let update = KeyRingUpdate { pending_key: Some(pending), ..KeyRingUpdate::default() };
        if !self.table.update_key_ring(ring, update, &source(now)).await? {
            return Ok(());
        }
        let name = format!("signing key {}", pending.serial);
        let found = if ring.pending_key.is_some() { self.signer.find(&name).await? } else { None };
        let created = match found {
            Some(found) => found,
            None => self.signer.create(&name).await?,
        };
        let key = new_key(&created, pending);
        loop {
            let ring = self.table.ring().await?;
            if ring.pending_key != Some(pending) {
                // Another process assumed that this one had crashed, and has found the key or created another.
                return Ok(());
            }
            let key = ring.admit(key.clone(), now);
            let update = KeyRingUpdate { added: Some(&key), ..KeyRingUpdate::default() };
            if self.table.update_key_ring(&ring, update, &source(now)).await? {
                tracing::info!(kid = key.kid, "a signing key was created");
                return Ok(());
            }
        }
    }

    /// Records the root keys, and signs the key set if it has changed or must be renewed. Returns false if neither is
    /// due.
    async fn update_signed_set(&self, ring: &KeyRing, now: Timestamp) -> Result<bool, KeyRotationError> {
        if !ring.roots.iter().map(|root| &root.handle).eq(self.root_handles.iter()) {
            let roots = self.read_roots(ring).await?;
            self.table.set_roots(ring, &roots).await?;
            return Ok(true);
        }
        let Some(root) = ring.roots.first() else { return Ok(false) };
        if !signed_key_set::is_due(ring, root, &self.issuer, now) {
            return Ok(false);
        }
        self.check_unsigned_keys(ring).await?;
        let set = signed_key_set::sign(&*self.signer, root, ring, &self.issuer, now).await?;
        self.table.store_signed_set(ring, &set).await?;
        Ok(true)
    }

    /// Checks that every published key that is not in the signed set belongs to the signer.
    ///
    /// An attacker with write access to the table could insert their own key. If a root key signed it, the attacker
    /// could issue tokens even after losing that access. Keys in the signed set are not checked again, because the
    /// signer may have deleted a key that is still published.
    async fn check_unsigned_keys(&self, ring: &KeyRing) -> Result<(), SignError> {
        for key in signed_key_set::unsigned_keys(ring) {
            let public = self.signer.public_key(&key.handle).await?;
            if public.kid() != key.kid || BASE64URL_NOPAD.encode(&public.n) != key.n {
                return Err(SignError::Rejected(format!("the key {} in the table is not the signer's", key.kid)));
            }
        }
        Ok(())
    }

    async fn read_roots(&self, ring: &KeyRing) -> Result<Vec<RootKey>, SignError> {
        let mut roots = Vec::new();
        for handle in &*self.root_handles {
            let root = match ring.roots.iter().find(|root| root.handle == *handle) {
                Some(root) => root.clone(),
                None => root_key(handle, &self.signer.public_key(handle).await?),
            };
            roots.push(root);
        }
        Ok(roots)
    }
}

/// The source of the events of scheduled steps.
fn source(now: Timestamp) -> EventSource {
    EventSource::system("rotation", now)
}

fn new_key(NewKey { handle, public }: &NewKey, PendingKey { serial, since }: PendingKey) -> SigningKey {
    let parts = [&public.n, &public.e].map(|part| BASE64URL_NOPAD.encode(part));
    SigningKey::new(public.kid(), serial, handle.clone(), parts, since)
}

fn root_key(handle: &str, public: &PublicKey) -> RootKey {
    RootKey {
        kid: public.kid(),
        handle: handle.to_owned(),
        n: BASE64URL_NOPAD.encode(&public.n),
        e: BASE64URL_NOPAD.encode(&public.e),
    }
}
