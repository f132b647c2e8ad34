//! The caller of a request: an extractor that refuses whoever can't say who they are.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};
use jiff::Timestamp;

use crate::{
    Services,
    domain::{Actor, ActorKind, ApiKeySecret, Code, KeyId, Scope, Scopes},
    http::{Call, Problem},
    store::Table,
};

/// The header that carries an API key.
const API_KEY_HEADER: &str = "x-api-key";

/// Who asks.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A program of the operator's.
    ApiKey {
        /// Which key.
        id: KeyId,
        /// What it may do.
        scopes: Scopes,
    },
}

impl Caller {
    /// Goes on only if the caller may do this.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        let Self::ApiKey { scopes, .. } = self;
        if scopes.allow(scope) {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, format!("this takes the scope {}", scope.as_str())))
    }

    /// The caller, as events name it.
    pub fn actor(&self) -> Actor {
        let Self::ApiKey { id, .. } = self;
        Actor { kind: ActorKind::ApiKey, id: id.to_string() }
    }
}

impl FromRequestParts<Services> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Services) -> Result<Self, Problem> {
        let found = <Self as OptionalFromRequestParts<Services>>::from_request_parts(parts, services).await?;
        found.ok_or_else(|| Problem::new(Code::Unauthenticated, "send an API key in the header X-Api-Key"))
    }
}

impl OptionalFromRequestParts<Services> for Caller {
    type Rejection = Problem;

    /// None where there is no credential at all; one that does not hold is refused all the same.
    async fn from_request_parts(parts: &mut Parts, services: &Services) -> Result<Option<Self>, Problem> {
        let Some(header) = parts.headers.get(API_KEY_HEADER) else { return Ok(None) };
        let secret = header.to_str().ok().and_then(|text| text.parse().ok());
        let call = <Call as FromRequestParts<Services>>::from_request_parts(parts, services).await?;
        let caller = match secret {
            Some(secret) => by_api_key(&services.table, &secret, call.now).await?,
            None => None,
        };
        caller.map(Some).ok_or_else(|| Problem::new(Code::Unauthenticated, "this API key does not hold"))
    }
}

async fn by_api_key(table: &Table, secret: &ApiKeySecret, now: Timestamp) -> Result<Option<Caller>, Problem> {
    let Some(stored) = table.api_key(secret.id).await? else { return Ok(None) };
    let holds = verify_slices_are_equal(&stored.sha256, &secret.sha256()).is_ok() && !stored.key.is_expired(now);
    Ok(holds.then_some(Caller::ApiKey { id: stored.key.id, scopes: stored.key.scopes }))
}
