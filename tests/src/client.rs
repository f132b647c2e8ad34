//! An HTTP client for the API, and its responses with the assertions that most tests need.

use std::{net::IpAddr, sync::LazyLock};

use axum::Router;
use reqwest::{
    Method, RequestBuilder,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

use crate::transport::{Transport, http_client};

/// Sends requests to a stack. Paths without a leading slash are relative to `/api/v1.0/`. Redirects are not followed.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    base_url: String,
    headers: HeaderMap,
}

/// A response, with its body read.
#[derive(Debug, Clone)]
pub struct TestResponse {
    /// The request's method and path, such as `POST license-keys`, for assertion messages.
    pub request: String,
    /// The HTTP status code.
    pub status: u16,
    /// The response headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub bytes: Vec<u8>,
    /// The body as text; invalid UTF-8 is replaced.
    pub text: String,
    /// The body as JSON, or null if it is not JSON.
    pub body: Value,
}

impl Client {
    /// Returns a client without credentials that sends its requests over TCP.
    pub fn new(base_url: &str) -> Self {
        Self { transport: Transport::tcp(), base_url: base_url.to_owned(), headers: HeaderMap::new() }
    }

    /// Returns a client without credentials that calls a server's router in process.
    pub fn in_process(base_url: &str, router: Router) -> Self {
        Self { transport: Transport::in_process(router), ..Self::new(base_url) }
    }

    /// Returns a copy that sends its requests over TCP.
    pub fn over_tcp(&self) -> Self {
        Self { transport: Transport::tcp(), ..self.clone() }
    }

    /// Returns a copy whose requests come from another address, such as 127.0.0.2. It has to be in process.
    pub fn from(&self, address: IpAddr) -> Self {
        let Transport::InProcess { router, .. } = &self.transport else { panic!("the client is not in process") };
        Self { transport: Transport::InProcess { router: router.clone(), address }, ..self.clone() }
    }

    /// Returns a copy that sends an API key.
    pub fn with_api_key(&self, key: &str) -> Self {
        self.with_header("x-api-key", key)
    }

    /// Returns a copy that sends an additional header.
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        let name: HeaderName = name.parse().expect("a valid header name");
        client.headers.insert(name, HeaderValue::from_str(value).expect("a valid header value"));
        client
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, |request| request).await
    }

    /// Sends a POST request with a JSON body.
    pub async fn post(&self, path: &str, body: impl Into<Value>) -> TestResponse {
        let body = body.into();
        self.send(Method::POST, path, |request| request.json(&body)).await
    }

    /// Sends a POST request with lines of JSON.
    pub async fn post_lines(&self, path: &str, lines: impl Into<Vec<u8>>) -> TestResponse {
        let lines = lines.into();
        self.send(Method::POST, path, |request| request.header(CONTENT_TYPE, "application/x-ndjson").body(lines)).await
    }

    /// Sends a PUT request with a JSON body.
    pub async fn put(&self, path: &str, body: impl Into<Value>) -> TestResponse {
        let body = body.into();
        self.send(Method::PUT, path, |request| request.json(&body)).await
    }

    /// Sends a PATCH request with a JSON Merge Patch.
    pub async fn patch(&self, path: &str, patch: impl Into<Value>) -> TestResponse {
        let patch = patch.into().to_string();
        let media_type = "application/merge-patch+json";
        self.send(Method::PATCH, path, |request| request.header(CONTENT_TYPE, media_type).body(patch)).await
    }

    /// Sends a DELETE request.
    pub async fn delete(&self, path: &str) -> TestResponse {
        self.send(Method::DELETE, path, |request| request).await
    }

    /// Sends any other request; `build` adds the headers and the body.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        build: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> TestResponse {
        // It only builds requests.
        static BUILDER: LazyLock<reqwest::Client> = LazyLock::new(http_client);
        let name = format!("{method} {path}");
        let url = match path {
            absolute if absolute.starts_with("http://") => absolute.to_owned(),
            rooted if rooted.starts_with('/') => format!("{}{rooted}", self.base_url),
            relative => format!("{}/api/v1.0/{relative}", self.base_url),
        };
        let builder = BUILDER.request(method, url).headers(self.headers.clone());
        let request = build(builder).build().expect("a valid request");
        let (status, headers, bytes) = self.transport.send(request).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        TestResponse { request: name, status: status.as_u16(), headers, bytes, text, body }
    }
}

impl TestResponse {
    /// Asserts the status and returns the JSON body.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text);
        self.body
    }

    /// Returns the value of a header, or an empty string if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("an ASCII header value"))
    }

    /// Asserts that the body is a problem whose `errors` are exactly these, in any order. Each is a location and a
    /// code: `/max_users invalid_value` for a field, `limit invalid_value` for a parameter. With a single error, the
    /// problem's own code must be the same.
    #[track_caller]
    pub fn expect_errors(&self, status: u16, errors: &[&str]) {
        let code = |error: &&str| error.split(' ').nth(1).expect("a location and a code").to_owned();
        let own = if let [one] = errors { code(one) } else { "invalid_value".to_owned() };
        let body = self.expect_problem(status, &own);
        let describe = |error: &Value| {
            assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}: {body}", self.request);
            let location = error["pointer"].as_str().or(error["parameter"].as_str());
            assert_eq!(error.as_object().map_or(0, serde_json::Map::len), 3, "{}: {body}", self.request);
            format!("{} {}", location.unwrap_or("no location"), error["code"].as_str().unwrap_or("no code"))
        };
        let mut found: Vec<String> = body["errors"].as_array().into_iter().flatten().map(describe).collect();
        let mut wanted = errors.to_vec();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{}: {body}", self.request);
    }

    /// Asserts that the body is a complete problem (RFC 9457) with this status and code, and returns it.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> &Value {
        let Self { request, text, body, .. } = self;
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{request}: {text}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{request}");
        assert_eq!(body["status"], status, "{request}: {text}");
        let kind = body["type"].as_str().unwrap_or_default();
        assert!(kind.ends_with(&format!("/problems/{code}")), "{request}: {text}");
        for field in ["title", "detail", "trace_id"] {
            assert!(body[field].as_str().is_some_and(|value| !value.is_empty()), "{request} has no {field}: {text}");
        }
        let has_errors = body["errors"].as_array().is_some_and(|all| !all.is_empty());
        assert!(has_errors || status != 422, "{request}: {text}");
        assert_eq!(status == 401, !self.header("www-authenticate").is_empty(), "{request}");
        let has_retry_after = matches!(status, 429 | 503) || code == "idempotency_in_progress";
        assert_eq!(has_retry_after, !self.header("retry-after").is_empty(), "{request}");
        body
    }
}
