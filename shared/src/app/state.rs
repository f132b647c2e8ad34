//! The application state, created once when a process starts.

use std::{io, sync::Arc};

use axum::extract::FromRef;
use futures_util::future::OptionFuture;

use super::{
    configuration::{Configuration, ConfigurationError, KeySource},
    settings::Settings,
};
use crate::{
    auth::{
        AppAuthenticator, AuthThrottle, Authenticator,
        oidc::{Oidc, OidcSettingsError},
    },
    aws::{Aws, LoadCertificatesError},
    clock::Clock,
    secrets::{self, CursorSecret, OriginSecret, SecretsError, SessionSecret},
    store::{StoreError, Table, catalog::CatalogCache, rate_limiter::RateLimiter},
    tokens::{
        KeyRingCache, KeyRotationError, KeyRotator, KeyStrings, Sealer, SignError, Signer, Tokens,
        kms::{self, KmsSealer, KmsSigner, UnsuitableKeyError},
        local::LocalKeys,
    },
};

/// The application state. Cheap to clone; a use case takes only the parts that it needs.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The DynamoDB table.
    pub table: Table,
    /// The cache of the catalog.
    pub catalog: CatalogCache,
    /// Signs and verifies license tokens.
    pub tokens: Tokens,
    /// Rotates the signing keys; `None` in processes that do not.
    pub key_rotator: Option<KeyRotator>,
    /// Encrypts values that are stored in the table.
    pub sealer: Arc<dyn Sealer>,
    /// Verifies bearer tokens. With `None`, only API keys are accepted.
    pub oidc: Option<Oidc>,
    /// Encrypts pagination cursors; `None` in functions without lists.
    pub cursor_secret: Option<CursorSecret>,
    /// Encrypts sessions; `None` in all functions but the dashboard.
    pub session_secret: Option<SessionSecret>,
    /// Identifies requests that CloudFront has forwarded; `None` accepts all requests.
    pub origin_secret: Option<OriginSecret>,
    /// Enforces the rate limits.
    pub rate_limiter: RateLimiter,
    /// The clock.
    pub clock: Clock,
    /// The settings.
    pub settings: Arc<Settings>,
}

/// The keys and secrets of an installation.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs license tokens.
    pub signer: Arc<dyn Signer>,
    /// Encrypts values that are stored in the table.
    pub sealer: Arc<dyn Sealer>,
    /// Encrypts pagination cursors; `None` in functions without lists.
    pub cursor_secret: Option<CursorSecret>,
    /// Encrypts sessions; `None` in all functions but the dashboard.
    pub session_secret: Option<SessionSecret>,
    /// Identifies requests that CloudFront has forwarded; `None` accepts all requests.
    pub origin_secret: Option<OriginSecret>,
    /// The handles of the root keys, the first of which signs; empty in processes that do not rotate keys.
    pub root_keys: Vec<String>,
}

impl From<LocalKeys> for Keys {
    fn from(LocalKeys { signer, sealer, cursor_secret, session_secret, root_keys }: LocalKeys) -> Self {
        let (cursor_secret, session_secret) = (Some(cursor_secret), Some(session_secret));
        Self { signer, sealer, cursor_secret, session_secret, origin_secret: None, root_keys }
    }
}

/// An error while starting a process.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Environment variables are missing or invalid.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The system has no CA certificates.
    #[error(transparent)]
    Certificates(#[from] LoadCertificatesError),
    /// A secret is unusable.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A key file cannot be read or written.
    #[error("failed to load the key files: {0}")]
    Keys(#[from] io::Error),
    /// The table does not exist, has another schema, or cannot be read with the function's role.
    #[error(
        "cannot read the table {table} ({cause}): SIGNET_TABLE must name a table with the keys PK and SK and the \
         indexes GSI1 to GSI9, as in infra/data.yaml, and the function's role must be allowed to read it"
    )]
    Table {
        /// The name of the table.
        table: String,
        /// The error of DynamoDB.
        cause: StoreError,
    },
    /// A KMS key does not exist or has the wrong key spec.
    #[error(transparent)]
    Kms(#[from] UnsuitableKeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Creating a signing key failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The OIDC settings are invalid.
    #[error(transparent)]
    Oidc(#[from] OidcSettingsError),
}

impl From<KeyRotationError> for StartError {
    fn from(error: KeyRotationError) -> Self {
        match error {
            KeyRotationError::Sign(error) => error.into(),
            KeyRotationError::Store(error) => error.into(),
        }
    }
}

impl AppState {
    /// Creates the state from its parts.
    pub fn new(table: Table, keys: Keys, clock: Clock, settings: Settings) -> Result<Self, OidcSettingsError> {
        let oidc = settings.oidc.as_ref().map(Oidc::new).transpose()?;
        let policy = settings.rotation_policy;
        let ring = KeyRingCache::new(table.clone(), policy.refresh);
        let Keys { signer, sealer, cursor_secret, session_secret, origin_secret, root_keys } = keys;
        let key_rotator = KeyRotator::new(table.clone(), Arc::clone(&signer), policy, &root_keys, &settings.issuer);
        let key_rotator = (!root_keys.is_empty()).then_some(key_rotator);
        let tokens = Tokens::new(&settings.issuer, ring, signer);
        let (catalog, rate_limiter, settings) = (CatalogCache::default(), RateLimiter::default(), Arc::new(settings));
        Ok(Self {
            table,
            catalog,
            tokens,
            key_rotator,
            sealer,
            oidc,
            cursor_secret,
            session_secret,
            origin_secret,
            rate_limiter,
            clock,
            settings,
        })
    }

    /// Returns the issuer of license tokens.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Starts with the configuration of the environment variables.
    pub async fn from_environment() -> Result<Self, StartError> {
        Self::start(Configuration::from_environment()?).await
    }

    /// Connects to all services of the configuration and fills the caches, so that the first request is as fast as
    /// later ones.
    pub async fn start(configuration: Configuration) -> Result<Self, StartError> {
        let aws = configuration.aws()?;
        Self::start_with(configuration, &aws).await
    }

    /// Like [`AppState::start`], with AWS clients of this configuration.
    pub(crate) async fn start_with(configuration: Configuration, aws: &Aws) -> Result<Self, StartError> {
        let clock = Clock::System;
        let table = Table::connect(aws, &configuration.table, configuration.endpoints.dynamodb.clone())
            .restored_from(&configuration.original_table);
        let keys = Box::pin(Keys::from_configuration(&configuration, aws, &clock)).await?;
        let app = Self::new(table, keys, clock, configuration.settings)?;
        let now = app.clock.now();
        app.tokens.ring().read(now).await.map_err(|cause| match cause {
            StoreError::Rejected(_) => StartError::Table { table: app.table.name().to_owned(), cause },
            cause => cause.into(),
        })?;
        let warm_up = Box::pin(app.tokens.warm_up(now));
        let (catalog, ()) = tokio::join!(app.catalog.read(&app.table, now), warm_up);
        catalog?;
        // The issuer's documents are read at the first bearer token: API keys and license tokens work without them, and
        // a slow issuer must not delay the start.
        Ok(app)
    }

    /// Performs the due steps of key rotation, including the creation of the first key. Does nothing in processes that
    /// do not rotate keys.
    pub async fn maintain_key_ring(&self) -> Result<(), KeyRotationError> {
        let Some(key_rotator) = &self.key_rotator else { return Ok(()) };
        let result = key_rotator.run_due_steps(self.clock.now()).await;
        self.tokens.ring().outdate();
        result
    }
}

/// The parts of the state that extractors and handlers take as their own state.
macro_rules! parts {
    ($($part:ty: $app:ident => $value:expr;)+) => {$(
        impl FromRef<AppState> for $part {
            fn from_ref($app: &AppState) -> Self {
                $value
            }
        }
    )+};
}

parts! {
    Table: app => app.table.clone();
    CatalogCache: app => app.catalog.clone();
    Tokens: app => app.tokens.clone();
    Arc<dyn Sealer>: app => Arc::clone(&app.sealer);
    Option<KeyRotator>: app => app.key_rotator.clone();
    Option<Oidc>: app => app.oidc.clone();
    Option<CursorSecret>: app => app.cursor_secret.clone();
    Option<SessionSecret>: app => app.session_secret.clone();
    Option<OriginSecret>: app => app.origin_secret.clone();
    RateLimiter: app => app.rate_limiter.clone();
    Clock: app => app.clock.clone();
    Arc<Settings>: app => Arc::clone(&app.settings);
    KeyStrings: app => KeyStrings::new(app.table.clone(), app.tokens.clone(), Arc::clone(&app.sealer));
    AuthThrottle: app =>
        AuthThrottle::new(app.table.clone(), app.rate_limiter.clone(), app.settings.rate_limits);
    Authenticator: app => Authenticator::new(app.table.clone(), app.oidc.clone(), AuthThrottle::from_ref(app));
    AppAuthenticator: app =>
        AppAuthenticator::new(app.table.clone(), app.tokens.clone(), AuthThrottle::from_ref(app));
}

impl Keys {
    async fn from_configuration(configuration: &Configuration, aws: &Aws, clock: &Clock) -> Result<Self, StartError> {
        let Configuration { original_table, endpoints, keys, .. } = configuration;
        match keys {
            KeySource::Directory(directory) => Ok(LocalKeys::in_directory(directory, Vec::new())?.into()),
            KeySource::Kms {
                sealing_key,
                old_sealing_keys,
                cursor_secret,
                session_secret,
                origin_secret,
                root_keys,
                signing_key_policy,
            } => {
                let client = kms::connect(aws, endpoints.kms.clone());
                if !root_keys.is_empty() {
                    let sealing_keys = old_sealing_keys.iter().chain([sealing_key]);
                    kms::check_key_specs(&client, sealing_keys, root_keys).await?;
                }
                let sealer =
                    KmsSealer::new(client.clone(), original_table, sealing_key, old_sealing_keys, clock.clone());
                let signer = KmsSigner::new(client, original_table).with_key_policy(signing_key_policy.clone());
                let manager = secrets::connect(aws, endpoints.secrets_manager.clone());
                let now = clock.now();
                let cursors =
                    cursor_secret.as_ref().map(|name| CursorSecret::from_secrets_manager(manager.clone(), name, now));
                let sessions =
                    session_secret.as_ref().map(|name| SessionSecret::from_secrets_manager(manager.clone(), name, now));
                let origin =
                    origin_secret.as_ref().map(|name| OriginSecret::from_secrets_manager(manager.clone(), name, now));
                let (cursors, sessions, origin) =
                    tokio::join!(OptionFuture::from(cursors), OptionFuture::from(sessions), OptionFuture::from(origin));
                Ok(Self {
                    signer: Arc::new(signer),
                    sealer: Arc::new(sealer),
                    cursor_secret: cursors.transpose()?,
                    session_secret: sessions.transpose()?,
                    origin_secret: origin.transpose()?,
                    root_keys: root_keys.clone(),
                })
            }
        }
    }
}
