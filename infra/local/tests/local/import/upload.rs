//! The import of the exports of other systems into a running stack, and its interruptions.

use std::{
    fs,
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use signet_tests::{Stack, text};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{FIXTURES, Fixture, fixtures};
use crate::cli::{Done, User};

const IMPORTS: &str = "/api/v1.0/imports";

/// Creates the product and the pricing tiers that the maps of the fixtures name.
async fn create_catalog(stack: &Stack) {
    let product = json!({"code": "orbit", "name": "Orbit"});
    let product = stack.operator.post("products", product).await.expect_status(201);
    for (code, max_users) in [("pro", json!(3)), ("site", Value::Null)] {
        let tier = json!({"product_id": product["id"], "code": code, "name": code, "max_users": max_users,
            "monthly_price": 1900, "annual_price": 19000, "currency": "EUR", "billing_period": "annual"});
        stack.operator.post("pricing-tiers", tier).await.expect_status(201);
    }
}

fn operator(stack: &Stack) -> User {
    User::with_environment(&stack.local.base_url, stack.local.operator_api_key.expose())
}

impl Fixture {
    /// Imports the files with more arguments and returns the result.
    #[track_caller]
    fn import(&self, user: &User, more: &[&str]) -> Value {
        let arguments = [&["import"], more, self.arguments].concat();
        let done: Done = user.command(&arguments).current_dir(fixtures()).output().unwrap().into();
        assert_eq!(done.code, Some(0), "{}: {done:?}", self.name);
        serde_json::from_str(&done.stdout).unwrap()
    }

    fn expected_lines(&self) -> Vec<Value> {
        let path = fixtures().join("expected").join(format!("{}.ndjson", self.name));
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn result(lines: usize, created: usize, unchanged: usize) -> Value {
    json!({"lines": lines, "created": created, "unchanged": unchanged, "failed": 0, "skipped": 0, "errors": []})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_of_other_systems_are_imported_once_and_their_keys_activate() {
    for fixture in FIXTURES {
        let stack = Stack::start().await;
        create_catalog(&stack).await;
        let user = operator(&stack);
        let lines = fixture.expected_lines();
        assert_eq!(fixture.import(&user, &["--dry-run"]), result(lines.len(), lines.len(), 0), "{}", fixture.name);
        assert!(user.lines(&["export", "customers"]).is_empty(), "{}: a dry run imports nothing", fixture.name);
        assert_eq!(fixture.import(&user, &[]), result(lines.len(), lines.len(), 0), "{}", fixture.name);
        assert_eq!(fixture.import(&user, &[]), result(lines.len(), 0, lines.len()), "{}", fixture.name);

        let licenses: Vec<_> = lines.iter().filter(|line| line["type"] == "license").collect();
        let active = licenses.iter().find(|line| line["status"] == "active").unwrap();
        let key = text(&active["license_key"]);
        let activated = stack.anonymous.activate(key, "a new machine").await.expect_status(201);
        let license = user.lines(&["keys", "list", "--external-id", text(&active["external_id"])]);
        assert_eq!((license.len(), &license[0]["id"]), (1, &activated["activation"]["license_id"]), "{}", fixture.name);
        check_export(&user, fixture, &lines);
    }
}

/// Asserts that the exports have the imported resources and no license key.
fn check_export(user: &User, fixture: &Fixture, lines: &[Value]) {
    for (export, line_type, id) in [("customers", "customer", "external_id"), ("licenses", "license", "external_id")] {
        let file = user.home.path().join("export.ndjson");
        let done = user.run(&["export", export, "--output", file.to_str().unwrap()]);
        assert!(done.code == Some(0) && done.stdout.is_empty() && done.stderr.is_empty(), "{done:?}");
        assert_eq!(crate::cli::mode(&file), 0o600);
        let written = fs::read_to_string(&file).unwrap();
        assert_eq!(user.run(&["export", export]).stdout, written);
        let exported: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids = |lines: &[Value]| {
            let own = lines.iter().filter(|line| line["type"] == line_type);
            let mut ids: Vec<_> = own.map(|line| text(&line[id]).to_owned()).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&exported), ids(lines), "{}", fixture.name);
        for key in lines.iter().filter_map(|line| line["license_key"].as_str()) {
            assert!(!written.contains(key), "{}: {key}", fixture.name);
        }
    }
    assert!(!user.lines(&["export", "events"]).is_empty());
}

/// A server between the command and the stack. It forwards the first page and never answers the second one.
#[derive(Clone)]
struct Proxy {
    url: String,
    /// Receives the number of lines of each page, and then of those that the first page created.
    received: UnboundedSender<u64>,
}

async fn forward_first_page(State(proxy): State<Proxy>, headers: HeaderMap, body: String) -> Response {
    proxy.received.send(body.lines().count() as u64).unwrap();
    if !body.contains("\"c0\"") {
        std::future::pending::<()>().await;
    }
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let request = client.post(format!("{}{IMPORTS}", proxy.url)).body(body);
    let header = |name: &'static str| (name, headers[name].clone());
    let request = [header("x-api-key"), header("content-type")]
        .into_iter()
        .fold(request, |request, (name, value)| request.header(name, value));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    proxy.received.send(answer["created"].as_u64().unwrap()).unwrap();
    ([("content-type", "application/json")], answer.to_string()).into_response()
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    url
}

/// Returns lines of customers with these numbers.
fn customers(numbers: std::ops::Range<usize>) -> String {
    let line = |number| {
        format!(
            "{{\"type\":\"customer\",\"external_id\":\"c{number}\",\"name\":\"C\",\"email\":\"c{number}@example.com\"}}\n"
        )
    };
    numbers.map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn import_that_was_killed_goes_on_when_it_is_run_again() {
    let stack = Stack::start().await;
    let user = operator(&stack);
    let file = user.home.path().join("customers.ndjson");
    fs::write(&file, customers(0..1_500)).unwrap();
    let arguments = ["import", file.to_str().unwrap()];
    let (received, mut pages) = unbounded_channel();
    let proxy = Proxy { url: stack.local.base_url.clone(), received };
    let url = serve(Router::new().route(IMPORTS, post(forward_first_page)).with_state(proxy)).await;

    let through_proxy = User::with_environment(&url, stack.local.operator_api_key.expose());
    let mut command = through_proxy.command(&arguments);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(pages.recv().await, Some(1_000));
    // Fewer than the page has if the time of the request was used up.
    let created = usize::try_from(pages.recv().await.unwrap()).unwrap();
    assert_eq!(pages.recv().await, Some(1_000.min(1_500 - created) as u64));
    running.kill().unwrap();
    let killed: Done = running.wait_with_output().unwrap().into();
    assert_eq!(
        (killed.code, &*killed.stdout, &*killed.stderr),
        (None, "", ""),
        "there is no progress without a terminal"
    );

    assert_eq!(user.json(&arguments), result(1_500, 1_500 - created, created));
    assert_eq!(user.json(&arguments), result(1_500, 0, 1_500));
    assert_eq!(user.lines(&["export", "customers"]).len(), 1_500, "exports follow the pages");
}

/// The number of lines of a body, and the query of its request.
type Received = (usize, Option<String>);

/// The bodies that a server received.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Received>>>);

/// Answers with errors, then stops in the middle of the second page.
async fn answer_in_parts(State(recorder): State<Recorder>, uri: axum::http::Uri, body: String) -> Response {
    let number = {
        let mut received = recorder.0.lock().unwrap();
        received.push((body.lines().count(), uri.query().map(str::to_owned)));
        received.len()
    };
    let error = |line: usize, code: &str| json!({"line": line, "pointer": "/email", "code": code, "detail": "no"});
    let answer = |created: usize, errors: Vec<Value>, next: Value| {
        let lines = created + errors.len();
        let answer = json!({"lines": lines, "created": created, "unchanged": 0, "failed": errors.len(),
            "errors": errors, "next_line": next});
        ([("content-type", "application/json")], answer.to_string()).into_response()
    };
    match number {
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")], "").into_response(),
        2 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")], "").into_response(),
        3 => answer(1, vec![error(2, "email_taken")], json!(3)),
        4 => answer(2, vec![error(1, "invalid_value")], Value::Null),
        5 => answer(5, Vec::new(), Value::Null),
        6 => answer(1, Vec::new(), json!(2)),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "").into_response(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_the_line_of_the_file_and_the_next_line_is_where_the_import_goes_on() {
    let recorder = Recorder::default();
    let url = serve(Router::new().route(IMPORTS, post(answer_in_parts)).with_state(recorder.clone())).await;
    let user = User::with_environment(&url, "signet_key_x");
    let file = user.home.path().join("customers.ndjson");
    let lines = customers(0..5);
    let (first, rest) = lines.split_once('\n').unwrap();
    fs::write(&file, format!("\n{first}\n\n\n{rest}")).unwrap();
    let arguments = ["import", file.to_str().unwrap()];

    let failed = user.run(&arguments);
    let error = |line: u64, code: &str| json!({"file": arguments[1], "line": line, "record": null, "pointer": "/email", "code": code, "detail": "no"});
    let expected = json!({"lines": 5, "created": 3, "unchanged": 0, "failed": 2, "skipped": 0,
        "errors": [error(5, "email_taken"), error(6, "invalid_value")]});
    assert_eq!(serde_json::from_str::<Value>(&failed.stdout).unwrap(), expected);
    assert_eq!((failed.code, &*failed.stderr), (Some(1), "error: 2 of 5 lines failed\n"));
    let sent = |count| (count, None);
    assert_eq!(*recorder.0.lock().unwrap(), [sent(5), sent(5), sent(5), sent(3)]);

    let dry_run = user.json(&["import", "--dry-run", arguments[1]]);
    assert_eq!(dry_run["created"], 5);
    assert_eq!(recorder.0.lock().unwrap()[4], (5, Some("dry_run=true".to_owned())));

    let stopped = user.run(&arguments);
    assert_eq!(serde_json::from_str::<Value>(&stopped.stdout).unwrap()["created"], 1);
    assert!(stopped.code == Some(4) && stopped.stderr.contains("500 Internal Server Error"), "{stopped:?}");
    assert!(stopped.stderr.contains("1 of 5 lines were processed. Run the command again"), "{stopped:?}");
}

/// Answers that the time was used up after three lines, at first.
async fn answer_too_late(State(recorder): State<Recorder>, body: String) -> Response {
    let lines = body.lines().count();
    let is_first = {
        let mut received = recorder.0.lock().unwrap();
        received.push((lines, None));
        received.len() == 1
    };
    let next = if is_first { json!(4) } else { Value::Null };
    let created = if is_first { 3 } else { lines };
    let answer =
        json!({"lines": created, "created": created, "unchanged": 0, "failed": 0, "errors": [], "next_line": next});
    ([("content-type", "application/json")], answer.to_string()).into_response()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dry_run_repeats_the_lines_of_a_customer_that_the_server_checked_in_part() {
    let recorder = Recorder::default();
    let url = serve(Router::new().route(IMPORTS, post(answer_too_late)).with_state(recorder.clone())).await;
    let user = User::with_environment(&url, "signet_key_x");
    let license = |number| {
        format!("{{\"type\":\"license\",\"external_id\":\"l{number}\",\"customer_external_id\":\"c{number}\"}}\n")
    };
    let file = user.home.path().join("lines.ndjson");
    fs::write(&file, customers(0..2) + &license(0) + &license(1)).unwrap();
    assert_eq!(user.json(&["import", "--dry-run", file.to_str().unwrap()]), result(4, 4, 0));
    assert_eq!(*recorder.0.lock().unwrap(), [(4, None), (2, None), (2, None)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_installation_name_the_record_and_skipped_records_are_listed() {
    let stack = Stack::start().await;
    create_catalog(&stack).await;
    let user = operator(&stack);
    let customer = json!({"name": "Hedy", "email": "hedy@example.com"});
    stack.operator.post("customers", customer).await.expect_status(201);
    let path = |name: &str| user.home.path().join(name).to_str().unwrap().to_owned();
    let (map, file) = (path("map.json"), path("licenses.csv"));
    fs::write(&map, r#"{"default_tier": {"product_code": "orbit", "tier_code": "pro"}}"#).unwrap();
    let rows = [
        "external_id,license_key,customer_email,expires_at",
        "1,FIRST-KEY-1234,hedy@example.com,2027-01-01",
        "2,SHORT,mary@example.com,2027-01-01",
        "3,THIRD-KEY-1234,mary@example.com,soon",
        "4,FOURTH-KEY-1234,mary@example.com,never",
    ];
    fs::write(&file, rows.join("\n")).unwrap();
    let done = user.run(&["import", "--from", "csv", "--map", &map, "--skip-invalid", &file]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let result: Value = serde_json::from_str(&done.stdout).unwrap();
    let found: Vec<_> = text_fields(&result["errors"], ["line", "pointer", "code"]);
    let expected = [
        ["4", "expires_at", "invalid_record"],
        ["2", "/email", "email_taken"],
        ["2", "/customer_external_id", "reference_not_found"],
        ["3", "/license_key", "invalid_value"],
    ];
    assert_eq!(found, expected);
    assert_eq!((&result["created"], &result["failed"], &result["skipped"]), (&json!(2), &json!(3), &json!(1)));
    assert!(!done.stdout.contains("SHORT") && !done.stderr.contains("KEY-1234"), "{done:?}");
    stack.anonymous.activate("FOURTH-KEY-1234", "one").await.expect_status(201);
}

fn text_fields<const N: usize>(errors: &Value, names: [&str; N]) -> Vec<[String; N]> {
    let field = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    errors.as_array().unwrap().iter().map(|error| names.map(|name| field(&error[name]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dry_run_of_several_pages_checks_license_keys_with_their_customers() {
    let stack = Stack::start().await;
    create_catalog(&stack).await;
    let user = operator(&stack);
    let license = |number| {
        format!(
            "{{\"type\":\"license\",\"external_id\":\"l{number}\",\"customer_external_id\":\"c{number}\",\
            \"product_code\":\"orbit\",\"tier_code\":\"pro\",\"license_key\":\"KEY-{number:08}\"}}\n"
        )
    };
    let lines: String = (0..700).map(license).collect();
    let file = user.home.path().join("lines.ndjson");
    fs::write(&file, lines + &customers(0..700)).unwrap();
    let checked = user.json(&["import", "--dry-run", file.to_str().unwrap()]);
    assert_eq!(checked, result(1_400, 1_400, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_that_fails_leaves_the_earlier_file() {
    let stack = Stack::start().await;
    let user = operator(&stack);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("customers.ndjson");
    fs::write(&file, "of an earlier export").unwrap();
    let export = ["export", "customers", "--output", file.to_str().unwrap()];
    let nothing = User::with_environment("http://127.0.0.1:1", "signet_key_x");
    nothing.run(&export).expect_failure(4, "Connection refused");
    assert_eq!(fs::read_to_string(&file).unwrap(), "of an earlier export");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file remains");
    assert_eq!(user.run(&export).code, Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
    user.run(&["export", "tokens"]).expect_failure(2, "possible values: customers, licenses, activations, events");
    let reader = user.json(&["api-keys", "create", "--name", "reader", "--scopes", "licenses:read"]);
    let reader = User::with_environment(&stack.local.base_url, text(&reader["api_key"]));
    fs::write(&file, customers(0..1)).unwrap();
    reader.run(&["import", file.to_str().unwrap()]).expect_failure(1, "(forbidden)");
    User::new("signet_key_x").run(&["export", "events"]).expect_failure(3, "not logged in");
}
