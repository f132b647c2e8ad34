//! The signing key ring: key states and rotation.
//!
//! A key is published in the JWKS before it signs, for as long as clients may cache the JWKS, so that clients know the
//! key before they receive a token signed by it. It stays published until the last token that it signed is no longer
//! valid. Every change increments the version of the ring and is written on condition that the version is the one that
//! was read, so that only one of several concurrent changes succeeds.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SigningKeyState)]
pub enum KeyState {
    /// Published in the JWKS, does not sign yet.
    Next,
    /// Published and signs tokens.
    Current,
    /// Published until the last token that it signed is no longer valid; signs no more tokens.
    Previous,
    /// No longer published; the ring keeps its metadata.
    Retired,
    /// Compromised: every token that it signed is rejected.
    Condemned,
}

/// The metadata of a signing key: its public key and a reference to its private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// Sequence number within the ring, starting at 1.
    #[serde(default)]
    pub serial: u32,
    /// The state of the key.
    pub state: KeyState,
    /// The signer's reference to the private key, such as a KMS key ARN.
    pub handle: String,
    /// Modulus, base64url.
    pub n: String,
    /// Exponent, base64url.
    pub e: String,
    /// When the key was created.
    pub created_at: Timestamp,
    /// When the key was published in the JWKS.
    pub published_at: Option<Timestamp>,
    /// When the key started to sign tokens.
    pub signs_since: Option<Timestamp>,
    /// When the key leaves the JWKS; set when it becomes `previous`.
    pub retires_at: Option<Timestamp>,
    /// The maximum time from `iat` to `offline_until`, in seconds, of the tokens that the key signs. It is increased before the
    /// key signs a token with a longer lifetime.
    #[serde(default)]
    pub longest_life_seconds: i64,
    /// When the key was condemned.
    #[serde(default)]
    pub condemned_at: Option<Timestamp>,
    /// The reason that the operator entered.
    #[serde(default)]
    pub condemned_reason: Option<String>,
    /// When the deletion of the private key was scheduled.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
}

/// A root key. It signs key sets and never a license token; apps are built with its public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// The signer's reference to the private key.
    pub handle: String,
    /// Modulus, base64url.
    pub n: String,
    /// Exponent, base64url.
    pub e: String,
}

/// The published keys as a JWT that is signed by a root key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedKeySet {
    /// The signed JWT.
    pub jwt: String,
    /// The `iss` and `sub` claims.
    pub issuer: String,
    /// The `kid` values of the keys in the set.
    pub kids: Vec<String>,
    /// The `kid` of the root key that signed the set.
    pub root_kid: String,
    /// The `iat` claim.
    pub issued_at: Timestamp,
    /// The `exp` claim.
    pub expires_at: Timestamp,
}

/// Records that a process is creating a key. If the process crashes, the record remains, and the signer may have a key
/// with the name derived from the serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingKey {
    /// The sequence number of the new key.
    pub serial: u32,
    /// When the creation started.
    pub since: Timestamp,
}

/// The key ring as it was read from the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRing {
    /// When the ring was first written, shortly after the installation was set up. None if it never was, or by an earlier version.
    pub created_at: Option<Timestamp>,
    /// Incremented by every change; 0 if the ring was never written.
    pub version: u64,
    /// The number of keys that were created for the ring.
    pub keys_created: u32,
    /// The key that is being created, if any.
    pub pending_key: Option<PendingKey>,
    /// All keys of the ring, including retired and condemned ones, by serial number.
    pub keys: Vec<SigningKey>,
    /// The root keys. The first one signs key sets.
    pub roots: Vec<RootKey>,
    /// The latest signed key set.
    pub signed_set: Option<SignedKeySet>,
}

/// The time intervals of key rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationPolicy {
    /// How long a key signs tokens.
    pub rotation: SignedDuration,
    /// The maximum age of a cached key ring, and of a cached JWKS.
    pub refresh: SignedDuration,
}

impl Default for RotationPolicy {
    /// A rotation period of 90 days and a refresh interval of five minutes.
    fn default() -> Self {
        Self { rotation: SignedDuration::from_hours(90 * 24), refresh: SignedDuration::from_mins(5) }
    }
}

impl RotationPolicy {
    /// Returns how long a key is published before it signs: the JWKS may be generated from a key ring cached for one
    /// refresh interval, and cached by the client for another.
    pub fn publication(self) -> SignedDuration {
        self.refresh.saturating_mul(2)
    }
}

/// When this time has passed since the creation of a key started, the process that was creating it is assumed to have
/// crashed.
const KEY_CREATION_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

/// A step of the rotation that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueStep {
    /// Create a key: there is no current or no next key.
    Create,
    /// Promote the next key: it has been published, and the current key has signed, for long enough.
    Promote,
    /// Retire previous keys: the last tokens that they signed are no longer valid.
    Retire,
}

/// Why a key can't be promoted or condemned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingConflict {
    /// There is no next key to sign instead.
    #[error("there is no next key to replace it yet; try again in a few minutes, after one has been created")]
    NoNextKey,
    /// Clients may not have fetched the next key yet.
    #[error("the next key has not been published for long enough; it can sign from {0}")]
    NotPublishedLongEnough(Timestamp),
}

impl SigningKey {
    /// Creates a key that has not been published: its `kid`, its number within the ring, the signer's reference to it, and its modulus and
    /// exponent in base64url.
    pub fn new(kid: String, serial: u32, handle: String, [n, e]: [String; 2], created_at: Timestamp) -> Self {
        Self {
            kid,
            serial,
            state: KeyState::Next,
            handle,
            n,
            e,
            created_at,
            published_at: None,
            signs_since: None,
            retires_at: None,
            longest_life_seconds: 0,
            condemned_at: None,
            condemned_reason: None,
            ended_at: None,
        }
    }

    /// Returns whether the JWKS contains the key.
    pub fn is_published(&self) -> bool {
        matches!(self.state, KeyState::Next | KeyState::Current | KeyState::Previous)
    }

    fn to_current(&self, now: Timestamp) -> Self {
        Self { state: KeyState::Current, signs_since: Some(now), ..self.clone() }
    }

    fn to_previous(&self, policy: RotationPolicy, now: Timestamp) -> Self {
        // Functions with an older cached key ring sign with this key until they refresh the cache.
        let lifetime = policy.refresh.saturating_add(SignedDuration::from_secs(self.longest_life_seconds));
        Self { state: KeyState::Previous, retires_at: Some(saturating_add(now, lifetime)), ..self.clone() }
    }

    fn is_due_to_retire(&self, now: Timestamp) -> bool {
        self.state == KeyState::Previous && self.retires_at.is_some_and(|at| at <= now)
    }

    fn is_due_for_deletion(&self, policy: RotationPolicy, now: Timestamp) -> bool {
        let no_longer_signs = match self.state {
            KeyState::Retired => true,
            // Functions with an older cached key ring sign and verify with this key until they refresh the cache.
            KeyState::Condemned => self.condemned_at.is_none_or(|at| saturating_add(at, policy.refresh) <= now),
            KeyState::Next | KeyState::Current | KeyState::Previous => false,
        };
        no_longer_signs && self.ended_at.is_none()
    }
}

impl KeyRing {
    /// Returns the key in a state that at most one key can have.
    fn key_in_state(&self, state: KeyState) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.state == state)
    }

    /// Returns the key that signs tokens.
    pub fn current(&self) -> Option<&SigningKey> {
        self.key_in_state(KeyState::Current)
    }

    /// Returns the key that will sign next.
    pub fn next(&self) -> Option<&SigningKey> {
        self.key_in_state(KeyState::Next)
    }

    /// Returns the key with this `kid`.
    pub fn key(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// Returns the keys that the JWKS contains.
    pub fn published(&self) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().filter(|key| key.is_published())
    }

    /// Returns the signed key set if it is valid at `now`: not expired, and without a key that has been condemned
    /// since.
    pub fn valid_signed_set(&self, now: Timestamp) -> Option<&SignedKeySet> {
        let is_condemned = |kid: &String| self.key(kid).is_some_and(|key| key.state == KeyState::Condemned);
        self.signed_set.as_ref().filter(|set| now < set.expires_at && !set.kids.iter().any(is_condemned))
    }

    /// Returns the first step that is due at `now`.
    pub fn due_step(&self, policy: RotationPolicy, now: Timestamp) -> Option<DueStep> {
        let is_pending =
            self.pending_key.is_some_and(|pending| now.duration_since(pending.since) < KEY_CREATION_TIMEOUT);
        let is_missing = self.current().is_none() || self.next().is_none();
        let is_old =
            self.current().and_then(|key| key.signs_since).is_none_or(|at| saturating_add(at, policy.rotation) <= now);
        if self.keys.iter().any(|key| key.is_due_to_retire(now)) {
            Some(DueStep::Retire)
        } else if is_missing {
            (!is_pending).then_some(DueStep::Create)
        } else {
            (is_old && self.promote(policy, now).is_ok()).then_some(DueStep::Promote)
        }
    }

    /// Returns when the next key is scheduled to become the current one.
    pub fn next_rotation_at(&self, policy: RotationPolicy) -> Option<Timestamp> {
        let signed = self.current()?.signs_since.map(|at| saturating_add(at, policy.rotation));
        let published = self.next().and_then(|key| key.published_at).map(|at| saturating_add(at, policy.publication()));
        signed.max(published)
    }

    /// Promotes the next key if it has been published for long enough. Returns the keys that change.
    ///
    /// # Errors
    ///
    /// [`KeyRingConflict`] if there is no next key, or it has not been published for long enough.
    pub fn promote(&self, policy: RotationPolicy, now: Timestamp) -> Result<Vec<SigningKey>, KeyRingConflict> {
        let next = self.next().ok_or(KeyRingConflict::NoNextKey)?;
        let signs_at = saturating_add(next.published_at.unwrap_or(now), policy.publication());
        if now < signs_at {
            return Err(KeyRingConflict::NotPublishedLongEnough(signs_at));
        }
        self.promote_immediately(policy, now)
    }

    /// Promotes the next key even if clients may not have fetched it yet. Returns the keys that change.
    ///
    /// # Errors
    ///
    /// [`KeyRingConflict::NoNextKey`] if there is no next key.
    pub fn promote_immediately(
        &self,
        policy: RotationPolicy,
        now: Timestamp,
    ) -> Result<Vec<SigningKey>, KeyRingConflict> {
        let next = self.next().ok_or(KeyRingConflict::NoNextKey)?;
        Ok(self.current().map(|key| key.to_previous(policy, now)).into_iter().chain([next.to_current(now)]).collect())
    }

    /// Retires the previous keys whose tokens are no longer valid. Returns the keys that change.
    pub fn retire(&self, now: Timestamp) -> Vec<SigningKey> {
        let due = self.keys.iter().filter(|key| key.is_due_to_retire(now));
        due.map(|key| SigningKey { state: KeyState::Retired, ..key.clone() }).collect()
    }

    /// Returns the keys whose private keys are due for deletion, marked as deleted.
    ///
    /// No other step depends on the deletion, so rotation also works without permission to delete keys.
    pub fn due_deletions(&self, policy: RotationPolicy, now: Timestamp) -> Vec<SigningKey> {
        let due = self.keys.iter().filter(|key| key.is_due_for_deletion(policy, now));
        due.map(|key| SigningKey { ended_at: Some(now), ..key.clone() }).collect()
    }

    /// Condemns a key. Returns the keys that change: none if the key is unknown or already condemned.
    ///
    /// If the key is the current one, the next key replaces it, even if clients may not have fetched it yet.
    ///
    /// # Errors
    ///
    /// [`KeyRingConflict::NoNextKey`] if the key is the current one and there is no next key.
    pub fn condemn(&self, kid: &str, reason: Option<&str>, now: Timestamp) -> Result<Vec<SigningKey>, KeyRingConflict> {
        let Some(key) = self.key(kid).filter(|key| key.state != KeyState::Condemned) else { return Ok(Vec::new()) };
        let condemned = SigningKey {
            state: KeyState::Condemned,
            retires_at: None,
            condemned_at: Some(now),
            condemned_reason: reason.map(str::to_owned),
            ..key.clone()
        };
        if key.state != KeyState::Current {
            return Ok(vec![condemned]);
        }
        let next = self.next().ok_or(KeyRingConflict::NoNextKey)?;
        Ok(vec![condemned, next.to_current(now)])
    }

    /// Returns a newly created key in the state in which it enters the ring. The first key of a ring signs immediately.
    pub fn admit(&self, key: SigningKey, now: Timestamp) -> SigningKey {
        let published = SigningKey { state: KeyState::Next, published_at: Some(now), ..key };
        if self.current().is_none() { published.to_current(now) } else { published }
    }

    /// Returns the ring with the changed keys inserted or replaced.
    pub fn with(mut self, changed: &[SigningKey]) -> Self {
        for key in changed {
            match self.keys.iter_mut().find(|existing| existing.kid == key.kid) {
                Some(existing) => existing.clone_from(key),
                None => self.keys.push(key.clone()),
            }
        }
        self
    }
}

fn saturating_add(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: RotationPolicy =
        RotationPolicy { rotation: SignedDuration::from_hours(24 * 90), refresh: SignedDuration::from_secs(300) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key(kid: u32) -> SigningKey {
        let id = kid.to_string();
        SigningKey::new(id.clone(), kid, id, ["n", "AQAB"].map(str::to_owned), at(0))
    }

    /// A ring on which every due step is taken, as the key rotator does.
    #[derive(Debug, Clone, Default)]
    struct RotatingRing(KeyRing);

    impl RotatingRing {
        fn create_key(&mut self, now: Timestamp) {
            self.0.keys_created += 1;
            let key = self.0.admit(key(self.0.keys_created), now);
            self.0 = std::mem::take(&mut self.0).with(&[key]);
        }

        fn take_due_steps(&mut self, now: Timestamp) {
            while let Some(step) = self.0.due_step(POLICY, now) {
                let changed = match step {
                    DueStep::Create => {
                        self.create_key(now);
                        continue;
                    }
                    DueStep::Promote => self.0.promote(POLICY, now).unwrap(),
                    DueStep::Retire => self.0.retire(now),
                };
                assert!(!changed.is_empty(), "a due step must change a key");
                self.0 = std::mem::take(&mut self.0).with(&changed);
            }
            let ended = self.0.due_deletions(POLICY, now);
            self.0 = std::mem::take(&mut self.0).with(&ended);
        }

        fn states(&self) -> Vec<KeyState> {
            self.0.keys.iter().map(|key| key.state).collect()
        }
    }

    #[test]
    fn new_ring_has_a_current_and_a_next_key() {
        let mut ring = RotatingRing::default();
        ring.take_due_steps(at(1000));
        assert_eq!(ring.states(), [KeyState::Current, KeyState::Next]);
        assert_eq!(ring.0.next_rotation_at(POLICY), Some(at(1000 + 90 * 86_400)));
    }

    #[test]
    fn next_key_is_promoted_after_its_publication_period_and_retired_after_its_tokens_expire() {
        let mut ring = RotatingRing::default();
        ring.take_due_steps(at(0));
        assert_eq!(ring.0.promote(POLICY, at(599)), Err(KeyRingConflict::NotPublishedLongEnough(at(600))));
        ring.0.keys[0].longest_life_seconds = 3600;
        let rotation_at = 90 * 86_400;
        ring.take_due_steps(at(rotation_at - 1));
        assert_eq!(ring.states(), [KeyState::Current, KeyState::Next]);
        ring.take_due_steps(at(rotation_at));
        assert_eq!(ring.states(), [KeyState::Previous, KeyState::Current, KeyState::Next]);
        ring.take_due_steps(at(rotation_at + 300 + 3599));
        assert_eq!(ring.states()[0], KeyState::Previous);
        ring.take_due_steps(at(rotation_at + 300 + 3600));
        assert_eq!(ring.states(), [KeyState::Retired, KeyState::Current, KeyState::Next]);
        assert_eq!(ring.0.keys[0].ended_at, Some(at(rotation_at + 300 + 3600)));
    }

    #[test]
    fn pending_key_is_not_created_again_until_its_creation_times_out() {
        let ring = KeyRing { pending_key: Some(PendingKey { serial: 1, since: at(1000) }), ..KeyRing::default() };
        assert_eq!(ring.due_step(POLICY, at(1119)), None);
        assert_eq!(ring.due_step(POLICY, at(1120)), Some(DueStep::Create));
    }

    #[test]
    fn condemning_the_current_key_promotes_the_next_key() {
        let mut ring = RotatingRing::default();
        ring.take_due_steps(at(0));
        let changed = ring.0.condemn("1", Some("leak"), at(10)).unwrap();
        ring.0 = ring.0.with(&changed);
        assert_eq!(ring.states(), [KeyState::Condemned, KeyState::Current]);
        assert_eq!(ring.0.condemn("2", None, at(10)), Err(KeyRingConflict::NoNextKey));
        assert_eq!(ring.0.condemn("1", None, at(11)), Ok(Vec::new()), "condemning again changes nothing");
        ring.take_due_steps(at(309));
        assert_eq!(ring.0.keys[0].ended_at, None, "functions with an older cached ring may sign with it");
        ring.take_due_steps(at(310));
        assert_eq!(ring.0.keys[0].ended_at, Some(at(310)));
        let changed = ring.0.condemn("3", None, at(400)).unwrap();
        ring.0 = ring.0.with(&changed);
        assert_eq!(ring.states(), [KeyState::Condemned, KeyState::Current, KeyState::Condemned]);
    }

    #[derive(Debug, Clone)]
    enum RingAction {
        Wait(u32),
        Sign(u16),
        TakeDueSteps,
        PromoteImmediately,
        Condemn(u8),
    }

    fn actions() -> impl Strategy<Value = Vec<RingAction>> {
        let action = prop_oneof![
            4 => (0_u32..8_000_000).prop_map(RingAction::Wait),
            3 => any::<u16>().prop_map(RingAction::Sign),
            4 => Just(RingAction::TakeDueSteps),
            1 => Just(RingAction::PromoteImmediately),
            1 => any::<u8>().prop_map(RingAction::Condemn),
        ];
        prop::collection::vec(action, 1..60)
    }

    proptest! {
        /// After any sequence of actions, exactly one key signs, and the key of every valid token is published unless
        /// it was condemned.
        #[test]
        fn valid_tokens_have_a_published_key(actions in actions()) {
            let (mut ring, mut now) = (RotatingRing::default(), 0_i64);
            ring.take_due_steps(at(0));
            let mut tokens: Vec<(String, i64)> = Vec::new();
            for action in actions {
                match action {
                    RingAction::Wait(seconds) => now += i64::from(seconds),
                    RingAction::Sign(lifetime) => {
                        let kid = ring.0.current().unwrap().kid.clone();
                        let key = ring.0.keys.iter_mut().find(|key| key.kid == kid).unwrap();
                        key.longest_life_seconds = key.longest_life_seconds.max(lifetime.into());
                        tokens.push((kid, now + i64::from(lifetime)));
                    }
                    RingAction::TakeDueSteps => ring.take_due_steps(at(now)),
                    RingAction::PromoteImmediately => {
                        let changed = ring.0.promote_immediately(POLICY, at(now)).unwrap_or_default();
                        ring.0 = ring.0.clone().with(&changed);
                    }
                    RingAction::Condemn(which) => {
                        let kid = ring.0.keys[usize::from(which) % ring.0.keys.len()].kid.clone();
                        let changed = ring.0.condemn(&kid, None, at(now)).unwrap_or_default();
                        ring.0 = ring.0.clone().with(&changed);
                    }
                }
                let states = ring.states();
                let count = |state| states.iter().filter(|key_state| **key_state == state).count();
                prop_assert_eq!(count(KeyState::Current), 1);
                prop_assert!(count(KeyState::Next) <= 1);
                for (kid, end) in &tokens {
                    let key = ring.0.key(kid).unwrap();
                    prop_assert!(key.state == KeyState::Condemned || now >= *end || key.is_published());
                }
                for key in &ring.0.keys {
                    prop_assert!(!key.is_published() || key.ended_at.is_none());
                }
            }
        }
    }
}
