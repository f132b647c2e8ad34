//! The caller of a request: an extractor that refuses whoever can't say who they are.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};
use jiff::Timestamp;

use super::{User, auth_throttle, oidc::OidcError};
use crate::{
    AppState,
    domain::{Actor, ActorKind, ApiKey, ApiKeyId, ApiKeySecret, Code, Scope, Scopes, Secret},
    http::{Problem, RequestContext},
    store::{Table, api_keys::StoredApiKey},
};

/// The header that carries an API key.
const API_KEY_HEADER: &str = "x-api-key";
/// How long a request waits, once a minute, until its key's use is noted.
const PATIENCE: Duration = Duration::from_millis(300);

/// Who asks.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A program of the operator's.
    ApiKey {
        /// Which key.
        id: ApiKeyId,
        /// What it may do.
        scopes: Scopes,
    },
    /// A person who signed in.
    User(User),
}

impl Caller {
    /// Goes on only if the caller may do this. Operators may do all; other people, what is their own, which is for
    /// the use case to say.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        match self {
            Self::ApiKey { scopes, .. } if scopes.allow(scope) => Ok(()),
            Self::ApiKey { .. } => Err(forbidden(format!("this takes the scope {}", scope.as_str()))),
            Self::User(user) if user.is_operator => Ok(()),
            Self::User(_) => Err(forbidden("this takes the role operator")),
        }
    }

    /// Goes on only if the caller may do all that these scopes allow: nobody hands on more than they have.
    pub fn require_all(&self, scopes: &Scopes) -> Result<(), Problem> {
        match self {
            Self::ApiKey { scopes: own, .. } if own.include(scopes) => Ok(()),
            Self::ApiKey { .. } => Err(forbidden("an API key gives and takes only scopes that it has")),
            Self::User(user) if user.is_operator => Ok(()),
            Self::User(_) => Err(forbidden("this takes the role operator")),
        }
    }

    /// Goes on only on the operator's side: any API key, whatever its scopes, or an operator.
    pub fn require_operator_side(&self) -> Result<(), Problem> {
        match self {
            Self::User(user) if !user.is_operator => Err(forbidden("this takes an API key, or the role operator")),
            Self::ApiKey { .. } | Self::User(_) => Ok(()),
        }
    }

    /// The caller, as events name it.
    pub fn actor(&self) -> Actor {
        match self {
            Self::ApiKey { id, .. } => Actor { kind: ActorKind::ApiKey, id: id.to_string() },
            Self::User(user) => Actor { kind: ActorKind::User, id: user.subject.clone() },
        }
    }

    /// A text that is always the same for this credential, and no other credential's: `key_…`, or whether a user is an
    /// operator and the user's [key](User::key). Who is an operator no more is somebody else, who is not told again what
    /// an operator was told. What an API key may do never changes.
    pub fn credential(&self) -> String {
        match self {
            Self::ApiKey { id, .. } => id.to_string(),
            Self::User(user) if user.is_operator => format!("operator {}", user.key()),
            Self::User(user) => format!("user {}", user.key()),
        }
    }
}

/// A person who signed in; for endpoints where a program has nothing to look for.
#[derive(Debug, Clone)]
pub struct AuthenticatedUser(pub User);

impl FromRequestParts<AppState> for AuthenticatedUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        match <Caller as OptionalFromRequestParts<AppState>>::from_request_parts(parts, app).await? {
            Some(Caller::User(user)) => Ok(Self(user)),
            Some(Caller::ApiKey { .. }) => Err(forbidden("this is for people who sign in, not for an API key")),
            None => Err(unauthenticated("sign in, and send the token as Authorization: Bearer")),
        }
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let found = <Self as OptionalFromRequestParts<AppState>>::from_request_parts(parts, app).await?;
        let advice = "send an API key in the header X-Api-Key, or a token as Authorization: Bearer";
        found.ok_or_else(|| unauthenticated(advice))
    }
}

impl OptionalFromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    /// None where there is no credential at all; one that does not hold is refused all the same.
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Option<Self>, Problem> {
        // A layer before the handler may have had to ask, too.
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(Some(known.clone()));
        }
        let ctx = <RequestContext as FromRequestParts<AppState>>::from_request_parts(parts, app).await?;
        let credential = match Credential::read(&parts.headers) {
            Ok(Some(credential)) => credential,
            Ok(None) => return Ok(None),
            Err(refusal) => return Err(auth_throttle::counted(app, &ctx, refusal).await),
        };
        let caller = match credential {
            Credential::ApiKey(secret) => by_api_key(app, &secret, &ctx).await?,
            Credential::Bearer(token) => by_bearer(app, &token, &ctx).await?,
        };
        ctx.metrics.actor(caller.actor());
        Ok(Some(caller))
    }
}

/// What a request shows to say who asks. Nothing of it is true yet.
#[derive(Debug, PartialEq, Eq)]
enum Credential {
    ApiKey(ApiKeySecret),
    Bearer(Secret),
}

impl Credential {
    /// None where a request shows nothing. Where it shows two, whoever is meant would be a guess.
    fn read(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let keys = headers.get_all(API_KEY_HEADER).iter().map(|value| (true, value));
        let tokens = headers.get_all(AUTHORIZATION).iter().map(|value| (false, value));
        let mut all = keys.chain(tokens);
        let Some((is_key, value)) = all.next() else { return Ok(None) };
        if all.next().is_some() {
            return Err(unauthenticated("send one credential: X-Api-Key or Authorization, and each once"));
        }
        let text = value.to_str().unwrap_or_default();
        if is_key {
            let secret = text.parse().map_err(|_| bad_api_key())?;
            return Ok(Some(Self::ApiKey(secret)));
        }
        // RFC 9110 §11.1: the scheme's case does not count.
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unauthenticated("Authorization takes a bearer token; an API key goes into X-Api-Key"));
        }
        Ok(Some(Self::Bearer(Secret::new(token.trim().to_owned()))))
    }
}

async fn by_api_key(app: &AppState, secret: &ApiKeySecret, ctx: &RequestContext) -> Result<Caller, Problem> {
    auth_throttle::admit(app, ctx)?;
    let stored = app.table.api_key(secret.id).await?;
    let holds = |stored: &StoredApiKey| {
        verify_slices_are_equal(&stored.sha256, &secret.sha256()).is_ok() && !stored.key.is_expired(ctx.now)
    };
    let Some(StoredApiKey { key, .. }) = stored.filter(holds) else {
        return Err(auth_throttle::counted(app, ctx, bad_api_key()).await);
    };
    if key.use_is_news(ctx.now) {
        note_use(&app.table, &key, ctx.now).await;
    }
    Ok(Caller::ApiKey { id: key.id, scopes: key.scopes })
}

/// Notes that a key is used, for people who look for keys that nobody uses. It is worth no request: it fails without
/// a word to the caller, and is not waited for where it takes long. It is awaited at all because Lambda freezes what
/// still runs when an answer is out.
async fn note_use(table: &Table, key: &ApiKey, now: Timestamp) {
    match tokio::time::timeout(PATIENCE, table.note_api_key_use(key, now)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(id = %key.id, %error, "the use of an API key was not noted"),
        Err(_) => tracing::warn!(id = %key.id, "the use of an API key was not noted in time"),
    }
}

async fn by_bearer(app: &AppState, token: &Secret, ctx: &RequestContext) -> Result<Caller, Problem> {
    let advice = || unauthenticated("bearer tokens are not taken here: send an API key in X-Api-Key");
    let oidc = app.oidc.as_ref().ok_or_else(advice)?;
    match oidc.verify(token, ctx.now).await {
        Ok(user) => Ok(Caller::User(user)),
        Err(OidcError::Invalid(invalid)) if invalid.is_guess() => {
            Err(auth_throttle::counted(app, ctx, OidcError::Invalid(invalid).into()).await)
        }
        Err(error) => Err(error.into()),
    }
}

fn bad_api_key() -> Problem {
    unauthenticated("this API key does not hold")
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
    fn an_operator_may_do_all_and_another_user_nothing_that_takes_a_scope() {
        for scope in Scope::ALL {
            assert!(user(true).require(scope).is_ok());
            assert_eq!(user(false).require(scope).unwrap_err().code, Code::Forbidden);
        }
    }

    #[test]
    fn nobody_hands_on_what_they_may_not_do() {
        let some = |scopes: &[Scope]| Scopes::Some(scopes.iter().copied().collect());
        let key = |scopes| Caller::ApiKey { id: IdGenerator::new(Timestamp::UNIX_EPOCH).make(), scopes };
        let reader = key(some(&[Scope::LicensesRead, Scope::AccessWrite]));
        assert!(reader.require_all(&some(&[Scope::LicensesRead])).is_ok());
        for more in [some(&[Scope::LicensesRead, Scope::LicensesWrite]), Scopes::All] {
            assert_eq!(reader.require_all(&more).unwrap_err().code, Code::Forbidden);
            assert_eq!(user(false).require_all(&more).unwrap_err().code, Code::Forbidden);
            assert!(key(Scopes::All).require_all(&more).is_ok() && user(true).require_all(&more).is_ok());
        }
    }

    #[test]
    fn a_caller_is_named_once_and_for_all() {
        assert_eq!(user(true).actor(), Actor { kind: ActorKind::User, id: "1234".to_owned() });
        assert_eq!(user(true).credential(), "operator https://a.example 1234");
        assert_eq!(user(false).credential(), "user https://a.example 1234");
        let id: ApiKeyId = IdGenerator::new(Timestamp::UNIX_EPOCH).make();
        let key = Caller::ApiKey { id, scopes: Scopes::All };
        assert_eq!(key.credential(), id.to_string());
    }

    proptest! {
        #[test]
        fn any_headers_are_read_or_refused(
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
            let shown = headers.len();
            match Credential::read(&headers) {
                Ok(None) => prop_assert_eq!(shown, 0),
                Ok(Some(_)) => prop_assert_eq!(shown, 1),
                Err(problem) => prop_assert!(shown > 0 && problem.code == Code::Unauthenticated),
            }
        }

        #[test]
        fn a_token_is_read_as_it_was_sent(token in "[A-Za-z0-9._~+/-]{1,80}=*", scheme in "[Bb][Ee][Aa][Rr][Ee][Rr]") {
            let found = read(&[("authorization", &format!("{scheme} {token}"))]).unwrap();
            prop_assert_eq!(found, Some(Credential::Bearer(Secret::new(token))));
        }
    }

    #[test]
    fn a_credential_is_one_header() {
        let key = ApiKeySecret::generate(IdGenerator::new(Timestamp::UNIX_EPOCH).make(), &mut rand::rng());
        assert_eq!(read(&[]).unwrap(), None);
        let bearer = Some(Credential::Bearer(Secret::new("a.b.c".to_owned())));
        for text in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "] {
            assert_eq!(read(&[("authorization", text)]).unwrap(), bearer, "{text}");
        }
        assert_eq!(read(&[("x-api-key", key.expose())]).unwrap(), Some(Credential::ApiKey(key.clone())));
        for wrong in [
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
            assert_eq!(read(wrong).unwrap_err().code, Code::Unauthenticated, "{wrong:?}");
        }
    }
}
