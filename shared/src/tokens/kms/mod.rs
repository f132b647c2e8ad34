//! Keys in AWS KMS, for deployed installations. Private keys never leave KMS.

mod data_keys;
mod envelope;
mod key_specs;
mod sealer;
mod signer;
#[cfg(test)]
mod tests;

use aws_sdk_kms::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

pub use key_specs::{UnsuitableKeyError, check_key_specs};
pub use sealer::KmsSealer;
pub use signer::KmsSigner;

use super::SignError;
use crate::{
    Aws,
    aws::{AwsFailure, classify},
    retries::sdk_budget,
};

/// Creates a KMS client. `endpoint` replaces the regional endpoint. Sends nothing.
pub fn connect(aws: &Aws, endpoint: Option<String>) -> Client {
    let mut config = aws_sdk_kms::config::Builder::from(aws.config());
    config.set_endpoint_url(endpoint);
    config.set_retry_partition(Some(sdk_budget("kms".to_owned())));
    #[expect(clippy::disallowed_methods, reason = "the only place that creates this client")]
    Client::from_conf(config.build())
}

/// KMS rejects requests for keys that are disabled, deleted, of another kind, or not permitted; an operator must
/// resolve that. All other errors are transient.
impl<E> From<SdkError<E, HttpResponse>> for SignError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match classify(&error) {
            AwsFailure::Transient(message) => Self::Unavailable(message),
            AwsFailure::Permanent(message) => Self::Rejected(message),
        }
    }
}
