//! Starts and stops the local server.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::config::Credentials;
use axum::{Router, middleware::from_fn_with_state};
use jiff::SignedDuration;
use shared::{
    AppState, Aws, Clock, Keys, Settings,
    app::with_middleware,
    domain::{
        ApiKey, ApiKeySecret, EventData, EventSource, IdGenerator, Scopes, Secret, Subject, Timestamp,
        event::payload::ApiKeyData,
    },
    http_client,
    store::{StoreError, Table},
    tokens::{
        SignError,
        local::{LocalKeys, PregeneratedKey},
    },
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

use crate::{
    DataDirectory, DataDirectoryError, Demo, DemoError, Options, connections,
    data_directory::generate_operator_api_key,
    demo,
    embedded::EmbeddedDynamoDb,
    issuer::{self, DevIssuer},
    keys::{self, KmsError},
    routes::all_routes,
    webhook_worker::{self, WebhookWorker},
};

/// Time that running requests have to finish at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A running local server. Stops on [`stop`](Self::stop), or soon after it is dropped.
#[derive(Debug)]
pub struct LocalServer {
    /// Base URL, without a trailing slash.
    pub base_url: String,
    /// API key with all permissions.
    pub operator_api_key: Secret,
    /// OpenID Connect issuer that users sign in at.
    pub oidc_issuer: String,
    /// DynamoDB endpoint.
    pub dynamodb_endpoint: String,
    /// Name of the table.
    pub table: String,
    /// The routes that the server serves, for tests that send requests without a socket.
    pub router: Router,
    /// Shared state, for tests that bypass the API.
    pub app: AppState,
    /// Sends webhooks. It runs if [`run_webhooks`](Self::run_webhooks) was called.
    pub webhooks: WebhookWorker,
    /// Demo data, if it was requested.
    pub demo: Option<Demo>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
    /// Dropping the sender stops the task.
    webhook_task: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    embedded: Option<EmbeddedDynamoDb>,
}

/// The local server can't start.
#[derive(Debug, thiserror::Error)]
pub enum LocalServerError {
    /// The address is in use, or is not an address of this machine.
    #[error("can't listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error.
        cause: io::Error,
    },
    /// The data directory can't be used.
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
    /// The embedded DynamoDB can't be opened.
    #[error("the embedded DynamoDB can't be opened: {0}")]
    Embedded(#[source] io::Error),
    /// KMS or Secrets Manager can't be used.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// DynamoDB is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The application state could not be created.
    #[error(transparent)]
    AppState(#[from] shared::StartError),
    /// The table belongs to other keys than those of the data directory or of this process.
    #[error("the table's current signing key is not available here: {0}")]
    KeyMismatch(#[source] SignError),
    /// The demo data could not be added.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

impl LocalServer {
    /// Starts the server. It accepts requests when this returns.
    ///
    /// # Errors
    ///
    /// See [`LocalServerError`].
    pub async fn start(options: Options<'_>) -> Result<Self, LocalServerError> {
        let listen_error = |cause| LocalServerError::Listen { address: options.listen, cause };
        let listener = TcpListener::bind(options.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "anyone who can reach this address can sign in as an operator");
        }
        let base_url = base_url(address);
        let directory = options.data;

        let embedded = if options.dynamodb_endpoint.is_none() {
            let file = directory.map(|directory| directory.file("table.db"));
            Some(EmbeddedDynamoDb::start(file.as_deref(), &options.table).map_err(LocalServerError::Embedded)?)
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

        let issuer = match directory {
            Some(directory) => directory.issuer(options.issuer, &base_url)?,
            None => options.issuer.unwrap_or_else(|| base_url.clone()),
        };
        let mut pregenerated = options.pregenerated_keys;
        let dev_issuer = DevIssuer::new(&base_url, directory, pregenerated.pop(), options.clock.clone())?;
        let oidc = options.oidc.unwrap_or_else(|| dev_issuer.settings());
        let oidc_issuer = oidc.issuer.clone();
        let settings = Settings {
            issuer,
            base_url: base_url.clone(),
            // All processes on one machine share a clock.
            clock_margin: SignedDuration::ZERO,
            rotation_policy: options.rotation_policy,
            oidc: Some(oidc),
            rate_limits: options.rate_limits,
            cors_origins: options.cors_origins,
            webhook_addresses: options.webhooks.addresses,
            timeouts: options.timeouts,
        };
        let keys = match &options.kms_endpoint {
            Some(endpoint) => {
                let aws = aws(credentials(false));
                Box::pin(keys::connect(&aws, endpoint, &options.table, options.clock.clone())).await?
            }
            None => local_keys(directory, pregenerated)?,
        };
        let app = create_app_state(table, keys, settings, options.clock).await?;
        let secret = add_operator_api_key(&app, directory).await?;
        let demo = if options.demo { Some(demo::add(&app, secret.id).await?) } else { None };

        let webhooks = WebhookWorker::new(&app, options.webhooks);
        let router = all_routes().merge(dashboard::routes(&app));
        // The issuer is not part of Signet, so the middleware does not apply to it. Its documents are fetched over HTTP
        // at the first bearer token, when the server is running.
        let router =
            Router::new().nest(issuer::PATH, dev_issuer.routes()).fallback_service(with_middleware(router, &app));
        let router = router.layer(from_fn_with_state(webhooks.clone(), webhook_worker::wake_after_writes));
        let (stop, stop_signal) = oneshot::channel::<()>();
        // A dropped sender stops the server as well.
        let stop_signal = async { stop_signal.await.unwrap_or_default() };
        let served =
            tokio::spawn(connections::serve(listener, router.clone(), options.connection_timeouts, stop_signal));
        let operator_api_key = Secret::new(secret.expose().to_owned());
        let table = options.table;
        Ok(Self {
            base_url,
            operator_api_key,
            oidc_issuer,
            dynamodb_endpoint,
            table,
            router,
            app,
            webhooks,
            demo,
            stop,
            served,
            webhook_task: None,
            embedded,
        })
    }

    /// Sends webhooks until the server stops.
    pub fn run_webhooks(&mut self) {
        let (stop, stop_signal) = oneshot::channel::<()>();
        let worker = self.webhooks.clone();
        let task = tokio::spawn(async move { worker.run(async { stop_signal.await.unwrap_or_default() }).await });
        self.webhook_task = Some((stop, task));
    }

    /// Waits up to five seconds for running requests and for webhooks that are being sent, then closes the table.
    pub async fn stop(self) {
        let Self { stop, mut served, webhook_task, embedded, router, app, webhooks, .. } = self;
        let _ = stop.send(());
        let stop_webhooks = async {
            let Some((stop, mut task)) = webhook_task else { return };
            drop(stop);
            // A webhook that is not recorded is sent again after the next start.
            if timeout(SHUTDOWN_TIMEOUT, &mut task).await.is_err() {
                task.abort();
            }
        };
        let stop_requests = async {
            if timeout(SHUTDOWN_TIMEOUT, &mut served).await.is_err() {
                served.abort();
            }
        };
        tokio::join!(stop_webhooks, stop_requests);
        drop((router, app, webhooks));
        if let Some(embedded) = embedded {
            embedded.stop().await;
        }
    }
}

/// Returns the URL under which a browser on this machine reaches the listener.
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

/// Returns fixed credentials for the embedded DynamoDB, which must not receive real ones, and for emulators if the
/// environment has none. `None` uses those of the environment.
fn credentials(is_embedded: bool) -> Option<Credentials> {
    let has_own = environment("AWS_ACCESS_KEY_ID").is_some() && environment("AWS_SECRET_ACCESS_KEY").is_some();
    (is_embedded || !has_own).then(|| Credentials::new("local", "local", None, None, "signet-local"))
}

fn local_keys(
    directory: Option<&DataDirectory>,
    pregenerated: Vec<PregeneratedKey>,
) -> Result<Keys, shared::StartError> {
    let keys = match directory {
        Some(directory) => LocalKeys::in_directory(directory.path(), pregenerated),
        None => LocalKeys::in_memory(pregenerated),
    };
    Ok(keys?.into())
}

async fn create_app_state(
    table: Table,
    keys: Keys,
    settings: Settings,
    clock: Clock,
) -> Result<AppState, LocalServerError> {
    let signer = Arc::clone(&keys.signer);
    let app = AppState::new(table, keys, clock, settings).map_err(shared::StartError::from)?;
    // Fail at start rather than at the first signature if the table belongs to other keys.
    if let Some(current) = app.tokens.ring().current(app.clock.now()).await? {
        signer.check(&current.handle).await.map_err(LocalServerError::KeyMismatch)?;
    }
    app.maintain_key_ring().await.map_err(shared::StartError::from)?;
    app.tokens.ring().read(app.clock.now()).await?;
    Ok(app)
}

/// Adds the operator's API key to the table, unless it exists.
async fn add_operator_api_key(
    app: &AppState,
    directory: Option<&DataDirectory>,
) -> Result<ApiKeySecret, LocalServerError> {
    let now: Timestamp = app.clock.now();
    let secret = match directory {
        Some(directory) => directory.operator_api_key(now)?,
        None => generate_operator_api_key(now),
    };
    let key = ApiKey {
        id: secret.id,
        name: "Local operator".to_owned(),
        scopes: Scopes::All,
        created_at: now,
        expires_at: None,
        last_used_at: None,
    };
    let data = EventData::ApiKeyCreated(ApiKeyData::new(&key));
    let source = EventSource::system("local_server", now);
    let event = source.event(&mut IdGenerator::new(now), Subject::ApiKey(key.id), data);
    app.table.add_api_key(&key, &secret, &event, None).await?;
    Ok(secret)
}
