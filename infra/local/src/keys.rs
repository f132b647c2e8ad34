//! Keys in KMS and Secrets Manager.

use std::sync::Arc;

use aws_sdk_kms::operation::{create_alias::CreateAliasError, describe_key::DescribeKeyError};
use aws_sdk_secretsmanager::operation::create_secret::CreateSecretError;
use data_encoding::BASE64;
use rand::RngExt;
use serde_json::json;
use shared::{
    Aws, Clock, Keys,
    secrets::{self, CursorSecret, SecretsError, SessionSecret},
    tokens::{
        SignError, Signer,
        kms::{self, KmsSealer, KmsSigner},
    },
};
use url::Url;

/// Why KMS or Secrets Manager can't be used.
#[derive(Debug, thiserror::Error)]
#[error("KMS and Secrets Manager at {endpoint}: {cause}")]
pub struct KmsError {
    endpoint: String,
    cause: String,
}

/// Connects to KMS and Secrets Manager, as deployed functions do. Creates what is missing: the sealing key
/// `alias/TABLE-sealing`, a root key, and two secrets, named after the table.
pub(crate) async fn connect(aws: &Aws, endpoint: &str, table: &str, clock: Clock) -> Result<Keys, KmsError> {
    let kms_error = |cause: String| KmsError { endpoint: endpoint.to_owned(), cause };
    let client = kms::connect(aws, Some(endpoint.to_owned()));
    let manager = secrets::connect(aws, secrets_endpoint(endpoint));
    let sealing_key = format!("alias/{table}-sealing");
    create_sealing_key(&client, &sealing_key).await.map_err(kms_error)?;
    let session_secret = format!("{table}-sessions");
    for name in [table, &session_secret] {
        create_secret(&manager, name).await.map_err(kms_error)?;
    }
    let secrets_error = |error: SecretsError| kms_error(error.to_string());
    let cursor_secret = CursorSecret::from_secrets_manager(manager.clone(), table, clock.now()).await;
    let session_secret = SessionSecret::from_secrets_manager(manager, &session_secret, clock.now()).await;
    let (cursor_secret, session_secret) =
        (Some(cursor_secret.map_err(secrets_error)?), Some(session_secret.map_err(secrets_error)?));
    let sealer = KmsSealer::new(client.clone(), table, &sealing_key, &[], clock);
    let signer = KmsSigner::new(client, table);
    let root_keys = vec![find_or_create_root_key(&signer).await.map_err(|error| kms_error(error.to_string()))?];
    Ok(Keys {
        signer: Arc::new(signer),
        sealer: Arc::new(sealer),
        cursor_secret,
        session_secret,
        origin_secret: None,
        root_keys,
    })
}

async fn find_or_create_root_key(signer: &KmsSigner) -> Result<String, SignError> {
    const NAME: &str = "root key";
    let found = match signer.find(NAME).await? {
        Some(found) => found,
        None => signer.create(NAME).await?,
    };
    Ok(found.handle)
}

/// Returns the endpoint of Secrets Manager: emulators serve all services at one endpoint, AWS has one per service.
fn secrets_endpoint(kms_endpoint: &str) -> Option<String> {
    let host = Url::parse(kms_endpoint).ok()?.host_str()?.to_owned();
    let is_aws = host.ends_with(".amazonaws.com") || host.ends_with(".api.aws");
    (!is_aws).then(|| kms_endpoint.to_owned())
}

async fn create_sealing_key(client: &aws_sdk_kms::Client, alias: &str) -> Result<(), String> {
    let text = |error: aws_sdk_kms::Error| aws_sdk_kms::error::DisplayErrorContext(error).to_string();
    match client.describe_key().key_id(alias).send().await {
        Ok(_) => return Ok(()),
        Err(error) if error.as_service_error().is_some_and(DescribeKeyError::is_not_found_exception) => {}
        Err(error) => return Err(text(error.into())),
    }
    let created = client.create_key().description(format!("Signet: {alias}")).send().await;
    let created = created.map_err(|error| text(error.into()))?.key_metadata;
    let id = created.map(|metadata| metadata.key_id).unwrap_or_default();
    match client.create_alias().alias_name(alias).target_key_id(&id).send().await {
        Ok(_) => Ok(()),
        // Another process created the alias first.
        Err(error) if error.as_service_error().is_some_and(CreateAliasError::is_already_exists_exception) => {
            client.schedule_key_deletion().key_id(id).send().await.map(|_| ()).map_err(|error| text(error.into()))
        }
        Err(error) => Err(text(error.into())),
    }
}

async fn create_secret(client: &aws_sdk_secretsmanager::Client, name: &str) -> Result<(), String> {
    let values = json!({ "key": BASE64.encode(&rand::rng().random::<[u8; 32]>()) }).to_string();
    match client.create_secret().name(name).secret_string(values).send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(CreateSecretError::is_resource_exists_exception) => Ok(()),
        Err(error) => Err(aws_sdk_secretsmanager::error::DisplayErrorContext(error).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_endpoint_is_the_kms_endpoint_except_on_aws() {
        assert_eq!(secrets_endpoint("http://127.0.0.1:4566"), Some("http://127.0.0.1:4566".to_owned()));
        for aws in ["https://kms.eu-west-1.amazonaws.com", "https://kms.eu-west-1.api.aws"] {
            assert_eq!(secrets_endpoint(aws), None);
        }
    }
}
