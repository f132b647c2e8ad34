//! CloudFront in front of the API: requests without its secret are refused, and the client's address is the one that it
//! reports.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_sdk_dynamodb::config::Credentials;
use axum::{
    Json, Router,
    extract::Request,
    routing::{any, post},
};
use reqwest::Method;
use shared::{
    Aws, Timeouts,
    app::with_middleware,
    domain::rate_limit::{Limit, RateLimits},
    secrets::{self, OriginSecret},
};
use signet_local::{Options, all_routes};
use signet_tests::{Browser, Client, Faults, Stack, Value, json};
use tower::ServiceExt;

const HEADER: &str = "x-signet-origin";
const VIEWER: &str = "cloudfront-viewer-address";

/// Returns the value of a version of the secret.
fn value(version: usize) -> String {
    format!("{version:064}")
}

/// Starts a Secrets Manager on loopback, whose current version is the number. Returns its endpoint.
async fn secrets_manager(current: Arc<AtomicUsize>) -> String {
    let get_secret_value = move |body: String| {
        let request: Value = serde_json::from_str(&body).unwrap();
        let current = current.load(Ordering::SeqCst);
        let version = if request["VersionStage"] == "AWSPREVIOUS" { current - 1 } else { current };
        let secret = json!({ "key": value(version) }).to_string();
        async move { Json(json!({ "Name": "origin", "VersionId": version.to_string(), "SecretString": secret })) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(get_secret_value));
    tokio::spawn(async { axum::serve(listener, router).await });
    endpoint
}

/// A stack behind CloudFront.
struct Protected {
    /// The stack, whose clients send the current secret, as CloudFront does.
    stack: Stack,
    /// A client that sends its requests to the origin, without the secret.
    direct: Client,
    /// The version of the secret in Secrets Manager.
    current: Arc<AtomicUsize>,
    /// Records the calls to Secrets Manager.
    calls: Faults,
}

impl Protected {
    async fn start() -> Self {
        let failed_auth = Some(Limit { max: 3, seconds: 60 });
        let rate_limits = RateLimits { failed_auth, activations: None };
        let mut stack = Stack::start_with(Options { rate_limits, ..Options::default() }).await;
        let (current, calls) = (Arc::new(AtomicUsize::new(2)), Faults::default());
        let endpoint = secrets_manager(Arc::clone(&current)).await;
        let credentials = Credentials::new("test", "test", None, None, "test");
        let aws = Aws::new("us-east-1", Some(credentials), calls.http_client(), Timeouts::default());
        let client = secrets::connect(&aws, Some(endpoint));
        let secret = OriginSecret::from_secrets_manager(client, "origin", stack.clock.now()).await.unwrap();
        let mut app = stack.local.app.clone();
        app.origin_secret = Some(secret);
        let routes = with_middleware(all_routes().merge(dashboard::routes(&app)), &app);
        // The development issuer is not behind CloudFront.
        let local = stack.local.router.clone();
        let issuer = any(move |request: Request| local.oneshot(request));
        let router = Router::new().route("/dev/{*path}", issuer).fallback_service(routes);
        let direct = Client::in_process(&stack.local.base_url, router);
        stack.anonymous = direct.with_header(HEADER, &value(2));
        stack.operator = stack.anonymous.with_api_key(stack.local.operator_api_key.expose());
        calls.reset_calls();
        Self { stack, direct, current, calls }
    }

    /// Puts a new version of the secret into Secrets Manager.
    fn rotate(&self) {
        self.current.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns a client that sends this version of the secret.
    fn with_version(&self, version: usize) -> Client {
        self.direct.with_header(HEADER, &value(version))
    }
}

/// Returns a client whose address CloudFront reports as this one.
fn viewer(client: &Client, address: &str) -> Client {
    client.with_header(VIEWER, address)
}

async fn assert_refused(client: &Client) {
    client.get("/health").await.expect_problem(403, "direct_access_denied");
}

async fn assert_accepted(client: &Client) {
    client.get("/health").await.expect_status(200);
}

#[tokio::test]
async fn requests_without_the_secret_are_refused_and_told_the_url_of_the_installation() {
    let protected = Protected::start().await;
    let stack = &protected.stack;
    assert_accepted(&stack.anonymous).await;
    let problem = protected.direct.get("products").await;
    problem.expect_problem(403, "direct_access_denied");
    assert_eq!(problem.body["detail"], format!("send the request to {}", stack.local.base_url));
    assert_eq!(problem.header("cache-control"), "no-store");
    for wrong in ["", "x", &value(3), &value(2)[1..], &format!("{}, {}", value(2), value(2))] {
        assert_refused(&protected.direct.with_header(HEADER, wrong)).await;
    }
}

#[tokio::test]
async fn every_operation_requires_the_secret_whatever_the_credentials() {
    let protected = Protected::start().await;
    let operations = protected.stack.operations_with_own_resources().await;
    protected.stack.faults.reset_calls();
    for operation in &operations {
        for caller in [&protected.direct, &operation.caller.with_header(HEADER, "wrong")] {
            let refused = operation.with_caller(caller).send_valid().await;
            refused.expect_problem(403, "direct_access_denied");
        }
    }
    assert_eq!(protected.stack.faults.calls(), Vec::<String>::new(), "a refused request costs no call");
    for operation in &operations {
        let response = operation.send_valid().await;
        assert_ne!(response.body["code"], "direct_access_denied", "{}", response.request);
    }
}

#[tokio::test]
async fn paths_and_methods_without_an_operation_require_the_secret() {
    let protected = Protected::start().await;
    for (method, path) in [
        (Method::GET, "/dashboard"),
        (Method::GET, "/dashboard/sign-in"),
        (Method::POST, "/dashboard/customers/new"),
        (Method::GET, "/api/v1/products"),
        (Method::GET, "/api/v2/products"),
        (Method::GET, "/nothing"),
        (Method::PATCH, "/api/v1.0/products"),
        (Method::OPTIONS, "/api/v1.0/products"),
    ] {
        let refused = protected.direct.send(method.clone(), path, |request| request).await;
        refused.expect_problem(403, "direct_access_denied");
        let accepted = protected.stack.anonymous.send(method, path, |request| request).await;
        assert_ne!(accepted.body["code"], "direct_access_denied", "{}", accepted.request);
    }
    assert_eq!(protected.direct.send(Method::HEAD, "/health", |request| request).await.status, 403);
    let preflight = |request: reqwest::RequestBuilder| {
        request.header("origin", "https://shop.example.com").header("access-control-request-method", "GET")
    };
    let catalog = "/api/v1.0/products/catalog";
    assert_eq!(protected.direct.send(Method::OPTIONS, catalog, preflight).await.status, 403);
    let accepted = protected.stack.anonymous.send(Method::OPTIONS, catalog, preflight).await;
    assert_eq!((accepted.status, accepted.header("access-control-allow-origin")), (200, "*"));
}

#[tokio::test]
async fn the_secret_is_rotated_without_an_interruption() {
    let protected = Protected::start().await;
    let (old, new) = (protected.with_version(2), protected.with_version(3));
    protected.stack.advance(60);
    assert_refused(&new).await;

    // Functions that have cached the secret accept the new value at once, and the value that CloudFront still sends.
    protected.rotate();
    assert_accepted(&old).await;
    protected.stack.advance(5);
    assert_accepted(&new).await;
    assert_accepted(&old).await;
    protected.stack.advance(3600);
    assert_accepted(&old).await;
    assert_accepted(&new).await;

    // The next rotation invalidates it, after at most five minutes.
    protected.rotate();
    protected.stack.advance(300);
    assert_refused(&old).await;
    assert_accepted(&new).await;
    assert_accepted(&protected.with_version(4)).await;
}

#[tokio::test]
async fn the_secret_is_read_once_in_five_minutes_and_at_most_every_five_seconds_for_wrong_values() {
    let protected = Protected::start().await;
    let reads = || protected.calls.calls().len();
    for _ in 0..10 {
        protected.stack.advance(29);
        assert_accepted(&protected.stack.anonymous).await;
    }
    assert_eq!(reads(), 0);
    protected.stack.advance(10);
    for _ in 0..10 {
        assert_accepted(&protected.stack.anonymous).await;
    }
    assert_eq!(reads(), 1);
    protected.stack.advance(5);
    for _ in 0..10 {
        assert_refused(&protected.with_version(9)).await;
        assert_refused(&protected.direct).await;
    }
    assert_eq!(reads(), 2);
}

#[tokio::test]
async fn failed_attempts_are_counted_and_recorded_per_address_of_the_viewer() {
    let protected = Protected::start().await;
    let stack = &protected.stack;
    let license = stack.operator.issue_new_license(9).await;
    let fail =
        async |client: &Client| client.post("license-keys/validate", json!({"license_key": "ATLAS-XXXX"})).await.status;
    for (first, same, others) in [
        ("198.51.100.10:46532", "198.51.100.10:1", ["198.51.100.11:46532", "203.0.113.7:1"]),
        ("2001:db8:1:2::a:46532", "2001:db8:1:2::b:1", ["2001:db8:1:3::a:46532", "2001:db8:9::1:1"]),
    ] {
        let first = viewer(&stack.anonymous, first);
        for _ in 0..3 {
            assert_eq!(fail(&first).await, 200);
        }
        assert_eq!(fail(&first).await, 429);
        assert_eq!(fail(&viewer(&stack.anonymous, same)).await, 429);
        for other in others {
            assert_eq!(fail(&viewer(&stack.anonymous, other)).await, 200, "{other}");
        }
    }
    for (number, (address, ip)) in
        [("198.51.100.10:46532", "198.51.100.10"), ("2001:db8:1:2::a:46532", "2001:db8:1:2::a")].iter().enumerate()
    {
        let client = viewer(&stack.anonymous, address);
        let activated = client.activate(&license.license_key, &number.to_string()).await.expect_status(201);
        assert_eq!(activated["activation"]["ip"], *ip);
    }
}

#[tokio::test]
async fn the_address_is_that_of_the_connection_if_cloudfront_sends_none() {
    let protected = Protected::start().await;
    let license = protected.stack.operator.issue_new_license(9).await;
    for (machine, client) in [
        ("one", protected.stack.anonymous.clone()),
        ("two", viewer(&protected.stack.anonymous, "unknown")),
        ("three", viewer(&protected.stack.anonymous, "198.51.100.10:1, 203.0.113.9:2")),
    ] {
        let activated = client.activate(&license.license_key, machine).await.expect_status(201);
        assert_eq!(activated["activation"]["ip"], "127.0.0.1", "{machine}");
    }
}

#[tokio::test]
async fn the_dashboard_works_behind_cloudfront() {
    let protected = Protected::start().await;
    // The form is sent to the API within the process, without the secret.
    let mut grace = Browser::operator(&protected.stack).await;
    let fields = [("name", "Ada"), ("email", "ada@example.com")];
    grace.submit_form("/dashboard/customers/new", &fields).await.redirect();
    let customers = protected.stack.operator.get("customers").await.expect_status(200);
    assert_eq!(customers["items"][0]["name"], "Ada");
}
