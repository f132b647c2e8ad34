//! Signing in and out, by OpenID Connect: the authorization code flow with PKCE (RFC 7636), `state` and `nonce`.

pub(crate) mod begin;
pub(crate) mod finish;
pub(crate) mod sign_out;

use openidconnect::url::Url;
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::{Oidc, oidc::OidcError},
    domain::Code,
    http::Problem,
};

/// Where the issuer sends a browser back to.
const CALLBACK: &str = "/dashboard/callback";
/// Where it sends one that signed out.
const SIGNED_OUT: &str = "/dashboard/signed-out";

/// A sign-in on its way to the issuer and back, sealed in a cookie of its own: several may be under way at once.
#[derive(Debug, Serialize, Deserialize)]
struct Flight {
    state: String,
    nonce: String,
    verifier: String,
    /// Where the person wanted to go.
    to: String,
}

/// What the names of their cookies begin with.
const FLIGHT: &str = "__Host-signet-sign-in-";
/// More than these are of sign-ins that were given up; a browser sends them all along, and there is room for so many.
const MAX_FLIGHTS: usize = 5;

impl Flight {
    /// The cookie of a sign-in with this `state`.
    fn cookie(state: &str) -> String {
        let word: String = state.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        format!("{FLIGHT}{word}")
    }
}

fn oidc(app: &AppState) -> Result<&Oidc, Problem> {
    let missing = || Problem::new(Code::NotFound, "nobody can sign in here: no OpenID Connect issuer is configured");
    app.oidc.as_ref().ok_or_else(missing)
}

/// What the issuer, or what it says of itself, can't be used for.
fn no_use(what: &str, error: &impl std::fmt::Display) -> Problem {
    Problem::unavailable(format!("{what}: {error}"))
}

async fn endpoint(
    app: &AppState,
    of: impl Fn(&shared::auth::oidc::Discovery) -> Option<String>,
) -> Result<Option<Url>, Problem> {
    let discovery = oidc(app)?.discovery(app.clock.now()).await.map_err(unavailable)?;
    of(&discovery).map(|url| Url::parse(&url).map_err(|error| no_use("the issuer's endpoints", &error))).transpose()
}

fn unavailable(error: OidcError) -> Problem {
    error.into()
}
