use std::{collections::HashMap, str::FromStr};

use serde::Deserialize;
use ureq::http::Uri;

use crate::{
    error::Error,
    jwt::{Jwk, PublicKey},
};

/// The content of `signet-app.json`: which licenses the app accepts. It is compiled into the app, or parsed from JSON text.
///
/// ```no_run
/// # fn main() -> Result<(), signet_client::Error> {
/// # const TEXT: &str = "";
/// let config: signet_client::AppConfig = TEXT.parse()?; // const TEXT: &str = include_str!("../signet-app.json");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Deserialize)]
pub struct AppConfig {
    api_url: Option<String>,
    #[serde(default)]
    pub(crate) issuer: String,
    #[serde(default)]
    pub(crate) product: String,
    #[serde(default)]
    root_keys: Vec<Jwk>,
}

impl AppConfig {
    /// Returns the root keys by their thumbprints.
    pub(crate) fn root_keys(&self) -> Result<HashMap<String, PublicKey>, Error> {
        let keys: Option<HashMap<_, _>> =
            self.root_keys.iter().map(|jwk| PublicKey::from_jwk(jwk).map(|key| (key.thumbprint(), key))).collect();
        keys.filter(|keys| !keys.is_empty())
            .ok_or_else(|| Error::invalid_config("root_keys must be RSA public keys of 2,048 bits or more, as JWKs"))
    }

    /// Returns the URL of the API without a slash at its end.
    pub(crate) fn api_url(&self) -> Result<&str, Error> {
        if self.issuer.is_empty() || self.product.is_empty() {
            return Err(Error::invalid_config("issuer and product must not be empty"));
        }
        let url = self.api_url.as_deref().unwrap_or(&self.issuer).trim_end_matches('/');
        let uri = url.parse().ok().filter(|uri| is_allowed(uri) && !url.contains('#'));
        uri.map(|_| url).ok_or_else(|| {
            let rule = "an https URL, or an http URL of a loopback host, without user information, query and fragment";
            Error::invalid_config(format_args!("api_url must be {rule}"))
        })
    }
}

/// Returns whether requests may be sent to URLs below this one, which `Uri` parses without its fragment.
fn is_allowed(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let has_allowed_scheme = match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_loopback(host),
        _ => false,
    };
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    has_allowed_scheme && !has_user && uri.query().is_none()
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

impl FromStr for AppConfig {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        crate::json::parse_object(text.as_bytes())
            .ok_or_else(|| Error::invalid_config("expected a JSON object with issuer, product and root_keys"))
    }
}
