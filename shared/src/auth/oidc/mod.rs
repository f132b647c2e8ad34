//! Verifies the bearer tokens of one OpenID Connect issuer.
//!
//! Both ID tokens and JWT access tokens (RFC 9068) are accepted: either proves that the issuer authenticated the user
//! for one of the configured clients. Tokens are verified locally with the issuer's keys, which are cached: only the
//! first request, and requests with an unknown key, wait for the issuer.

mod bearer;
mod error;
mod fetch;
mod keys;
mod user;
mod userinfo;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use reqwest::Url;

pub use self::{
    bearer::BearerTokenError,
    error::OidcError,
    keys::Discovery,
    user::{OPERATOR_ROLE, User},
};
use self::{
    bearer::{BearerTokenRules, UnverifiedBearer},
    fetch::IssuerClient,
    keys::IssuerKeys,
    userinfo::ProfileCache,
};
use crate::domain::Secret;

/// The default name of the roles claim.
pub const DEFAULT_ROLES_CLAIM: &str = "roles";

/// The issuer whose bearer tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// The issuer's URL exactly as in its tokens and its discovery document, including any trailing slash.
    pub issuer: String,
    /// The accepted audiences. A token must have one of them as `aud`, or as `client_id` if it has no `aud`.
    pub audiences: Vec<String>,
    /// The claim with the user's roles: `roles`, `cognito:groups`, or a dotted path such as `realm_access.roles`.
    pub roles_claim: String,
}

/// Invalid OIDC settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcSettingsError {
    /// The issuer is not a valid URL.
    #[error("the OIDC issuer must be an http or https URL without query and fragment")]
    Issuer,
    /// There is no audience, so that every token of the issuer would be accepted, or one is empty.
    #[error("the OIDC issuer needs one or more audiences, none of them empty")]
    Audiences,
    /// The roles claim is empty.
    #[error("the OIDC roles claim must not be empty")]
    RolesClaim,
    /// The HTTP client cannot be created.
    #[error("failed to create the HTTP client for the OIDC issuer: {0}")]
    Client(String),
}

/// A verifier of bearer tokens. Cheap to clone; all clones share the cache.
#[derive(Clone)]
pub struct Oidc(Arc<Inner>);

struct Inner {
    rules: BearerTokenRules,
    keys: IssuerKeys,
    profiles: ProfileCache,
    client: IssuerClient,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.0.rules.issuer).finish_non_exhaustive()
    }
}

impl Oidc {
    /// Creates a verifier. Fetches nothing yet.
    pub fn new(settings: &OidcSettings) -> Result<Self, OidcSettingsError> {
        let issuer = issuer_url(&settings.issuer).ok_or(OidcSettingsError::Issuer)?;
        if settings.audiences.is_empty() || settings.audiences.iter().any(String::is_empty) {
            return Err(OidcSettingsError::Audiences);
        }
        if settings.roles_claim.is_empty() {
            return Err(OidcSettingsError::RolesClaim);
        }
        let is_https = issuer.scheme() == "https";
        let client = IssuerClient::new(is_https).map_err(|error| OidcSettingsError::Client(error.to_string()))?;
        let rules = BearerTokenRules {
            issuer: settings.issuer.clone(),
            audiences: settings.audiences.clone(),
            roles_claim: settings.roles_claim.clone(),
        };
        let keys = IssuerKeys::new(settings.issuer.clone(), client.clone());
        Ok(Self(Arc::new(Inner { rules, keys, profiles: ProfileCache::default(), client })))
    }

    /// Returns the issuer's URL.
    pub fn issuer(&self) -> &str {
        &self.0.rules.issuer
    }

    /// Returns the client id with which the dashboard signs users in: the first audience.
    pub fn client_id(&self) -> &str {
        self.0.rules.audiences.first().map_or("", String::as_str)
    }

    /// Sends a request to the issuer and returns the complete response, with the limits on time and size that apply to
    /// its documents.
    pub async fn send(
        &self,
        request: axum::http::Request<Vec<u8>>,
    ) -> Result<axum::http::Response<Vec<u8>>, OidcError> {
        let response = self.0.client.send(request).await;
        response.map_err(|error| OidcError::Unavailable(error.to_string()))
    }

    /// Verifies an ID token or access token and returns its user.
    pub async fn verify(&self, token: &Secret, now: Timestamp) -> Result<User, OidcError> {
        let unverified = UnverifiedBearer::parse(token.expose())?;
        let key = self.0.keys.find(&unverified.key, now).await?.ok_or(BearerTokenError::UnknownKey)?;
        Ok(unverified.verify(&key, &self.0.rules, now)?)
    }

    /// Adds the email address and name from the issuer's userinfo endpoint if the token lacks them. They stay `None` if
    /// the endpoint does not return them either.
    ///
    /// # Errors
    ///
    /// [`OidcError::Unavailable`] if the issuer is unavailable and the email address is missing.
    pub async fn complete_profile(&self, user: User, now: Timestamp) -> Result<User, OidcError> {
        if user.email.is_some() && user.name.is_some() {
            return Ok(user);
        }
        match self.0.profiles.get(&user, &self.0.keys, &self.0.client, now).await {
            Ok(profile) => Ok(profile.add_to(user)),
            Err(OidcError::Unavailable(cause)) if user.email.is_some() => {
                tracing::warn!(cause, "failed to fetch the user's name from the OIDC issuer");
                Ok(user)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the issuer's discovery document.
    pub async fn discovery(&self, now: Timestamp) -> Result<Arc<Discovery>, OidcError> {
        self.0.keys.discovery(now).await
    }
}

/// Parses the URL of an issuer.
fn issuer_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https");
    // The text itself is compared with `iss` and extended to other URLs, so text that the parser would normalize is
    // invalid.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['?', '#', '@', '\\']);
    (is_http && is_plain && url.has_host()).then_some(url)
}

/// Returns whether requests to the issuer are protected: over TLS, or on the loopback interface.
pub(crate) fn is_secure_url(issuer: &str) -> bool {
    let Some(url) = issuer_url(issuer) else { return false };
    let is_loopback = match url.host_str().unwrap_or_default().trim_matches(['[', ']']) {
        "localhost" => true,
        host => host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    };
    url.scheme() == "https" || is_loopback
}
