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
        let uri: Option<Uri> = url.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        match uri.as_ref().and_then(Uri::scheme_str) {
            Some("https") if !host.is_empty() => Ok(url),
            Some("http") if is_loopback(host) => Ok(url),
            _ => Err(Error::invalid_config("api_url must be an https URL, or an http URL of a loopback host")),
        }
    }
}

fn is_loopback(host: &str) -> bool {
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
