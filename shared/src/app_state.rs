//! What a request may touch besides its own input, made once when a process starts.

use std::{io, sync::Arc};

use jiff::SignedDuration;

use crate::{
    Aws, Clock, Configuration, ConfigurationError, KeySource, LoadCertificatesError, Secrets, Timeouts,
    auth::oidc::{Oidc, OidcSettings, OidcSettingsError},
    domain::{key_ring::RotationPolicy, rate_limit::RateLimits},
    http::middleware::cors::Origin,
    http_client,
    secrets::{self, SecretsError},
    store::{StoreError, Table, catalog::CatalogCache, pagination::CursorKey, rate_limiter::RateLimiter},
    tokens::{
        KeyRingCache, KeyRotationError, KeyRotator, Sealer, SignError, Signer, Tokens,
        kms::{self, KmsSealer, KmsSigner, UnsuitableKeyError},
        local::LocalKeys,
    },
};

/// What an operator sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The URL that tokens name as `iss`, without a slash at its end.
    pub issuer: String,
    /// Where the API answers, without a slash at its end. It is the issuer's URL, except on one machine, where the
    /// issuer stays when the port changes.
    pub base_url: String,
    /// By how much clocks may differ: a lease is over only when it has been for so long.
    pub clock_margin: SignedDuration,
    /// How the signing key ring turns.
    pub ring: RotationPolicy,
    /// Whose bearer tokens are taken; none takes API keys alone.
    pub oidc: Option<OidcSettings>,
    /// What is slowed down.
    pub rate_limits: RateLimits,
    /// Whose web pages may call the API. Its public documents may be read by all.
    pub cors_origins: Vec<Origin>,
    /// How long a request waits for what it needs.
    pub timeouts: Timeouts,
}

/// All of it. Cheap to clone; a use case takes only the parts that it needs.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The one table.
    pub table: Table,
    /// A copy of the catalog.
    pub catalog: CatalogCache,
    /// Signs and verifies license tokens.
    pub tokens: Tokens,
    /// Looks after the signing keys; none where that is another function's task.
    pub key_rotator: Option<KeyRotator>,
    /// Seals what lies in the table.
    pub sealer: Arc<dyn Sealer>,
    /// Verifies bearer tokens; none takes API keys alone.
    pub oidc: Option<Oidc>,
    /// What must be secret and is shared by all functions.
    pub secrets: Secrets,
    /// What was asked for too often.
    pub rate_limiter: RateLimiter,
    /// The time.
    pub clock: Clock,
    /// What an operator sets.
    pub settings: Arc<Settings>,
}

/// Who holds the keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs license tokens.
    pub signer: Arc<dyn Signer>,
    /// Seals what lies in the table.
    pub sealer: Arc<dyn Sealer>,
    /// What must be secret and is shared by all functions.
    pub secrets: Secrets,
    /// The handles of the root keys, for whoever looks after the signing keys; the first signs.
    pub root_keys: Vec<String>,
}

impl From<LocalKeys> for Keys {
    fn from(LocalKeys { signer, sealer, secrets, root_keys }: LocalKeys) -> Self {
        Self { signer, sealer, secrets, root_keys }
    }
}

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment lacks variables, or has some that are wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// Nobody can be reached over TLS.
    #[error(transparent)]
    LoadCertificatesError(#[from] LoadCertificatesError),
    /// The secret can't be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A key file can't be read or written.
    #[error("the key files: {0}")]
    Keys(#[from] io::Error),
    /// The table that the configuration names is missing, has another schema, or is not ours to read.
    #[error(
        "the table {table} can't be read ({cause}): SIGNET_TABLE must name a table with the keys PK and SK and the \
         indexes GSI1 and GSI2, as template.yaml has it, which the function's role may read"
    )]
    Table {
        /// Its name.
        table: String,
        /// What DynamoDB said.
        cause: StoreError,
    },
    /// A key of KMS is missing, or of another kind.
    #[error(transparent)]
    Kms(#[from] UnsuitableKeyError),
    /// The table gives no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No key could be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// No bearer token can be verified with these settings.
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
    /// Puts the parts together.
    pub fn new(table: Table, keys: Keys, clock: Clock, settings: Settings) -> Result<Self, OidcSettingsError> {
        let oidc = settings.oidc.as_ref().map(Oidc::new).transpose()?;
        let ring = KeyRingCache::new(table.clone(), settings.ring.refresh);
        let Keys { signer, sealer, secrets, root_keys } = keys;
        let key_rotator =
            KeyRotator::new(table.clone(), Arc::clone(&signer), settings.ring, &root_keys, &settings.issuer);
        let key_rotator = (!root_keys.is_empty()).then_some(key_rotator);
        let tokens = Tokens::new(&settings.issuer, ring, signer);
        let (catalog, rate_limiter, settings) = (CatalogCache::default(), RateLimiter::default(), Arc::new(settings));
        Ok(Self { table, catalog, tokens, key_rotator, sealer, oidc, secrets, rate_limiter, clock, settings })
    }

    /// The issuer's URL.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Makes cursors, and knows them, by the values that are known without asking.
    pub fn cursor_key(&self) -> CursorKey {
        self.secrets.kept().cursor_key()
    }

    /// For a function on Lambda or under `cargo lambda watch`, as the environment's variables say.
    pub async fn from_environment() -> Result<Self, StartError> {
        Self::start(Configuration::from_environment()?).await
    }

    /// Reaches everything that a configuration names, so that the first request finds it there.
    pub async fn start(configuration: Configuration) -> Result<Self, StartError> {
        let clock = Clock::System;
        let http_client = http_client(&configuration.endpoints_in_use())?;
        let aws = Aws::new(&configuration.region, None, http_client, configuration.settings.timeouts);
        let table = Table::connect(&aws, &configuration.table, configuration.endpoints.dynamodb.clone())
            .restored_from(&configuration.keys_table);
        let keys = Keys::of(&configuration, &aws, &clock).await?;
        let app = Self::new(table, keys, clock, configuration.settings)?;
        let now = app.clock.now();
        // The connections, the key ring and the catalog are there before the first request asks for them.
        app.tokens.ring().read(now).await.map_err(|cause| match cause {
            StoreError::Rejected(_) => StartError::Table { table: app.table.name().to_owned(), cause },
            cause => cause.into(),
        })?;
        let warm_up = Box::pin(app.tokens.warm_up(now));
        let (catalog, ()) = tokio::join!(app.catalog.read(&app.table, now), warm_up);
        catalog?;
        if let Some(oidc) = &app.oidc {
            // Without its issuer, a function still answers whoever has an API key or a license token.
            if oidc.discovery(now).await.is_err() {
                tracing::error!(
                    "no signed-in person is let in: the issuer that SIGNET_OIDC_ISSUER names must be right and reachable"
                );
            }
        }
        Ok(app)
    }

    /// Does what is due of the signing keys, if that is this process's task: makes the first, too.
    pub async fn maintain_key_ring(&self) -> Result<(), KeyRotationError> {
        let Some(key_rotator) = &self.key_rotator else { return Ok(()) };
        let kept = key_rotator.keep(self.clock.now()).await;
        self.tokens.ring().forget();
        kept
    }
}

impl Keys {
    async fn of(configuration: &Configuration, aws: &Aws, clock: &Clock) -> Result<Self, StartError> {
        let Configuration { keys_table, endpoints, keys, .. } = configuration;
        match keys {
            KeySource::Folder(folder) => Ok(LocalKeys::in_folder(folder)?.into()),
            KeySource::Kms { sealing_key, old_sealing_keys, secret, root_keys } => {
                let client = kms::connect(aws, endpoints.kms.clone());
                if !root_keys.is_empty() {
                    let sealing_keys = old_sealing_keys.iter().chain([sealing_key]);
                    kms::check_key_specs(&client, sealing_keys, root_keys).await?;
                }
                let sealer = KmsSealer::new(client.clone(), keys_table, sealing_key, old_sealing_keys, clock.clone());
                let manager = secrets::connect(aws, endpoints.secrets_manager.clone());
                Ok(Self {
                    signer: Arc::new(KmsSigner::new(client, keys_table)),
                    sealer: Arc::new(sealer),
                    secrets: Secrets::managed(manager, secret, clock.now()).await?,
                    root_keys: root_keys.clone(),
                })
            }
        }
    }
}
