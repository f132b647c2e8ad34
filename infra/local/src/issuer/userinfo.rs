//! `/userinfo`: who an access token speaks for (OpenID Connect Core §5.3).

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header::AUTHORIZATION},
};
use serde_json::{Value, json};

use super::{DevIssuer, params::OAuthError};

/// Tells the holder of an access token.
pub(super) async fn handler(State(issuer): State<DevIssuer>, headers: HeaderMap) -> Result<Json<Value>, OAuthError> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let issued = token.and_then(|(_, token)| issuer.0.grants.holder(token.trim(), issuer.0.clock.now()));
    let issued = issued.ok_or_else(|| OAuthError::new("invalid_token", "send an access token of this issuer"))?;
    let person = &issued.person;
    let mut body = json!({
        "sub": person.subject(), "email": person.email, "email_verified": person.is_verified, "name": person.name,
    });
    if issued.words.has("cognito") {
        // Cognito writes every value as text.
        body["email_verified"] = person.is_verified.to_string().into();
        body["username"] = person.subject().into();
    } else {
        body["roles"] = json!(person.roles);
    }
    Ok(Json(body))
}
