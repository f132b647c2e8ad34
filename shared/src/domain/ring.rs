//! The signing keys, and what each is good for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a signing key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published, and signs once it has been for long enough.
    Next,
    /// Signs.
    Current,
    /// Published until the last token that it signed has ended.
    Previous,
    /// No longer published; still known here.
    Retired,
    /// Compromised: nothing that it signed is honoured.
    Condemned,
}

/// A signing key, as the ring knows it: its public part, and where its private part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// What it is good for.
    pub state: KeyState,
    /// By which its signer knows it.
    pub handle: String,
    /// Modulus, base64url.
    pub n: String,
    /// Exponent, base64url.
    pub e: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is in the JWKS.
    pub published_at: Option<Timestamp>,
    /// Since when it signs, or signed.
    pub signs_since: Option<Timestamp>,
    /// When it leaves the JWKS.
    pub retires_at: Option<Timestamp>,
}

impl SigningKey {
    /// Whether the JWKS lists it.
    pub fn is_published(&self) -> bool {
        matches!(self.state, KeyState::Next | KeyState::Current | KeyState::Previous)
    }
}
