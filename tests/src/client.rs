//! HTTP as a caller of the API speaks it.

use std::net::IpAddr;

use reqwest::{
    Method, RequestBuilder,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

/// Asks a stack. Paths without a slash at their start are below `/api/v1.0/`.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    headers: HeaderMap,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct TestResponse {
    /// `POST license-keys`: for messages.
    pub asked: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// The body as text.
    pub text: String,
    /// The body as JSON; null where it is none.
    pub body: Value,
}

impl Client {
    /// Asks with no credential.
    pub fn new(base_url: &str) -> Self {
        Self { http: http(None), base_url: base_url.to_owned(), headers: HeaderMap::new() }
    }

    /// The same from another address of this machine, as in 127.0.0.2.
    pub fn from(&self, address: IpAddr) -> Self {
        Self { http: http(Some(address)), ..self.clone() }
    }

    /// The same with an API key.
    pub fn with_api_key(&self, key: &str) -> Self {
        self.with_header("x-api-key", key)
    }

    /// The same with a header more.
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        let name: HeaderName = name.parse().expect("a header's name");
        client.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        client
    }

    /// GET.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, |request| request).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: impl Into<Value>) -> TestResponse {
        let body = body.into();
        self.send(Method::POST, path, |request| request.json(&body)).await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: impl Into<Value>) -> TestResponse {
        let body = body.into();
        self.send(Method::PUT, path, |request| request.json(&body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> TestResponse {
        self.send(Method::DELETE, path, |request| request).await
    }

    /// Anything else: `with` gives the request its headers and its body.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> TestResponse {
        let below = if path.starts_with('/') { "" } else { "/api/v1.0/" };
        let asked = format!("{method} {path}");
        let request =
            self.http.request(method, format!("{}{below}{path}", self.base_url)).headers(self.headers.clone());
        let response = with(request).send().await.expect("the stack answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("the body comes whole").to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        TestResponse { asked, status, headers, bytes, text, body }
    }
}

fn http(address: Option<IpAddr>) -> reqwest::Client {
    // The environment's proxy is not for a loopback address, nor are the machine's certificates.
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).local_address(address).build();
    client.expect("a client without TLS needs nothing")
}

impl TestResponse {
    /// The JSON body of an answer of this status; any other fails the test.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text);
        self.body
    }

    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header of letters"))
    }

    /// Checks that it is a problem that names just these places, in any order, each with a code: `/max_users
    /// invalid_value`, or for a parameter `limit invalid_value`. With one, its code is the problem's own.
    #[track_caller]
    pub fn faults(&self, status: u16, places: &[&str]) {
        let code = |place: &&str| place.split(' ').nth(1).expect("a place and a code").to_owned();
        let own = if let [one] = places { code(one) } else { "invalid_value".to_owned() };
        let body = self.problem(status, &own);
        let said = |fault: &Value| {
            assert!(fault["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}: {body}", self.asked);
            let place = fault["pointer"].as_str().or(fault["parameter"].as_str());
            assert_eq!(fault.as_object().map_or(0, serde_json::Map::len), 3, "{}: {body}", self.asked);
            format!("{} {}", place.unwrap_or("nowhere"), fault["code"].as_str().unwrap_or("no code"))
        };
        let mut found: Vec<String> = body["errors"].as_array().into_iter().flatten().map(said).collect();
        let mut wanted = places.to_vec();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{}: {body}", self.asked);
    }

    /// Checks that it is a problem of this status and code, whole and in its form; gives its body.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> &Value {
        let Self { asked, text, body, .. } = self;
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{asked}: {text}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{asked}");
        assert_eq!(body["status"], status, "{asked}: {text}");
        let kind = body["type"].as_str().unwrap_or_default();
        assert!(kind.ends_with(&format!("/problems/{code}")), "{asked}: {text}");
        for field in ["title", "detail", "trace_id"] {
            assert!(body[field].as_str().is_some_and(|value| !value.is_empty()), "{asked} has no {field}: {text}");
        }
        let has_errors = body["errors"].as_array().is_some_and(|all| !all.is_empty());
        assert!(has_errors || status != 422, "{asked}: {text}");
        assert_eq!(status == 401, !self.header("www-authenticate").is_empty(), "{asked}");
        assert_eq!(matches!(status, 429 | 503), !self.header("retry-after").is_empty(), "{asked}");
        body
    }
}
