//! What the signing key endpoints share: their response, their errors, and the maintenance after a change.

use axum::{
    Json,
    extract::FromRef,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shared::{
    AppState,
    domain::{
        Jwk, Timestamp,
        key_ring::{KeyRing, KeyRingConflict, KeyState, RotationPolicy, SigningKey},
    },
    http::{Code, CompletionError, Problem},
    store::StoreError,
    tokens::{KeyRotator, Tokens},
};
use utoipa::ToSchema;

/// A signing key. Its private key never leaves KMS.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub struct SigningKeyResource {
    /// RFC 7638 thumbprint: the `kid` in tokens and in the JWKS.
    #[schema(example = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")]
    pub kid: String,
    /// `next` is published but does not sign yet, `current` signs, `previous` stays published until the last token that
    /// it signed has expired, `retired` is no longer published, and tokens that a `condemned` key signed are invalid.
    pub state: KeyState,
    /// When the key was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the key was added to the JWKS.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-01T12:00:00Z")]
    pub published_at: Option<Timestamp>,
    /// When the key started signing.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-08T12:00:00Z")]
    pub signs_since: Option<Timestamp>,
    /// When the key leaves the JWKS.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub retires_at: Option<Timestamp>,
    /// When the key was condemned.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub condemned_at: Option<Timestamp>,
    /// Reason that the operator entered for condemning the key.
    #[schema(required)]
    pub condemned_reason: Option<String>,
}

/// The signing key ring.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SigningKeys)]
pub struct SigningKeysResource {
    /// All signing keys, including retired ones, newest first.
    pub items: Vec<SigningKeyResource>,
    /// Public keys that verify `/.well-known/jwks.jwt`, to be embedded in apps. The first one signs now; a second one
    /// is its designated successor.
    pub root_keys: Vec<Jwk>,
    /// When the next scheduled rotation is due.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-04-08T12:00:00Z")]
    pub next_rotation_at: Option<Timestamp>,
}

impl SigningKeysResource {
    /// Creates the response for a key ring.
    pub fn new(ring: &KeyRing, policy: RotationPolicy) -> Self {
        Self {
            items: ring.keys.iter().rev().map(SigningKeyResource::from).collect(),
            root_keys: ring.roots.iter().map(Jwk::from).collect(),
            next_rotation_at: ring.next_rotation_at(policy),
        }
    }
}

impl From<&SigningKey> for SigningKeyResource {
    fn from(key: &SigningKey) -> Self {
        Self {
            kid: key.kid.clone(),
            state: key.state,
            created_at: key.created_at,
            published_at: key.published_at,
            signs_since: key.signs_since,
            retires_at: key.retires_at,
            condemned_at: key.condemned_at,
            condemned_reason: key.condemned_reason.clone(),
        }
    }
}

impl IntoResponse for SigningKeysResource {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// Why the key ring was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The key does not exist.
    #[error("not found")]
    NotFound,
    /// The state of the ring does not allow the change.
    #[error(transparent)]
    Conflict(#[from] KeyRingConflict),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SigningKeyError> for Problem {
    fn from(error: SigningKeyError) -> Self {
        match error {
            SigningKeyError::NotFound => Self::not_found(),
            SigningKeyError::Conflict(conflict) => Self::new(Code::StateConflict, conflict.to_string()),
            SigningKeyError::Completion(error) => error.into(),
            SigningKeyError::Store(error) => error.into(),
        }
    }
}

/// Runs the maintenance that a change of the key ring makes due.
#[derive(Debug, Clone)]
pub struct KeyRingMaintenance {
    tokens: Tokens,
    key_rotator: Option<KeyRotator>,
}

impl FromRef<AppState> for KeyRingMaintenance {
    fn from_ref(AppState { tokens, key_rotator, .. }: &AppState) -> Self {
        Self { tokens: tokens.clone(), key_rotator: key_rotator.clone() }
    }
}

impl KeyRingMaintenance {
    /// Creates a new `next` key and re-signs the key set, so that this process returns the changed ring. Creates and
    /// signs nothing in a process without a key rotator. Best effort: the scheduled rotation retries after a failure.
    pub(crate) async fn run_after_change(&self, now: Timestamp) {
        self.tokens.ring().invalidate();
        let Some(key_rotator) = &self.key_rotator else { return };
        if let Err(error) = key_rotator.run_due_steps(now).await {
            tracing::warn!(%error, "key ring maintenance failed; the scheduled rotation will retry it");
        }
        self.tokens.ring().outdate();
    }
}
