//! Options of the local server, and the parsers of command-line values.

use std::net::{SocketAddr, ToSocketAddrs};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use axum::http::Uri;
use shared::{
    Clock, Timeouts,
    app::middleware::cors::Origin,
    auth::OidcSettings,
    domain::{key_ring::RotationPolicy, rate_limit::RateLimits},
    tokens::local::PregeneratedKey,
};

use crate::{ConnectionTimeouts, DataDirectory, WebhookOptions};

/// Default name of the table.
pub const DEFAULT_TABLE: &str = "signet";

/// Options of a [`LocalServer`](crate::LocalServer). The default keeps everything in memory and listens on a free port, as tests
/// do.
#[derive(Debug)]
pub struct Options<'a> {
    /// Address to listen on; port 0 picks a free port.
    pub listen: SocketAddr,
    /// Directory for the table and the keys; `None` keeps them in memory.
    pub data: Option<&'a DataDirectory>,
    /// Adds demo data, once.
    pub demo: bool,
    /// Rate limits of failed authentication attempts and of activations.
    pub rate_limits: RateLimits,
    /// When signing keys rotate.
    pub rotation_policy: RotationPolicy,
    /// DynamoDB endpoint; `None` starts the embedded DynamoDB.
    pub dynamodb_endpoint: Option<String>,
    /// Endpoint of KMS and Secrets Manager; `None` keeps keys in files, or in memory without `data`.
    pub kms_endpoint: Option<String>,
    /// Name of the table.
    pub table: String,
    /// Issuer URL of license tokens; `None` uses the one stored in `data`, or the base URL at the first start.
    pub issuer: Option<String>,
    /// OpenID Connect issuer that users sign in at; `None` uses the development issuer.
    pub oidc: Option<OidcSettings>,
    /// Origins that may call the API from a browser (CORS).
    pub cors_origins: Vec<Origin>,
    /// Key pairs to use before others are generated: generating an RSA key is slow.
    pub pregenerated_keys: Vec<PregeneratedKey>,
    /// Source of the current time.
    pub clock: Clock,
    /// Timeouts of AWS calls and of requests.
    pub timeouts: Timeouts,
    /// Timeouts of clients that send slowly or nothing.
    pub connection_timeouts: ConnectionTimeouts,
    /// How webhooks are sent.
    pub webhooks: WebhookOptions,
    /// HTTP client of the AWS SDK; tests inject faults here.
    pub http_client: Option<SharedHttpClient>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: None,
            demo: false,
            rate_limits: RateLimits::default(),
            rotation_policy: RotationPolicy::default(),
            dynamodb_endpoint: None,
            kms_endpoint: None,
            table: DEFAULT_TABLE.to_owned(),
            issuer: None,
            oidc: None,
            cors_origins: Vec::new(),
            pregenerated_keys: Vec::new(),
            clock: Clock::System,
            timeouts: Timeouts::default(),
            connection_timeouts: ConnectionTimeouts::default(),
            webhooks: WebhookOptions::default(),
            http_client: None,
        }
    }
}

/// Parses the value of `--listen`: an IP address or host name, and a port.
///
/// # Errors
///
/// Returns the message for the command line.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses =
        text.to_socket_addrs().map_err(|_| "expected an address and a port, such as 127.0.0.1:8080".to_owned())?;
    addresses.next().ok_or_else(|| "the host name has no address".to_owned())
}

/// Parses a base URL such as the value of `--issuer`: http or https, without credentials, query or fragment. A trailing
/// slash is removed.
///
/// # Errors
///
/// Returns the message for the command line.
pub fn issuer_url(text: &str) -> Result<String, String> {
    let invalid = || "expected a URL such as https://licenses.example.com".to_owned();
    let uri: Uri = text.parse().map_err(|_| invalid())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || uri.host().is_none_or(str::is_empty) || text.contains(['?', '#', '@']) {
        return Err(invalid());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_url_accepts_base_urls_only() {
        assert_eq!(issuer_url("https://a.example/x/").unwrap(), "https://a.example/x");
        for wrong in ["", "a", "ftp://a", "http://", "/x", "http://a/?b=c", "http://a/#b", "http://u:p@a", "http://a b"]
        {
            assert!(issuer_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn listen_address_requires_a_port() {
        assert_eq!(listen_address("127.0.0.1:0").unwrap().port(), 0);
        assert!(listen_address("localhost:8080").unwrap().ip().is_loopback());
        for wrong in ["", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536"] {
            assert!(listen_address(wrong).is_err(), "{wrong}");
        }
    }
}
