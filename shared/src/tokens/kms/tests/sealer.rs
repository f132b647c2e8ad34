use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use data_encoding::{BASE64, HEXLOWER};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::{KmsSealer, connect};
use crate::{
    Clock,
    aws::stub::{Stub, exception},
    domain::{SealingContext, Secret, secret::sha256},
    tokens::{SealError, Sealer},
};

const NOW: Timestamp = Timestamp::constant(1_768_478_400, 0);

/// A KMS whose encrypted data keys contain the KMS key, a hash of the encryption context and the number of the data
/// key.
fn kms() -> Stub {
    let key_count = Mutex::new(0_u8);
    Stub::new(move |operation, body| {
        let arn = format!("arn:{}", body["KeyId"].as_str().unwrap());
        if arn == "arn:disabled" {
            return exception(400, "DisabledException");
        }
        let context: BTreeMap<String, String> = serde_json::from_value(body["EncryptionContext"].clone()).unwrap();
        let context = HEXLOWER.encode(&sha256(format!("{context:?}").as_bytes()));
        if operation == "GenerateDataKey" {
            let mut number = key_count.lock().unwrap();
            *number += 1;
            let encrypted = BASE64.encode(format!("{arn} {context} {number}").as_bytes());
            let plaintext = BASE64.encode(&[*number; 32]);
            return (200, json!({"KeyId": arn, "CiphertextBlob": encrypted, "Plaintext": plaintext}));
        }
        let encrypted = BASE64.decode(body["CiphertextBlob"].as_str().unwrap().as_bytes()).unwrap();
        let encrypted = String::from_utf8_lossy(&encrypted);
        let [encrypted_arn, encrypted_context, number] = encrypted.split(' ').collect::<Vec<_>>()[..] else {
            return exception(400, "InvalidCiphertextException");
        };
        let (true, Ok(number)) = (encrypted_context == context, number.parse::<u8>()) else {
            return exception(400, "InvalidCiphertextException");
        };
        if encrypted_arn != arn {
            return exception(400, "IncorrectKeyException");
        }
        let plaintext = BASE64.encode(&[number; 32]);
        (200, json!({"KeyId": arn, "Plaintext": plaintext, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}))
    })
}

fn sealer(stub: &Stub, keys: &[&str]) -> KmsSealer {
    sealer_with_clock(stub, keys, Clock::manual(NOW))
}

fn sealer_with_clock(stub: &Stub, keys: &[&str], clock: Clock) -> KmsSealer {
    let old: Vec<_> = keys[1..].iter().map(|&key| key.to_owned()).collect();
    KmsSealer::new(connect(&stub.aws(), None), "signet", keys[0], &old, clock)
}

fn context(item: &str) -> SealingContext {
    SealingContext { table: "signet".to_owned(), item: item.to_owned(), purpose: "token" }
}

fn text() -> Secret {
    Secret::new("ATLAS-7K3QM".to_owned())
}

#[tokio::test]
async fn sealed_values_open_only_in_their_context() {
    let stub = kms();
    let sealed = sealer(&stub, &["a"]).seal(&context("a"), &text()).await.unwrap();
    assert!(!sealed.windows(5).any(|bytes| bytes == b"ATLAS"));
    let sent = json!({
        "KeyId": "a", "KeySpec": "AES_256", "EncryptionContext": {"signet:table": "signet", "signet:use": "seal"},
    });
    assert_eq!(stub.requests(), [("GenerateDataKey".to_owned(), sent)]);

    let other = sealer(&stub, &["a"]);
    assert_eq!(other.open(&context("a"), &sealed).await.unwrap(), text());
    for elsewhere in [
        context("b"),
        SealingContext { purpose: "license_key", ..context("a") },
        SealingContext { table: "other".to_owned(), ..context("a") },
    ] {
        assert!(matches!(other.open(&elsewhere, &sealed).await, Err(SealError::CannotOpen)));
    }
    let other_table = KmsSealer::new(connect(&stub.aws(), None), "other", "a", &[], Clock::manual(NOW));
    assert!(matches!(other_table.open(&context("a"), &sealed).await, Err(SealError::CannotOpen)));
    assert_eq!(format!("{other:?}"), r#"KmsSealer { keys: ["a"], .. }"#);
}

#[tokio::test]
async fn changed_values_do_not_open() {
    let stub = kms();
    let sealer = sealer(&stub, &["a"]);
    let sealed = sealer.seal(&context("a"), &text()).await.unwrap();
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        assert!(sealer.open(&context("a"), &damaged).await.is_err(), "{at}");
        assert!(sealer.open(&context("a"), &sealed[..at]).await.is_err(), "{at}");
    }
    // A value that was moved from another item, sealed with the same data key.
    let other = sealer.seal(&context("b"), &text()).await.unwrap();
    assert!(sealer.open(&context("a"), &other).await.is_err());
}

#[tokio::test]
async fn a_data_key_is_cached_for_five_minutes() {
    let (stub, clock) = (kms(), Clock::manual(NOW));
    let one = sealer_with_clock(&stub, &["a"], clock.clone());
    let first = one.seal(&context("a"), &text()).await.unwrap();
    let second = one.seal(&context("b"), &text()).await.unwrap();
    one.open(&context("a"), &first).await.unwrap();
    assert_eq!(stub.operations(), ["GenerateDataKey"]);
    clock.advance(SignedDuration::from_mins(5));
    let third = one.seal(&context("c"), &text()).await.unwrap();
    assert_eq!(stub.operations(), ["GenerateDataKey"; 2]);

    let other = sealer_with_clock(&stub, &["a"], clock.clone());
    for (item, sealed) in [("a", &first), ("b", &second), ("c", &third), ("a", &first)] {
        other.open(&context(item), sealed).await.unwrap();
    }
    assert_eq!(stub.operations()[2..], ["Decrypt"; 2], "one request per data key");
    clock.advance(SignedDuration::from_mins(5));
    other.open(&context("a"), &first).await.unwrap();
    assert_eq!(stub.operations()[4..], ["Decrypt"]);
}

#[tokio::test]
async fn old_keys_open_and_the_current_key_seals() {
    let stub = kms();
    let by_old = sealer(&stub, &["old"]).seal(&context("a"), &text()).await.unwrap();
    let both = sealer(&stub, &["new", "old"]);
    assert_eq!(both.open(&context("a"), &by_old).await.unwrap(), text());
    let resealed = both.reseal(&context("a"), &by_old).await.unwrap().unwrap();
    assert_eq!(both.reseal(&context("a"), &resealed).await.unwrap(), None);
    assert!(both.reseal(&context("b"), &by_old).await.is_err(), "the context is checked");
    let new = sealer(&stub, &["new"]);
    assert_eq!(new.open(&context("a"), &resealed).await.unwrap(), text());
    assert!(matches!(new.open(&context("a"), &by_old).await, Err(SealError::CannotOpen)));
    // The disabled key may be the right one, so the value may open later.
    let disabled = sealer(&stub, &["new", "disabled"]);
    assert!(matches!(disabled.open(&context("a"), &by_old).await, Err(SealError::Unavailable(_))));
}

#[tokio::test]
async fn a_response_with_another_key_is_rejected() {
    let stub = kms();
    let sealed = sealer(&stub, &["a"]).seal(&context("a"), &text()).await.unwrap();
    let plaintext = BASE64.encode(&[1; 32]);
    let stub = Stub::new(move |_, _| (200, json!({"KeyId": "arn:b", "Plaintext": plaintext})));
    assert!(matches!(sealer(&stub, &["a"]).open(&context("a"), &sealed).await, Err(SealError::CannotOpen)));
}

#[tokio::test]
async fn cached_data_keys_work_while_kms_is_unavailable() {
    let is_unavailable = Arc::new(AtomicBool::new(false));
    let (inner, is_throttled) = (kms(), Arc::clone(&is_unavailable));
    let respond = move |operation: &str, body: &Value| {
        if is_throttled.load(Ordering::SeqCst) {
            exception(400, "ThrottlingException")
        } else {
            inner.respond(operation, body)
        }
    };
    let (stub, clock) = (Stub::new(respond), Clock::manual(NOW));
    let sealer = sealer_with_clock(&stub, &["a"], clock.clone());
    let sealed = sealer.seal(&context("a"), &text()).await.unwrap();
    is_unavailable.store(true, Ordering::SeqCst);
    sealer.seal(&context("b"), &text()).await.unwrap();
    sealer.open(&context("a"), &sealed).await.unwrap();
    clock.advance(SignedDuration::from_mins(5));
    assert!(matches!(sealer.seal(&context("a"), &text()).await, Err(SealError::Unavailable(_))));
    assert!(matches!(sealer.open(&context("a"), &sealed).await, Err(SealError::Unavailable(_))));
    is_unavailable.store(false, Ordering::SeqCst);
    assert_eq!(sealer.open(&context("a"), &sealed).await.unwrap(), text());
}
