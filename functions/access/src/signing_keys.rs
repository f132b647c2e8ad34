//! How the signing key ring stands in JSON.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shared::domain::{
    Jwk, Timestamp,
    key_ring::{KeyRing, KeyState, RotationPolicy, SigningKey},
};
use utoipa::ToSchema;

/// A signing key. Its private part is in an HSM that does not give it out.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub struct SigningKeyResource {
    /// RFC 7638 thumbprint, by which tokens and the JWKS name it.
    #[schema(example = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")]
    pub kid: String,
    /// `next` is published and will sign, `current` signs, `previous` is published until its last token has ended,
    /// `retired` is no longer published; nothing that a `condemned` one signed is honoured.
    pub state: KeyState,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Since when it is in the JWKS.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-01T12:00:00Z")]
    pub published_at: Option<Timestamp>,
    /// Since when it signs, or signed.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-08T12:00:00Z")]
    pub signs_since: Option<Timestamp>,
    /// When it leaves the JWKS.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub retires_at: Option<Timestamp>,
    /// When it was condemned.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub condemned_at: Option<Timestamp>,
    /// Why, in the operator's words.
    #[schema(required)]
    pub condemned_reason: Option<String>,
}

/// The signing key ring.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SigningKeys)]
pub struct SigningKeysResource {
    /// All signing keys that there ever were, newest first.
    pub items: Vec<SigningKeyResource>,
    /// What verifies `/.well-known/jwks.jwt`, to build into apps: the first signs now, and another is to follow it.
    pub root_keys: Vec<Jwk>,
    /// When the next key takes its turn, if nothing happens before.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-04-08T12:00:00Z")]
    pub next_rotation_at: Option<Timestamp>,
}

impl SigningKeysResource {
    /// The ring as it is.
    pub fn new(ring: &KeyRing, rules: RotationPolicy) -> Self {
        Self {
            items: ring.keys.iter().rev().map(SigningKeyResource::from).collect(),
            root_keys: ring.roots.iter().map(Jwk::from).collect(),
            next_rotation_at: ring.next_rotation_at(rules),
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
