//! Whether the keys that a configuration names can do what they are for.

use aws_sdk_kms::{
    Client,
    types::{KeyMetadata, KeySpec, KeyUsageType},
};

use crate::aws::words;

/// A key of KMS that can't do what it is for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} names the KMS key {key}, which {fault}")]
pub struct UnsuitableKeyError {
    /// The variable that names it.
    pub variable: &'static str,
    /// What it is named there.
    pub key: String,
    /// What is wrong with it, and what it should be.
    pub fault: String,
}

/// Asks KMS what each key is. Whoever looks after the signing keys does so when it starts: it starts soon after every
/// deployment, and no request waits for it.
pub async fn check_key_specs(
    client: &Client,
    sealing_keys: impl IntoIterator<Item = &String>,
    root_keys: &[String],
) -> Result<(), UnsuitableKeyError> {
    for key in sealing_keys {
        check(client, key, &SEALING).await?;
    }
    for key in root_keys {
        check(client, key, &ROOT).await?;
    }
    Ok(())
}

/// What a key is for.
struct Purpose {
    variable: &'static str,
    usage: KeyUsageType,
    spec: KeySpec,
    in_words: &'static str,
}

const SEALING: Purpose = Purpose {
    variable: "SIGNET_SEALING_KEY or SIGNET_OLD_SEALING_KEYS",
    usage: KeyUsageType::EncryptDecrypt,
    spec: KeySpec::SymmetricDefault,
    in_words: "is not a symmetric key that encrypts and decrypts (SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT)",
};
const ROOT: Purpose = Purpose {
    variable: "SIGNET_ROOT_KEYS",
    usage: KeyUsageType::SignVerify,
    spec: KeySpec::Rsa2048,
    in_words: "is not an RSA key of 2048 bits that signs (RSA_2048, SIGN_VERIFY)",
};

async fn check(client: &Client, key: &str, purpose: &Purpose) -> Result<(), UnsuitableKeyError> {
    let unfit = |fault| UnsuitableKeyError { variable: purpose.variable, key: key.to_owned(), fault };
    let described = client.describe_key().key_id(key).send().await;
    let described = described.map_err(|error| unfit(format!("can't be looked at: {}", words(&error))))?;
    let fits = |key: &KeyMetadata| {
        key.key_usage.as_ref() == Some(&purpose.usage) && key.key_spec.as_ref() == Some(&purpose.spec)
    };
    if described.key_metadata.as_ref().is_some_and(fits) { Ok(()) } else { Err(unfit(purpose.in_words.to_owned())) }
}
