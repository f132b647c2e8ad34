//! The commands for operators, against a running stack.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect},
    routing::{get, post},
};
use serde_json::{Value, json};
use signet_tests::{Stack, text};

/// The user of a home directory, who runs commands.
pub(crate) struct User {
    pub(crate) home: tempfile::TempDir,
    /// An API key that no command may print.
    key: String,
    environment: Vec<(&'static str, String)>,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl User {
    pub(crate) fn new(key: &str) -> Self {
        Self { home: tempfile::tempdir().unwrap(), key: key.to_owned(), environment: Vec::new() }
    }

    pub(crate) fn with_environment(url: &str, key: &str) -> Self {
        let environment = vec![("SIGNET_API_URL", url.to_owned()), ("SIGNET_API_KEY", key.to_owned())];
        Self { environment, ..Self::new(key) }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
        command.args(arguments).env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME");
        command.env_remove("SIGNET_API_URL").env_remove("SIGNET_API_KEY").env("HTTP_PROXY", "http://127.0.0.1:1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command with `input` on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Done {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let done: Done = child.wait_with_output().unwrap().into();
        assert!(!done.stdout.contains(&self.key) && !done.stderr.contains(&self.key), "{done:?}");
        done
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, "")
    }

    /// Runs a command that prints one JSON object.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let lines = self.lines(arguments);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.into_iter().next().unwrap()
    }

    /// Runs a command that prints JSON lines, and nothing on stderr.
    #[track_caller]
    pub(crate) fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let done = self.run(arguments);
        assert!(done.code == Some(0) && done.stderr.is_empty(), "{arguments:?}: {done:?}");
        done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn file(&self) -> std::path::PathBuf {
        self.home.path().join(".config/signet/credentials.json")
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Done {
    /// Asserts that the command failed with this exit code, printed nothing and named the cause.
    #[track_caller]
    pub(crate) fn expect_failure(self, code: i32, expected: &str) -> String {
        assert!(self.code == Some(code) && self.stdout.is_empty() && self.stderr.contains(expected), "{self:?}");
        self.stderr
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_logs_in_sells_and_manages_a_license() {
    let stack = Stack::start().await;
    let (url, key) = (&*stack.local.base_url, stack.local.operator_api_key.expose());
    let user = User::new(key);

    user.run(&["keys", "list"]).expect_failure(3, "not logged in");
    let wrong = key.replace("signet_key_", "signet_key_0");
    // As the server prints it.
    let api_url = format!("{url}/api/v1.0");
    let login = ["login", "--url", &api_url, "--key-stdin"];
    let refused = user.run_with(&login, &wrong).expect_failure(3, "(unauthenticated)");
    assert!(refused.contains("request id: ") && !refused.contains(&wrong) && !user.file().exists(), "{refused}");
    user.run_with(&login, "").expect_failure(2, "the API key is empty");
    user.run(&["login"]).expect_failure(2, "standard input is not a terminal");
    let done = user.run_with(&login, &format!("{key}\n"));
    assert!(done.code == Some(0) && done.stdout.is_empty() && done.stderr.starts_with("Logged in to"), "{done:?}");
    assert_eq!((mode(&user.file()), mode(user.file().parent().unwrap())), (0o600, 0o700));

    let product = user.json(&["products", "create", "--code", "atlas", "--name", "Atlas", "--metadata", "team=maps"]);
    assert_eq!(product["metadata"], json!({"team": "maps"}));
    let price =
        ["--monthly-price", "1900", "--annual-price", "19000", "--currency", "EUR", "--billing-period", "annual"];
    let tier = ["tiers", "create", "--product-id", text(&product["id"]), "--code", "pro", "--name", "Pro"];
    let tier = user.json(&[&tier[..], &price, &["--max-users", "2"]].concat());
    let customer = user.json(&["customers", "create", "--name", "Ada", "--email", "ada@example.com"]);
    let issue = ["keys", "issue", "--customer-id", text(&customer["id"]), "--tier-id", text(&tier["id"])];
    let issue = [&issue[..], &["--max-users", "null"]].concat();
    // A license key that could not be printed is not lost.
    let mut lost = user.command(&issue);
    let lost: Done = lost.stdout(fs::File::create("/dev/full").unwrap()).output().unwrap().into();
    let (error, again) = lost.stderr.split_once("--idempotency-key").unwrap();
    assert!(lost.code == Some(1) && error.contains("The request took effect"), "{lost:?}");
    let issued = user.json(&[&issue[..], &["--idempotency-key", again.trim()]].concat());
    assert_eq!(user.lines(&["keys", "list"]).len(), 1);
    assert!(text(&issued["license_key"]).starts_with("ATLAS-") && issued["license"]["max_users"].is_null());

    let id = text(&issued["license"]["id"]);
    let renewed = user.json(&["keys", "renew", id]);
    assert!(text(&renewed["expires_at"]) > text(&issued["license"]["expires_at"]), "{renewed}");
    user.run(&["keys", "list", "--external-id", ""]).expect_failure(1, "--external-id: must not be empty");
    let named = user.json(&["keys", "update", id, "--name", "Berlin", "--external-id", "order-1"]);
    assert_eq!((&named["name"], &named["external_id"]), (&json!("Berlin"), &json!("order-1")));
    assert!(user.json(&["keys", "update", id, "--name", "null"])["name"].is_null());
    assert_eq!(user.json(&["keys", "audit", id, "--repair"])["ok"], true);

    let activated = stack.anonymous.activate(text(&issued["license_key"]), "one").await.expect_status(201);
    let machines = user.lines(&["activations", "list", "--license-id", id]);
    assert_eq!(machines[0]["id"], activated["activation"]["id"]);
    user.json(&["activations", "deactivate", text(&machines[0]["id"])]);
    assert_eq!(user.json(&["keys", "suspend", id, "--reason", "unpaid"])["status"], "suspended");
    let types: BTreeSet<_> =
        user.lines(&["keys", "events", id, "--all"]).iter().map(|event| text(&event["type"]).to_owned()).collect();
    assert!(types.contains("license.renewed") && types.contains("license.suspended"), "{types:?}");

    let created = user.json(&["api-keys", "create", "--name", "ci", "--scopes", "licenses:read"]);
    let reader = User::with_environment(url, text(&created["api_key"]));
    assert_eq!(reader.json(&["keys", "get", id])["status"], "suspended");
    reader.run(&["keys", "revoke", id]).expect_failure(1, "(forbidden)");
    let deleted = user.run(&["api-keys", "delete", text(&created["id"])]);
    assert!(deleted.code == Some(0) && deleted.stdout.is_empty(), "{deleted:?}");
    reader.run(&["keys", "get", id]).expect_failure(3, "(unauthenticated)");

    for _ in 0..2 {
        assert_eq!(user.run(&["logout"]).code, Some(0));
    }
    assert!(!user.file().exists());
    user.run(&["keys", "get", id]).expect_failure(3, "not logged in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_overrides_are_options() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let user = User::with_environment(&stack.local.base_url, stack.local.operator_api_key.expose());
    let (product, id) = (text(&license.product["id"]), &*license.license_id);
    let limit = ["features", "create", "--product-id", product, "--key", "rows", "--name", "Rows", "--kind", "limit"];
    let limit = user.json(&[&limit[..], &["--unit", "rows"]].concat());
    let (rows, pdf) = (text(&limit["id"]), text(&license.feature["id"]));
    for value in ["1000", "null"] {
        let limits = format!("{rows}={value}");
        let tier = user.json(&["tiers", "update", text(&license.tier["id"]), "--feature-limits", &limits]);
        assert_eq!(tier["feature_limits"][rows].to_string(), value);
    }
    let overrides = [
        format!(r#"{{"feature_id": "{rows}", "limit": 5000, "note": "until May"}}"#),
        format!(r#"{{"feature_id": "{pdf}", "enabled": false}}"#),
    ];
    let set = user.json(&["keys", "overrides", id, "--overrides", &overrides[0], "--overrides", &overrides[1]]);
    let values = (&set["overrides"][0]["limit"], &set["overrides"][1]["enabled"]);
    assert_eq!(values, (&json!(5000), &json!(false)));
    let none = user.run_with(&["keys", "overrides", id, "--body", "-"], r#"{"overrides": []}"#);
    assert!(none.code == Some(0) && none.stdout.contains(r#""overrides":[]"#), "{none:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_follow_cursors_and_end_early_without_an_error() {
    let stack = Stack::start().await;
    let user = User::with_environment(&stack.local.base_url, stack.local.operator_api_key.expose());
    for number in 0..103 {
        let body = json!({"name": format!("Customer {number}"), "email": format!("c{number}@example.com")});
        stack.operator.post("customers", body).await.expect_status(201);
    }
    for (arguments, expected) in
        [(&[][..], 25), (&["--limit", "102"], 102), (&["--all"], 103), (&["--limit", "500"], 103)]
    {
        let lines = user.lines(&[&["customers", "list"], arguments].concat());
        let ids: BTreeSet<_> = lines.iter().map(|customer| text(&customer["id"]).to_owned()).collect();
        assert_eq!((lines.len(), ids.len()), (expected, expected), "{arguments:?}");
    }
    assert_eq!(user.lines(&["customers", "list", "--email", "c7@example.com"])[0]["name"], "Customer 7");

    // A reader that closes the pipe.
    let mut command = user.command(&["customers", "list", "--all", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let done: Done = child.wait_with_output().unwrap().into();
    assert!(done.code == Some(0) && done.stderr.is_empty(), "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_name_the_option_and_have_an_exit_code() {
    let stack = Stack::start().await;
    let (url, key) = (&*stack.local.base_url, stack.local.operator_api_key.expose());
    let user = User::with_environment(url, key);
    let license = stack.operator.issue_new_license(1).await.license_id;
    for (arguments, code, expected) in [
        (&["products", "create", "--code", "A", "--name", "Atlas"][..], 1, "--code: "),
        (&["keys", "reinstate", &license], 1, "(state_conflict)"),
        (&["keys", "get", "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB"], 1, "(not_found)"),
        (&["keys", "renew", &license, "--expires-at", "tomorrow"], 1, "--expires-at: "),
        (&["keys", "list", "--customer-id", "x"], 1, "--customer-id: "),
        (&["products", "create", "--name", "Atlas"], 2, "--code <TEXT>"),
        (&["keys", "list", "--status", "lost"], 2, "possible values: active"),
        (&["keys"], 2, "Usage: signet keys <COMMAND>"),
        (&["login", "--url", "ftp://a"], 2, "API URL: expected a URL"),
        (&["customers", "create", "--body", "-"], 2, "--body -: expected a JSON object"),
    ] {
        let message = user.run(arguments).expect_failure(code, expected);
        assert_eq!(message.contains("request id: "), code == 1, "{message}");
    }
    let customer = r#"{"name": "Ada", "email": "ada@example.com"}"#;
    let created = user.run_with(&["customers", "create", "--body", "-", "--company", "Engines"], customer);
    assert!(created.code == Some(0) && created.stdout.contains("Engines"), "{created:?}");

    let nothing = User::with_environment("http://127.0.0.1:1", key);
    nothing.run(&["keys", "list"]).expect_failure(4, "no response from http://127.0.0.1:1/: Connection refused");
    let refused = nothing.run(&["keys", "renew", &license]).expect_failure(4, "Connection refused");
    assert!(!refused.contains("--idempotency-key"), "nothing was sent: {refused}");
    User::with_environment("127.0.0.1", key).run(&["keys", "list"]).expect_failure(2, "API URL");
}

/// The requests that a server received: its `Idempotency-Key` and its API key.
type Received = Arc<Mutex<Vec<(Option<String>, Option<String>)>>>;

fn record(received: &Received, headers: &HeaderMap) -> usize {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let mut received = received.lock().unwrap();
    received.push((header("idempotency-key"), header("x-api-key")));
    received.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_failures_are_retried_with_the_same_idempotency_key_and_redirects_are_not_followed() {
    let received = Received::default();
    let renew = |State(received): State<Received>, headers: HeaderMap| async move {
        match record(&received, &headers) {
            1 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")], "").into_response(),
            2 => (StatusCode::CONFLICT, [("retry-after", "0")], "").into_response(),
            _ => r#"{"id": "lic_1"}"#.into_response(),
        }
    };
    let unavailable = |State(received): State<Received>, headers: HeaderMap| async move {
        record(&received, &headers);
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")], "")
    };
    let routes = Router::new()
        .route("/api/v1.0/license-keys/lic_1/renew", post(renew))
        .route("/api/v1.0/license-activations/act_1/deactivate", post(unavailable))
        .route("/api/v1.0/products", get(|| async { Redirect::temporary("/elsewhere") }).post(unavailable))
        .route("/api/v1.0/customers", get(|| async { "<html>" }))
        .route("/elsewhere", get(unavailable));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = routes.with_state(received.clone());
    tokio::spawn(async { axum::serve(listener, app).await });

    let user = User::with_environment(&url, "signet_key_x");
    assert_eq!(user.json(&["keys", "renew", "lic_1"])["id"], "lic_1");
    let sent = std::mem::take(&mut *received.lock().unwrap());
    let keys: BTreeSet<_> = sent.iter().map(|(once, _)| once.clone().unwrap()).collect();
    assert!(sent.len() == 3 && keys.len() == 1 && keys.iter().all(|key| key.len() == 32), "{sent:?}");
    assert!(sent.iter().all(|(_, key)| key.as_deref() == Some("signet_key_x")));
    user.json(&["keys", "renew", "lic_1", "--json"]);
    assert!(received.lock().unwrap().iter().all(|(once, _)| !keys.contains(once.as_ref().unwrap())));

    received.lock().unwrap().clear();
    user.run(&["activations", "deactivate", "act_1"]).expect_failure(4, "503 Service Unavailable");
    assert_eq!(received.lock().unwrap().len(), 1, "this operation accepts no idempotency key");
    let create = ["products", "create", "--code", "atlas", "--name", "Atlas"];
    let failed = user.run(&create).expect_failure(4, "may have taken effect");
    let sent = std::mem::take(&mut *received.lock().unwrap());
    let once = sent[3].0.clone().unwrap();
    assert!(sent.len() == 4 && failed.ends_with(&format!(" --idempotency-key {once}\n")), "{failed} {sent:?}");
    user.run(&[&create[..], &["--idempotency-key", &once]].concat()).expect_failure(4, &once);
    assert!(received.lock().unwrap().drain(..).all(|(key, _)| key.as_ref() == Some(&once)));
    user.run(&["products", "list"]).expect_failure(4, "check the URL");
    user.run(&["customers", "list"]).expect_failure(4, "check the URL");
    assert!(received.lock().unwrap().is_empty(), "the API key is sent to no other address");
}

#[test]
fn completion_scripts_know_the_operations_of_the_api() {
    let user = User::new("signet_key_x");
    for shell in ["bash", "zsh", "fish"] {
        let done = user.run(&["completion", shell]);
        assert!(done.code == Some(0) && done.stderr.is_empty(), "{}", done.stderr);
        for word in ["reinstate", "customer-id", "superseded", "read-export"] {
            assert!(done.stdout.contains(word), "{shell}: {word}");
        }
    }
    let help = user.run(&["--help"]).stdout;
    for command in ["login", "keys", "signing-keys", "reencrypt", "--listen"] {
        assert!(help.contains(command), "{help}");
    }
}
