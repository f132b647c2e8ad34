//! Bearer tokens of one OpenID Connect issuer: who signed in, and whether they are an operator.
//!
//! An ID token and a JWT access token (RFC 9068) are taken alike, as what either proves here is the same: that the
//! issuer, asked by one of our clients, let this person in. Each is verified on its own, with keys that are fetched
//! from the issuer now and then: no request waits for the issuer but the first, and those that bring a key that is new.

mod bearer;
mod fetch;
mod keys;
mod userinfo;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use reqwest::Url;

pub use self::{bearer::BearerTokenError, keys::Discovery};
use self::{
    bearer::{BearerTokenRules, UnverifiedBearer},
    fetch::Fetch,
    keys::IssuerKeys,
    userinfo::Profiles,
};
use crate::{
    domain::{Code, Secret},
    http::Problem,
};

/// The role that may do everything.
pub const OPERATOR: &str = "operator";
/// The claim that names the roles, where nothing else is set.
pub const ROLES_CLAIM: &str = "roles";

/// Whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// The issuer's URL exactly as its tokens and its discovery document say it, with a slash at its end or without.
    pub issuer: String,
    /// The audiences of which a token must name one: `aud`, or `client_id` where there is no `aud`.
    pub audiences: Vec<String>,
    /// The claim that names the roles: `roles`, `cognito:groups`, or a path with dots, as in `realm_access.roles`.
    pub roles_claim: String,
}

/// A person who signed in at the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The issuer's URL.
    pub issuer: String,
    /// The issuer's own name for the person: unique there, and for good.
    pub subject: String,
    /// Whether the person may do everything.
    pub is_operator: bool,
    /// The e-mail address, as far as the token tells; [`Oidc::complete`] asks the issuer for it.
    pub email: Option<String>,
    /// Whether the issuer has seen that the address is the person's.
    pub email_verified: bool,
    /// What the person is called.
    pub name: Option<String>,
    /// The token that proved all this: it asks the issuer for the rest.
    pub token: Secret,
}

impl User {
    /// Issuer and subject in one text. A URL has no space in it, so no two people share a text.
    pub fn key(&self) -> String {
        format!("{} {}", self.issuer, self.subject)
    }
}

/// Settings that no tokens can be verified with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcSettingsError {
    /// The issuer is no such URL.
    #[error("the OIDC issuer must be an http or https URL without query and fragment")]
    Issuer,
    /// Without an audience, every token of the issuer would do, whoever it was made for.
    #[error("an OIDC issuer needs an audience or several, and none may be empty")]
    Audiences,
    /// Roles are in no claim.
    #[error("the claim that names the roles must not be empty")]
    RolesClaim,
    /// The HTTP client can't be made.
    #[error("no HTTP client for the OIDC issuer: {0}")]
    Client(String),
}

/// Why a bearer token was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// It does not hold.
    #[error(transparent)]
    Invalid(#[from] BearerTokenError),
    /// Nobody knows: the issuer gives no answer, and what it said before is too old or was never heard.
    #[error("the OIDC issuer gave no answer: {0}")]
    Unavailable(String),
}

impl From<OidcError> for Problem {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Invalid(invalid) => Self::new(Code::Unauthenticated, invalid.to_string()),
            OidcError::Unavailable(_) => Self::unavailable(error.to_string()),
        }
    }
}

/// Verifies the bearer tokens of one issuer. Cheap to clone; its clones share what was fetched.
#[derive(Clone)]
pub struct Oidc(Arc<Inner>);

struct Inner {
    rules: BearerTokenRules,
    keys: IssuerKeys,
    profiles: Profiles,
    fetch: Fetch,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.0.rules.issuer).finish_non_exhaustive()
    }
}

impl Oidc {
    /// Fetches nothing yet.
    pub fn new(settings: &OidcSettings) -> Result<Self, OidcSettingsError> {
        let issuer = issuer_url(&settings.issuer).ok_or(OidcSettingsError::Issuer)?;
        if settings.audiences.is_empty() || settings.audiences.iter().any(String::is_empty) {
            return Err(OidcSettingsError::Audiences);
        }
        if settings.roles_claim.is_empty() {
            return Err(OidcSettingsError::RolesClaim);
        }
        let is_secure = issuer.scheme() == "https";
        let fetch = Fetch::new(is_secure).map_err(|error| OidcSettingsError::Client(error.to_string()))?;
        let rules = BearerTokenRules {
            issuer: settings.issuer.clone(),
            audiences: settings.audiences.clone(),
            roles_claim: settings.roles_claim.clone(),
        };
        let keys = IssuerKeys::new(settings.issuer.clone(), fetch.clone());
        Ok(Self(Arc::new(Inner { rules, keys, profiles: Profiles::default(), fetch })))
    }

    /// The issuer's URL.
    pub fn issuer(&self) -> &str {
        &self.0.rules.issuer
    }

    /// The client by which the dashboard signs people in: the first of the audiences.
    pub fn client_id(&self) -> &str {
        self.0.rules.audiences.first().map_or("", String::as_str)
    }

    /// Sends a request to the issuer and gives its whole answer, within the limits that hold for its documents.
    pub async fn send(
        &self,
        request: axum::http::Request<Vec<u8>>,
    ) -> Result<axum::http::Response<Vec<u8>>, OidcError> {
        let answered = self.0.fetch.send(request).await;
        answered.map_err(|error| OidcError::Unavailable(error.to_string()))
    }

    /// Who signed in, by an ID token or an access token.
    pub async fn verify(&self, token: &Secret, now: Timestamp) -> Result<User, OidcError> {
        let unverified = UnverifiedBearer::parse(token.expose())?;
        let key = self.0.keys.find(&unverified.wanted, now).await?.ok_or(BearerTokenError::UnknownKey)?;
        Ok(unverified.verify(&key, &self.0.rules, now)?)
    }

    /// The same user, with the e-mail address and the name that the issuer's userinfo endpoint tells where the token
    /// does not. Where the issuer tells nothing either, they stay away; an issuer that gives no answer is an error only
    /// if the address is missing.
    pub async fn complete(&self, user: User, now: Timestamp) -> Result<User, OidcError> {
        if user.email.is_some() && user.name.is_some() {
            return Ok(user);
        }
        match self.0.profiles.of(&user, &self.0.keys, &self.0.fetch, now).await {
            Ok(profile) => Ok(profile.complete(user)),
            Err(OidcError::Unavailable(cause)) if user.email.is_some() => {
                tracing::warn!(cause, "no name from the OIDC issuer");
                Ok(user)
            }
            Err(error) => Err(error),
        }
    }

    /// What the issuer says of itself: where a browser signs in, where a code becomes a token.
    pub async fn discovery(&self, now: Timestamp) -> Result<Arc<Discovery>, OidcError> {
        self.0.keys.discovery(now).await
    }
}

/// Reads the URL of an issuer, from which other URLs are made.
fn issuer_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https");
    // The text itself is compared and joined, so what a URL parser would mend is refused.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['?', '#', '@', '\\']);
    (is_http && is_plain && url.has_host()).then_some(url)
}

/// Whether tokens of this issuer are safe on their way: over TLS, or without leaving the machine.
pub(crate) fn is_trustworthy(issuer: &str) -> bool {
    let Some(url) = issuer_url(issuer) else { return false };
    let is_loopback = match url.host_str().unwrap_or_default().trim_matches(['[', ']']) {
        "localhost" => true,
        host => host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    };
    url.scheme() == "https" || is_loopback
}
