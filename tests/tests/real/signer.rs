//! One suite for every signer.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use shared::tokens::{PublicKey, SignError, Signer, kms::KmsSigner, local::LocalSigner};

use crate::parts::Parts;

fn holds(public: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let key = RsaPublicKeyComponents { n: &public.n, e: &public.e };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
}

/// A key is made, signs what is longer than KMS takes, and ends; no other key has its signatures.
async fn suite(signer: &dyn Signer) {
    let (one, two) = (signer.create("key 1").await.unwrap(), signer.create("key 2").await.unwrap());
    assert_ne!((&one.handle, one.public.kid()), (&two.handle, two.public.kid()));
    assert_eq!(signer.public_key(&one.handle).await.unwrap(), one.public);
    for message in [&b""[..], b"a", &[7; 10_000]] {
        let signature = signer.sign(&one.handle, message).await.unwrap();
        assert_eq!(signature.len(), 256);
        assert!(holds(&one.public, message, &signature));
        assert!(!holds(&two.public, message, &signature) && !holds(&one.public, b"b", &signature));
    }
    for _ in 0..2 {
        signer.schedule_deletion(&one.handle).await.unwrap();
        assert!(matches!(signer.sign(&one.handle, b"a").await, Err(SignError::Rejected(_))));
    }
    signer.sign(&two.handle, b"a").await.unwrap();
    assert!(matches!(signer.sign("no key", b"a").await, Err(SignError::Rejected(_))));
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn a_signer_does_what_it_is_for() {
    let parts = Parts::new();
    suite(&KmsSigner::new(parts.kms(), &parts.table)).await;
    let folder = tempfile::tempdir().unwrap();
    suite(&LocalSigner::in_directory(folder.path()).unwrap()).await;
    suite(&LocalSigner::in_memory(Vec::new())).await;
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn a_key_of_kms_is_found_by_its_name_as_long_as_it_can_sign() {
    let parts = Parts::new();
    let signer = KmsSigner::new(parts.kms(), &parts.table);
    assert!(signer.find("key 1").await.unwrap().is_none());
    let made = signer.create("key 1").await.unwrap();
    let found = signer.find("key 1").await.unwrap().unwrap();
    assert_eq!((&found.handle, &found.public), (&made.handle, &made.public));
    for none in [signer.find("key 10").await, KmsSigner::new(parts.kms(), "other").find("key 1").await] {
        assert!(none.unwrap().is_none());
    }
    signer.schedule_deletion(&made.handle).await.unwrap();
    assert!(signer.find("key 1").await.unwrap().is_none());
    // A key of another kind is nobody's to sign with.
    let sealing = parts.kms().create_key().send().await.unwrap().key_metadata.unwrap();
    assert!(matches!(signer.sign(&sealing.key_id, b"a").await, Err(SignError::Rejected(_))));
    assert!(matches!(signer.public_key(&sealing.key_id).await, Err(SignError::Rejected(_))));
}
