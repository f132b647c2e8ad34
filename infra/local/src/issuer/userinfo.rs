//! The userinfo endpoint: the claims of an access token's user (OpenID Connect Core §5.3).

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header::AUTHORIZATION},
};
use serde_json::{Value, json};

use super::{params::OAuthError, state::DevIssuer};

/// Handles `/userinfo`.
pub(super) async fn handler(State(issuer): State<DevIssuer>, headers: HeaderMap) -> Result<Json<Value>, OAuthError> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let holder = token.and_then(|(_, token)| issuer.0.grants.holder(token.trim(), issuer.0.clock.now()));
    let holder = holder.ok_or_else(|| OAuthError::new("invalid_token", "send an access token of this issuer"))?;
    let user = &holder.user;
    let mut body = json!({
        "sub": user.subject(), "email": user.email, "email_verified": user.is_verified, "name": user.name,
    });
    if holder.scope.has("cognito") {
        // Amazon Cognito returns every value as a string.
        body["email_verified"] = user.is_verified.to_string().into();
        body["username"] = user.subject().into();
    } else {
        body["roles"] = json!(user.roles);
    }
    Ok(Json(body))
}
