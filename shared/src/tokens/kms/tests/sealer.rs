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

/// Wraps keys: a wrapped key names the KMS key, its encryption context and the data key.
fn kms() -> Stub {
    let made = Mutex::new(0_u8);
    Stub::new(move |operation, body| {
        let arn = format!("arn:{}", body["KeyId"].as_str().unwrap());
        if arn == "arn:disabled" {
            return exception(400, "DisabledException");
        }
        let context: BTreeMap<String, String> = serde_json::from_value(body["EncryptionContext"].clone()).unwrap();
        let context = HEXLOWER.encode(&sha256(format!("{context:?}").as_bytes()));
        if operation == "GenerateDataKey" {
            let mut made = made.lock().unwrap();
            *made += 1;
            let wrapped = BASE64.encode(format!("{arn} {context} {made}").as_bytes());
            return (200, json!({"KeyId": arn, "CiphertextBlob": wrapped, "Plaintext": BASE64.encode(&[*made; 32])}));
        }
        let wrapped = BASE64.decode(body["CiphertextBlob"].as_str().unwrap().as_bytes()).unwrap();
        let wrapped = String::from_utf8_lossy(&wrapped);
        let [of, for_context, number] = wrapped.split(' ').collect::<Vec<_>>()[..] else {
            return exception(400, "InvalidCiphertextException");
        };
        let (true, Ok(number)) = (for_context == context, number.parse::<u8>()) else {
            return exception(400, "InvalidCiphertextException");
        };
        if of != arn {
            return exception(400, "IncorrectKeyException");
        }
        let plain = BASE64.encode(&[number; 32]);
        (200, json!({"KeyId": arn, "Plaintext": plain, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}))
    })
}

fn sealer(stub: &Stub, keys: &[&str]) -> KmsSealer {
    sealer_at(stub, keys, Clock::set(NOW))
}

fn sealer_at(stub: &Stub, keys: &[&str], clock: Clock) -> KmsSealer {
    let old: Vec<_> = keys[1..].iter().map(|&key| key.to_owned()).collect();
    KmsSealer::new(connect(&stub.aws(), None), "signet", keys[0], &old, clock)
}

fn place(item: &str) -> SealingContext {
    SealingContext { table: "signet".to_owned(), item: item.to_owned(), purpose: "token" }
}

fn text() -> Secret {
    Secret::new("ATLAS-7K3QM".to_owned())
}

#[tokio::test]
async fn what_is_sealed_opens_in_its_place_alone() {
    let stub = kms();
    let sealed = sealer(&stub, &["a"]).seal(&place("a"), &text()).await.unwrap();
    assert!(!sealed.windows(5).any(|bytes| bytes == b"ATLAS"));
    let sent = json!({
        "KeyId": "a", "KeySpec": "AES_256", "EncryptionContext": {"signet:table": "signet", "signet:use": "seal"},
    });
    assert_eq!(stub.asked(), [("GenerateDataKey".to_owned(), sent)]);

    let other = sealer(&stub, &["a"]);
    assert_eq!(other.open(&place("a"), &sealed).await.unwrap(), text());
    for elsewhere in [
        place("b"),
        SealingContext { purpose: "license_key", ..place("a") },
        SealingContext { table: "other".to_owned(), ..place("a") },
    ] {
        assert!(matches!(other.open(&elsewhere, &sealed).await, Err(SealError::DoesNotOpen)));
    }
    let of_other_table = KmsSealer::new(connect(&stub.aws(), None), "other", "a", &[], Clock::set(NOW));
    assert!(matches!(of_other_table.open(&place("a"), &sealed).await, Err(SealError::DoesNotOpen)));
    assert_eq!(format!("{other:?}"), r#"KmsSealer { keys: ["a"], .. }"#);
}

#[tokio::test]
async fn nothing_opens_that_was_changed() {
    let stub = kms();
    let sealer = sealer(&stub, &["a"]);
    let sealed = sealer.seal(&place("a"), &text()).await.unwrap();
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        assert!(sealer.open(&place("a"), &damaged).await.is_err(), "{at}");
        assert!(sealer.open(&place("a"), &sealed[..at]).await.is_err(), "{at}");
    }
    // Two values of one data key, each with the other's nonce and ciphertext: the same as moving them.
    let other = sealer.seal(&place("b"), &text()).await.unwrap();
    assert!(sealer.open(&place("a"), &other).await.is_err());
}

#[tokio::test]
async fn a_data_key_serves_for_five_minutes() {
    let (stub, clock) = (kms(), Clock::set(NOW));
    let one = sealer_at(&stub, &["a"], clock.clone());
    let first = one.seal(&place("a"), &text()).await.unwrap();
    let second = one.seal(&place("b"), &text()).await.unwrap();
    one.open(&place("a"), &first).await.unwrap();
    assert_eq!(stub.operations(), ["GenerateDataKey"]);
    clock.advance(SignedDuration::from_mins(5));
    let third = one.seal(&place("c"), &text()).await.unwrap();
    assert_eq!(stub.operations(), ["GenerateDataKey"; 2]);

    let other = sealer_at(&stub, &["a"], clock.clone());
    for (item, sealed) in [("a", &first), ("b", &second), ("c", &third), ("a", &first)] {
        other.open(&place(item), sealed).await.unwrap();
    }
    assert_eq!(stub.operations()[2..], ["Decrypt"; 2], "one for each data key");
    clock.advance(SignedDuration::from_mins(5));
    other.open(&place("a"), &first).await.unwrap();
    assert_eq!(stub.operations()[4..], ["Decrypt"]);
}

#[tokio::test]
async fn old_keys_open_and_the_new_one_seals() {
    let stub = kms();
    let of_old = sealer(&stub, &["old"]).seal(&place("a"), &text()).await.unwrap();
    let both = sealer(&stub, &["new", "old"]);
    assert_eq!(both.open(&place("a"), &of_old).await.unwrap(), text());
    let anew = both.reseal(&place("a"), &of_old).await.unwrap().unwrap();
    assert_eq!(both.reseal(&place("a"), &anew).await.unwrap(), None);
    assert!(both.reseal(&place("b"), &of_old).await.is_err(), "it does not move");
    let new = sealer(&stub, &["new"]);
    assert_eq!(new.open(&place("a"), &anew).await.unwrap(), text());
    assert!(matches!(new.open(&place("a"), &of_old).await, Err(SealError::DoesNotOpen)));
    // The one that may have wrapped it can't be asked: it may open later.
    let disabled = sealer(&stub, &["new", "disabled"]);
    assert!(matches!(disabled.open(&place("a"), &of_old).await, Err(SealError::Unavailable(_))));
}

#[tokio::test]
async fn an_answer_by_another_key_is_none() {
    let stub = kms();
    let sealed = sealer(&stub, &["a"]).seal(&place("a"), &text()).await.unwrap();
    let plain = BASE64.encode(&[1; 32]);
    let stub = Stub::new(move |_, _| (200, json!({"KeyId": "arn:b", "Plaintext": plain})));
    assert!(matches!(sealer(&stub, &["a"]).open(&place("a"), &sealed).await, Err(SealError::DoesNotOpen)));
}

#[tokio::test]
async fn while_kms_is_away_nothing_is_sealed_and_what_is_kept_opens() {
    let away = Arc::new(AtomicBool::new(false));
    let (inner, is_away) = (kms(), Arc::clone(&away));
    let answer = move |operation: &str, body: &Value| {
        if is_away.load(Ordering::SeqCst) {
            exception(400, "ThrottlingException")
        } else {
            inner.answer(operation, body)
        }
    };
    let (stub, clock) = (Stub::new(answer), Clock::set(NOW));
    let sealer = sealer_at(&stub, &["a"], clock.clone());
    let sealed = sealer.seal(&place("a"), &text()).await.unwrap();
    away.store(true, Ordering::SeqCst);
    sealer.seal(&place("b"), &text()).await.unwrap();
    sealer.open(&place("a"), &sealed).await.unwrap();
    clock.advance(SignedDuration::from_mins(5));
    assert!(matches!(sealer.seal(&place("a"), &text()).await, Err(SealError::Unavailable(_))));
    assert!(matches!(sealer.open(&place("a"), &sealed).await, Err(SealError::Unavailable(_))));
    away.store(false, Ordering::SeqCst);
    assert_eq!(sealer.open(&place("a"), &sealed).await.unwrap(), text());
}
