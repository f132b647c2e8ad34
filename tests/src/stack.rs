//! A stack in memory, on a free port, whose clock stands still.

use std::{collections::VecDeque, sync::Mutex};

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use shared::{
    AppState, Clock, domain::rate_limit::RateLimits, http::middleware::with_middleware, tokens::local::PregeneratedKey,
};
use signet_local::{Folder, Options};
use tracing_subscriber::EnvFilter;

use crate::{Client, Faults};

/// When the clock of every test begins: 2026-01-15T12:00:00Z.
pub const START: Timestamp = Timestamp::constant(1_768_478_400, 0);

/// One for each test: nothing is shared, so tests run at once.
#[derive(Debug)]
pub struct Stack {
    /// Asks with the operator's API key.
    pub operator: Client,
    /// Asks with no credential.
    pub anonymous: Client,
    /// Moves only when the test says so.
    pub clock: Clock,
    /// Between the SDK and DynamoDB, KMS and Secrets Manager.
    pub faults: Faults,
    /// The rest: URLs, and the parts behind the API.
    pub local: signet_local::Stack,
}

impl Stack {
    /// Starts one.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// Starts one that lets everything be asked for as often as one likes.
    pub async fn without_limits() -> Self {
        Self::with(Options { rate_limits: RateLimits::NONE, ..Options::default() }).await
    }

    /// Starts one with other options; the clock and the SDK's HTTP client are the test's all the same.
    pub async fn with(options: Options<'_>) -> Self {
        log();
        let (clock, faults) = (Clock::manual(START), Faults::default());
        let http_client = Some(faults.http_client());
        let options = Options { clock: clock.clone(), http_client, spare_keys: spare_keys(), ..options };
        let local = signet_local::Stack::start(options).await.expect("the stack starts");
        let anonymous = Client::new(&local.base_url);
        let operator = anonymous.with_api_key(local.operator_api_key.expose());
        // What starting took is nobody's question, nor that the operator's key is noted as used, as it is once a minute.
        operator.get("products?limit=1").await.expect(200);
        faults.forget_calls();
        Self { operator, anonymous, clock, faults, local }
    }

    /// Starts two on one table, each with a clock and copies of its own, as two instances of a function have them.
    pub async fn two(data: &Folder) -> [Self; 2] {
        let one = Self::with(Options { data: Some(data), ..Options::default() }).await;
        let dynamodb_endpoint = Some(one.local.dynamodb_endpoint.clone());
        let other = Self::with(Options { data: Some(data), dynamodb_endpoint, ..Options::default() }).await;
        [one, other]
    }

    /// Asks as someone who signed in at the development issuer. `scope` may hold `role:operator`.
    pub async fn signed_in(&self, email: &str, scope: &str) -> Client {
        let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", email)];
        let form: Vec<_> = form.into_iter().chain([("password", "any"), ("scope", scope)]).collect();
        let tokens = self.anonymous.send(Method::POST, "/dev/oidc/token", |request| request.form(&form)).await;
        let tokens = tokens.expect(200);
        let token = tokens["access_token"].as_str().expect("an access token");
        self.anonymous.with_header("authorization", &format!("Bearer {token}"))
    }

    /// Asks a server beside the stack's: other routes, or other parts.
    pub async fn beside(&self, routes: axum::Router<AppState>, app: &AppState) -> Client {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it has an address");
        let app = with_middleware(routes, app);
        tokio::spawn(async { axum::serve(listener, app).await });
        Client::new(&format!("http://{address}"))
    }

    /// Moves the clock on.
    pub fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// Stops it; dropping it will do as well where nobody waits for the end.
    pub async fn stop(self) {
        self.local.stop().await;
    }
}

/// Four keys of a dozen that the tests of a process share, other ones than the last stack's.
fn spare_keys() -> Vec<PregeneratedKey> {
    static KEYS: Mutex<VecDeque<PregeneratedKey>> = Mutex::new(VecDeque::new());
    let mut keys = KEYS.lock().expect("no test fails here");
    if keys.len() < 12 {
        let made: Vec<_> = (0..4).map(|_| PregeneratedKey::generate().expect("a key is made")).collect();
        keys.extend(made.clone());
        return made;
    }
    keys.rotate_left(4);
    keys.iter().take(4).cloned().collect()
}

/// A test that fails shows what the stack logged of its faults; `RUST_LOG` says how much more.
fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    // The first test of the process sets it up for all.
    let _ = tracing_subscriber::fmt().with_test_writer().with_ansi(false).with_env_filter(filter).try_init();
}
