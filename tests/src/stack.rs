//! An in-memory stack on a free port, with a clock that the test controls.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use shared::{AppState, Clock, app::with_middleware, domain::rate_limit::RateLimits};
use signet_local::{DataDirectory, Options};
use tracing_subscriber::EnvFilter;

use crate::{
    Client, Faults, Scheduler,
    dynamodb::{self, DynamoDb, InProcessDynamoDb},
    pregenerated_keys,
};

/// The initial time of every test's clock: 2026-01-15T12:00:00Z.
pub const START: Timestamp = Timestamp::constant(1_768_478_400, 0);

/// A running installation for one test. Stacks share nothing, so tests run in parallel.
#[derive(Debug)]
pub struct Stack {
    /// A client with the operator's API key.
    pub operator: Client,
    /// A client without credentials.
    pub anonymous: Client,
    /// The clock, which moves only by [`Stack::advance`].
    pub clock: Clock,
    /// Fault injection between the SDK and DynamoDB, KMS and Secrets Manager.
    pub faults: Faults,
    /// The order of calls to DynamoDB; `None` if DynamoDB is not called in process.
    pub scheduler: Option<Scheduler>,
    /// The installation itself: its URLs, settings and application state.
    pub local: signet_local::LocalServer,
    pub(crate) dynamodb: DynamoDb,
}

impl Stack {
    /// Starts a stack with the default options.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts a stack without rate limits.
    pub async fn start_without_rate_limits() -> Self {
        Self::start_with(Options { rate_limits: RateLimits::UNLIMITED, ..Options::default() }).await
    }

    /// Starts a stack with other options. `clock`, `http_client` and `pregenerated_keys` are overridden. Without a data
    /// directory or an endpoint, the table is in memory and is called in process.
    pub async fn start_with(options: Options<'_>) -> Self {
        init_logging();
        let (clock, faults) = (Clock::manual(START), Faults::default());
        let pregenerated_keys = pregenerated_keys(options.data);
        let mut options = Options { clock: clock.clone(), pregenerated_keys, ..options };
        let in_process = options.data.is_none() && options.dynamodb_endpoint.is_none();
        let database = in_process.then(InProcessDynamoDb::in_memory);
        let scheduler = database.clone().map(Scheduler::new);
        if let Some(scheduler) = &scheduler {
            options.http_client = Some(faults.in_process_client(scheduler.connector()));
            options.dynamodb_endpoint = Some(dynamodb::ENDPOINT.to_owned());
        } else {
            options.http_client = Some(faults.http_client());
        }
        let local = Box::pin(signet_local::LocalServer::start(options)).await.expect("the stack starts");
        let anonymous = Client::in_process(&local.base_url, local.router.clone());
        let operator = anonymous.with_api_key(local.operator_api_key.expose());
        // Recorded calls exclude the start and the update of the operator key's `last_used_at`, written once a minute.
        operator.get("products?limit=1").await.expect_status(200);
        faults.reset_calls();
        let endpoint = || DynamoDb::Endpoint(local.dynamodb_endpoint.clone());
        let dynamodb = database.map_or_else(endpoint, DynamoDb::InProcess);
        Self { operator, anonymous, clock, faults, scheduler, local, dynamodb }
    }

    /// Starts two stacks on one table, each with its own clock and caches, like two instances of a function.
    pub async fn start_pair(data: &DataDirectory) -> [Self; 2] {
        let one = Self::start_with(Options { data: Some(data), ..Options::default() }).await;
        let dynamodb_endpoint = Some(one.local.dynamodb_endpoint.clone());
        let other = Self::start_with(Options { data: Some(data), dynamodb_endpoint, ..Options::default() }).await;
        [one, other]
    }

    /// Returns a client with an access token of the development issuer. `scope` may include `role:operator`.
    pub async fn sign_in(&self, email: &str, scope: &str) -> Client {
        let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", email)];
        let form: Vec<_> = form.into_iter().chain([("password", "any"), ("scope", scope)]).collect();
        let tokens = self.anonymous.send(Method::POST, "/dev/oidc/token", |request| request.form(&form)).await;
        let tokens = tokens.expect_status(200);
        let token = tokens["access_token"].as_str().expect("an access token");
        self.anonymous.with_header("authorization", &format!("Bearer {token}"))
    }

    /// Starts another server, with other routes or another application state, and returns a client for it.
    pub async fn serve_routes(&self, routes: axum::Router<AppState>, app: &AppState) -> Client {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a local address");
        let app = with_middleware(routes, app);
        tokio::spawn(async { axum::serve(listener, app).await });
        Client::new(&format!("http://{address}"))
    }

    /// Advances the clock.
    pub fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// Returns the id of the operator's API key, which is part of its secret.
    ///
    /// # Panics
    ///
    /// Panics if the API key has another format.
    pub fn operator_api_key_id(&self) -> String {
        let secret = self.local.operator_api_key.expose();
        let (id, _) = secret.trim_start_matches("signet_").rsplit_once('_').expect("an API key");
        id.to_owned()
    }

    /// Stops the stack and waits until it has stopped. Dropping it also stops it, without waiting.
    pub async fn stop(self) {
        self.local.stop().await;
    }
}

/// Logs errors to the test's output, which a failed test shows; `RUST_LOG` sets another filter.
fn init_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    // Fails for all but the first test of the process, because the subscriber is global.
    let _ = tracing_subscriber::fmt().with_test_writer().with_ansi(false).with_env_filter(filter).try_init();
}
