//! Requests to the OIDC issuer, with limits on time and size.

use std::time::Duration;

use axum::http::Request;
use reqwest::{Client, Response, StatusCode, Url, header::ACCEPT, redirect::Policy};
use serde::de::DeserializeOwned;

use crate::{aws::error_chain, domain::Secret};

/// The timeout of connecting and of a whole request. Short, because a caller waits for it.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The maximum size of a response, in bytes. A key set with certificate chains has some 20 KB.
const MAX_BYTES: usize = 256 * 1024;

/// An error while fetching a document of the issuer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The issuer responded with a 4xx status other than 429; a retry does not help.
    #[error("the issuer responded with {0}")]
    Rejected(StatusCode),
    /// The issuer is unreachable, or its response is unusable.
    #[error("{0}")]
    Unavailable(String),
}

/// An HTTP client for the issuer.
#[derive(Clone)]
pub(super) struct IssuerClient {
    client: Client,
    is_https: bool,
}

impl IssuerClient {
    /// Creates a client for an issuer with or without TLS.
    pub(super) fn new(is_https: bool) -> Result<Self, reqwest::Error> {
        // Redirects are not followed: only the issuer's own URLs are trusted.
        let client = Client::builder().redirect(Policy::none()).timeout(TIMEOUT).connect_timeout(TIMEOUT);
        // Requests are so rare that a pooled connection would usually be closed by the time of its reuse.
        let client = client.pool_max_idle_per_host(0);
        let client = if is_https {
            client.https_only(true)
        } else {
            // A local issuer needs neither a proxy nor CA certificates.
            client.no_proxy().tls_certs_only([])
        };
        Ok(Self { client: client.build()?, is_https })
    }

    /// Sends a request and returns the complete response, whatever its status.
    pub(super) async fn send(&self, request: Request<Vec<u8>>) -> Result<axum::http::Response<Vec<u8>>, FetchError> {
        let url = self.check_url(&request.uri().to_string())?;
        let request =
            reqwest::Request::try_from(request).map_err(|error| unavailable(url.as_str(), &error_chain(&error)))?;
        let sent = self.client.execute(request).await;
        let received = sent.map_err(|error| unavailable(url.as_str(), &error_chain(&error)))?;
        let (status, headers) = (received.status(), received.headers().clone());
        let mut response = axum::http::Response::new(read_body(received).await?);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    fn check_url(&self, url: &str) -> Result<Url, FetchError> {
        let url = Url::parse(url).map_err(|_| unavailable(url, "invalid URL"))?;
        let schemes = if self.is_https { &["https"][..] } else { &["http", "https"] };
        if !schemes.contains(&url.scheme()) {
            return Err(unavailable(url.as_str(), "must be an https URL"));
        }
        Ok(url)
    }

    /// Fetches a JSON document, authenticated with `bearer` if present.
    pub(super) async fn get_json<T: DeserializeOwned>(
        &self,
        url: &str,
        bearer: Option<&Secret>,
    ) -> Result<T, FetchError> {
        let url = self.check_url(url)?;
        let mut request = self.client.get(url.clone()).header(ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.bearer_auth(token.expose());
        }
        let response = request.send().await.map_err(|error| unavailable(url.as_str(), &error_chain(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                return Err(FetchError::Rejected(status));
            }
            status => return Err(unavailable(url.as_str(), &format!("responded with {status}"))),
        }
        let bytes = read_body(response).await?;
        serde_json::from_slice(&bytes).map_err(|error| unavailable(url.as_str(), &error.to_string()))
    }
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let url = response.url().clone();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unavailable(url.as_str(), &error_chain(&error)))? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(unavailable(url.as_str(), "the response is too large"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn unavailable(url: &str, reason: &str) -> FetchError {
    FetchError::Unavailable(format!("{url}: {reason}"))
}
