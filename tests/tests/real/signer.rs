//! One test suite for every [`Signer`].

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use shared::tokens::{PublicKey, SignError, Signer, kms::KmsSigner, local::LocalSigner};

use crate::services::TestServices;

fn is_valid(public: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let key = RsaPublicKeyComponents { n: &public.n, e: &public.e };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
}

/// Creates keys, signs messages, also longer than KMS accepts, and ends a key. A signature is valid only for its own
/// key.
async fn test_signer(signer: &dyn Signer) {
    let (one, two) = (signer.create("key 1").await.unwrap(), signer.create("key 2").await.unwrap());
    assert_ne!((&one.handle, one.public.kid()), (&two.handle, two.public.kid()));
    assert_eq!(signer.public_key(&one.handle).await.unwrap(), one.public);
    for message in [&b""[..], b"a", &[7; 10_000]] {
        let signature = signer.sign(&one.handle, message).await.unwrap();
        assert_eq!(signature.len(), 256);
        assert!(is_valid(&one.public, message, &signature));
        assert!(!is_valid(&two.public, message, &signature) && !is_valid(&one.public, b"b", &signature));
    }
    for _ in 0..2 {
        signer.schedule_deletion(&one.handle).await.unwrap();
        assert!(matches!(signer.sign(&one.handle, b"a").await, Err(SignError::Rejected(_))));
    }
    signer.sign(&two.handle, b"a").await.unwrap();
    assert!(matches!(signer.sign("no key", b"a").await, Err(SignError::Rejected(_))));
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn signers_create_sign_and_end_keys() {
    let services = TestServices::new();
    test_signer(&KmsSigner::new(services.kms(), &services.table)).await;
    let folder = tempfile::tempdir().unwrap();
    test_signer(&LocalSigner::in_directory(folder.path()).unwrap()).await;
    test_signer(&LocalSigner::in_memory(Vec::new())).await;
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn kms_key_is_found_by_name_until_it_ends() {
    let services = TestServices::new();
    let signer = KmsSigner::new(services.kms(), &services.table);
    assert!(signer.find("key 1").await.unwrap().is_none());
    let created = signer.create("key 1").await.unwrap();
    let found = signer.find("key 1").await.unwrap().unwrap();
    assert_eq!((&found.handle, &found.public), (&created.handle, &created.public));
    for missing in [signer.find("key 10").await, KmsSigner::new(services.kms(), "other").find("key 1").await] {
        assert!(missing.unwrap().is_none());
    }
    signer.schedule_deletion(&created.handle).await.unwrap();
    assert!(signer.find("key 1").await.unwrap().is_none());
    // A key of another type is rejected.
    let sealing = services.kms().create_key().send().await.unwrap().key_metadata.unwrap();
    assert!(matches!(signer.sign(&sealing.key_id, b"a").await, Err(SignError::Rejected(_))));
    assert!(matches!(signer.public_key(&sealing.key_id).await, Err(SignError::Rejected(_))));
}
