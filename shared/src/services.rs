//! What a request may touch besides its own input, made once when a process starts.

use std::{env, io, path::Path, sync::Arc};

use jiff::SignedDuration;

use crate::{
    Clock,
    store::{Connection, StoreError, Table, catalog::CatalogCopy},
    tokens::{
        KeyRing, Sealer, SignError, Signer, Tokens,
        keyring::{self, BeginError},
        local::{LocalSealer, LocalSigner},
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
    /// How old a warm function's copy of the key ring may be, and so how long a JWKS may be kept.
    pub key_refresh: SignedDuration,
}

/// All of it. Cheap to clone; a use case takes only the parts that it needs.
#[derive(Debug, Clone)]
pub struct Services {
    /// The one table.
    pub table: Table,
    /// A copy of the catalog.
    pub catalog: CatalogCopy,
    /// Signs and verifies license tokens.
    pub tokens: Tokens,
    /// Seals what lies in the table.
    pub sealer: Arc<dyn Sealer>,
    /// The time.
    pub clock: Clock,
    /// What an operator sets.
    pub settings: Arc<Settings>,
}

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment lacks a variable, or has one that is wrong.
    #[error("{variable} {fault}")]
    Environment {
        /// Its name.
        variable: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// A key file can't be read or written.
    #[error("the key files: {0}")]
    Keys(#[from] io::Error),
    /// The table gives no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No key could be made.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl From<BeginError> for StartError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Sign(error) => error.into(),
            BeginError::Store(error) => error.into(),
        }
    }
}

impl Services {
    /// Puts the parts together.
    pub fn new(
        table: Table,
        signer: Arc<dyn Signer>,
        sealer: Arc<dyn Sealer>,
        clock: Clock,
        settings: Settings,
    ) -> Self {
        let ring = KeyRing::new(table.clone(), settings.key_refresh);
        let tokens = Tokens::new(&settings.issuer, ring, signer);
        Self { table, catalog: CatalogCopy::default(), tokens, sealer, clock, settings: Arc::new(settings) }
    }

    /// The issuer's URL.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// For a function on Lambda or under `cargo lambda watch`: `SIGNET_TABLE` and `SIGNET_ISSUER`, the region and
    /// credentials as AWS names them, `AWS_ENDPOINT_URL_DYNAMODB` for another DynamoDB, and in `SIGNET_KEY_DIR` the
    /// folder of the key files.
    pub async fn from_environment() -> Result<Self, StartError> {
        let table = Table::connect(Connection {
            table: variable("SIGNET_TABLE")?,
            endpoint: env::var("AWS_ENDPOINT_URL_DYNAMODB").ok(),
            region: Some(variable("AWS_REGION")?),
            ..Connection::default()
        });
        let folder = variable("SIGNET_KEY_DIR")?;
        let folder = Path::new(&folder);
        let signer: Arc<dyn Signer> = Arc::new(LocalSigner::in_folder(&folder.join("signing-keys"))?);
        let sealer = Arc::new(LocalSealer::in_file(&folder.join("sealing.key"))?);
        let issuer = variable("SIGNET_ISSUER")?.trim_end_matches('/').to_owned();
        let settings = Settings {
            base_url: issuer.clone(),
            issuer,
            clock_margin: SignedDuration::from_secs(300),
            key_refresh: SignedDuration::from_secs(300),
        };
        let services = Self::new(table, signer, sealer, Clock::System, settings);
        let now = services.clock.now();
        // The connection, the key ring and the catalog are there before the first request asks for them.
        services.tokens.ring().keys(now).await?;
        services.catalog.read(&services.table, now).await?;
        Ok(services)
    }

    /// Makes the first signing key where there is none.
    pub async fn begin(&self, signer: &dyn Signer) -> Result<(), StartError> {
        Ok(keyring::begin(&self.table, signer, self.clock.now()).await?)
    }
}

fn variable(name: &'static str) -> Result<String, StartError> {
    let value =
        env::var(name).map_err(|_| StartError::Environment { variable: name, fault: "is not set".to_owned() })?;
    if value.is_empty() {
        return Err(StartError::Environment { variable: name, fault: "is empty".to_owned() });
    }
    Ok(value)
}
