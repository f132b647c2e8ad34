//! Secrets: strings and keys that are not printed or serialized.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hkdf};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A secret string: a license key string, a license token or an API key. `Debug` and `Display` do not print it, it
/// can't be serialized, and its memory is zeroed when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a string.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the secret. Use it only where the value itself is needed.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the SHA-256 hash. Hashes of secrets with 100 random bits or more can be stored in the table.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

/// A secret 256-bit key. `Debug` does not print it, and its memory is zeroed when it is dropped.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// Wraps the bytes of a key.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Derives a key for one purpose from a secret string, with HKDF-SHA-256 (RFC 5869). Returns `None` if the string
    /// is too short to contain 256 random bits. Keys for different purposes are independent of each other.
    pub fn derive(text: &Secret, purpose: &str) -> Option<Self> {
        if text.expose().len() < Self::MIN_TEXT {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(text.expose().as_bytes());
        extracted.expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256).ok()?.fill(&mut *bytes).ok()?;
        Some(Self(bytes))
    }

    /// The minimum length of the string that a key is derived from: 43 letters and digits contain 256 bits.
    pub const MIN_TEXT: usize = 43;

    /// Returns the bytes. Use it only where the key itself is needed.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// Returns the SHA-256 hash of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

impl PartialEq for Secret {
    /// Compares in constant time for strings of equal length.
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
    fn secret_is_not_printed() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {secret}"), "Secret(…) …");
        assert_eq!(secret, Secret::new("hunter2".to_owned()));
        assert_ne!(secret, Secret::new("hunter3".to_owned()));
    }

    #[test]
    fn derived_key_depends_on_purpose_and_requires_a_long_secret() {
        let derived = |text: String, purpose| SecretKey::derive(&Secret::new(text), purpose);
        let key = derived("7".repeat(43), "cursors").unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(…)");
        assert_eq!(key.bytes(), derived("7".repeat(43), "cursors").unwrap().bytes());
        assert_ne!(key.bytes(), derived("7".repeat(43), "sessions").unwrap().bytes());
        assert_ne!(key.bytes(), derived("7".repeat(44), "cursors").unwrap().bytes());
        assert!(derived("7".repeat(42), "cursors").is_none());
    }
}
