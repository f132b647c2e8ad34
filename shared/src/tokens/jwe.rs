//! Nested tokens (RFC 7519 §11.2): a signed license token, encrypted to the app that it is for. Only who has the app's
//! private key reads it; that it is genuine is still its signature's to say.

use data_encoding::BASE64URL_NOPAD;
use josekit::{
    jwe::{JweHeader, RSA_OAEP, serialize_compact},
    jwk::Jwk,
};

use super::PublicKey;
use crate::domain::{EncryptionKey, Secret};

/// How a token's key is encrypted.
pub const ALGORITHM: &str = "RSA-OAEP";
/// How the token itself is encrypted.
pub const CONTENT_ENCRYPTION: &str = "A256CBC-HS512";

/// Why a token was not encrypted. A key that was taken can be encrypted to, so it is a fault.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be encrypted: {0}")]
pub struct EncryptError(String);

/// A token in the form in which an app gets it.
#[derive(Debug)]
pub struct EncodedToken {
    /// The token itself, or what it is encrypted in.
    pub token: Secret,
    /// `JWT` or `JWE`.
    pub token_type: &'static str,
}

impl EncodedToken {
    /// For an app with this public key, or without any.
    pub fn to(key: Option<&EncryptionKey>, token: &Secret) -> Result<Self, EncryptError> {
        Ok(match key {
            Some(key) => Self { token: encrypt(token, key)?, token_type: "JWE" },
            None => Self { token: token.clone(), token_type: "JWT" },
        })
    }
}

/// Encrypts a token. The header's `kid` is the RFC 7638 thumbprint of the app's key, so that an app with several knows
/// which one opens it.
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
    fn what_is_encrypted_opens_with_the_private_key_alone() {
        let token = Secret::new("eyJhbGciOiJSUzI1NiJ9.e30.c2ln".to_owned());
        let other = RsaKeyPair::generate(2048).unwrap().to_jwk_private_key();
        let other = RSA_OAEP.decrypter_from_jwk(&other).unwrap();
        for bits in [2048, 2049] {
            let pair = RsaKeyPair::generate(bits).unwrap();
            let public = pair.to_jwk_public_key();
            let given: crate::domain::PublicKeyInput =
                serde_json::from_value(serde_json::to_value(public.as_ref()).unwrap()).unwrap();
            let handed = EncodedToken::to(Some(&given.read().unwrap()), &token).unwrap();
            assert_eq!(handed.token_type, "JWE");

            let own = RSA_OAEP.decrypter_from_jwk(&pair.to_jwk_private_key()).unwrap();
            let (opened, header) = deserialize_compact(handed.token.expose(), &own).unwrap();
            assert_eq!(opened, token.expose().as_bytes());
            let said = (header.algorithm(), header.content_encryption(), header.content_type());
            assert_eq!(said, (Some("RSA-OAEP"), Some("A256CBC-HS512"), Some("JWT")));
            assert!(deserialize_compact(handed.token.expose(), &other).is_err());
        }
        assert_eq!(EncodedToken::to(None, &token).unwrap().token, token);
    }
}
