//! The caller of a request: the extractor that authenticates API keys and bearer tokens.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};
use jiff::Timestamp;

use super::{
    AuthThrottle, User,
    oidc::{Oidc, OidcError},
};
use crate::{
    domain::{Actor, ActorKind, ApiKey, ApiKeyId, ApiKeySecret, Scope, Scopes, Secret},
    http::{Code, Problem, RequestContext},
    store::{Table, api_keys::StoredApiKey},
};

/// The request header of an API key.
const API_KEY_HEADER: &str = "x-api-key";
const OPERATOR_REQUIRED: &str = "the role operator is required";
/// The maximum time that a request waits for the write of its API key's `last_used_at`.
const LAST_USED_TIMEOUT: Duration = Duration::from_millis(300);

/// An authenticated caller.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A program with an API key.
    ApiKey {
        /// The id of the key.
        id: ApiKeyId,
        /// The scopes of the key.
        scopes: Scopes,
        /// When the key expires; `None` means never.
        expires_at: Option<Timestamp>,
    },
    /// A signed-in user.
    User(User),
}

impl Caller {
    /// Succeeds if the caller has the scope or is an operator. Access of other users to their own resources is decided
    /// by the use case.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        match self {
            Self::ApiKey { scopes, .. } if scopes.contains(scope) => Ok(()),
            Self::ApiKey { .. } => Err(forbidden(format!("the API key needs the scope {}", scope.as_str()))),
            Self::User(user) if user.is_operator => Ok(()),
            Self::User(_) => Err(forbidden(OPERATOR_REQUIRED)),
        }
    }

    /// Succeeds if the caller has all scopes or is an operator.
    pub fn require_full_access(&self) -> Result<(), Problem> {
        match self {
            Self::ApiKey { scopes: Scopes::All, .. } => Ok(()),
            Self::ApiKey { .. } => Err(forbidden("the API key needs the scope *")),
            Self::User(user) if user.is_operator => Ok(()),
            Self::User(_) => Err(forbidden(OPERATOR_REQUIRED)),
        }
    }

    /// Succeeds if the caller has all of these scopes. Prevents privilege escalation by creating API keys.
    pub fn require_all(&self, scopes: &Scopes) -> Result<(), Problem> {
        match self {
            Self::ApiKey { scopes: own, .. } if own.is_superset(scopes) => Ok(()),
            Self::ApiKey { .. } => Err(forbidden("an API key can only grant and revoke scopes that it has")),
            Self::User(user) if user.is_operator => Ok(()),
            Self::User(_) => Err(forbidden(OPERATOR_REQUIRED)),
        }
    }

    /// Returns the time at which API keys that the caller creates must have expired; `None` means that they can be
    /// valid forever. Otherwise, a temporary API key could create itself a permanent successor.
    pub fn latest_api_key_expiry(&self) -> Option<Timestamp> {
        match self {
            Self::ApiKey { expires_at, .. } => *expires_at,
            Self::User(_) => None,
        }
    }

    /// Succeeds for any API key, whatever its scopes, and for operators.
    pub fn require_api_key_or_operator(&self) -> Result<(), Problem> {
        match self {
            Self::User(user) if !user.is_operator => Err(forbidden("an API key or the role operator is required")),
            Self::ApiKey { .. } | Self::User(_) => Ok(()),
        }
    }

    /// Returns the caller as the actor of events.
    pub fn actor(&self) -> Actor {
        match self {
            Self::ApiKey { id, .. } => Actor { kind: ActorKind::ApiKey, id: id.to_string() },
            Self::User(user) => Actor { kind: ActorKind::User, id: user.subject.clone() },
        }
    }

    /// Returns a stable, unique id of the credential, which owns idempotency records: `key_…` for an API key; for a
    /// user, the [key](User::key) and whether the user is an operator.
    ///
    /// The role is part of it so that a user who is no longer an operator does not get stored responses of an operator.
    /// The scopes and the expiry of an API key never change.
    pub fn credential_id(&self) -> String {
        match self {
            Self::ApiKey { id, .. } => id.to_string(),
            Self::User(user) if user.is_operator => format!("operator {}", user.key()),
            Self::User(user) => format!("user {}", user.key()),
        }
    }
}

/// A signed-in user, for endpoints that API keys cannot use.
#[derive(Debug, Clone)]
pub struct AuthenticatedUser(pub User);

impl<S: Send + Sync> FromRequestParts<S> for AuthenticatedUser
where
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Authenticator::from_ref(state).caller(parts).await? {
            Some(Caller::User(user)) => Ok(Self(user)),
            Some(Caller::ApiKey { .. }) => Err(forbidden("this endpoint requires a signed-in user, not an API key")),
            None => Err(unauthenticated("sign in and send the token as Authorization: Bearer")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Authenticator::from_ref(state).caller(parts).await?;
        let detail = "send an API key as X-Api-Key, or a token as Authorization: Bearer";
        caller.ok_or_else(|| unauthenticated(detail))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller
where
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    /// Returns `None` if the request has no credential. An invalid credential is an error.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        Authenticator::from_ref(state).caller(parts).await
    }
}

/// Authenticates callers by an API key or a bearer token. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authenticator {
    table: Table,
    oidc: Option<Oidc>,
    throttle: AuthThrottle,
}

impl Authenticator {
    /// Creates the authenticator from the parts that it uses. With `None` as `oidc`, only API keys are accepted.
    pub fn new(table: Table, oidc: Option<Oidc>, throttle: AuthThrottle) -> Self {
        Self { table, oidc, throttle }
    }

    /// Returns the caller of a request, or `None` if the request has no credential. An invalid credential is an error.
    pub async fn caller(&self, parts: &mut Parts) -> Result<Option<Caller>, Problem> {
        // The idempotency middleware may have authenticated the request already.
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(Some(caller.clone()));
        }
        let ctx = <RequestContext as FromRequestParts<()>>::from_request_parts(parts, &()).await?;
        let credential = match Credential::read(&parts.headers) {
            Ok(Some(credential)) => credential,
            Ok(None) => return Ok(None),
            Err(problem) => return Err(self.throttle.count_failure(&ctx, problem).await),
        };
        let caller = match credential {
            Credential::ApiKey(secret) => self.authenticate_api_key(&secret, &ctx).await?,
            Credential::Bearer(token) => self.authenticate_bearer(&token, &ctx).await?,
        };
        ctx.metrics.set_actor(caller.actor());
        Ok(Some(caller))
    }

    async fn authenticate_api_key(&self, secret: &ApiKeySecret, ctx: &RequestContext) -> Result<Caller, Problem> {
        let stored = self.table.api_key(secret.id).await?;
        let is_valid = |stored: &StoredApiKey| {
            verify_slices_are_equal(&stored.sha256, &secret.sha256()).is_ok() && !stored.key.is_expired(ctx.now)
        };
        let Some(StoredApiKey { key, .. }) = stored.filter(is_valid) else {
            return Err(self.throttle.count_failure(ctx, invalid_api_key()).await);
        };
        if key.should_update_last_used(ctx.now) {
            record_use(&self.table, &key, ctx.now).await;
        }
        Ok(Caller::ApiKey { id: key.id, scopes: key.scopes, expires_at: key.expires_at })
    }

    async fn authenticate_bearer(&self, token: &Secret, ctx: &RequestContext) -> Result<Caller, Problem> {
        let not_configured = || unauthenticated("bearer tokens are not configured: send an API key as X-Api-Key");
        let oidc = self.oidc.as_ref().ok_or_else(not_configured)?;
        match oidc.verify(token, ctx.now).await {
            Ok(user) => Ok(Caller::User(user)),
            Err(OidcError::Invalid(invalid)) if invalid.is_unverified() => {
                Err(self.throttle.count_failure(ctx, OidcError::Invalid(invalid).into()).await)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// An unverified credential of a request.
#[derive(Debug, PartialEq, Eq)]
enum Credential {
    ApiKey(ApiKeySecret),
    Bearer(Secret),
}

impl Credential {
    /// Reads the credential from the headers; `None` if there is none. Several credentials are ambiguous and an error.
    fn read(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let keys = headers.get_all(API_KEY_HEADER).iter().map(|value| (true, value));
        let tokens = headers.get_all(AUTHORIZATION).iter().map(|value| (false, value));
        let mut all = keys.chain(tokens);
        let Some((is_key, value)) = all.next() else { return Ok(None) };
        if all.next().is_some() {
            return Err(unauthenticated("send exactly one credential: X-Api-Key or Authorization"));
        }
        let text = value.to_str().unwrap_or_default();
        if is_key {
            let secret = text.parse().map_err(|_| invalid_api_key())?;
            return Ok(Some(Self::ApiKey(secret)));
        }
        // The scheme is case-insensitive (RFC 9110 §11.1).
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unauthenticated("Authorization must be a bearer token; send API keys as X-Api-Key"));
        }
        Ok(Some(Self::Bearer(Secret::new(token.trim().to_owned()))))
    }
}

/// Records when an API key was last used. Best effort: failures and timeouts are logged, not returned. Awaited because
/// Lambda freezes background tasks once the response is sent.
async fn record_use(table: &Table, key: &ApiKey, now: Timestamp) {
    match tokio::time::timeout(LAST_USED_TIMEOUT, table.update_api_key_last_used(key, now)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(id = %key.id, %error, "failed to record the use of an API key"),
        Err(_) => tracing::warn!(id = %key.id, "timed out recording the use of an API key"),
    }
}

fn invalid_api_key() -> Problem {
    unauthenticated("invalid API key")
}

fn unauthenticated(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Unauthenticated, detail)
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Forbidden, detail)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;
    use crate::domain::IdGenerator;

    fn user(is_operator: bool) -> Caller {
        Caller::User(User {
            issuer: "https://a.example".to_owned(),
            subject: "1234".to_owned(),
            is_operator,
            email: None,
            email_verified: false,
            name: None,
            token: Secret::new("a.b.c".to_owned()),
        })
    }

    fn read(headers: &[(&'static str, &str)]) -> Result<Option<Credential>, Problem> {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        Credential::read(&pairs.collect())
    }

    #[test]
    fn operators_have_every_scope_and_other_users_none() {
        for scope in Scope::ALL {
            assert!(user(true).require(scope).is_ok());
            assert_eq!(user(false).require(scope).unwrap_err().code, Code::Forbidden);
        }
    }

    #[test]
    fn require_all_rejects_scopes_that_the_caller_lacks() {
        let some = |scopes: &[Scope]| Scopes::Some(scopes.iter().copied().collect());
        let id = IdGenerator::new(Timestamp::UNIX_EPOCH).generate();
        let key = |scopes| Caller::ApiKey { id, scopes, expires_at: None };
        let reader = key(some(&[Scope::LicensesRead, Scope::AccessWrite]));
        assert!(reader.require_all(&some(&[Scope::LicensesRead])).is_ok());
        for broader in [some(&[Scope::LicensesRead, Scope::LicensesWrite]), Scopes::All] {
            assert_eq!(reader.require_all(&broader).unwrap_err().code, Code::Forbidden);
            assert_eq!(user(false).require_all(&broader).unwrap_err().code, Code::Forbidden);
            assert!(key(Scopes::All).require_all(&broader).is_ok() && user(true).require_all(&broader).is_ok());
        }
    }

    #[test]
    fn callers_have_stable_actors_and_credential_ids() {
        assert_eq!(user(true).actor(), Actor { kind: ActorKind::User, id: "1234".to_owned() });
        assert_eq!(user(true).credential_id(), "operator https://a.example 1234");
        assert_eq!(user(false).credential_id(), "user https://a.example 1234");
        let id: ApiKeyId = IdGenerator::new(Timestamp::UNIX_EPOCH).generate();
        let key = Caller::ApiKey { id, scopes: Scopes::All, expires_at: None };
        assert_eq!(key.credential_id(), id.to_string());
    }

    proptest! {
        #[test]
        fn exactly_one_credential_header_is_accepted(
            key in proptest::option::of(any::<Vec<u8>>()), token in proptest::option::of(any::<Vec<u8>>()), bearer in any::<bool>(),
        ) {
            let mut headers = HeaderMap::new();
            if let Some(value) = key.and_then(|key| HeaderValue::from_bytes(&key).ok()) {
                headers.append(API_KEY_HEADER, value);
            }
            let scheme = if bearer { &b"Bearer "[..] } else { b"" };
            if let Some(value) = token.and_then(|token| HeaderValue::from_bytes(&[scheme, &token].concat()).ok()) {
                headers.append(AUTHORIZATION, value);
            }
            let count = headers.len();
            match Credential::read(&headers) {
                Ok(None) => prop_assert_eq!(count, 0),
                Ok(Some(_)) => prop_assert_eq!(count, 1),
                Err(problem) => prop_assert!(count > 0 && problem.code == Code::Unauthenticated),
            }
        }

        #[test]
        fn bearer_tokens_are_read_unchanged(token in "[A-Za-z0-9._~+/-]{1,80}=*", scheme in "[Bb][Ee][Aa][Rr][Ee][Rr]") {
            let credential = read(&[("authorization", &format!("{scheme} {token}"))]).unwrap();
            prop_assert_eq!(credential, Some(Credential::Bearer(Secret::new(token))));
        }
    }

    #[test]
    fn repeated_or_mixed_credentials_are_rejected() {
        let key = ApiKeySecret::generate(IdGenerator::new(Timestamp::UNIX_EPOCH).generate(), &mut rand::rng());
        assert_eq!(read(&[]).unwrap(), None);
        let bearer = Some(Credential::Bearer(Secret::new("a.b.c".to_owned())));
        for text in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "] {
            assert_eq!(read(&[("authorization", text)]).unwrap(), bearer, "{text}");
        }
        assert_eq!(read(&[("x-api-key", key.expose())]).unwrap(), Some(Credential::ApiKey(key.clone())));
        for invalid in [
            &[("authorization", "Basic a"), ("x-api-key", key.expose())][..],
            &[("authorization", "Bearer a.b.c"), ("x-api-key", key.expose())],
            &[("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.c")],
            &[("x-api-key", key.expose()), ("x-api-key", key.expose())],
            &[("authorization", "Basic YTpi")],
            &[("authorization", "")],
            &[("authorization", "a.b.c")],
            &[("x-api-key", "")],
            &[("x-api-key", "signet_é")],
        ] {
            assert_eq!(read(invalid).unwrap_err().code, Code::Unauthenticated, "{invalid:?}");
        }
    }
}
