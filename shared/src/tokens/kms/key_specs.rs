//! Checks that the configured KMS keys have the right key spec and usage.

use aws_sdk_kms::{
    Client,
    types::{KeyMetadata, KeySpec, KeyUsageType},
};

use crate::aws::error_chain;

/// A configured KMS key is missing or unsuitable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} names the KMS key {key}, which {reason}")]
pub struct UnsuitableKeyError {
    /// The environment variable.
    pub variable: &'static str,
    /// The key's id, ARN or alias, as configured.
    pub key: String,
    /// What is wrong, as a continuation of `which`.
    pub reason: String,
}

/// Checks the key spec and usage of each key. The function that rotates the signing keys calls it at its start, which
/// happens soon after every deployment and delays no request.
pub async fn check_key_specs(
    client: &Client,
    sealing_keys: impl IntoIterator<Item = &String>,
    root_keys: &[String],
) -> Result<(), UnsuitableKeyError> {
    for key in sealing_keys {
        check(client, key, &SEALING_KEY).await?;
    }
    for key in root_keys {
        check(client, key, &ROOT_KEY).await?;
    }
    Ok(())
}

/// The requirements for a key.
struct KeyRequirements {
    variable: &'static str,
    usage: KeyUsageType,
    spec: KeySpec,
    /// The error of a key that does not meet them.
    reason: &'static str,
}

const SEALING_KEY: KeyRequirements = KeyRequirements {
    variable: "SIGNET_SEALING_KEY or SIGNET_OLD_SEALING_KEYS",
    usage: KeyUsageType::EncryptDecrypt,
    spec: KeySpec::SymmetricDefault,
    reason: "must be a symmetric encryption key (key spec SYMMETRIC_DEFAULT, key usage ENCRYPT_DECRYPT)",
};
const ROOT_KEY: KeyRequirements = KeyRequirements {
    variable: "SIGNET_ROOT_KEYS",
    usage: KeyUsageType::SignVerify,
    spec: KeySpec::Rsa2048,
    reason: "must be an RSA signing key of 2048 bits (key spec RSA_2048, key usage SIGN_VERIFY)",
};

async fn check(client: &Client, key: &str, required: &KeyRequirements) -> Result<(), UnsuitableKeyError> {
    let unsuitable = |reason| UnsuitableKeyError { variable: required.variable, key: key.to_owned(), reason };
    let described = client.describe_key().key_id(key).send().await;
    let described = described.map_err(|error| unsuitable(format!("cannot be described: {}", error_chain(&error))))?;
    let is_suitable = |key: &KeyMetadata| {
        key.key_usage.as_ref() == Some(&required.usage) && key.key_spec.as_ref() == Some(&required.spec)
    };
    if described.key_metadata.as_ref().is_some_and(is_suitable) {
        Ok(())
    } else {
        Err(unsuitable(required.reason.to_owned()))
    }
}
