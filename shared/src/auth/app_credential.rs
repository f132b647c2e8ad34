//! What a consuming app shows of a license: its key string, or a token. An app holds no other credential.

use super::auth_throttle;
use crate::{
    AppState,
    domain::{Actor, ActorKind, Claims, Code, KeyString, LicenseId, Secret, ValidationErrors},
    http::{Problem, RequestContext},
    store::{
        StoreError,
        rate_limiter::{CountError, RateLimitExceeded},
    },
    tokens::{TokenInvalid, VerifyError},
};

/// A license key or a token, once it is read: which license it is for, of which generation, and what a token says.
/// Whether the license is honoured is for the use case to say, by the license as it is read after this.
#[derive(Debug)]
pub struct AppCredential {
    /// The license.
    pub license_id: LicenseId,
    /// The generation that the key string or token was made for.
    pub generation: u32,
    /// What a token says; none for a key string.
    pub claims: Option<Claims>,
}

/// Why a license key or a token leads to no license.
#[derive(Debug, thiserror::Error)]
pub enum AppCredentialError {
    /// There is no such license key, or its check part does not hold.
    #[error("there is no such license key")]
    NotFound,
    /// The token does not hold.
    #[error(transparent)]
    Token(#[from] TokenInvalid),
    /// The token was signed by a key that was condemned since.
    #[error("the key that signed this token was condemned: activate again with the license key")]
    Condemned,
    /// Too many did not hold, from this address.
    #[error(transparent)]
    RateLimitExceeded(#[from] RateLimitExceeded),
    /// The store gives no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AppCredential {
    /// Notes a fault unless there is just one of the two.
    pub fn check(invalid: &mut ValidationErrors, license_key: Option<&Secret>, token: Option<&Secret>) {
        if license_key.is_some() == token.is_some() {
            invalid.push("/license_key", Code::InvalidValue, "send either license_key or token");
            invalid.push("/token", Code::InvalidValue, "send either license_key or token");
        }
    }

    /// By a token, whatever its age, where there is one; else by a license key, however it is typed.
    pub async fn read(
        app: &AppState,
        license_key: Option<&Secret>,
        token: Option<&Secret>,
        ctx: &RequestContext,
    ) -> Result<Self, AppCredentialError> {
        if let Some(token) = token {
            let claims = verify(app, token, ctx).await?;
            let license_id = claims.sub.parse().map_err(|_| TokenInvalid)?;
            return Ok(Self { license_id, generation: claims.generation, claims: Some(claims) });
        }
        auth_throttle::admit(app, ctx)?;
        let typed = license_key.map(Secret::expose).unwrap_or_default();
        let pointer = match KeyString::parse(typed) {
            Ok(key) => app.table.key_pointer(&key).await?,
            Err(_) => None,
        };
        let Some(pointer) = pointer else {
            auth_throttle::count(app, ctx).await?;
            return Err(AppCredentialError::NotFound);
        };
        ctx.metrics.actor(app_actor(pointer.license_id.to_string()));
        Ok(Self { license_id: pointer.license_id, generation: pointer.generation, claims: None })
    }
}

/// The claims of a license token that holds, whatever its age and wherever it comes from; one that does not is counted.
pub async fn verify(app: &AppState, token: &Secret, ctx: &RequestContext) -> Result<Claims, AppCredentialError> {
    match app.tokens.verify(token, ctx.now).await {
        Err(VerifyError::Invalid(invalid)) => {
            auth_throttle::count(app, ctx).await?;
            Err(invalid.into())
        }
        verified => {
            let claims = verified?;
            let named = claims.activation.as_ref().map_or(&claims.sub, |activation| &activation.id);
            ctx.metrics.actor(app_actor(named.clone()));
            Ok(claims)
        }
    }
}

/// An app, by its activation where a token names one, else by its license.
fn app_actor(id: String) -> Actor {
    Actor { kind: ActorKind::App, id }
}

impl From<CountError> for AppCredentialError {
    fn from(error: CountError) -> Self {
        match error {
            CountError::RateLimitExceeded(limited) => limited.into(),
            CountError::Store(error) => error.into(),
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
