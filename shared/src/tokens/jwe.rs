//! Nested JWTs (RFC 7519 §11.2): a signed license token, encrypted with the app's public key. Encryption only hides the
//! content; the signature of the inner token proves its authenticity.

use data_encoding::BASE64URL_NOPAD;
use josekit::{
    jwe::{JweHeader, RSA_OAEP, serialize_compact},
    jwk::Jwk,
};

use super::PublicKey;
use crate::domain::{EncryptionKey, Secret};

/// The `alg` of nested tokens, with which the content key is encrypted.
pub const ALGORITHM: &str = "RSA-OAEP";
/// The `enc` of nested tokens, with which the content is encrypted.
pub const CONTENT_ENCRYPTION: &str = "A256CBC-HS512";

/// Encrypting a token failed. Public keys are validated at activation, so this is an internal error.
#[derive(Debug, thiserror::Error)]
#[error("failed to encrypt the token: {0}")]
pub struct EncryptError(String);

/// A token in the form in which an app receives it.
#[derive(Debug)]
pub struct EncodedToken {
    /// The signed token, or the encrypted token that contains it.
    pub token: Secret,
    /// `JWT` for a signed token, `JWE` for an encrypted one.
    pub token_type: &'static str,
}

impl EncodedToken {
    /// Encrypts the token if the app has a public key.
    pub fn new(key: Option<&EncryptionKey>, token: &Secret) -> Result<Self, EncryptError> {
        Ok(match key {
            Some(key) => Self { token: encrypt(token, key)?, token_type: "JWE" },
            None => Self { token: token.clone(), token_type: "JWT" },
        })
    }
}

/// Encrypts a token. The header's `kid` is the RFC 7638 thumbprint of the app's key, so that an app with several keys
/// can select the right one.
fn encrypt(token: &Secret, key: &EncryptionKey) -> Result<Secret, EncryptError> {
    let mut header = JweHeader::new();
    header.set_content_encryption(CONTENT_ENCRYPTION);
    header.set_content_type("JWT");
    header.set_key_id(PublicKey { n: key.n().to_vec(), e: key.e().to_vec() }.kid());
    let encrypter = RSA_OAEP.encrypter_from_jwk(&jwk(key)?).map_err(failed)?;
    serialize_compact(token.expose().as_bytes(), &header, &encrypter).map(Secret::new).map_err(failed)
}

fn jwk(key: &EncryptionKey) -> Result<Jwk, EncryptError> {
    let mut jwk = Jwk::new("RSA");
    for (name, bytes) in [("n", key.n()), ("e", key.e())] {
        jwk.set_parameter(name, Some(BASE64URL_NOPAD.encode(bytes).into())).map_err(failed)?;
    }
    Ok(jwk)
}

fn failed(error: impl std::fmt::Display) -> EncryptError {
    EncryptError(error.to_string())
}

#[cfg(test)]
mod tests {
    use josekit::{jwe::deserialize_compact, jwk::alg::rsa::RsaKeyPair};

    use super::*;

    #[test]
    fn only_the_private_key_decrypts_a_token() {
        let token = Secret::new("eyJhbGciOiJSUzI1NiJ9.e30.c2ln".to_owned());
        let other = RsaKeyPair::generate(2048).unwrap().to_jwk_private_key();
        let other = RSA_OAEP.decrypter_from_jwk(&other).unwrap();
        for bits in [2048, 2049] {
            let pair = RsaKeyPair::generate(bits).unwrap();
            let public = pair.to_jwk_public_key();
            let input: crate::domain::PublicKeyInput =
                serde_json::from_value(serde_json::to_value(public.as_ref()).unwrap()).unwrap();
            let encoded = EncodedToken::new(Some(&input.read().unwrap()), &token).unwrap();
            assert_eq!(encoded.token_type, "JWE");

            let decrypter = RSA_OAEP.decrypter_from_jwk(&pair.to_jwk_private_key()).unwrap();
            let (decrypted, header) = deserialize_compact(encoded.token.expose(), &decrypter).unwrap();
            assert_eq!(decrypted, token.expose().as_bytes());
            let fields = (header.algorithm(), header.content_encryption(), header.content_type());
            assert_eq!(fields, (Some("RSA-OAEP"), Some("A256CBC-HS512"), Some("JWT")));
            assert!(deserialize_compact(encoded.token.expose(), &other).is_err());
        }
        assert_eq!(EncodedToken::new(None, &token).unwrap().token, token);
    }
}
