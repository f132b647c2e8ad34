//! Ends a session, here and at the issuer (OpenID Connect RP-Initiated Logout 1.0).

use axum::{
    extract::State,
    http::{HeaderName, StatusCode, header::SET_COOKIE},
    response::{IntoResponse, Response},
};
use shared::{AppState, http::Problem};

use super::{SIGNED_OUT, endpoint, oidc};
use crate::{
    enter::Visit,
    session::{COOKIE, no_cookie},
    ui::{Theme, refused},
};

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// Signs out. The session is ended in the table, so that a copy of its cookie is worth nothing either.
pub(crate) async fn handler(visit: Visit) -> Result<Response, Problem> {
    let Visit { app, session, theme, .. } = visit;
    app.table.end_session(&session.id, session.ends_at).await?;
    let cookie = [(SET_COOKIE, no_cookie(COOKIE.to_owned()).to_string())];
    // An issuer that gives no answer keeps nobody here.
    let way_out = way_out(&app).await.ok().flatten();
    let page = refused::signed_out(theme, way_out.as_deref());
    // A form may not lead to another site, and the issuer is one; where a page goes on to by itself is not a form's.
    Ok(match way_out {
        Some(url) => (cookie, [(REFRESH, format!("0; url={url}"))], page).into_response(),
        None => (cookie, page).into_response(),
    })
}

/// Where the issuer ends its own session, and sends the browser back from. An ID token, which it may ask for, is a
/// credential here and has no place in a URL: it knows who asks by the client's name. Cognito calls the way back
/// `logout_uri`.
async fn way_out(app: &AppState) -> Result<Option<String>, Problem> {
    let Some(mut url) = endpoint(app, |discovery| discovery.end_session_endpoint.clone()).await? else {
        return Ok(None);
    };
    let back = format!("{}{SIGNED_OUT}", app.settings.base_url);
    let client = oidc(app)?.client_id();
    let values = [("client_id", client), ("post_logout_redirect_uri", &back), ("logout_uri", &back)];
    url.query_pairs_mut().extend_pairs(values);
    Ok(Some(url.to_string()))
}

/// Where the issuer sends a browser that signed out.
pub(crate) async fn signed_out(State(_): State<AppState>, theme: Theme) -> Response {
    (StatusCode::OK, refused::signed_out(theme, None)).into_response()
}

/// After a sign-in in a tab of its own: that tab may be closed.
pub(crate) async fn signed_in(visit: Visit) -> Response {
    refused::signed_in(&visit).into_response()
}
