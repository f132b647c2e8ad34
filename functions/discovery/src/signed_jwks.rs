//! The public signing keys once more, as a JWT that a root key signed: an app that has the root's public key built in
//! needs to trust neither DNS nor certificates.

use axum::{
    extract::State,
    http::{
        HeaderValue,
        header::{CONTENT_TYPE, ETAG},
    },
    response::{IntoResponse, Response},
};
use shared::{
    AppState,
    http::{Problem, RequestContext, representation::etag, responses::ServerErrors},
};

use crate::jwks::public_for;

/// What it is (OpenID Federation 1.0, "Signed JWK Set").
const MEDIA_TYPE: &str = "application/jwk-set+jwt";

/// The signed set.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.jwt",
    tag = "discovery",
    summary = "Get the public signing keys, signed by the root key",
    description = "A JWT of type `jwk-set+jwt` with `iss`, `sub`, `iat`, `exp` and `keys`. It verifies with one of `root_keys` \
        of `GET /api/v1.0/signing-keys`, of which an app has the first built in, and may have others. It is signed anew each \
        day and holds for a week; each has a later `iat` than the one before. 503 where the one that is kept has a key \
        that was condemned since, until it is signed anew.",
    responses(
        (
            status = 200,
            description = "The set",
            content_type = "application/jwk-set+jwt",
            body = String,
            headers(("ETag" = String)),
            example = "eyJhbGciOiJSUzI1NiIsInR5cCI6Imp3ay1zZXQrand0Iiwia2lkIjoi…",
        ),
        ServerErrors,
    ),
)]
pub async fn handler(State(app): State<AppState>, ctx: RequestContext) -> Result<Response, Problem> {
    let copy = app.tokens.ring();
    let ring = copy.read(ctx.now).await?;
    let set = ring.good_set(ctx.now);
    let set = set.ok_or_else(|| Problem::unavailable("no signed set of keys is kept that still holds"))?;
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)), (ETAG, etag(set.jwt.as_bytes()))];
    Ok((public_for(copy.refresh_interval()), headers, set.jwt.clone()).into_response())
}
