//! Text that must not be seen.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hkdf};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A secret text: a license key string, a license token, an API key. `Debug` and `Display` print nothing of it, it
/// can't be serialised, and it is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into keeping.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Each call is a place where it could leak.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text: 32 bytes that may lie in the table where the secret has 100 random bits or more.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

/// 32 secret bytes: a key. `Debug` prints nothing of it, and it is wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// Takes bytes into keeping.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The key for one purpose that a secret text gives, by HKDF with SHA-256 (RFC 5869); none where the text is too
    /// short to have 256 random bits in it. Keys for several purposes tell nothing of each other.
    pub fn derived(text: &Secret, purpose: &str) -> Option<Self> {
        if text.expose().len() < Self::MIN_TEXT {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(text.expose().as_bytes());
        extracted.expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256).ok()?.fill(&mut *bytes).ok()?;
        Some(Self(bytes))
    }

    /// The characters of a text that a key is derived from, at least: 43 letters and digits have 256 bits.
    pub const MIN_TEXT: usize = 43;

    /// The bytes themselves. Each call is a place where they could leak.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

impl PartialEq for Secret {
    /// Compares in constant time, but for the length.
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}
impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {secret}"), "Secret(…) …");
        assert_eq!(secret, Secret::new("hunter2".to_owned()));
        assert_ne!(secret, Secret::new("hunter3".to_owned()));
    }

    #[test]
    fn a_key_is_derived_for_one_purpose_from_a_text_that_is_long_enough() {
        let derived = |text: String, purpose| SecretKey::derived(&Secret::new(text), purpose);
        let key = derived("7".repeat(43), "cursors").unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(…)");
        assert_eq!(key.bytes(), derived("7".repeat(43), "cursors").unwrap().bytes());
        assert_ne!(key.bytes(), derived("7".repeat(43), "sessions").unwrap().bytes());
        assert_ne!(key.bytes(), derived("7".repeat(44), "cursors").unwrap().bytes());
        assert!(derived("7".repeat(42), "cursors").is_none());
    }
}
