//! Starting everything, in order, and stopping it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::config::Credentials;
use axum::Router;
use jiff::SignedDuration;
use shared::{
    AppState, Aws, Clock, Keys, Settings,
    domain::{ApiKey, ApiKeySecret, Scopes, Secret, Timestamp},
    http::middleware::with_middleware,
    http_client,
    store::{StoreError, Table},
    tokens::{
        SignError,
        local::{LocalKeys, SpareKey},
    },
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

use crate::{
    Demo, DemoError, Folder, FolderError, Options, demo,
    embedded::EmbeddedTable,
    folder::generate_operator_api_key,
    issuer::{self, DevIssuer},
    keys::{KmsError, in_kms},
    routes::all_routes,
};

/// How long requests that are under way may take when it is told to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running stack. It stops when it is told to; dropped, it stops a little later.
#[derive(Debug)]
pub struct Stack {
    /// Where it answers, without a slash at its end.
    pub base_url: String,
    /// An API key that may do everything.
    pub operator_api_key: Secret,
    /// The issuer of bearer tokens.
    pub oidc_issuer: String,
    /// Where its DynamoDB answers.
    pub dynamodb_endpoint: String,
    /// Its table's name.
    pub table: String,
    /// Its parts, for tests that look behind the API.
    pub app: AppState,
    /// What there is to look at, if that was asked for.
    pub demo: Option<Demo>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
    embedded: Option<EmbeddedTable>,
}

/// Why a stack did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not this machine's.
    #[error("can't listen on {address}: {cause}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// The folder can't be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The embedded DynamoDB can't be opened.
    #[error("the embedded DynamoDB can't be opened: {0}")]
    Embedded(#[source] io::Error),
    /// KMS or Secrets Manager can't be used.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// DynamoDB gives no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One of the parts did not start.
    #[error(transparent)]
    AppState(#[from] shared::StartError),
    /// The table is of other keys than the folder, or than this process.
    #[error("the signing key that the table names as current can't sign here: {0}")]
    ForeignTable(#[source] SignError),
    /// There is nothing to look at.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

impl Stack {
    /// Starts everything. It answers when this comes back.
    pub async fn start(options: Options<'_>) -> Result<Self, StartError> {
        let wrong_address = |cause| StartError::Listen { address: options.listen, cause };
        let listener = TcpListener::bind(options.listen).await.map_err(wrong_address)?;
        let address = listener.local_addr().map_err(wrong_address)?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "whoever reaches this address can sign in as an operator");
        }
        let base_url = base_url(address);
        let folder = options.data;

        let embedded = if options.dynamodb_endpoint.is_none() {
            let file = folder.map(|folder| folder.file("table.db"));
            Some(EmbeddedTable::start(file.as_deref()).map_err(StartError::Embedded)?)
        } else {
            None
        };
        let embedded_endpoint = embedded.as_ref().map(|embedded| embedded.endpoint.clone());
        let dynamodb_endpoint = options.dynamodb_endpoint.or(embedded_endpoint).unwrap_or_default();
        let region = environment("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned());
        let endpoints = std::iter::once(&dynamodb_endpoint).chain(&options.kms_endpoint);
        let endpoints: Vec<_> = endpoints.map(|url| Some(url.as_str())).collect();
        let http_client = match options.http_client {
            Some(http_client) => http_client,
            None => http_client(&endpoints).map_err(shared::StartError::from)?,
        };
        let aws = |credentials| Aws::new(&region, credentials, http_client.clone(), options.timeouts);
        let to_table = aws(credentials(embedded.is_some()));
        let table = Table::connect(&to_table, &options.table, Some(dynamodb_endpoint.clone()));
        table.create_if_missing().await?;

        let issuer = match folder {
            Some(folder) => folder.issuer(options.issuer, &base_url)?,
            None => options.issuer.unwrap_or_else(|| base_url.clone()),
        };
        let mut spare = options.spare_keys;
        let dev_issuer = DevIssuer::new(&base_url, folder, spare.pop(), options.clock.clone())?;
        let oidc = options.oidc.unwrap_or_else(|| dev_issuer.settings());
        let oidc_issuer = oidc.issuer.clone();
        let settings = Settings {
            issuer,
            base_url: base_url.clone(),
            // One machine has one clock.
            clock_margin: SignedDuration::ZERO,
            ring: options.ring,
            oidc: Some(oidc),
            rate_limits: options.rate_limits,
            cors_origins: options.cors_origins,
            timeouts: options.timeouts,
        };
        let keys = match &options.kms_endpoint {
            Some(endpoint) => {
                let aws = aws(credentials(false));
                Box::pin(in_kms(&aws, endpoint, &options.table, options.clock.clone())).await?
            }
            None => local_keys(folder, spare)?,
        };
        let app = begin(table, keys, settings, options.clock).await?;
        let secret = operator(&app, folder).await?;
        let demo = if options.demo { Some(demo::fill(&app, secret.id).await?) } else { None };

        let (router, _) = all_routes().split_for_parts();
        let router = router.merge(dashboard::routes(&app));
        // The issuer is no part of Signet, so it is beside the edge. Its documents are fetched over HTTP as any issuer's
        // are, at the first bearer token: by then it answers.
        let service =
            Router::new().nest(issuer::PATH, dev_issuer.routes()).fallback_service(with_middleware(router, &app));
        let service = service.into_make_service_with_connect_info::<SocketAddr>();
        let (stop, told_to_stop) = oneshot::channel::<()>();
        // A sender that was dropped says the same.
        let serve =
            axum::serve(listener, service).with_graceful_shutdown(async { told_to_stop.await.unwrap_or_default() });
        let served = tokio::spawn(async { serve.await });
        let operator_api_key = Secret::new(secret.expose().to_owned());
        let table = options.table;
        Ok(Self {
            base_url,
            operator_api_key,
            oidc_issuer,
            dynamodb_endpoint,
            table,
            app,
            demo,
            stop,
            served,
            embedded,
        })
    }

    /// Lets the requests that are under way come to their end, and closes the table.
    pub async fn stop(self) {
        let Self { stop, mut served, embedded, app, .. } = self;
        let _ = stop.send(());
        if timeout(PATIENCE, &mut served).await.is_err() {
            served.abort();
        }
        drop(app);
        if let Some(embedded) = embedded {
            embedded.stop().await;
        }
    }
}

/// Where a browser on this machine finds a listener.
fn base_url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}")
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// None means the environment's own: the embedded DynamoDB must not be shown them, and those that stand in for AWS
/// take any.
fn credentials(is_embedded: bool) -> Option<Credentials> {
    let has_own = environment("AWS_ACCESS_KEY_ID").is_some() && environment("AWS_SECRET_ACCESS_KEY").is_some();
    (is_embedded || !has_own).then(|| Credentials::new("local", "local", None, None, "signet-local"))
}

fn local_keys(folder: Option<&Folder>, spare: Vec<SpareKey>) -> Result<Keys, shared::StartError> {
    let keys = match folder {
        Some(folder) => LocalKeys::in_folder(folder.path()),
        None => LocalKeys::in_memory(spare),
    };
    Ok(keys?.into())
}

async fn begin(table: Table, keys: Keys, settings: Settings, clock: Clock) -> Result<AppState, StartError> {
    let signer = Arc::clone(&keys.signer);
    let app = AppState::new(table, keys, clock, settings).map_err(shared::StartError::from)?;
    // A table that another folder's keys began would answer, but sign nothing: better told now than at the first sale.
    if let Some(current) = app.tokens.ring().current(app.clock.now()).await? {
        signer.check(&current.handle).await.map_err(StartError::ForeignTable)?;
    }
    app.maintain_key_ring().await.map_err(shared::StartError::from)?;
    app.tokens.ring().read(app.clock.now()).await?;
    Ok(app)
}

/// The operator's API key, in the table as in the folder.
async fn operator(app: &AppState, folder: Option<&Folder>) -> Result<ApiKeySecret, StartError> {
    let now: Timestamp = app.clock.now();
    let secret = match folder {
        Some(folder) => folder.operator_api_key(now)?,
        None => generate_operator_api_key(now),
    };
    let key = ApiKey {
        id: secret.id,
        name: "operator of this machine".to_owned(),
        scopes: Scopes::All,
        created_at: now,
        expires_at: None,
        last_used_at: None,
    };
    app.table.add_api_key(&key, &secret, None).await?;
    Ok(secret)
}
