//! `/end-session`: the way out (OpenID Connect RP-Initiated Logout 1.0). There is no session here to end, so all that
//! is left to do is to send the browser back.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::{DevIssuer, page, params::Params};

/// Sends the browser to `post_logout_redirect_uri`, or says good-bye.
pub(super) async fn handler(State(issuer): State<DevIssuer>, params: Params) -> Response {
    let Some(text) = params.get("post_logout_redirect_uri") else { return page::signed_out() };
    let target = Url::parse(text).ok().filter(|target| issuer.may_return_to(target));
    let Some(mut target) = target else {
        return page::refused("post_logout_redirect_uri must lead to this machine");
    };
    if let Some(state) = params.get("state") {
        target.query_pairs_mut().append_pair("state", state);
    }
    Redirect::to(target.as_str()).into_response()
}
