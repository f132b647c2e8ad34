use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::super::{KmsSigner, connect};
use crate::{
    aws::stub::{Stub, exception},
    domain::secret::sha256,
    tokens::{SignError, Signer},
};

fn signer(stub: &Stub) -> KmsSigner {
    KmsSigner::new(connect(&stub.aws(), None), "signet")
}

fn public_key(size: KeySize) -> Value {
    let pair = KeyPair::generate(size).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY", "PublicKey": BASE64.encode(der.as_ref())})
}

#[tokio::test]
async fn messages_are_hashed_before_signing() {
    let stub = Stub::new(|_, _| (200, json!({"Signature": BASE64.encode(&[7; 256])})));
    assert_eq!(signer(&stub).sign("arn:key", &[1; 10_000]).await.unwrap(), [7; 256]);
    let sent = json!({
        "KeyId": "arn:key", "MessageType": "DIGEST", "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
        "Message": BASE64.encode(&sha256(&[1; 10_000])),
    });
    assert_eq!(stub.requests(), [("Sign".to_owned(), sent)]);
}

#[tokio::test]
async fn signatures_of_other_lengths_are_rejected() {
    for length in [0, 1, 255, 257, 512] {
        let stub = Stub::new(move |_, _| (200, json!({"Signature": BASE64.encode(&vec![7; length])})));
        assert!(matches!(signer(&stub).sign("arn:key", b"a").await, Err(SignError::Rejected(_))), "{length}");
    }
}

#[tokio::test]
async fn transient_errors_are_retried_and_permanent_ones_are_not() {
    for (status, name) in [
        (400, "ThrottlingException"),
        (429, "TooManyRequestsException"),
        (500, "KMSInternalException"),
        (500, "KeyUnavailableException"),
        (503, "DependencyTimeoutException"),
        (502, "BadGateway"),
    ] {
        let stub = Stub::new(move |_, _| exception(status, name));
        assert!(matches!(signer(&stub).sign("arn:key", b"a").await, Err(SignError::Unavailable(_))), "{name}");
        assert!(stub.requests().len() > 1, "{name}");
    }
    for name in [
        "DisabledException",
        "KMSInvalidStateException",
        "NotFoundException",
        "AccessDeniedException",
        "InvalidKeyUsageException",
        "ValidationException",
    ] {
        let stub = Stub::new(move |_, _| exception(400, name));
        assert!(matches!(signer(&stub).sign("arn:key", b"a").await, Err(SignError::Rejected(_))), "{name}");
        assert_eq!(stub.operations(), ["Sign"], "{name}");
    }
}

#[tokio::test]
async fn create_sends_one_request_and_waits_for_the_public_key() {
    let key = public_key(KeySize::Rsa2048);
    let attempts = std::sync::atomic::AtomicU32::new(0);
    let stub = Stub::new(move |operation, _| match operation {
        "CreateKey" => (200, json!({"KeyMetadata": {"KeyId": "id", "Arn": "arn:key"}})),
        _ if attempts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => exception(400, "NotFoundException"),
        _ => (200, key.clone()),
    });
    let created = signer(&stub).create("signing key 1").await.unwrap();
    assert_eq!((created.handle.as_str(), created.public.n.len()), ("arn:key", 256));
    assert_eq!(stub.operations(), ["CreateKey", "GetPublicKey", "GetPublicKey", "TagResource"]);
    let tags = json!([
        {"TagKey": "signet:table", "TagValue": "signet"},
        {"TagKey": "signet:use", "TagValue": "sign"},
    ]);
    assert_eq!(stub.requests()[3].1, json!({"KeyId": "arn:key", "Tags": tags}));
    let sent = &stub.requests()[0].1;
    assert_eq!((&sent["KeySpec"], &sent["KeyUsage"]), (&json!("RSA_2048"), &json!("SIGN_VERIFY")));
    assert_eq!(sent["Description"], "Signet, table signet: signing key 1");
    assert_eq!((sent.get("Tags"), sent.get("Policy")), (None, None), "tags need a permission on all keys");
    assert_eq!(sent.get("BypassPolicyLockoutSafetyCheck"), None);

    let stub = Stub::new(|_, _| exception(500, "KMSInternalException"));
    assert!(matches!(signer(&stub).create("signing key 1").await, Err(SignError::Unavailable(_))));
    assert_eq!(stub.operations(), ["CreateKey"], "a retry would create another key");
}

#[tokio::test]
async fn keys_are_usable_without_the_permission_to_tag_them() {
    let key = public_key(KeySize::Rsa2048);
    let stub = Stub::new(move |operation, _| match operation {
        "CreateKey" => (200, json!({"KeyMetadata": {"KeyId": "id", "Arn": "arn:key"}})),
        "TagResource" => exception(400, "AccessDeniedException"),
        _ => (200, key.clone()),
    });
    assert_eq!(signer(&stub).create("signing key 1").await.unwrap().handle, "arn:key");
}

#[tokio::test]
async fn new_keys_have_the_configured_key_policy_even_if_it_does_not_let_the_caller_change_it() {
    let key = public_key(KeySize::Rsa2048);
    let stub = Stub::new(move |operation, _| match operation {
        "CreateKey" => (200, json!({"KeyMetadata": {"KeyId": "id", "Arn": "arn:key"}})),
        _ => (200, key.clone()),
    });
    let policy = r#"{"Statement": []}"#;
    signer(&stub).with_key_policy(Some(policy.to_owned())).create("signing key 1").await.unwrap();
    let (operation, sent) = &stub.requests()[0];
    assert_eq!((operation.as_str(), &sent["Policy"]), ("CreateKey", &json!(policy)));
    assert_eq!(sent["BypassPolicyLockoutSafetyCheck"], true);
}

#[tokio::test]
async fn only_rsa_signing_keys_of_2048_bits_are_accepted() {
    let valid = public_key(KeySize::Rsa2048);
    let changed = |name: &str, value: Value| {
        let mut key = valid.clone();
        key[name] = value;
        key
    };
    for invalid in [
        public_key(KeySize::Rsa3072),
        changed("KeySpec", json!("RSA_3072")),
        changed("KeyUsage", json!("ENCRYPT_DECRYPT")),
        changed("PublicKey", json!(BASE64.encode(b"no key"))),
    ] {
        let stub = Stub::new(move |operation, _| match operation {
            "CreateKey" => (200, json!({"KeyMetadata": {"KeyId": "id", "Arn": "arn:key"}})),
            _ => (200, invalid.clone()),
        });
        assert!(matches!(signer(&stub).create("signing key 1").await, Err(SignError::Rejected(_))));
    }
}

#[tokio::test]
async fn find_returns_the_oldest_enabled_key_of_the_name() {
    let key = public_key(KeySize::Rsa2048);
    let stub = Stub::new(move |operation, body| {
        let described = |description: &str, state: &str, created_at: u32| {
            let arn = &body["KeyId"];
            let metadata = json!({
                "KeyId": arn, "Arn": arn, "Description": description, "KeyState": state, "KeyUsage": "SIGN_VERIFY",
                "CreationDate": created_at,
            });
            (200, json!({ "KeyMetadata": metadata }))
        };
        let wanted = "Signet, table signet: signing key 2";
        match (operation, body["KeyId"].as_str()) {
            ("ListKeys", _) if body["Marker"].is_null() => {
                let keys =
                    ["other name", "other table", "disabled", "ending", "denied"].map(|arn| json!({"KeyArn": arn}));
                (200, json!({"Keys": keys, "Truncated": true, "NextMarker": "2"}))
            }
            ("ListKeys", _) => (200, json!({"Keys": [{"KeyArn": "newer"}, {"KeyArn": "older"}], "Truncated": false})),
            ("DescribeKey", Some("other name")) => described("Signet, table signet: signing key 1", "Enabled", 1),
            ("DescribeKey", Some("other table")) => described("Signet, table other: signing key 2", "Enabled", 1),
            ("DescribeKey", Some("disabled")) => described(wanted, "Disabled", 1),
            ("DescribeKey", Some("ending")) => described(wanted, "PendingDeletion", 1),
            ("DescribeKey", Some("newer")) => described(wanted, "Enabled", 3),
            ("DescribeKey", Some("older")) => described(wanted, "Enabled", 2),
            ("DescribeKey", _) => exception(400, "AccessDeniedException"),
            _ => (200, key.clone()),
        }
    });
    assert_eq!(signer(&stub).find("signing key 2").await.unwrap().unwrap().handle, "older");
    let tagged: Vec<_> = stub.requests().into_iter().filter(|(operation, _)| operation == "TagResource").collect();
    assert_eq!((tagged.len(), &tagged[0].1["KeyId"]), (1, &json!("older")));
    assert!(signer(&stub).find("signing key 3").await.unwrap().is_none());
}

#[tokio::test]
async fn schedule_deletion_is_idempotent() {
    let stub = Stub::new(|_, _| (200, json!({})));
    signer(&stub).schedule_deletion("arn:key").await.unwrap();
    let sent = json!({"KeyId": "arn:key", "PendingWindowInDays": 30});
    assert_eq!(stub.requests(), [("ScheduleKeyDeletion".to_owned(), sent)]);
    for (name, is_done) in [
        ("KMSInvalidStateException", true),
        ("NotFoundException", true),
        ("AccessDeniedException", false),
        ("ThrottlingException", false),
    ] {
        let stub = Stub::new(move |_, _| exception(400, name));
        assert_eq!(signer(&stub).schedule_deletion("arn:key").await.is_ok(), is_done, "{name}");
    }
}
