//! What a stack is started with.

use std::net::{SocketAddr, ToSocketAddrs};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use axum::http::Uri;
use shared::{
    Clock, Timeouts,
    auth::OidcSettings,
    domain::{key_ring::RotationPolicy, rate_limit::RateLimits},
    http::middleware::cors::Origin,
    tokens::local::SpareKey,
};

use crate::Folder;

/// The table's name, if no other is asked for.
pub const TABLE: &str = "signet";

/// How to start a stack. The default is what a test wants: everything in memory, on a free port.
#[derive(Debug)]
pub struct Options<'a> {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where the table and the keys are kept; none keeps them in memory.
    pub data: Option<&'a Folder>,
    /// Fill it, once, with something to look at.
    pub demo: bool,
    /// What is slowed down; load tests from one address switch it off.
    pub rate_limits: RateLimits,
    /// How the signing key ring turns.
    pub ring: RotationPolicy,
    /// Another DynamoDB in place of the embedded one.
    pub dynamodb_endpoint: Option<String>,
    /// Where KMS and Secrets Manager hold the keys; none holds them where the table is.
    pub kms_endpoint: Option<String>,
    /// The table's name.
    pub table: String,
    /// The issuer's URL; none means the one that is kept, or else the base URL.
    pub issuer: Option<String>,
    /// Whose bearer tokens are taken, and where people sign in; none is the development issuer.
    pub oidc: Option<OidcSettings>,
    /// Whose web pages may call the API.
    pub cors_origins: Vec<Origin>,
    /// Keys that are made already, for a stack that keeps them in memory.
    pub spare_keys: Vec<SpareKey>,
    /// The time.
    pub clock: Clock,
    /// How long a request waits for what it needs.
    pub timeouts: Timeouts,
    /// In place of the SDK's own HTTP client: where tests break things.
    pub http_client: Option<SharedHttpClient>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: None,
            demo: false,
            rate_limits: RateLimits::default(),
            ring: RotationPolicy::default(),
            dynamodb_endpoint: None,
            kms_endpoint: None,
            table: TABLE.to_owned(),
            issuer: None,
            oidc: None,
            cors_origins: Vec::new(),
            spare_keys: Vec::new(),
            clock: Clock::System,
            timeouts: Timeouts::default(),
            http_client: None,
        }
    }
}

/// Reads an address and port, as of `--listen`; a host's name will do for the address.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|_| "an address and a port, as in 127.0.0.1:8080".to_owned())?;
    found.next().ok_or_else(|| "the name has no address".to_owned())
}

/// Reads a URL that other URLs are made from, as of `--issuer`: without a slash at its end, a query or a fragment.
pub fn issuer_url(text: &str) -> Result<String, String> {
    let wrong = || "a URL, as in https://licenses.example.com".to_owned();
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || uri.host().is_none_or(str::is_empty) || text.contains(['?', '#', '@']) {
        return Err(wrong());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_a_url_that_others_are_made_from() {
        assert_eq!(issuer_url("https://a.example/x/").unwrap(), "https://a.example/x");
        for wrong in ["", "a", "ftp://a", "http://", "/x", "http://a/?b=c", "http://a/#b", "http://u:p@a", "http://a b"]
        {
            assert!(issuer_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_has_a_port() {
        assert_eq!(listen_address("127.0.0.1:0").unwrap().port(), 0);
        assert!(listen_address("localhost:8080").unwrap().ip().is_loopback());
        for wrong in ["", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536"] {
            assert!(listen_address(wrong).is_err(), "{wrong}");
        }
    }
}
