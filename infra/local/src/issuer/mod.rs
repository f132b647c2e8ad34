//! A development OpenID Connect issuer under `/dev/oidc` that signs in anyone as any user. No deployed function links
//! it.
//!
//! It supports discovery, the authorization code flow with PKCE (RFC 7636, S256 only), userinfo and logout, and the
//! password grant, so that one `curl` gets a token. Values in `scope` control the tokens: `role:operator` adds a role,
//! `unverified` sets `email_verified` to false, and `cognito` issues tokens in the format of Amazon Cognito.

mod authorize;
mod documents;
mod grants;
mod key;
mod page;
mod params;
mod sign_out;
mod token;
mod tokens;
mod user;
mod userinfo;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{StatusCode, header::HOST},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use shared::{
    Clock,
    auth::{OidcSettings, oidc::DEFAULT_ROLES_CLAIM},
    http::middleware::set_security_headers,
    tokens::local::PregeneratedKey,
};
use url::{Host, Url};

use self::{grants::Grants, key::DevIssuerKey};
use crate::{DataDirectory, DataDirectoryError};

/// Path of the issuer below the base URL.
pub(crate) const PATH: &str = "/dev/oidc";
/// The only client, and the audience of the tokens.
pub(crate) const CLIENT_ID: &str = "signet-dashboard";
/// Maximum size of a request body.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The development issuer. Clones share their state.
#[derive(Clone)]
pub(crate) struct DevIssuer(Arc<Inner>);

struct Inner {
    url: String,
    /// Origin of the base URL, where the dashboard is served.
    origin: url::Origin,
    key: DevIssuerKey,
    clock: Clock,
    grants: Grants,
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

    /// Returns the endpoints, to be nested under [`PATH`].
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(documents::discovery))
            .route("/jwks.json", get(documents::keys))
            .route("/authorize", get(authorize::show_page).post(authorize::sign_in))
            .route("/token", post(token::handler))
            .route("/userinfo", get(userinfo::handler).post(userinfo::handler))
            .route("/end-session", get(sign_out::handler).post(sign_out::handler))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(from_fn(reject_foreign_hosts))
            .with_state(self.clone())
    }

    /// Returns whether a redirect URI is allowed: on this machine, or at the origin of the dashboard.
    fn is_allowed_redirect(&self, target: &Url) -> bool {
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

/// Rejects requests with a foreign `Host`. Anyone who reaches the issuer can become an operator, and a web page could
/// reach it by DNS rebinding; its requests carry the page's host name.
async fn reject_foreign_hosts(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if is_local_host(host) {
        next.run(request).await
    } else {
        (
            StatusCode::MISDIRECTED_REQUEST,
            "the development issuer is only available at an IP address or a host name without a dot",
        )
            .into_response()
    };
    set_security_headers(response.headers_mut());
    response
}

/// Returns whether a `Host` is an IP address or a name without a dot, which can't be registered on the Internet.
fn is_local_host(host: &str) -> bool {
    let url = Url::parse(&format!("http://{host}/"));
    url.is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => !name.contains('.'),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    })
}

#[cfg(test)]
pub(crate) fn test_issuer() -> DevIssuer {
    use shared::domain::Timestamp;
    DevIssuer::new("http://192.168.1.5:8080", None, None, Clock::manual(Timestamp::UNIX_EPOCH)).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_allowed_to_this_machine_only() {
        let issuer = test_issuer();
        let is_allowed = |text: &str| issuer.is_allowed_redirect(&Url::parse(text).unwrap());
        for good in [
            "http://127.0.0.1:1234/callback?a=b",
            "http://localhost/callback",
            "https://[::1]:8443/",
            "http://127.8.8.8/",
            "http://192.168.1.5:8080/dashboard/callback",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "http://example.com/",
            "http://192.168.1.5/",
            "https://192.168.1.5:8080/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://a@127.0.0.1/",
            "http://127.0.0.1/#a",
            "javascript:alert(1)",
            "data:text/html,a",
            "app://callback",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn host_names_with_a_dot_are_rejected() {
        for good in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "192.168.1.5", "signet:8080"] {
            assert!(is_local_host(good), "{good}");
        }
        for bad in ["", "rebound.example.com:8080", "127.0.0.1.nip.io", "a b", "localhost.", "@"] {
            assert!(!is_local_host(bad), "{bad}");
        }
    }
}
