//! Reading the issuer's documents, within limits: it is trusted to say who signed in, not to be quick or brief.

use std::time::Duration;

use axum::http::Request;
use reqwest::{Client, Response, StatusCode, Url, header::ACCEPT, redirect::Policy};
use serde::de::DeserializeOwned;

use crate::domain::Secret;

/// A caller waits for this, so it is short; the documents are small.
const PATIENCE: Duration = Duration::from_secs(3);
/// Nothing longer is read. A key set with certificate chains has some 20 KB.
const MAX_BYTES: usize = 256 * 1024;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The issuer will not tell, and asking again will not help.
    #[error("answered {0}")]
    Refused(StatusCode),
    /// It gave no answer, or none that can be used.
    #[error("{0}")]
    NoAnswer(String),
}

/// Fetches JSON documents.
#[derive(Clone)]
pub(super) struct Fetch {
    client: Client,
    is_secure: bool,
}

impl Fetch {
    /// For an issuer that is reached over TLS, or without.
    pub(super) fn new(is_secure: bool) -> Result<Self, reqwest::Error> {
        // Whoever answers speaks for the issuer alone, so nobody is sent elsewhere.
        let client = Client::builder().redirect(Policy::none()).timeout(PATIENCE).connect_timeout(PATIENCE);
        // Documents are fetched so seldom that a kept connection would be a dead one.
        let client = client.pool_max_idle_per_host(0);
        let client = if is_secure {
            client.https_only(true)
        } else {
            // An issuer on this machine: no proxy stands between, and a machine without certificates will do.
            client.no_proxy().tls_certs_only([])
        };
        Ok(Self { client: client.build()?, is_secure })
    }

    /// Whatever the issuer answers to a request of another library's making.
    pub(super) async fn send(&self, request: Request<Vec<u8>>) -> Result<axum::http::Response<Vec<u8>>, FetchError> {
        let url = self.usable(&request.uri().to_string())?;
        let request =
            reqwest::Request::try_from(request).map_err(|error| no_answer(url.as_str(), &with_causes(&error)))?;
        let sent = self.client.execute(request).await;
        let response = sent.map_err(|error| no_answer(url.as_str(), &with_causes(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = axum::http::Response::new(whole(response).await?);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }

    fn usable(&self, url: &str) -> Result<Url, FetchError> {
        let url = Url::parse(url).map_err(|_| no_answer(url, "is no URL"))?;
        let usable = if self.is_secure { &["https"][..] } else { &["http", "https"] };
        if !usable.contains(&url.scheme()) {
            return Err(no_answer(url.as_str(), "would not be read over TLS"));
        }
        Ok(url)
    }

    /// A document, shown to whoever holds `bearer` if that is given.
    pub(super) async fn json<T: DeserializeOwned>(&self, url: &str, bearer: Option<&Secret>) -> Result<T, FetchError> {
        let url = self.usable(url)?;
        let mut request = self.client.get(url.clone()).header(ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.bearer_auth(token.expose());
        }
        let response = request.send().await.map_err(|error| no_answer(url.as_str(), &with_causes(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                return Err(FetchError::Refused(status));
            }
            status => return Err(no_answer(url.as_str(), &format!("answered {status}"))),
        }
        let bytes = whole(response).await?;
        serde_json::from_slice(&bytes).map_err(|error| no_answer(url.as_str(), &error.to_string()))
    }
}

async fn whole(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let url = response.url().clone();
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| no_answer(url.as_str(), &with_causes(&error)))? {
        if bytes.len() + part.len() > MAX_BYTES {
            return Err(no_answer(url.as_str(), "is too long"));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn no_answer(url: &str, fault: &str) -> FetchError {
    FetchError::NoAnswer(format!("{url} {fault}"))
}

/// An error and what lies behind it: reqwest's own text says only that something went wrong.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
