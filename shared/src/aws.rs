//! How AWS's services are reached: with one HTTP client and the same patience for all of them.

use std::{error::Error, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_sdk_dynamodb::{
    config::{Credentials, SharedCredentialsProvider},
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{http::SharedHttpClient, orchestrator::HttpResponse};

use crate::Timeouts;

/// What every client of AWS has in common. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws(SdkConfig);

impl Aws {
    /// In a region, as `credentials` say, or else as the environment's variables do, which Lambda sets, over an HTTP
    /// client such as [`http_client`] makes. Nothing is sent yet.
    pub fn new(
        region: &str,
        credentials: Option<Credentials>,
        http_client: SharedHttpClient,
        timeouts: Timeouts,
    ) -> Self {
        let credentials = match credentials {
            Some(credentials) => SharedCredentialsProvider::new(credentials),
            None => SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
        };
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(credentials)
            .http_client(http_client)
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
            // A stuck attempt must not use up the caller's time.
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(timeouts.attempt / 2)
                    .operation_attempt_timeout(timeouts.attempt)
                    .operation_timeout(timeouts.operation)
                    .build(),
            )
            // It is for bodies of many megabytes; ours are small, and what is slow has its time-outs.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Self(config.build())
    }

    /// What a service's client is built from.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.0
    }
}

/// This machine trusts nobody, so that nobody can be reached over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are no CA certificates on this machine, which https takes: install its package ca-certificates, or name a file \
     of them in SSL_CERT_FILE"
)]
pub struct LoadCertificatesError;

/// One for all services, so that the roots of trust are read once; it needs none where all of `endpoints` are reached
/// without TLS (none is the region's own, which is not). A connection that is idle is dropped before the server would do
/// it: one that is found closed costs its request another attempt.
pub fn http_client(endpoints: &[Option<&str>]) -> Result<SharedHttpClient, LoadCertificatesError> {
    let builder = Builder::new().pool_idle_timeout(Duration::from_secs(50));
    if endpoints.iter().all(|endpoint| endpoint.is_some_and(|url| url.starts_with("http://"))) {
        return Ok(builder.build_http());
    }
    // The client itself would panic, at its first request.
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        return Err(LoadCertificatesError);
    }
    Ok(builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https())
}

/// Why a service did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It throttles, is slow or away: asking again may help. What was asked may have happened.
    Passing(String),
    /// It says no, and will again.
    Lasting(String),
}

/// What the failure of a request to KMS or Secrets Manager means. Throttling has the status 400 there, so it is known
/// by its name.
pub(crate) fn failure<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let passes = match error {
        SdkError::ServiceError(service) => {
            let throttled = matches!(
                service.err().code(),
                Some("ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded")
            );
            throttled || service.raw().status().as_u16() == 429 || service.raw().status().is_server_error()
        }
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    };
    if passes { Failure::Passing(words(error)) } else { Failure::Lasting(words(error)) }
}

/// What an error and its causes say, in words alone: the SDK's own text of it has the whole answer in it, which may be
/// what nobody should read in a log.
pub(crate) fn words(error: &(dyn Error + 'static)) -> String {
    let mut all = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        all.push(cause.to_string());
        next = cause.source();
    }
    // The SDK often says the same of an error and of what is in it.
    all.dedup();
    all.join(": ")
}

/// AWS as a test has it: a function stands where requests go to the network.
#[cfg(test)]
pub(crate) mod stub {
    use std::{
        fmt,
        sync::{Arc, Mutex},
    };

    use aws_smithy_runtime_api::client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::HttpRequest,
        runtime_components::RuntimeComponents,
    };
    use aws_smithy_types::body::SdkBody;
    use serde_json::Value;

    use super::{Aws, Credentials, HttpResponse, Timeouts};

    type Answer = dyn Fn(&str, &Value) -> (u16, Value) + Send + Sync;

    /// Answers each request by its operation and its body, with a status and a body.
    #[derive(Clone)]
    pub(crate) struct Stub {
        answer: Arc<Answer>,
        asked: Arc<Mutex<Vec<(String, Value)>>>,
    }

    impl Stub {
        pub(crate) fn new(answer: impl Fn(&str, &Value) -> (u16, Value) + Send + Sync + 'static) -> Self {
            Self { answer: Arc::new(answer), asked: Arc::default() }
        }

        pub(crate) fn aws(&self) -> Aws {
            let credentials = Credentials::new("test", "test", None, None, "test");
            Aws::new("eu-west-1", Some(credentials), SharedHttpClient::new(self.clone()), Timeouts::default())
        }

        /// What it answers, asked past the network.
        pub(crate) fn answer(&self, operation: &str, body: &Value) -> (u16, Value) {
            (self.answer)(operation, body)
        }

        /// What was asked so far.
        pub(crate) fn asked(&self) -> Vec<(String, Value)> {
            self.asked.lock().unwrap().clone()
        }

        /// The operations that were asked for so far, each attempt by itself.
        pub(crate) fn operations(&self) -> Vec<String> {
            self.asked().into_iter().map(|(operation, _)| operation).collect()
        }
    }

    /// An answer that says no.
    pub(crate) fn exception(status: u16, name: &str) -> (u16, Value) {
        (status, serde_json::json!({"__type": name, "message": "says the test"}))
    }

    impl fmt::Debug for Stub {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Stub")
        }
    }

    impl HttpConnector for Stub {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let target = request.headers().get("x-amz-target").unwrap();
            let operation = target.rsplit('.').next().unwrap().to_owned();
            let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let (status, answer) = (self.answer)(&operation, &body);
            self.asked.lock().unwrap().push((operation, body));
            let answer = SdkBody::from(answer.to_string());
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), answer)))
        }
    }

    impl HttpClient for Stub {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }
}
