//! The keys that verify license tokens, as a JWK Set (RFC 7517 §5).

use axum::{
    extract::State,
    http::{HeaderName, header::CACHE_CONTROL},
    response::IntoResponse,
};
use jiff::SignedDuration;
use serde::Serialize;
use shared::{
    Services,
    domain::ring::SigningKey,
    http::{Call, Problem, Tagged, documented::Always},
};
use utoipa::ToSchema;

/// The public part of a signing key.
#[derive(Debug, Serialize, ToSchema)]
pub struct JwkResource {
    /// Key type.
    #[schema(example = "RSA")]
    kty: &'static str,
    /// What it is for.
    #[schema(example = "sig")]
    r#use: &'static str,
    /// With which algorithm.
    #[schema(example = "RS256")]
    alg: &'static str,
    /// Its RFC 7638 thumbprint, by which a token names it.
    kid: String,
    /// Modulus, base64url.
    n: String,
    /// Exponent, base64url.
    #[schema(example = "AQAB")]
    e: String,
}

/// The set.
#[derive(Debug, Serialize, ToSchema)]
pub struct JwksResource {
    /// Those that sign, will sign, or signed a token that may still be good.
    keys: Vec<JwkResource>,
}

impl From<&SigningKey> for JwkResource {
    fn from(key: &SigningKey) -> Self {
        let (kid, n, e) = (key.kid.clone(), key.n.clone(), key.e.clone());
        Self { kty: "RSA", r#use: "sig", alg: "RS256", kid, n, e }
    }
}

/// The public signing keys.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "discovery",
    summary = "Get the public signing keys",
    description = "A key is here before it signs, and until the last token that it signed has ended.",
    responses((status = 200, body = JwksResource), Always),
)]
pub async fn handler(State(services): State<Services>, call: Call) -> Result<impl IntoResponse, Problem> {
    let ring = services.tokens.ring();
    let body = published(&ring.keys(call.now).await?);
    Ok((public_for(ring.refresh_interval()), Tagged(body)))
}

fn published(keys: &[SigningKey]) -> JwksResource {
    JwksResource { keys: keys.iter().filter(|key| key.is_published()).map(JwkResource::from).collect() }
}

/// Anybody may keep it for so long.
pub(crate) fn public_for(time: SignedDuration) -> [(HeaderName, String); 1] {
    [(CACHE_CONTROL, format!("public, max-age={}", time.as_secs()))]
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::domain::ring::KeyState;

    use super::*;

    #[test]
    fn what_no_longer_signs_for_anyone_is_not_listed() {
        let states = [KeyState::Next, KeyState::Current, KeyState::Previous, KeyState::Retired, KeyState::Condemned];
        let keys = states.map(|state| SigningKey {
            kid: format!("{state:?}"),
            state,
            handle: "h".to_owned(),
            n: "n".to_owned(),
            e: "AQAB".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            published_at: None,
            signs_since: None,
            retires_at: None,
        });
        let kids: Vec<_> = published(&keys).keys.into_iter().map(|key| key.kid).collect();
        assert_eq!(kids, ["Next", "Current", "Previous"]);
        let one = serde_json::to_string(&JwkResource::from(&keys[1])).unwrap();
        assert_eq!(one, r#"{"kty":"RSA","use":"sig","alg":"RS256","kid":"Current","n":"n","e":"AQAB"}"#);
    }
}
