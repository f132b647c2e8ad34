//! The RFCs' own examples, through our code and the library that encrypts for us. RFC 7517 has the keys of RFC 7638 and of
//! RFC 7515 once more.

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
fn a_thumbprint_is_rfc_7638_s() {
    let example = &examples()["rfc7638_3_1"];
    assert_eq!(public(&example["key"]).kid(), text(example, "thumbprint"));
}

#[tokio::test]
async fn the_signer_signs_as_rfc_7515_does() {
    let example = &examples()["rfc7515_a2"];
    let folder = tempfile::tempdir().unwrap();
    let pair = RsaKeyPair::from_jwk(&jwk(&example["key"])).unwrap();
    fs::write(folder.path().join("a2.pem"), pair.to_pem_private_key()).unwrap();
    let (message, signature) = text(example, "token").rsplit_once('.').unwrap();
    let signed = LocalSigner::in_folder(folder.path()).unwrap().sign("a2", message.as_bytes()).await.unwrap();
    assert_eq!(BASE64URL_NOPAD.encode(&signed), signature);
}

#[test]
fn keys_of_the_rfcs_are_taken_for_what_they_are() {
    let examples = examples();
    let given = |key: Value| serde_json::from_value::<PublicKeyInput>(key).unwrap().read();
    for private in ["rfc7515_a2", "rfc7516_a1"] {
        let key = &examples[private]["key"];
        assert_eq!(given(key.clone()), Err(EncryptionKeyError::Private));
        let read = given(json!({"kty": "RSA", "n": key["n"], "e": key["e"]})).unwrap();
        assert_eq!(public(key), PublicKey { n: read.n().to_vec(), e: read.e().to_vec() });
    }
    let signing = &examples["rfc7638_3_1"]["key"];
    assert_eq!(given(signing.clone()), Err(EncryptionKeyError::Algorithm));
    let without_alg = json!({"kty": "RSA", "n": signing["n"], "e": signing["e"], "kid": signing["kid"]});
    assert!(given(without_alg).is_ok());
}

#[test]
fn the_library_opens_what_rfc_7516_encrypts() {
    let example = &examples()["rfc7516_a1"];
    let decrypter = RSA_OAEP.decrypter_from_jwk(&jwk(&example["key"])).unwrap();
    let (opened, _) = deserialize_compact(text(example, "encrypted"), &decrypter).unwrap();
    assert_eq!(opened, text(example, "text").as_bytes());
}

#[test]
fn the_library_encrypts_content_as_rfc_7518_does() {
    let example = &examples()["rfc7518_b3"];
    let hex = |name: &str| HEXLOWER.decode(text(example, name).as_bytes()).unwrap();
    let key: Vec<u8> = (0..64).collect();
    let made = A256CBC_HS512
        .encrypt(&key, Some(&hex("iv")), text(example, "text").as_bytes(), text(example, "associated_data").as_bytes())
        .unwrap();
    assert_eq!(made, (hex("encrypted"), Some(hex("tag"))));
}
