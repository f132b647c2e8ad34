//! Tests with the examples of the JOSE RFCs. The examples of RFC 7517 use the same keys as RFC 7638 and RFC 7515.

use std::fs;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use josekit::{
    jwe::{JweContentEncryption, RSA_OAEP, deserialize_compact, enc::A256CBC_HS512},
    jwk::{Jwk, alg::rsa::RsaKeyPair},
};
use serde_json::{Value, json};

use super::{PublicKey, Signer, local::LocalSigner};
use crate::domain::{EncryptionKeyError, PublicKeyInput};

fn examples() -> Value {
    serde_json::from_str(include_str!("rfc_examples.json")).unwrap()
}

fn text<'a>(example: &'a Value, name: &str) -> &'a str {
    example[name].as_str().unwrap()
}

fn jwk(key: &Value) -> Jwk {
    Jwk::from_map(key.as_object().unwrap().clone()).unwrap()
}

fn public(key: &Value) -> PublicKey {
    let bytes = |name: &str| BASE64URL_NOPAD.decode(text(key, name).as_bytes()).unwrap();
    PublicKey { n: bytes("n"), e: bytes("e") }
}

#[test]
fn kid_matches_rfc_7638() {
    let example = &examples()["rfc7638_3_1"];
    assert_eq!(public(&example["key"]).kid(), text(example, "thumbprint"));
}

#[tokio::test]
async fn signatures_match_rfc_7515() {
    let example = &examples()["rfc7515_a2"];
    let directory = tempfile::tempdir().unwrap();
    let pair = RsaKeyPair::from_jwk(&jwk(&example["key"])).unwrap();
    fs::write(directory.path().join("a2.pem"), pair.to_pem_private_key()).unwrap();
    let (message, signature) = text(example, "token").rsplit_once('.').unwrap();
    let signed = LocalSigner::in_directory(directory.path()).unwrap().sign("a2", message.as_bytes()).await.unwrap();
    assert_eq!(BASE64URL_NOPAD.encode(&signed), signature);
}

#[test]
fn private_and_signing_keys_of_the_rfcs_are_rejected_as_encryption_keys() {
    let examples = examples();
    let parse = |key: Value| serde_json::from_value::<PublicKeyInput>(key).unwrap().read();
    for private in ["rfc7515_a2", "rfc7516_a1"] {
        let key = &examples[private]["key"];
        assert_eq!(parse(key.clone()), Err(EncryptionKeyError::Private));
        let parsed = parse(json!({"kty": "RSA", "n": key["n"], "e": key["e"]})).unwrap();
        assert_eq!(public(key), PublicKey { n: parsed.n().to_vec(), e: parsed.e().to_vec() });
    }
    let signing = &examples["rfc7638_3_1"]["key"];
    assert_eq!(parse(signing.clone()), Err(EncryptionKeyError::Algorithm));
    let without_alg = json!({"kty": "RSA", "n": signing["n"], "e": signing["e"], "kid": signing["kid"]});
    assert!(parse(without_alg).is_ok());
}

#[test]
fn josekit_decrypts_rfc_7516() {
    let example = &examples()["rfc7516_a1"];
    let decrypter = RSA_OAEP.decrypter_from_jwk(&jwk(&example["key"])).unwrap();
    let (decrypted, _) = deserialize_compact(text(example, "encrypted"), &decrypter).unwrap();
    assert_eq!(decrypted, text(example, "text").as_bytes());
}

#[test]
fn josekit_content_encryption_matches_rfc_7518() {
    let example = &examples()["rfc7518_b3"];
    let hex = |name: &str| HEXLOWER.decode(text(example, name).as_bytes()).unwrap();
    let key: Vec<u8> = (0..64).collect();
    let encrypted = A256CBC_HS512
        .encrypt(&key, Some(&hex("iv")), text(example, "text").as_bytes(), text(example, "associated_data").as_bytes())
        .unwrap();
    assert_eq!(encrypted, (hex("encrypted"), Some(hex("tag"))));
}
