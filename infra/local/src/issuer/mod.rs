//! An OpenID Connect issuer for one machine, under `/dev/oidc`: anybody may be anybody, and what comes out is as real
//! as any issuer's. No deployed function links it.
//!
//! It speaks discovery, the authorization code flow with PKCE (RFC 7636, S256 alone), userinfo and sign-out, and it
//! takes the password grant, so that one `curl` gets a token. Words in `scope` say what the tokens are like:
//! `role:operator` gives a role, `unverified` says that nobody has checked the e-mail address, and `cognito` makes
//! tokens of the shape that Amazon Cognito's have.

mod authorize;
mod documents;
mod grants;
mod key;
mod mint;
mod page;
mod params;
mod person;
mod sign_out;
mod token;
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
    auth::{OidcSettings, oidc::ROLES_CLAIM},
    http::middleware::protect,
    tokens::local::SpareKey,
};
use url::{Host, Url};

use self::{grants::Grants, key::IssuerKey};
use crate::{Folder, FolderError};

/// Where it is, below the base URL.
pub(crate) const PATH: &str = "/dev/oidc";
/// The one client that it knows. Its tokens are for this audience.
pub(crate) const CLIENT_ID: &str = "signet-dashboard";
/// Its forms are small.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The issuer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct DevIssuer(Arc<Inner>);

struct Inner {
    url: String,
    /// Of the base URL: where the dashboard is.
    origin: url::Origin,
    key: IssuerKey,
    clock: Clock,
    grants: Grants,
}

impl DevIssuer {
    /// The issuer of a stack that answers at `base_url`, with the key that the folder keeps, or with one that ends
    /// with the process.
    pub(crate) fn new(
        base_url: &str,
        folder: Option<&Folder>,
        spare: Option<SpareKey>,
        clock: Clock,
    ) -> Result<Self, FolderError> {
        let key = match folder {
            Some(folder) => IssuerKey::in_file(&folder.file("oidc-signing-key.pem"))?,
            None => IssuerKey::generate(spare)?.0,
        };
        let url = format!("{base_url}{PATH}");
        let origin = Url::parse(base_url).map_or_else(|_| url::Origin::new_opaque(), |url| url.origin());
        Ok(Self(Arc::new(Inner { url, origin, key, clock, grants: Grants::default() })))
    }

    /// How its tokens are verified.
    pub(crate) fn settings(&self) -> OidcSettings {
        OidcSettings {
            issuer: self.0.url.clone(),
            audiences: vec![CLIENT_ID.to_owned()],
            roles_claim: ROLES_CLAIM.to_owned(),
        }
    }

    /// Its endpoints, for below [`PATH`].
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(documents::discovery))
            .route("/jwks.json", get(documents::keys))
            .route("/authorize", get(authorize::ask).post(authorize::sign_in))
            .route("/token", post(token::handler))
            .route("/userinfo", get(userinfo::handler).post(userinfo::handler))
            .route("/end-session", get(sign_out::handler).post(sign_out::handler))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(from_fn(guard))
            .with_state(self.clone())
    }

    /// Whether a browser may be sent there with a code: to this machine, or to where the dashboard is.
    fn may_return_to(&self, target: &Url) -> bool {
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

/// What every request passes. Whoever reaches this issuer may be an operator, so a web page that made its own name
/// point here (DNS rebinding) is not answered: its requests carry that name.
async fn guard(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if is_of_this_network(host) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "the development issuer answers to addresses alone").into_response()
    };
    protect(response.headers_mut());
    response
}

/// Whether a `Host` is an address or a name without a dot, which nobody can own on the Internet.
fn is_of_this_network(host: &str) -> bool {
    let url = Url::parse(&format!("http://{host}/"));
    url.is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => !name.contains('.'),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    })
}

#[cfg(test)]
pub(crate) fn for_tests() -> DevIssuer {
    use shared::domain::Timestamp;
    DevIssuer::new("http://192.168.1.5:8080", None, None, Clock::set(Timestamp::UNIX_EPOCH)).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_this_machine_alone() {
        let issuer = for_tests();
        let may = |text: &str| issuer.may_return_to(&Url::parse(text).unwrap());
        for good in [
            "http://127.0.0.1:1234/callback?a=b",
            "http://localhost/callback",
            "https://[::1]:8443/",
            "http://127.8.8.8/",
            "http://192.168.1.5:8080/dashboard/callback",
        ] {
            assert!(may(good), "{good}");
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
            assert!(!may(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_that_somebody_could_own_is_not_answered() {
        for good in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "192.168.1.5", "signet:8080"] {
            assert!(is_of_this_network(good), "{good}");
        }
        for bad in ["", "rebound.example.com:8080", "127.0.0.1.nip.io", "a b", "localhost.", "@"] {
            assert!(!is_of_this_network(bad), "{bad}");
        }
    }
}
