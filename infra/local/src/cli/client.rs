//! Sends requests to the API, and repeats them where that is safe.

use std::{error::Error, iter, time::Duration};

use reqwest::{
    Client, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde_json::value::RawValue;

use super::{
    credentials::Credentials,
    document::Operation,
    error::{CliError, Refusal},
    request::ApiRequest,
};

/// The header of API keys.
static API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Number of attempts for a request that is safe to repeat.
const MAX_ATTEMPTS: u32 = 3;
/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a response. API Gateway ends a request after 30 seconds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(35);
/// The longest `Retry-After` that is waited for.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// An HTTP client for one installation.
#[derive(Debug)]
pub(super) struct ApiClient {
    client: Client,
    url: Url,
}

/// What an attempt had as its result.
enum Attempt {
    Response(Response),
    Timeout(reqwest::Error),
}

impl ApiClient {
    /// Creates a client that sends the API key to the URL of the credentials, and nowhere else.
    pub(super) fn new(credentials: &Credentials) -> Result<Self, CliError> {
        let url = Url::parse(&credentials.url).map_err(|error| CliError::Usage(format!("API URL: {error}")))?;
        let mut key = HeaderValue::from_str(credentials.api_key.expose())
            .map_err(|_| CliError::NotLoggedIn("the API key contains characters that no API key has".to_owned()))?;
        key.set_sensitive(true);
        let client = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT_TIMEOUT);
        let client = client.timeout(RESPONSE_TIMEOUT).user_agent(concat!("signet/", env!("CARGO_PKG_VERSION")));
        let client = client.default_headers(HeaderMap::from_iter([(API_KEY.clone(), key)]));
        // A URL without TLS is that of a local server, which needs neither a proxy nor CA certificates.
        let client =
            if url.scheme() == "http" { client.no_proxy().tls_certs_only([]) } else { client.https_only(true) };
        let client = client
            .build()
            .map_err(|error| CliError::NotConnected(format!("TLS cannot be used: {}", root_cause(&error))))?;
        Ok(Self { client, url })
    }

    /// Sends a request and returns the JSON of the response, if it has a body.
    pub(super) async fn send(
        &self,
        operation: &Operation,
        request: &ApiRequest,
    ) -> Result<Option<Box<RawValue>>, CliError> {
        let mut attempt = 1;
        loop {
            let is_last = attempt == MAX_ATTEMPTS || !operation.is_repeatable();
            match self.attempt(operation, request).await? {
                Attempt::Timeout(error) if is_last => return Err(self.unreachable(&error)),
                Attempt::Timeout(_) => {}
                Attempt::Response(response) => match retry_delay(response.status(), response.headers()) {
                    Some(delay) if !is_last => tokio::time::sleep(delay).await,
                    _ => return self.read(operation, response).await,
                },
            }
            attempt += 1;
        }
    }

    async fn attempt(&self, operation: &Operation, request: &ApiRequest) -> Result<Attempt, CliError> {
        let mut sent = self.client.request(operation.method.clone(), self.address(request));
        if let Some(key) = &request.idempotency_key {
            sent = sent.header("idempotency-key", key);
        }
        if let (Some(fields), Some(body)) = (&request.body, &operation.body) {
            sent = sent.json(fields).header(CONTENT_TYPE, body.media_type);
        }
        match sent.send().await {
            Ok(response) => Ok(Attempt::Response(response)),
            Err(error) if error.is_timeout() => Ok(Attempt::Timeout(error)),
            Err(error) => Err(self.unreachable(&error)),
        }
    }

    fn address(&self, request: &ApiRequest) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&request.path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    async fn read(&self, operation: &Operation, response: Response) -> Result<Option<Box<RawValue>>, CliError> {
        let status = response.status();
        let request_id = response.headers().get("x-request-id");
        let request_id = request_id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        match status {
            StatusCode::NO_CONTENT => Ok(None),
            status if status.is_success() => serde_json::from_slice(&body).map(Some).map_err(|_| self.foreign(status)),
            status if status.is_client_error() || status.is_server_error() => {
                Err(CliError::Refused(Box::new(Refusal::new(operation, status, request_id, &body))))
            }
            status => Err(self.foreign(status)),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let text = format!("no response from {}: {}", self.url, root_cause(error));
        if error.is_connect() { CliError::NotConnected(text) } else { CliError::Unreachable(text) }
    }

    fn foreign(&self, status: StatusCode) -> CliError {
        let text = format!("{} answered with {status}, which is no response of a Signet API; check the URL", self.url);
        CliError::Unreachable(text)
    }
}

/// Returns the innermost error, such as "Connection refused".
fn root_cause(error: &reqwest::Error) -> String {
    let causes = iter::successors(error.source(), |cause: &&(dyn Error + 'static)| Error::source(*cause));
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Returns how long to wait before the request is sent again: if the server is unavailable, or still processes the same
/// request, and says when to retry.
fn retry_delay(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let is_temporary = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT);
    let seconds = headers.get(RETRY_AFTER).filter(|_| is_temporary)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds)).filter(|delay| *delay <= MAX_WAIT)
}

#[cfg(test)]
mod tests {
    use shared::domain::Secret;

    use super::*;

    fn client(url: &str) -> ApiClient {
        ApiClient::new(&Credentials { url: url.to_owned(), api_key: Secret::new("signet_key_x".to_owned()) }).unwrap()
    }

    fn request(path: &[&str], query: &[(&'static str, &str)]) -> ApiRequest {
        let path = path.iter().copied().map(str::to_owned).collect();
        let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        ApiRequest { path, query, body: None, idempotency_key: None }
    }

    #[test]
    fn address_encodes_ids_and_keeps_the_path_of_the_installation() {
        let client = client("https://example.com/signet/");
        let url = client.address(&request(&["api", "a/../b?c"], &[("email", "a+b@example.com")]));
        assert_eq!(url.as_str(), "https://example.com/signet/api/a%2F..%2Fb%3Fc?email=a%2Bb%40example.com");
        assert_eq!(client.address(&request(&["x"], &[])).as_str(), "https://example.com/signet/x");
    }

    #[test]
    fn only_temporary_refusals_with_a_short_delay_are_retried() {
        let delay = |status, value: Option<&'static str>| {
            let value = value.map(|value| (RETRY_AFTER, HeaderValue::from_static(value)));
            retry_delay(status, &value.into_iter().collect()).map(|delay| delay.as_secs())
        };
        assert_eq!(delay(StatusCode::SERVICE_UNAVAILABLE, Some("2")), Some(2));
        assert_eq!(delay(StatusCode::CONFLICT, Some("1")), Some(1));
        assert_eq!(delay(StatusCode::CONFLICT, None), None);
        assert_eq!(delay(StatusCode::SERVICE_UNAVAILABLE, Some("3600")), None);
        assert_eq!(delay(StatusCode::TOO_MANY_REQUESTS, Some("1")), None);
        assert_eq!(delay(StatusCode::INTERNAL_SERVER_ERROR, Some("1")), None);
    }

    #[test]
    fn debug_does_not_print_the_api_key() {
        assert!(!format!("{:?}", client("http://localhost")).contains("signet_key_x"));
    }
}
