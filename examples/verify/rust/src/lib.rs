//! Verifies Signet license tokens offline, with jsonwebtoken.

use std::{fs, io, path::PathBuf};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    dangerous::insecure_decode,
    decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Tolerated difference between the clocks of this machine and of the issuer.
const LEEWAY_SECONDS: i64 = 60;
/// For how long the key set of a license file verifies the file's token, from the `iat` of the set: 400 days.
const LICENSE_FILE_SECONDS: i64 = 400 * 86_400;

const TOKEN_TYPE: &str = "license+jwt";
const KEY_SET_TYPE: &str = "jwk-set+jwt";

/// A license token or a key set is not valid, or could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No stored key has the token's `kid`. Fetch the key set and try again.
    #[error("the signing key is unknown")]
    UnknownKey,
    /// A claim or a header parameter is not acceptable.
    #[error("{0}")]
    Invalid(String),
    /// The JWT is malformed, or its signature is wrong.
    #[error("invalid JWT: {0}")]
    Jwt(#[from] jsonwebtoken::errors::Error),
    /// The key set has no list of keys.
    #[error("invalid key set: {0}")]
    KeySet(serde_json::Error),
    /// The text is not a license file, or of an unknown format.
    #[error("not a license file: {0}")]
    LicenseFile(serde_json::Error),
    /// A file could not be written.
    #[error("file error: {0}")]
    Io(#[from] io::Error),
}

impl VerifyError {
    fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
}

/// What is built into the app.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Issuer of the tokens, and base URL of the API.
    pub issuer: String,
    /// Code of the product.
    pub product: String,
    /// Public keys that sign the key set.
    pub root_keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct LicenseFile {
    #[serde(rename = "format")]
    _format: LicenseFileFormat,
    issuer: String,
    product: String,
    token: String,
    signed_jwks: String,
}

#[derive(Deserialize)]
enum LicenseFileFormat {
    #[serde(rename = "signet-license/1")]
    V1,
}

/// A response of the API that ended the use of the stored token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Differs for each refusal.
    pub id: String,
    /// Error code of the API.
    pub code: String,
}

/// Verifies license tokens, and stores the key set, the token, the license file and the last refusal in a directory.
///
/// Several processes may share the directory: each file is replaced atomically. A missing or damaged file counts as
/// absent.
#[derive(Debug)]
pub struct Verifier {
    issuer: String,
    product: String,
    root_keys: JwkSet,
    directory: PathBuf,
}

impl Verifier {
    /// Creates a verifier that stores its files in `directory`, which must exist.
    pub fn new(config: Config, directory: impl Into<PathBuf>) -> Self {
        let Config { issuer, product, root_keys } = config;
        Self { issuer, product, root_keys: JwkSet { keys: root_keys }, directory: directory.into() }
    }

    /// Returns the claims of a token that is valid on this machine at `now`, in Unix seconds.
    ///
    /// The token is accepted until its `offline_until`. The latest time seen is stored to detect a clock that was set back.
    pub fn verify(&self, token: &str, machine_id: &str, now: i64) -> Result<Value, VerifyError> {
        let claims = self.verify_signature(token, &self.keys_for(token, now)?, TOKEN_TYPE)?;
        self.check_claims(&claims, machine_id, now, self.last_seen())?;
        Ok(claims)
    }

    /// Checks that a token is for this machine and valid at `now`. `last_seen` is the latest time seen.
    fn check_claims(&self, claims: &Value, machine_id: &str, now: i64, last_seen: i64) -> Result<(), VerifyError> {
        if machine_id.is_empty() {
            return Err(VerifyError::invalid("the machine ID is missing"));
        }
        if claims["aud"] != self.product {
            return Err(VerifyError::invalid("the token is for another product"));
        }
        if claims["activation"]["machine_id"] != machine_id {
            return Err(VerifyError::invalid("the token is not for this machine"));
        }
        let not_before = integer(claims, "nbf")?;
        integer(claims, "exp")?;
        let end = integer(&claims["enforcement"], "offline_until")?;

        // A clock that is far ahead must not lock out later tokens.
        let seen = now.min(end + 1);
        if seen > self.last_seen() {
            self.record_time(seen);
        }
        if now < last_seen.max(not_before) - LEEWAY_SECONDS {
            return Err(VerifyError::invalid("the clock was set back"));
        }
        if now > end {
            return Err(VerifyError::invalid("the token has expired"));
        }
        Ok(())
    }

    /// Stores a fetched key set: signed by a root key, not expired, and not older than the stored one.
    pub fn store_key_set(&self, key_set: &str, now: i64) -> Result<(), VerifyError> {
        let fetched = self.verify_signature(key_set, &self.root_keys, KEY_SET_TYPE)?;
        // Of two sets signed in the same second, the fetched one may be the older one.
        let newer = fetched["iat"].as_i64() > self.stored_key_set()["iat"].as_i64();
        if !newer && key_set != self.read("jwks.jwt") {
            return Err(VerifyError::invalid("the key set is not newer than the stored one"));
        }
        if now > integer(&fetched, "exp")? + LEEWAY_SECONDS {
            return Err(VerifyError::invalid("the key set has expired"));
        }
        Ok(self.write("jwks.jwt", key_set)?)
    }

    /// Stores a token that the API returned.
    ///
    /// `refusal` is the result of [`Self::stored_refusal`] before the request was sent. If another process stores a
    /// refusal while the request is in flight, the token is ignored. The stored time is set to the token's `iat`, so
    /// that a clock that was once wrong is corrected.
    pub fn store_token(&self, token: &str, refusal: Option<&Refusal>) -> Result<(), VerifyError> {
        let claims = self.verify_signature(token, &self.stored_keys()?, TOKEN_TYPE)?;
        let issued_at = integer(&claims, "iat")?;
        self.write_token(token, refusal)?;
        self.record_time(issued_at);
        Ok(())
    }

    /// Imports a license file, for a machine that never reaches the API. Its token becomes the stored token, and is verified
    /// with the key set of the file, which is stored beside it.
    ///
    /// If the file is later than the one that was imported before, the stored time is set to the token's `iat`, so that a
    /// clock that was once wrong is corrected. Importing a file again does not set the time back, and does not undo a
    /// refusal.
    pub fn import_license_file(&self, text: &str, machine_id: &str, now: i64) -> Result<(), VerifyError> {
        let file = parse_license_file(text)?;
        if file.issuer != self.issuer {
            return Err(VerifyError::invalid("the license file is from another issuer"));
        }
        if file.product != self.product {
            return Err(VerifyError::invalid("the license file is for another product"));
        }
        let claims = self.verify_signature(&file.token, &self.license_file_keys(&file, now)?, TOKEN_TYPE)?;
        let issued_at = integer(&claims, "iat")?;
        let is_newer = issued_at > self.stored_license_file().and_then(|file| issue_time(&file)).unwrap_or(0);
        self.check_claims(&claims, machine_id, now, if is_newer { issued_at } else { self.last_seen() })?;
        let refusal = self.stored_refusal();
        if !is_newer && refusal.is_some() && self.stored_token().is_none() {
            return Err(VerifyError::invalid("the API has refused the license since"));
        }
        self.write("license-file", text)?;
        self.write_token(&file.token, refusal.as_ref())?;
        if is_newer {
            self.record_time(issued_at);
        }
        Ok(())
    }

    /// Returns the stored token, or `None` if there is none or if the API has refused the license since.
    #[must_use]
    pub fn stored_token(&self) -> Option<String> {
        let text = self.read("token");
        let (token, refusal_id) = match text.split_once(' ') {
            Some((token, id)) => (token, Some(id.to_owned())),
            None => (text.as_str(), None),
        };
        let refused_since = refusal_id != self.stored_refusal().map(|refusal| refusal.id);
        (!token.is_empty() && !refused_since).then(|| token.to_owned())
    }

    /// Records that the API refused the license, and removes the stored token.
    ///
    /// The token does not count from the moment the refusal is written, so that a crash in between is harmless. File
    /// errors are ignored.
    pub fn store_refusal(&self, code: &str) {
        let _ = self.write("refusal", &format!("{} {code}", random_id()));
        let _ = fs::remove_file(self.directory.join("token"));
    }

    /// Returns the last refusal.
    #[must_use]
    pub fn stored_refusal(&self) -> Option<Refusal> {
        let text = self.read("refusal");
        let (id, code) = text.split_once(' ')?;
        Some(Refusal { id: id.to_owned(), code: code.to_owned() })
    }

    /// Returns the keys that may have signed a token: those of the license file for its token, else the stored ones.
    fn keys_for(&self, token: &str, now: i64) -> Result<JwkSet, VerifyError> {
        match self.stored_license_file() {
            Some(file) if file.token == token => self.license_file_keys(&file, now),
            _ => self.stored_keys(),
        }
    }

    fn license_file_keys(&self, file: &LicenseFile, now: i64) -> Result<JwkSet, VerifyError> {
        let key_set = self.verify_signature(&file.signed_jwks, &self.root_keys, KEY_SET_TYPE)?;
        if now > integer(&key_set, "iat")? + LICENSE_FILE_SECONDS {
            return Err(VerifyError::invalid("the license file is too old"));
        }
        keys(&key_set)
    }

    fn stored_license_file(&self) -> Option<LicenseFile> {
        parse_license_file(&self.read("license-file")).ok()
    }

    fn stored_keys(&self) -> Result<JwkSet, VerifyError> {
        keys(&self.stored_key_set())
    }

    fn stored_key_set(&self) -> Value {
        self.verify_signature(&self.read("jwks.jwt"), &self.root_keys, KEY_SET_TYPE)
            .unwrap_or_else(|_| json!({"iat": 0, "keys": []}))
    }

    /// Returns the claims of an RS256 JWT of this type and issuer, signed by one of the keys.
    fn verify_signature(&self, jwt: &str, keys: &JwkSet, typ: &str) -> Result<Value, VerifyError> {
        let header = decode_header(jwt)?;
        if header.typ.as_deref() != Some(typ) {
            return Err(VerifyError::invalid(format!("typ must be {typ}")));
        }
        if header.crit.is_some() {
            return Err(VerifyError::invalid("crit is not supported"));
        }
        let key = header.kid.and_then(|kid| keys.find(&kid)).ok_or(VerifyError::UnknownKey)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["iss", "exp"]);
        validation.validate_exp = false;
        validation.validate_aud = false;
        Ok(decode::<Value>(jwt, &DecodingKey::from_jwk(key)?, &validation)?.claims)
    }

    fn last_seen(&self) -> i64 {
        self.read("last-seen").parse().unwrap_or(0)
    }

    fn record_time(&self, time: i64) {
        // A directory that is not writable must not stop the app.
        let _ = self.write("last-seen", &time.to_string());
    }

    fn write_token(&self, token: &str, refusal: Option<&Refusal>) -> io::Result<()> {
        match refusal {
            Some(refusal) => self.write("token", &format!("{token} {}", refusal.id)),
            None => self.write("token", token),
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }

    /// Replaces a file atomically.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let temporary = self.directory.join(format!("{name}.{}", random_id()));
        let result = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, self.directory.join(name)));
        if result.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        result
    }
}

fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn keys(key_set: &Value) -> Result<JwkSet, VerifyError> {
    serde_json::from_value(json!({"keys": key_set["keys"]})).map_err(VerifyError::KeySet)
}

fn parse_license_file(text: &str) -> Result<LicenseFile, VerifyError> {
    if !text.trim_start().starts_with('{') {
        // serde would read a list as the members in their order.
        return Err(VerifyError::invalid("not a license file"));
    }
    serde_json::from_str(text).map_err(VerifyError::LicenseFile)
}

/// Returns the `iat` of a license file's token without verifying it.
fn issue_time(file: &LicenseFile) -> Option<i64> {
    insecure_decode::<Value>(&file.token).ok()?.claims["iat"].as_i64()
}

fn integer(claims: &Value, name: &str) -> Result<i64, VerifyError> {
    claims[name].as_i64().ok_or_else(|| VerifyError::Invalid(format!("claim {name} must be an integer")))
}
