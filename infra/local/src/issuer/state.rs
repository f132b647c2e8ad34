//! The state of the development issuer.

use std::sync::Arc;

use shared::{
    Clock,
    auth::{OidcSettings, oidc::DEFAULT_ROLES_CLAIM},
    tokens::local::PregeneratedKey,
};
use url::{Host, Url};

use super::{grants::Grants, key::DevIssuerKey};
use crate::data_directory::{DataDirectory, DataDirectoryError};

/// Path of the issuer below the base URL.
pub(crate) const PATH: &str = "/dev/oidc";
/// The only client, and the audience of the tokens.
pub(crate) const CLIENT_ID: &str = "signet-dashboard";

/// The development issuer. Clones share their state.
#[derive(Clone)]
pub(crate) struct DevIssuer(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) url: String,
    /// Origin of the base URL, where the dashboard is served.
    origin: url::Origin,
    pub(super) key: DevIssuerKey,
    pub(super) clock: Clock,
    pub(super) grants: Grants,
}

impl DevIssuer {
    /// Creates the issuer of a server at `base_url`, with the key stored in the data directory, or a temporary key
    /// without one.
    pub(crate) fn new(
        base_url: &str,
        directory: Option<&DataDirectory>,
        pregenerated: Option<PregeneratedKey>,
        clock: Clock,
    ) -> Result<Self, DataDirectoryError> {
        let key = match directory {
            Some(directory) => DevIssuerKey::in_file(&directory.file("oidc-signing-key.pem"), pregenerated)?,
            None => DevIssuerKey::generate(pregenerated)?.0,
        };
        let url = format!("{base_url}{PATH}");
        let origin = Url::parse(base_url).map_or_else(|_| url::Origin::new_opaque(), |url| url.origin());
        Ok(Self(Arc::new(Inner { url, origin, key, clock, grants: Grants::default() })))
    }

    /// Returns the settings that verify the issuer's tokens.
    pub(crate) fn settings(&self) -> OidcSettings {
        OidcSettings {
            issuer: self.0.url.clone(),
            audiences: vec![CLIENT_ID.to_owned()],
            roles_claim: DEFAULT_ROLES_CLAIM.to_owned(),
        }
    }

    /// Returns whether a redirect URI is allowed: on this machine, or at the origin of the dashboard.
    pub(super) fn is_allowed_redirect(&self, target: &Url) -> bool {
        let is_web = matches!(target.scheme(), "http" | "https");
        let is_plain = target.fragment().is_none() && target.username().is_empty() && target.password().is_none();
        let is_loopback = match target.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        is_web && is_plain && (is_loopback || target.origin() == self.0.origin)
    }
}

#[cfg(test)]
pub(crate) fn test_issuer() -> DevIssuer {
    use shared::domain::Timestamp;
    DevIssuer::new("http://192.168.1.5:8080", None, None, Clock::manual(Timestamp::UNIX_EPOCH)).unwrap()
}
