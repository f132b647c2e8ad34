//! The public signing keys that verify license tokens, as a JWK Set (RFC 7517, section 5).

use axum::{
    extract::State,
    http::{HeaderName, header::CACHE_CONTROL},
    response::IntoResponse,
};
use jiff::SignedDuration;
use serde::Serialize;
use shared::{
    domain::{Jwk, key_ring::KeyRing},
    http::{Problem, RequestContext, WithEtag},
    tokens::Tokens,
    ttl_cache::MaybeStale,
};
use utoipa::ToSchema;

/// A JWK Set.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JwkSet)]
pub struct JwksResource {
    /// The current signing key, the next one, and previous ones whose tokens may not have expired yet.
    keys: Vec<Jwk>,
}

/// Returns the public signing keys.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "get_jwks",
    tag = "discovery",
    summary = "Get the public signing keys",
    description = "A key is published before it signs the first token and until the last token that it signed has expired.",
    responses((status = 200, description = "The public signing keys", body = JwksResource, headers(("ETag" = String)))),
)]
pub(crate) async fn handler(State(tokens): State<Tokens>, ctx: RequestContext) -> Result<impl IntoResponse, Problem> {
    let ring = tokens.ring().read_for_publication(ctx.now).await?;
    let body = JwksResource { keys: ring.value.published().map(Jwk::from).collect() };
    Ok((ring_cache_control(&tokens, &ring), WithEtag(body)))
}

/// The maximum age of outdated keys in the caches of clients.
const MAX_STALE_AGE: SignedDuration = SignedDuration::from_mins(1);

/// Lets caches store a response with these keys for the refresh interval, and for a minute if the keys are outdated.
pub(crate) fn ring_cache_control(tokens: &Tokens, ring: &MaybeStale<KeyRing>) -> [(HeaderName, String); 1] {
    let max_age = tokens.ring().refresh_interval();
    public_cache_control(if ring.is_stale { max_age.min(MAX_STALE_AGE) } else { max_age })
}

/// Returns a `Cache-Control` header that lets clients and shared caches store the response.
pub(crate) fn public_cache_control(max_age: SignedDuration) -> [(HeaderName, String); 1] {
    [(CACHE_CONTROL, format!("public, max-age={}", max_age.as_secs()))]
}
