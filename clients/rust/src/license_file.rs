use serde::Deserialize;

use crate::{identity::Identity, json, key_set::KeySet, token::Claims};

const FORMAT: &str = "signet-license/1";

/// A license file, whose signatures have not been verified.
#[derive(Deserialize)]
pub(crate) struct LicenseFile {
    format: String,
    issuer: String,
    product: String,
    pub(crate) token: String,
    signed_jwks: String,
}

impl LicenseFile {
    /// Parses a file of the supported format.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        json::parse_object::<Self>(text.as_bytes()).filter(|file| file.format == FORMAT)
    }

    /// Returns the claims of the token and the `iat` of the key set, whatever its times. The token is verified with
    /// the key set of the file, which verifies no other token.
    pub(crate) fn verify(&self, identity: &Identity) -> Option<(Claims, i64)> {
        if self.issuer != identity.issuer || self.product != identity.product {
            return None;
        }
        let keys = KeySet::verify(&self.signed_jwks, identity)?;
        Some((Claims::verify(&self.token, &keys, identity)?, keys.issued_at))
    }
}
