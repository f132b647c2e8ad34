use std::fmt;

use serde::Deserialize;

use crate::{
    error::Error,
    identity::Identity,
    json,
    key_set::{self, KeySet},
    text::quote_product,
    time::{format_rfc3339, seconds, Seconds, DAY},
    token::Claims,
};

/// What failed, in the messages of errors.
pub(crate) const IMPORT_FAILED: &str = "the license file was not imported";
const FORMAT: &str = "signet-license/1";
/// The key set of a license file verifies the token of the file for this long after its `iat`.
const MAX_KEY_SET_AGE: Seconds = 400.0 * DAY;

/// A license file, whose signatures have not been verified.
#[derive(Deserialize)]
pub(crate) struct LicenseFile {
    format: String,
    issuer: String,
    product: String,
    pub(crate) token: String,
    signed_jwks: String,
}

/// Why a license file is not imported.
pub(crate) enum LicenseFileError {
    Format,
    UnsignedKeySet,
    Token,
    /// It is for this product.
    Product(String),
    Machine,
    /// It ended at this Unix time.
    Ended(i64),
    Older,
}

impl LicenseFile {
    /// Parses a file of the supported format.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        json::parse_object::<Self>(text.as_bytes()).filter(|file| file.format == FORMAT)
    }

    /// Returns the claims of the token and the `iat` of the key set, whatever its times. The token is verified with
    /// the key set of the file, which verifies no other token.
    pub(crate) fn verify(&self, identity: &Identity) -> Option<(Claims, i64)> {
        self.verify_issuer(identity)
            .filter(|(claims, _)| self.other_product(claims, identity).is_none() && claims.is_for_machine(identity))
    }

    /// Verifies the file at a time, except for the end of its token. The first check that fails decides.
    pub(crate) fn check(&self, identity: &Identity, now: Seconds) -> Result<Claims, LicenseFileError> {
        if KeySet::is_signed(&self.signed_jwks, identity) != Some(true) {
            return Err(LicenseFileError::UnsignedKeySet);
        }
        let (claims, _) = self
            .verify_issuer(identity)
            .filter(|(_, key_set_issued_at)| !is_license_file_too_old(*key_set_issued_at, now))
            .ok_or(LicenseFileError::Token)?;
        if let Some(product) = self.other_product(&claims, identity) {
            return Err(LicenseFileError::Product(product.to_owned()));
        }
        if !claims.is_for_machine(identity) {
            return Err(LicenseFileError::Machine);
        }
        Ok(claims)
    }

    fn verify_issuer(&self, identity: &Identity) -> Option<(Claims, i64)> {
        let keys = KeySet::verify(&self.signed_jwks, identity).filter(|_| self.issuer == identity.issuer)?;
        Some((Claims::verify_issuer(&self.token, &keys, identity)?, keys.issued_at))
    }

    /// Returns the product if it is not that of the app.
    fn other_product<'a>(&'a self, claims: &'a Claims, identity: &Identity) -> Option<&'a str> {
        [&claims.aud, &self.product].into_iter().find(|product| **product != identity.product).map(String::as_str)
    }
}

/// Returns whether the key set of a license file is too old to verify the token of the file.
pub(crate) fn is_license_file_too_old(key_set_issued_at: i64, now: Seconds) -> bool {
    now > seconds(key_set_issued_at) + MAX_KEY_SET_AGE
}

impl From<LicenseFileError> for Error {
    fn from(reason: LicenseFileError) -> Self {
        Self::failed(IMPORT_FAILED, "license_file_invalid", &reason.to_string(), None)
    }
}

impl fmt::Display for LicenseFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => f.write_str("it is not a license file"),
            Self::UnsignedKeySet => write!(f, "its {}", key_set::UNSIGNED),
            Self::Token => f.write_str("its token is not valid"),
            Self::Product(product) => write!(f, "it is for the product {}", quote_product(product)),
            Self::Machine => f.write_str("it is for another machine"),
            Self::Ended(at) => write!(f, "it ended at {}", format_rfc3339(*at)),
            Self::Older => f.write_str("it is older than the present token"),
        }
    }
}
