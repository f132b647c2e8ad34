//! The configuration of all AWS clients: one HTTP client, and the same timeouts and retries.

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

use crate::timeouts::Timeouts;

/// The common configuration of AWS clients. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws(SdkConfig);

impl Aws {
    /// Creates a configuration. Without `credentials`, those of the environment variables apply, which Lambda sets. See
    /// [`http_client`] for the HTTP client. Sends nothing.
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
            // `retries` has the budget of each client.
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
            // An attempt that hangs must leave time for a retry.
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(timeouts.attempt / 2)
                    .operation_attempt_timeout(timeouts.attempt)
                    .operation_timeout(timeouts.operation)
                    .build(),
            )
            // Stalled-stream protection is meant for large bodies. Those of Signet are small and covered by the
            // timeouts.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Self(config.build())
    }

    /// Returns the configuration from which the clients of services are built.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.0
    }
}

/// The system has no CA certificates, so that TLS connections are impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no CA certificates found: install the package ca-certificates, or set SSL_CERT_FILE to a file with certificates"
)]
pub struct LoadCertificatesError;

/// Creates the HTTP client for all AWS clients, so that CA certificates are loaded once.
///
/// They are not needed if all `endpoints` are http URLs; `None` stands for the regional endpoint, which uses https.
/// Idle connections are closed after 50 seconds, before the server closes them: reusing a closed connection costs a
/// retry.
pub fn http_client(endpoints: &[Option<&str>]) -> Result<SharedHttpClient, LoadCertificatesError> {
    let builder = Builder::new().pool_idle_timeout(Duration::from_secs(50));
    if endpoints.iter().all(|endpoint| endpoint.is_some_and(|url| url.starts_with("http://"))) {
        return Ok(builder.build_http());
    }
    // Without certificates, the client would panic at its first request.
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        return Err(LoadCertificatesError);
    }
    Ok(builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https())
}

/// A failed request to an AWS service, with its error chain.
#[derive(Debug)]
pub(crate) enum AwsFailure {
    /// Throttling, a timeout or a server error: a retry may succeed. The request may have taken effect.
    Transient(String),
    /// The service rejected the request; a retry would be rejected, too.
    Permanent(String),
}

impl AwsFailure {
    /// Returns the error chain.
    pub(crate) fn into_message(self) -> String {
        match self {
            Self::Transient(message) | Self::Permanent(message) => message,
        }
    }
}

/// Classifies an error of KMS or Secrets Manager. They throttle with status 400, so throttling is recognized by its
/// code.
pub(crate) fn classify<E>(error: &SdkError<E, HttpResponse>) -> AwsFailure
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let is_transient = match error {
        SdkError::ServiceError(service) => {
            let is_throttled = matches!(
                service.err().code(),
                Some("ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded")
            );
            is_throttled || service.raw().status().as_u16() == 429 || service.raw().status().is_server_error()
        }
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    };
    if is_transient { AwsFailure::Transient(error_chain(error)) } else { AwsFailure::Permanent(error_chain(error)) }
}

/// Joins the messages of an error and its sources. The SDK's `Debug` output would contain the whole response, which may
/// have secrets.
pub(crate) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut messages = vec![error.to_string()];
    let mut next = error.source();
    while let Some(source) = next {
        messages.push(source.to_string());
        next = source.source();
    }
    // The SDK often repeats the message of an error in its source.
    messages.dedup();
    messages.join(": ")
}

/// A stub of AWS for tests: a function responds to the requests of AWS clients.
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

    type Respond = dyn Fn(&str, &Value) -> (u16, Value) + Send + Sync;

    /// Responds to requests by their operation and body, with a status and a body.
    #[derive(Clone)]
    pub(crate) struct Stub {
        respond: Arc<Respond>,
        requests: Arc<Mutex<Vec<(String, Value)>>>,
    }

    impl Stub {
        pub(crate) fn new(respond: impl Fn(&str, &Value) -> (u16, Value) + Send + Sync + 'static) -> Self {
            Self { respond: Arc::new(respond), requests: Arc::default() }
        }

        pub(crate) fn aws(&self) -> Aws {
            let credentials = Credentials::new("test", "test", None, None, "test");
            Aws::new("eu-west-1", Some(credentials), SharedHttpClient::new(self.clone()), Timeouts::default())
        }

        /// Responds without a client and without recording the request.
        pub(crate) fn respond(&self, operation: &str, body: &Value) -> (u16, Value) {
            (self.respond)(operation, body)
        }

        /// Returns the operations and bodies of all requests, including retries.
        pub(crate) fn requests(&self) -> Vec<(String, Value)> {
            self.requests.lock().unwrap().clone()
        }

        /// Returns the operations of all requests, including retries.
        pub(crate) fn operations(&self) -> Vec<String> {
            self.requests().into_iter().map(|(operation, _)| operation).collect()
        }
    }

    /// An error response.
    pub(crate) fn exception(status: u16, name: &str) -> (u16, Value) {
        (status, serde_json::json!({"__type": name, "message": "test error"}))
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
            let (status, response) = (self.respond)(&operation, &body);
            self.requests.lock().unwrap().push((operation, body));
            let response = SdkBody::from(response.to_string());
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), response)))
        }
    }

    impl HttpClient for Stub {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }
}
