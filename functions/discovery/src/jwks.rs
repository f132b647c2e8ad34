//! The keys that verify license tokens, as a JWK Set (RFC 7517 §5).

use axum::{
    extract::State,
    http::{HeaderName, header::CACHE_CONTROL},
    response::IntoResponse,
};
use jiff::SignedDuration;
use serde::Serialize;
use shared::{
    AppState,
    domain::Jwk,
    http::{Problem, RequestContext, WithEtag, responses::ServerErrors},
};
use utoipa::ToSchema;

/// The set.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JwkSet)]
pub struct JwksResource {
    /// Those that sign, will sign, or signed a token that may still be good.
    keys: Vec<Jwk>,
}

/// The public signing keys.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "discovery",
    summary = "Get the public signing keys",
    description = "A key is here before it signs, and until the last token that it signed has ended.",
    responses((status = 200, description = "The set", body = JwksResource, headers(("ETag" = String))), ServerErrors),
)]
pub async fn handler(State(app): State<AppState>, ctx: RequestContext) -> Result<impl IntoResponse, Problem> {
    let copy = app.tokens.ring();
    let body = JwksResource { keys: copy.read(ctx.now).await?.published().map(Jwk::from).collect() };
    Ok((public_for(copy.refresh_interval()), WithEtag(body)))
}

/// Anybody may keep it for so long.
pub(crate) fn public_for(time: SignedDuration) -> [(HeaderName, String); 1] {
    [(CACHE_CONTROL, format!("public, max-age={}", time.as_secs()))]
}
