//! The logout endpoint (OpenID Connect RP-Initiated Logout 1.0). The issuer keeps no sessions, so it only redirects
//! back.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::{page, params::Params, state::DevIssuer};

/// Redirects to `post_logout_redirect_uri`, or shows a page.
pub(super) async fn handler(State(issuer): State<DevIssuer>, params: Params) -> Response {
    let Some(text) = params.get("post_logout_redirect_uri") else { return page::signed_out() };
    let target = Url::parse(text).ok().filter(|target| issuer.is_allowed_redirect(target));
    let Some(mut target) = target else {
        return page::error("post_logout_redirect_uri must be on this machine");
    };
    if let Some(state) = params.get("state") {
        target.query_pairs_mut().append_pair("state", state);
    }
    Redirect::to(target.as_str()).into_response()
}
