//! The public signing keys as a JWT signed by a root key. An app that embeds the public root key does not need to trust
//! DNS or TLS certificates.

use axum::{
    extract::State,
    http::{
        HeaderValue,
        header::{CONTENT_TYPE, ETAG},
    },
    response::{IntoResponse, Response},
};
use shared::{
    http::{Problem, RequestContext, conditional::etag},
    tokens::Tokens,
};

use crate::jwks::ring_cache_control;

/// Media type of a signed JWK Set (OpenID Federation 1.0).
const MEDIA_TYPE: &str = "application/jwk-set+jwt";

/// Returns the signed key set.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.jwt",
    operation_id = "get_signed_jwks",
    tag = "discovery",
    summary = "Get the signed public signing keys",
    description = "A JWT of type `jwk-set+jwt` with the claims `iss`, `sub`, `iat`, `exp` and `keys`, signed by a root key. Apps \
        embed the root keys, which `GET /api/v1.0/signing-keys` returns as `root_keys`. The JWT is re-signed every day with a \
        later `iat` and is valid for a week. The status is 503 if no valid JWT is available, for example after one of its keys \
        was condemned, until it is re-signed.",
    responses(
        (
            status = 200,
            description = "The signed key set",
            content_type = "application/jwk-set+jwt",
            body = String,
            headers(("ETag" = String)),
            example = "eyJhbGciOiJSUzI1NiIsInR5cCI6Imp3ay1zZXQrand0Iiwia2lkIjoi…",
        ),
    ),
)]
pub(crate) async fn handler(State(tokens): State<Tokens>, ctx: RequestContext) -> Result<Response, Problem> {
    let ring = tokens.ring().read_for_publication(ctx.now).await?;
    let set = ring.value.valid_signed_set(ctx.now);
    let set = set.ok_or_else(|| Problem::unavailable("there is no valid signed key set"))?;
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)), (ETAG, etag(set.jwt.as_bytes()))];
    Ok((ring_cache_control(&tokens, &ring), headers, set.jwt.clone()).into_response())
}
