//! The credentials of apps: a key string or a license token.

use super::AuthThrottle;
use crate::{
    domain::{
        Actor, ActorKind, Claims, FieldErrorCode, ForeignKeyString, KeyString, LicenseId, Secret, ValidationErrors,
    },
    http::{Code, Problem, RequestContext},
    store::{
        StoreError, Table,
        licenses::KeyPointer,
        rate_limiter::{RateLimitError, RateLimitExceeded},
    },
    tokens::{InvalidTokenError, Tokens, VerifyError},
};

/// A verified key string or license token. It identifies the license; whether the license is usable is decided by the
/// use case, which reads the license afterwards.
#[derive(Debug)]
pub struct AppCredential {
    /// The license.
    pub license_id: LicenseId,
    /// The generation that the key string or token was issued for.
    pub generation: u32,
    /// The claims of a token; `None` for a key string.
    pub claims: Option<Claims>,
}

/// An error while reading a key string or license token.
#[derive(Debug, thiserror::Error)]
pub enum AppCredentialError {
    /// The license key does not exist, or its checksum is wrong.
    #[error("license key not found")]
    NotFound,
    /// The token is invalid.
    #[error(transparent)]
    Token(#[from] InvalidTokenError),
    /// The key that signed the token was condemned.
    #[error("the token's signing key was condemned: activate again with the license key")]
    Condemned,
    /// Too many failed attempts from the client's address.
    #[error(transparent)]
    RateLimitExceeded(#[from] RateLimitExceeded),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AppCredential {
    /// Adds a validation error unless exactly one of `license_key` and `token` is present.
    pub fn check(errors: &mut ValidationErrors, license_key: Option<&Secret>, token: Option<&Secret>) {
        if license_key.is_some() == token.is_some() {
            errors.push(
                "/license_key",
                FieldErrorCode::InvalidValue,
                "exactly one of license_key and token is required",
            );
            errors.push("/token", FieldErrorCode::InvalidValue, "exactly one of license_key and token is required");
        }
    }
}

/// Authenticates apps by a key string or a license token. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppAuthenticator {
    table: Table,
    tokens: Tokens,
    throttle: AuthThrottle,
}

impl AppAuthenticator {
    /// Creates the authenticator from the parts that it uses.
    pub fn new(table: Table, tokens: Tokens, throttle: AuthThrottle) -> Self {
        Self { table, tokens, throttle }
    }

    /// Verifies the token, ignoring its expiry, or else looks up the key string. Case and separators do not count,
    /// except in imported key strings of other systems.
    pub async fn authenticate(
        &self,
        license_key: Option<&Secret>,
        token: Option<&Secret>,
        ctx: &RequestContext,
    ) -> Result<AppCredential, AppCredentialError> {
        if let Some(token) = token {
            let claims = self.verify(token, ctx).await?;
            let license_id = claims.sub.parse().map_err(|_| InvalidTokenError)?;
            return Ok(AppCredential { license_id, generation: claims.generation, claims: Some(claims) });
        }
        let input = license_key.map(Secret::expose).unwrap_or_default();
        let Some(pointer) = self.find(input, ctx).await? else {
            self.throttle.count(ctx).await?;
            return Err(AppCredentialError::NotFound);
        };
        ctx.metrics.set_actor(app_actor(pointer.license_id.to_string()));
        Ok(AppCredential { license_id: pointer.license_id, generation: pointer.generation, claims: None })
    }

    /// Looks up a key string: in our own format if its check characters are valid, and else as the exact text of an
    /// imported one, unless the client's address exceeds the limit of failed attempts.
    async fn find(&self, input: &str, ctx: &RequestContext) -> Result<Option<KeyPointer>, AppCredentialError> {
        if let Ok(key) = KeyString::parse(input)
            && let Some(pointer) = self.table.key_pointer(&key).await?
        {
            return Ok(Some(pointer));
        }
        let Ok(foreign) = ForeignKeyString::parse(input) else { return Ok(None) };
        self.throttle.check(ctx)?;
        Ok(self.table.key_pointer_of_hash(&foreign.sha256()).await?)
    }

    /// Verifies a license token, ignoring its expiry, and returns its claims. Counts a failed attempt if it is invalid;
    /// a valid token passes even if the client's address exceeds the limit.
    pub async fn verify(&self, token: &Secret, ctx: &RequestContext) -> Result<Claims, AppCredentialError> {
        match self.tokens.verify(token, ctx.now).await {
            Err(VerifyError::Invalid(error)) => {
                self.throttle.count(ctx).await?;
                Err(error.into())
            }
            verified => {
                let claims = verified?;
                let id = claims.activation.as_ref().map_or(&claims.sub, |activation| &activation.id);
                ctx.metrics.set_actor(app_actor(id.clone()));
                Ok(claims)
            }
        }
    }
}

/// Returns an app as an actor, identified by its activation or else its license.
fn app_actor(id: String) -> Actor {
    Actor { kind: ActorKind::App, id }
}

impl From<RateLimitError> for AppCredentialError {
    fn from(error: RateLimitError) -> Self {
        match error {
            RateLimitError::RateLimitExceeded(limited) => limited.into(),
            RateLimitError::Store(error) => error.into(),
        }
    }
}

impl From<VerifyError> for AppCredentialError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Invalid(error) => error.into(),
            VerifyError::Condemned => Self::Condemned,
            VerifyError::Store(error) => error.into(),
        }
    }
}

impl From<AppCredentialError> for Problem {
    fn from(error: AppCredentialError) -> Self {
        match error {
            AppCredentialError::NotFound => Self::not_found(),
            AppCredentialError::Token(error) => error.into(),
            AppCredentialError::Condemned => Self::new(Code::TokenInvalid, error.to_string()),
            AppCredentialError::RateLimitExceeded(limited) => limited.into(),
            AppCredentialError::Store(error) => error.into(),
        }
    }
}
