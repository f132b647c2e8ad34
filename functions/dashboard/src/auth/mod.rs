//! Sign-in and sign-out with OpenID Connect: the authorization code flow with PKCE (RFC 7636), `state` and `nonce`.

pub(crate) mod callback;
pub(crate) mod sign_in;
pub(crate) mod sign_out;

use openidconnect::url::Url;
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::{
        Oidc,
        oidc::{Discovery, OidcError},
    },
    http::{Code, Problem},
};

/// The redirect URI of sign-ins, below the base URL.
const CALLBACK_PATH: &str = "/dashboard/callback";
/// The redirect URI of sign-outs, below the base URL.
const SIGNED_OUT_PATH: &str = "/dashboard/signed-out";

/// The name prefix of the cookies of pending sign-ins.
const PENDING_SIGN_IN_COOKIE_PREFIX: &str = "__Host-signet-sign-in-";
/// The maximum number of pending sign-ins of a browser. The oldest are discarded, so that the cookies fit into the
/// request headers.
const MAX_PENDING_SIGN_INS: usize = 5;

/// A sign-in that waits for the issuer's redirect. Each is stored encrypted in its own cookie, so that several tabs can
/// sign in at the same time.
#[derive(Debug, Serialize, Deserialize)]
struct PendingSignIn {
    state: String,
    nonce: String,
    /// The PKCE code verifier.
    verifier: String,
    /// The path to redirect to after the sign-in.
    return_to: String,
}

impl PendingSignIn {
    /// The name of the cookie of the sign-in with this `state`.
    fn cookie_name(state: &str) -> String {
        let suffix: String = state.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        format!("{PENDING_SIGN_IN_COOKIE_PREFIX}{suffix}")
    }
}

fn oidc(app: &AppState) -> Result<&Oidc, Problem> {
    let missing = || Problem::new(Code::NotFound, "sign-in is disabled: no OpenID Connect issuer is configured");
    app.oidc.as_ref().ok_or_else(missing)
}

/// The problem for an issuer that is unreachable or misconfigured.
fn issuer_unavailable(context: &str, error: &impl std::fmt::Display) -> Problem {
    Problem::unavailable(format!("{context}: {error}"))
}

/// Reads an endpoint from the issuer's discovery document.
async fn discover_endpoint(
    app: &AppState,
    endpoint: impl Fn(&Discovery) -> Option<String>,
) -> Result<Option<Url>, Problem> {
    let discovery = oidc(app)?.discovery(app.clock.now()).await.map_err(unavailable)?;
    let parse = |url: String| {
        Url::parse(&url)
            .map_err(|error| issuer_unavailable("invalid endpoint in the issuer's discovery document", &error))
    };
    endpoint(&discovery).map(parse).transpose()
}

fn unavailable(error: OidcError) -> Problem {
    error.into()
}
