//! Public keys of apps, to which license tokens are encrypted.

use std::{borrow::Cow, fmt};

use data_encoding::BASE64URL_NOPAD;
use pkcs1::{RsaPublicKeyRef, der::Decode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use spki::SubjectPublicKeyInfoRef;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr, Schema,
        schema::{ObjectBuilder, OneOfBuilder, Type},
    },
};

use super::validation::{FieldErrorCode, ValidationErrors};

/// The minimum modulus length, in bits. Shorter keys are not secure (NIST SP 800-131A).
const MIN_BITS: usize = 2048;
/// The maximum modulus length, in bits. Longer keys make heartbeats slower and items larger.
const MAX_BITS: usize = 4096;
/// The minimum public exponent. FIPS 186-5 requires exponents above 2^16; small exponents, such as 3, make padding
/// errors exploitable.
const MIN_EXPONENT: u32 = 65_537;
/// The private members of a JWK: of RSA and elliptic curve keys, and `k` of symmetric keys (RFC 7518, section 6).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// An RSA public key that tokens are encrypted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionKey {
    n: Vec<u8>,
    e: Vec<u8>,
}

/// The public key of a request, not validated yet. `Debug` does not print it, since it may be a private key by mistake.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKeyInput(Value);

/// An RSA public key as a JWK (RFC 7517).
#[derive(ToSchema)]
#[expect(dead_code, reason = "only describes the schema")]
struct RsaJwk {
    /// Key type: `RSA`.
    #[schema(example = "RSA")]
    kty: String,
    /// Modulus, base64url.
    n: String,
    /// Exponent, base64url.
    #[schema(example = "AQAB")]
    e: String,
}

/// Why a public key is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionKeyError {
    /// The input is a private key.
    #[error("must be a public key, not a private key; treat the private key as compromised and replace the key pair")]
    Private,
    /// The input is a certificate. Its validity period and issuer would not be checked.
    #[error("must be a public key, not a certificate")]
    Certificate,
    /// The input contains several PEM blocks.
    #[error("must contain one PEM block only")]
    Several,
    /// The input can't be parsed.
    #[error(
        "must be a JWK object with kty, n and e (base64url without leading zeros), or PEM text with one block \
         PUBLIC KEY (SPKI) or RSA PUBLIC KEY (PKCS#1)"
    )]
    Malformed,
    /// The key is not an RSA key.
    #[error("must be an RSA key; tokens are encrypted with RSA-OAEP")]
    NotRsa,
    /// The `use` of the JWK does not allow encryption.
    #[error("use must be enc")]
    Use,
    /// The `alg` of the JWK is another algorithm.
    #[error("alg must be RSA-OAEP")]
    Algorithm,
    /// The `key_ops` of the JWK do not allow encryption.
    #[error("key_ops must contain encrypt or wrapKey")]
    Operations,
    /// The modulus is too short or too long.
    #[error("must have {MIN_BITS} to {MAX_BITS} bits, but has {0} bits")]
    Size(usize),
    /// The modulus is even, so it is not the product of two primes.
    #[error("modulus must not be even")]
    Modulus,
    /// The public exponent is even, too small or too large.
    #[error("exponent must be odd and between {MIN_EXPONENT} and 4294967295")]
    Exponent,
}

impl EncryptionKey {
    /// Creates a key from its modulus and exponent, as big-endian bytes without leading zeros.
    pub fn new(n: &[u8], e: &[u8]) -> Result<Self, EncryptionKeyError> {
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !(MIN_BITS..=MAX_BITS).contains(&bits) {
            return Err(EncryptionKeyError::Size(bits));
        }
        if n.last().is_none_or(|last| last % 2 == 0) {
            return Err(EncryptionKeyError::Modulus);
        }
        if n.first() == Some(&0) || e.first() == Some(&0) {
            return Err(EncryptionKeyError::Malformed);
        }
        let exponent = e.iter().try_fold(0_u32, |sum, byte| Some(sum.checked_mul(256)? + u32::from(*byte)));
        if !exponent.is_some_and(|exponent| exponent >= MIN_EXPONENT && exponent % 2 == 1) {
            return Err(EncryptionKeyError::Exponent);
        }
        Ok(Self { n: n.to_vec(), e: e.to_vec() })
    }

    /// Returns the modulus, as big-endian bytes.
    pub fn n(&self) -> &[u8] {
        &self.n
    }

    /// Returns the public exponent, as big-endian bytes.
    pub fn e(&self) -> &[u8] {
        &self.e
    }

    fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, EncryptionKeyError> {
        if is_secret(jwk) {
            return Err(EncryptionKeyError::Private);
        }
        let kty = jwk.get("kty").and_then(Value::as_str).ok_or(EncryptionKeyError::Malformed)?;
        if kty != "RSA" {
            return Err(EncryptionKeyError::NotRsa);
        }
        if jwk.get("use").is_some_and(|usage| usage != "enc") {
            return Err(EncryptionKeyError::Use);
        }
        if jwk.get("alg").is_some_and(|alg| alg != "RSA-OAEP") {
            return Err(EncryptionKeyError::Algorithm);
        }
        let encrypts = |operation: &Value| operation == "encrypt" || operation == "wrapKey";
        let allow_encryption = |operations: &Value| operations.as_array().is_some_and(|all| all.iter().any(encrypts));
        if jwk.get("key_ops").is_some_and(|operations| !allow_encryption(operations)) {
            return Err(EncryptionKeyError::Operations);
        }
        let bytes = |name: &str| BASE64URL_NOPAD.decode(jwk.get(name)?.as_str()?.as_bytes()).ok();
        let (n, e) = bytes("n").zip(bytes("e")).ok_or(EncryptionKeyError::Malformed)?;
        Self::new(&n, &e)
    }

    fn from_pem(text: &str) -> Result<Self, EncryptionKeyError> {
        // Checked before anything else: the owner must learn that the private key was exposed.
        let jwk = serde_json::from_str::<Map<String, Value>>(text);
        if text.contains("PRIVATE KEY") || jwk.is_ok_and(|jwk| is_secret(&jwk)) {
            return Err(EncryptionKeyError::Private);
        }
        let blocks = pem::parse_many(text).map_err(|_| EncryptionKeyError::Malformed)?;
        if blocks.iter().any(|block| block.tag().contains("CERTIFICATE")) {
            return Err(EncryptionKeyError::Certificate);
        }
        let block = match blocks.as_slice() {
            [] => return Err(EncryptionKeyError::Malformed),
            [block] => block,
            _ => return Err(EncryptionKeyError::Several),
        };
        match block.tag() {
            "PUBLIC KEY" => Self::from_spki(block.contents()),
            "RSA PUBLIC KEY" => Self::from_pkcs1(block.contents()),
            _ => Err(EncryptionKeyError::Malformed),
        }
    }

    fn from_spki(der: &[u8]) -> Result<Self, EncryptionKeyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| EncryptionKeyError::Malformed)?;
        // Keys that are restricted to another scheme, such as RSASSA-PSS, have another object identifier.
        if spki.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(EncryptionKeyError::NotRsa);
        }
        Self::from_pkcs1(spki.subject_public_key.as_bytes().ok_or(EncryptionKeyError::Malformed)?)
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, EncryptionKeyError> {
        let key = RsaPublicKeyRef::from_der(der).map_err(|_| EncryptionKeyError::Malformed)?;
        Self::new(key.modulus.as_bytes(), key.public_exponent.as_bytes())
    }
}

/// Returns whether a JWK, or a key of a JWK set (RFC 7517, section 5), is a private key.
fn is_secret(jwk: &Map<String, Value>) -> bool {
    let keys = jwk.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let all = keys.iter().filter_map(Value::as_object).chain([jwk]);
    all.into_iter().any(|key| SECRET_MEMBERS.iter().any(|name| key.contains_key(*name)))
}

impl PublicKeyInput {
    /// Parses and validates the key: a JWK object (RFC 7517; optional members are ignored), or PEM text (RFC 7468) with
    /// an SPKI or PKCS#1 key. Performs no arithmetic on the modulus, so large keys are rejected cheaply.
    pub fn read(&self) -> Result<EncryptionKey, EncryptionKeyError> {
        match &self.0 {
            Value::Object(jwk) => EncryptionKey::from_jwk(jwk),
            Value::String(text) => EncryptionKey::from_pem(text),
            _ => Err(EncryptionKeyError::Malformed),
        }
    }

    /// Reads the key, or adds an error at `/public_key`.
    pub fn check(&self, errors: &mut ValidationErrors) -> Option<EncryptionKey> {
        let push =
            |error: EncryptionKeyError| errors.push("/public_key", FieldErrorCode::PublicKeyInvalid, error.to_string());
        self.read().map_err(push).ok()
    }
}

impl PartialSchema for PublicKeyInput {
    fn schema() -> RefOr<Schema> {
        let pem = ObjectBuilder::new().schema_type(Type::String).description(Some("PEM text."));
        OneOfBuilder::new()
            .item(Ref::from_schema_name(RsaJwk::name()))
            .item(pem)
            .description(Some("An RSA public key of 2048 to 4096 bits."))
            .into()
    }
}

impl ToSchema for PublicKeyInput {
    fn name() -> Cow<'static, str> {
        "PublicKey".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((RsaJwk::name().into(), RsaJwk::schema()));
    }
}

impl fmt::Debug for PublicKeyInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKeyInput(…)")
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn input(value: Value) -> PublicKeyInput {
        serde_json::from_value(value).unwrap()
    }

    /// JSON objects that are similar to a JWK.
    fn similar_to_a_jwk() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!("RSA")),
            Just(json!("AQAB")),
            Just(json!("enc")),
            Just(Value::Null),
            "[A-Za-z0-9_=-]{0,600}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
        ];
        let name = prop_oneof![Just("kty"), Just("n"), Just("e"), Just("use"), Just("alg"), Just("key_ops"), Just("d")];
        proptest::collection::btree_map(name, leaf, 0..7).prop_map(|members| json!(members))
    }

    proptest! {
        #[test]
        fn read_does_not_panic(jwk in similar_to_a_jwk(), text in any::<String>(), der in any::<Vec<u8>>()) {
            let _ = input(jwk).read();
            let _ = input(Value::from(text.clone())).read();
            for tag in ["PUBLIC KEY", "RSA PUBLIC KEY"] {
                let pem = |inner: &str| format!("-----BEGIN {tag}-----\n{inner}\n-----END {tag}-----\n");
                let _ = input(pem(&BASE64.encode(&der)).into()).read();
                let _ = input(pem(&text).into()).read();
            }
        }

        #[test]
        fn accepted_keys_are_within_the_limits(bytes in 250..520_usize, first in any::<u8>(), last in any::<u8>(), e in any::<u32>()) {
            let mut n = vec![0x55; bytes];
            (n[0], n[bytes - 1]) = (first, last);
            let bits = bytes * 8 - first.leading_zeros() as usize;
            let exponent: Vec<u8> = e.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            let is_valid = (2048..=4096).contains(&bits) && first != 0 && last % 2 == 1 && e % 2 == 1 && e > 65536;
            prop_assert_eq!(EncryptionKey::new(&n, &exponent).is_ok(), is_valid);
        }
    }

    #[test]
    fn public_key_input_is_not_printed() {
        let private = input(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "c2VjcmV0"}));
        assert_eq!(format!("{private:?}"), "PublicKeyInput(…)");
        assert_eq!(private.read(), Err(EncryptionKeyError::Private));
    }
}
