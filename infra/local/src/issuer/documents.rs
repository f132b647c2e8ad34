//! The discovery document (OpenID Connect Discovery 1.0 §3) and the JWKS.

use axum::{
    Json,
    extract::State,
    http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL},
    response::IntoResponse,
};
use serde_json::json;

use super::state::DevIssuer;

/// Cached for a short time only, because a restart can change the key.
const HEADERS: [(axum::http::HeaderName, &str); 2] =
    [(CACHE_CONTROL, "public, max-age=60"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")];

/// `GET /.well-known/openid-configuration`
pub(super) async fn discovery(State(issuer): State<DevIssuer>) -> impl IntoResponse {
    let url = &issuer.0.url;
    let document = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "userinfo_endpoint": format!("{url}/userinfo"),
        "end_session_endpoint": format!("{url}/end-session"),
        "jwks_uri": format!("{url}/jwks.json"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "password"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile", "role:operator", "cognito", "unverified"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "email", "email_verified", "name", "roles",
        ],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "claims_parameter_supported": false,
    });
    (HEADERS, Json(document))
}

/// `GET /jwks.json`
pub(super) async fn keys(State(issuer): State<DevIssuer>) -> impl IntoResponse {
    (HEADERS, Json(json!({ "keys": [issuer.0.key.jwk] })))
}
