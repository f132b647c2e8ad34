//! Keys in AWS KMS, where Signet is deployed: no private key ever leaves it.

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
    aws::{Failure, failure},
};

/// A client of KMS, at `endpoint` in place of the region's own. Nothing is sent yet.
pub fn connect(aws: &Aws, endpoint: Option<String>) -> Client {
    let mut config = aws_sdk_kms::config::Builder::from(aws.config());
    config.set_endpoint_url(endpoint);
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    Client::from_conf(config.build())
}

/// Of a key that is disabled, waits for its deletion, is gone, is of another kind, or that we may not use, KMS says no:
/// an operator must mend that. The rest passes.
impl<E> From<SdkError<E, HttpResponse>> for SignError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match failure(&error) {
            Failure::Passing(text) => Self::Unavailable(text),
            Failure::Lasting(text) => Self::Refused(text),
        }
    }
}
