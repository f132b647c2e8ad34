//! Sends requests to the API, and repeats them where that is safe.

use std::{error::Error, iter, time::Duration};

use reqwest::{
    Client, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER},
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

/// The media type of lines.
const NDJSON: &[u8] = b"application/x-ndjson";

/// A page of lines.
pub(super) struct LinesPage {
    /// The lines.
    pub(super) text: String,
    /// The cursor of the next page; `None` on the last one.
    pub(super) next_cursor: Option<String>,
}

/// A response that is no error.
struct Success {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What an attempt had as its result.
enum Attempt {
    Response(Response),
    Timeout(reqwest::Error),
}

impl ApiClient {
    /// Creates a client that sends the API key to the URL of the credentials, and nowhere else.
    pub(super) fn new(credentials: &Credentials) -> Result<Self, CliError> {
        Self::with_timeout(credentials, RESPONSE_TIMEOUT)
    }

    /// Creates a client that waits for a response for this time.
    pub(super) fn with_timeout(credentials: &Credentials, timeout: Duration) -> Result<Self, CliError> {
        let url = Url::parse(&credentials.url).map_err(|error| CliError::Usage(format!("API URL: {error}")))?;
        let mut key = HeaderValue::from_str(credentials.api_key.expose())
            .map_err(|_| CliError::NotLoggedIn("the API key contains characters that no API key has".to_owned()))?;
        key.set_sensitive(true);
        let client = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT_TIMEOUT);
        let client = client.timeout(timeout).user_agent(concat!("signet/", env!("CARGO_PKG_VERSION")));
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
        let Success { status, body, .. } = self.send_until_success(operation, request).await?;
        match status {
            StatusCode::NO_CONTENT => Ok(None),
            status => serde_json::from_slice(&body).map(Some).map_err(|_| self.foreign(status)),
        }
    }

    /// Sends a request and returns the lines of the response.
    pub(super) async fn send_for_lines(
        &self,
        operation: &Operation,
        request: &ApiRequest,
    ) -> Result<LinesPage, CliError> {
        let Success { status, headers, body } = self.send_until_success(operation, request).await?;
        let is_ndjson = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(NDJSON));
        let text = String::from_utf8(body).ok().filter(|_| is_ndjson).ok_or_else(|| self.foreign(status))?;
        Ok(LinesPage { text, next_cursor: self.next_cursor(&headers) })
    }

    async fn send_until_success(&self, operation: &Operation, request: &ApiRequest) -> Result<Success, CliError> {
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
        if let (Some(lines), Some(body)) = (&request.lines, &operation.body) {
            sent = sent.body(lines.expose().to_owned()).header(CONTENT_TYPE, body.media_type);
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

    /// Returns the cursor of the next page from the header `Link`. Nothing else of that URL is used, because the API key is sent to
    /// no other server.
    fn next_cursor(&self, headers: &HeaderMap) -> Option<String> {
        let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        let next = links.flat_map(|links| links.split('<')).find(|link| link.contains("rel=\"next\""))?;
        let url = self.url.join(next.split('>').next()?).ok()?;
        let mut parameters = url.query_pairs();
        parameters.find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
    }

    async fn read(&self, operation: &Operation, response: Response) -> Result<Success, CliError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let request_id = headers.get("x-request-id");
        let request_id = request_id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        match status {
            status if status.is_success() => Ok(Success { status, headers, body: body.into() }),
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

/// Returns how long to wait before the request is sent again: if the server is unavailable, received too many requests, or still
/// processes the same request, and says when to retry.
fn retry_delay(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let is_temporary =
        matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT);
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
        ApiRequest { path, query, body: None, lines: None, idempotency_key: None }
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
        assert_eq!(delay(StatusCode::TOO_MANY_REQUESTS, Some("1")), Some(1));
        assert_eq!(delay(StatusCode::INTERNAL_SERVER_ERROR, Some("1")), None);
    }

    #[test]
    fn next_page_is_the_cursor_of_the_link() {
        let client = client("https://example.com/signet/");
        let next =
            |link: &'static str| client.next_cursor(&HeaderMap::from_iter([(LINK, HeaderValue::from_static(link))]));
        let expected = Some("a+b=".to_owned());
        assert_eq!(next(r#"</api/v1.0/exports?type=events&cursor=a%2Bb%3D>; rel="next""#), expected);
        assert_eq!(
            next(r#"<https://other.example/x>; rel="help", <https://other.example/?cursor=a%2Bb%3D>; rel="next""#),
            expected
        );
        assert_eq!(next(r#"</api/v1.0/exports?cursor=a>; rel="prev""#), None);
        assert_eq!(next("<"), None);
        assert_eq!(client.next_cursor(&HeaderMap::new()), None);
    }

    #[test]
    fn debug_does_not_print_the_api_key() {
        assert!(!format!("{:?}", client("http://localhost")).contains("signet_key_x"));
    }
}
