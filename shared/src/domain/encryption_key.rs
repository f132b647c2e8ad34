//! Public keys of apps: what is taken for one, so that tokens can be encrypted to it.

use std::{borrow::Cow, fmt};

use data_encoding::BASE64URL_NOPAD;
use pkcs1::{RsaPublicKeyRef, der::Decode};
use serde::Deserialize;
use serde_json::{Map, Value};
use spki::SubjectPublicKeyInfoRef;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, OneOfBuilder, Type},
    },
};

/// The fewest bits of a modulus: what is shorter is within reach of those who can pay for it (NIST SP 800-131A).
const MIN_BITS: usize = 2048;
/// The most: a longer one costs every heartbeat time, and the table room, for no more safety.
const MAX_BITS: usize = 4096;
/// The least exponent. FIPS 186-5 asks for more than 2^16, since a tiny one, such as 3, leaves no margin for faults of
/// padding; every tool of today makes this one.
const MIN_EXPONENT: u32 = 65_537;
/// Members of a JWK that are secret: of RSA and of elliptic curves, and `k` of a symmetric key (RFC 7518 §6).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// An RSA public key that tokens are encrypted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionKey {
    n: Vec<u8>,
    e: Vec<u8>,
}

/// What a caller gave for a public key: perhaps a private one, so that `Debug` shows nothing of it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct PublicKeyInput(Value);

/// Why a key is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionKeyError {
    /// The one key that must not be sent.
    #[error(
        "this is a private key: consider it exposed, replace the pair, and send the public part of the new one alone"
    )]
    Private,
    /// A certificate holds a key, and claims that nobody here would check.
    #[error("this is a certificate: send the public key that is in it alone")]
    Certificate,
    /// Nobody knows which one is meant.
    #[error("this is more than one PEM block: send one key")]
    Several,
    /// Not to be read.
    #[error(
        "this can't be read as a public key: a JWK is an object with kty, n and e (base64url, no leading zeros); \
             PEM text is one block PUBLIC KEY (SPKI) or RSA PUBLIC KEY (PKCS#1)"
    )]
    Malformed,
    /// A key of another kind.
    #[error("this is no RSA key: tokens are encrypted with RSA-OAEP")]
    NotRsa,
    /// By its `use`.
    #[error("this key's use is not enc, so that nothing may be encrypted to it")]
    Use,
    /// By its `alg`.
    #[error("this key's alg is not RSA-OAEP, which tokens are encrypted with")]
    Algorithm,
    /// By its `key_ops`.
    #[error("this key's key_ops have neither encrypt nor wrapKey")]
    Operations,
    /// Too short or too long.
    #[error("this key has {0} bits: from {MIN_BITS} to {MAX_BITS} will do")]
    Size(usize),
    /// The product of two odd primes is odd.
    #[error("this key's modulus is even, as no RSA key's is")]
    Modulus,
    /// Even, tiny or huge.
    #[error("this key's exponent must be odd, {MIN_EXPONENT} or more, and of 32 bits at most")]
    Exponent,
}

impl EncryptionKey {
    /// A key of this modulus and exponent, as big-endian bytes without leading zeros.
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

    /// The modulus, big-endian.
    pub fn n(&self) -> &[u8] {
        &self.n
    }

    /// The public exponent, big-endian.
    pub fn e(&self) -> &[u8] {
        &self.e
    }

    fn of_jwk(jwk: &Map<String, Value>) -> Result<Self, EncryptionKeyError> {
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
        let may = |operations: &Value| operations.as_array().is_some_and(|all| all.iter().any(encrypts));
        if jwk.get("key_ops").is_some_and(|operations| !may(operations)) {
            return Err(EncryptionKeyError::Operations);
        }
        let bytes = |name: &str| BASE64URL_NOPAD.decode(jwk.get(name)?.as_str()?.as_bytes()).ok();
        let (n, e) = bytes("n").zip(bytes("e")).ok_or(EncryptionKeyError::Malformed)?;
        Self::new(&n, &e)
    }

    fn of_pem(text: &str) -> Result<Self, EncryptionKeyError> {
        // First, as it is what its owner must know whatever else is wrong with the text.
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
            "PUBLIC KEY" => Self::of_spki(block.contents()),
            "RSA PUBLIC KEY" => Self::of_pkcs1(block.contents()),
            _ => Err(EncryptionKeyError::Malformed),
        }
    }

    fn of_spki(der: &[u8]) -> Result<Self, EncryptionKeyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| EncryptionKeyError::Malformed)?;
        // A key that is bound to another scheme, such as RSASSA-PSS, has an identifier of its own.
        if spki.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(EncryptionKeyError::NotRsa);
        }
        Self::of_pkcs1(spki.subject_public_key.as_bytes().ok_or(EncryptionKeyError::Malformed)?)
    }

    fn of_pkcs1(der: &[u8]) -> Result<Self, EncryptionKeyError> {
        let key = RsaPublicKeyRef::from_der(der).map_err(|_| EncryptionKeyError::Malformed)?;
        Self::new(key.modulus.as_bytes(), key.public_exponent.as_bytes())
    }
}

/// Whether a JWK, or one of a set of them (RFC 7517 §5), is a private key.
fn is_secret(jwk: &Map<String, Value>) -> bool {
    let keys = jwk.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let all = keys.iter().filter_map(Value::as_object).chain([jwk]);
    all.into_iter().any(|key| SECRET_MEMBERS.iter().any(|name| key.contains_key(*name)))
}

impl PublicKeyInput {
    /// The key that this is: of a JWK object (RFC 7517; members that it need not have are ignored) or of PEM text
    /// (RFC 7468), SPKI or PKCS#1. Nothing is computed with it, however large it is.
    pub fn read(&self) -> Result<EncryptionKey, EncryptionKeyError> {
        match &self.0 {
            Value::Object(jwk) => EncryptionKey::of_jwk(jwk),
            Value::String(text) => EncryptionKey::of_pem(text),
            _ => Err(EncryptionKeyError::Malformed),
        }
    }
}

impl PartialSchema for PublicKeyInput {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let jwk = ["kty", "n", "e"]
            .iter()
            .fold(ObjectBuilder::new().schema_type(Type::Object).description(Some("A JWK.")), |jwk, name| {
                jwk.property(*name, text()).required(*name)
            });
        let pem = text().description(Some("PEM text."));
        OneOfBuilder::new().item(jwk).item(pem).description(Some("An RSA public key of 2048 to 4096 bits.")).into()
    }
}

impl ToSchema for PublicKeyInput {
    fn name() -> Cow<'static, str> {
        "PublicKey".into()
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

    fn given(value: Value) -> PublicKeyInput {
        serde_json::from_value(value).unwrap()
    }

    /// JSON that has much in common with a JWK.
    fn nearly_a_jwk() -> impl Strategy<Value = Value> {
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
        fn whatever_is_given_is_taken_or_refused(jwk in nearly_a_jwk(), text in any::<String>(), der in any::<Vec<u8>>()) {
            let _ = given(jwk).read();
            let _ = given(Value::from(text.clone())).read();
            for tag in ["PUBLIC KEY", "RSA PUBLIC KEY"] {
                let pem = |inner: &str| format!("-----BEGIN {tag}-----\n{inner}\n-----END {tag}-----\n");
                let _ = given(pem(&BASE64.encode(&der)).into()).read();
                let _ = given(pem(&text).into()).read();
            }
        }

        #[test]
        fn what_is_taken_is_within_the_limits(bytes in 250..520_usize, first in any::<u8>(), last in any::<u8>(), e in any::<u32>()) {
            let mut n = vec![0x55; bytes];
            (n[0], n[bytes - 1]) = (first, last);
            let bits = bytes * 8 - first.leading_zeros() as usize;
            let exponent: Vec<u8> = e.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            let right = (2048..=4096).contains(&bits) && first != 0 && last % 2 == 1 && e % 2 == 1 && e > 65536;
            prop_assert_eq!(EncryptionKey::new(&n, &exponent).is_ok(), right);
        }
    }

    #[test]
    fn nothing_of_a_given_key_is_printed() {
        let private = given(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "c2VjcmV0"}));
        assert_eq!(format!("{private:?}"), "PublicKeyInput(…)");
        assert_eq!(private.read(), Err(EncryptionKeyError::Private));
    }
}
