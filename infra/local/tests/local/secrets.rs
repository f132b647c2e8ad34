//! Secrets in logs and in the table: runs a whole license lifecycle against the `signet` binary with all logging on,
//! then searches the log and the table for every secret.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};

use data_encoding::{BASE64, HEXLOWER};
use futures_util::future::join_all;
use reqwest::{
    Method, RequestBuilder,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, REFERER, USER_AGENT},
};
use serde_json::{Value, json};
use signet_tests::{
    AppKey, Client, IssuedLicense, RawTable, SecretSearch, SignetProcess, TestResponse, secret_fragments, text,
};

/// Trace level for Signet's crates, debug level for dependencies.
const LOG_FILTER: &str = "debug,access=trace,activations=trace,catalog=trace,customers=trace,discovery=trace,\
                          licenses=trace,registration=trace,shared=trace,signet=trace,signet_local=trace";

/// A running server, its clients, and the secrets seen so far.
struct SecretsScenario {
    running: SignetProcess,
    operator: Client,
    app: Client,
    secrets: Vec<String>,
}

impl SecretsScenario {
    fn new(running: SignetProcess) -> Self {
        let app = Client::new(&running.url(""));
        let operator = app.with_api_key(&running.key());
        let secrets = vec![running.key()];
        Self { running, operator, app, secrets }
    }

    /// Records a secret and returns it.
    fn record(&mut self, secret: &Value) -> String {
        let secret = text(secret).to_owned();
        self.secrets.push(secret.clone());
        secret
    }

    /// Records the key string and the token of an issued license key.
    fn record_issued(&mut self, issued: &Value) -> (String, String) {
        (self.record(&issued["license_key"]), self.record(&issued["token"]))
    }

    /// The operator issues, changes, regenerates and revokes license keys, and creates and deletes API keys.
    async fn run_operator(&mut self) -> IssuedLicense {
        let operator = self.operator.clone();
        let tier =
            json!({"max_users": 2, "is_claimable": true, "heartbeat_interval_seconds": 2, "renew_after_seconds": 1});
        let license = operator.issue_new_license_with(&tier).await;
        self.record_issued(&license.issued);
        let issue = json!({"customer_id": operator.create_customer().await["id"], "tier_id": license.tier["id"]});
        let once = operator.with_header("idempotency-key", "order-1");
        let first = once.post("license-keys", issue.clone()).await.expect_status(201);
        assert_eq!(once.post("license-keys", issue.clone()).await.expect_status(201), first);
        once.post("license-keys", json!({"customer_id": "x"})).await.expect_problem(422, "idempotency_key_reused");
        self.record_issued(&first);
        let path = format!("license-keys/{}", text(&first["license"]["id"]));
        for (step, body) in [
            ("suspend", json!({})),
            ("reinstate", json!({})),
            ("renew", json!({})),
            ("change", json!({"max_users": 1})),
        ] {
            operator.post(&format!("{path}/{step}"), body).await.expect_status(200);
        }
        let regenerated =
            operator.with_header("idempotency-key", "again").post(&format!("{path}/regenerate"), json!({})).await;
        self.record_issued(&regenerated.expect_status(200));
        operator.post(&format!("{path}/audit"), json!({"repair": true})).await.expect_status(200);
        operator.post(&format!("{path}/revoke"), json!({"reason": "refund"})).await.expect_status(200);

        let body = json!({"name": "ci", "scopes": ["licenses:read"]});
        let created = operator.with_header("idempotency-key", "key").post("api-keys", body).await.expect_status(201);
        let key = self.record(&created["api_key"]);
        let program = self.app.with_api_key(&key);
        program.get(&path).await.expect_status(200);
        program.post("customers", json!({})).await.expect_problem(403, "forbidden");
        operator.delete(&format!("api-keys/{}", text(&created["id"]))).await.expect_status(204);
        program.get(&path).await.expect_problem(401, "unauthenticated");
        license
    }

    /// The app activates, sends heartbeats until its token is renewed, reaches the seat limit, and deactivates.
    async fn run_app(&mut self, license: &IssuedLicense) {
        let app = self.app.clone();
        let activated =
            app.activate(&license.license_key.to_lowercase().replace('-', " "), "one").await.expect_status(201);
        let mut token = self.record(&activated["token"]);
        loop {
            let heartbeat = app.heartbeat(&token, "one").await.expect_status(200);
            token = self.record(&heartbeat["token"]);
            if heartbeat["renewed"] == true {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        for body in [
            json!({"token": token}),
            json!({"license_key": license.license_key}),
            json!({"license_key": license.license_key, "machine_id": "x"}),
        ] {
            app.post("license-keys/validate", body).await.expect_status(200);
        }
        let by_token = app.post("license-activations/activate", json!({"token": token, "machine_id": "two"})).await;
        self.record(&by_token.expect_status(201)["token"]);
        // An app with encrypted tokens: the decrypted content is an ordinary token.
        let own = AppKey::generate(2048);
        let body = json!({"license_key": license.license_key, "machine_id": "two", "public_key": own.jwk()});
        let encrypted = app.post("license-activations/activate", body).await.expect_status(200);
        self.record(&encrypted["token"]);
        let opened = self.record(&own.decrypt(&encrypted).unwrap().0.into());
        let heartbeat = app.heartbeat(&opened, "two").await.expect_status(200);
        self.record(&heartbeat["token"]);
        app.heartbeat(text(&heartbeat["token"]), "two").await.expect_problem(401, "token_invalid");
        app.activate(&license.license_key, "three").await.expect_problem(409, "seat_limit_reached");
        let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
        app.post(&path, json!({"token": token})).await.expect_status(200);
        app.heartbeat(&token, "one").await.expect_problem(403, "not_activated");
    }

    /// Users sign in, register and claim licenses.
    async fn run_users(&mut self, license: &IssuedLicense) -> String {
        let mut last = String::new();
        for (email, scope) in [
            ("ada@example.com", "openid email profile"),
            ("grace@example.com", "openid role:operator"),
            ("charles@example.com", "openid email cognito"),
        ] {
            let password = "correct horse battery staple".to_owned();
            let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", email)];
            let form: Vec<_> = form.into_iter().chain([("password", &*password), ("scope", scope)]).collect();
            let tokens =
                self.app.send(Method::POST, "/dev/oidc/token", |request| request.form(&form)).await.expect_status(200);
            self.secrets.push(password.clone());
            for kind in ["access_token", "id_token"] {
                last = self.record(&tokens[kind]);
                let user = self.app.with_header("authorization", &format!("Bearer {last}"));
                user.get("products").await;
                user.post("register", json!({"name": "Somebody"})).await;
                let claimed = user.post("user/claim-license", json!({"tier_id": license.tier["id"]})).await;
                if claimed.status < 300 {
                    self.record_issued(&claimed.body);
                }
                user.get("user/licenses").await;
            }
        }
        last
    }

    /// Sends one secret of each kind, whole and altered, in every place where a client could put it by mistake.
    async fn run_mistakes(&mut self, license: &IssuedLicense, bearer: &str) {
        let key = self.running.key();
        let secrets = [&key, &license.license_key, text(&license.issued["token"]), bearer];
        let altered =
            |secret: &str| [secret.to_owned(), format!("{secret}x"), secret[1..].to_owned(), secret.to_uppercase()];
        let texts: Vec<String> = secrets.into_iter().flat_map(altered).collect();
        join_all(texts.iter().map(|text| self.send_everywhere(text))).await;
        for secret in secrets {
            self.send_raw(secret);
        }
    }

    async fn send_everywhere(&self, secret: &str) {
        let app = &self.app;
        let encoded: String =
            reqwest::Url::parse_with_params("http://a/", [("a", secret)]).unwrap().query().unwrap()[2..].into();
        let assert_no_server_error =
            |response: TestResponse| assert!(response.status < 500, "{}: {}", response.request, response.text);
        for path in [
            format!("products?api_key={encoded}&token={encoded}&{encoded}=1"),
            format!("license-keys/{encoded}"),
            format!("license-activations/{encoded}/deactivate"),
            format!("/{encoded}"),
            format!("/api/{encoded}/products"),
            format!("license-keys?cursor={encoded}"),
        ] {
            assert_no_server_error(self.operator.get(&path).await);
            assert_no_server_error(app.post(&path, json!({"token": secret})).await);
        }
        for (name, value) in [
            ("x-api-key", secret.to_owned()),
            ("authorization", secret.to_owned()),
            ("authorization", format!("Bearer {secret}")),
            ("authorization", format!("Basic {secret}")),
            ("idempotency-key", secret.to_owned()),
            ("if-match", format!("\"{secret}\"")),
            ("x-amzn-trace-id", format!("Root={secret}")),
        ] {
            let client = app.with_header(name, &value);
            assert_no_server_error(client.get("products").await);
            assert_no_server_error(client.post("products", json!({})).await);
        }
        let with = |request: RequestBuilder| {
            let request = request.header(USER_AGENT, secret).header(COOKIE, secret).header(REFERER, secret);
            request.header("origin", secret).header("x-forwarded-for", secret).header(CONTENT_TYPE, secret)
        };
        assert_no_server_error(self.operator.send(Method::POST, "products", with).await);
        let with_credential = |name: &str| json!({name: secret, "machine_id": "one"});
        for body in [
            with_credential("license_key"),
            with_credential("token"),
            with_credential("api_key"),
            json!({secret: 1}),
            json!({"token": [secret]}),
            json!(secret),
        ] {
            for path in ["license-keys/validate", "license-keys/heartbeat", "license-activations/activate"] {
                assert_no_server_error(app.post(path, body.clone()).await);
            }
        }
        for body in
            [secret.to_owned(), format!("{{\"token\": \"{secret}\""), format!("{{\"token\": \"{secret}\\ud800\"}}")]
        {
            let with = |request: RequestBuilder| request.header(CONTENT_TYPE, "application/json").body(body);
            assert_no_server_error(app.send(Method::POST, "license-keys/validate", with).await);
        }
        let code = [
            ("grant_type", "authorization_code"),
            ("client_id", "signet-dashboard"),
            ("code", secret),
            ("code_verifier", secret),
            ("redirect_uri", "http://localhost/"),
        ];
        assert_no_server_error(app.send(Method::POST, "/dev/oidc/token", |request| request.form(&code)).await);
        assert_no_server_error(
            app.send(Method::GET, "/dev/oidc/userinfo", |request| request.header(AUTHORIZATION, secret)).await,
        );
    }

    /// Sends the secret in malformed HTTP requests.
    fn send_raw(&self, secret: &str) {
        for request in [
            format!("{secret} /api/v1.0/products HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            format!(
                "GET /api/v1.0/products HTTP/1.1\r\n{secret}: {secret}\r\nHost: {secret}\r\nConnection: close\r\n\r\n"
            ),
            format!("GET {secret} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            format!("{secret}\r\n\r\n"),
        ] {
            let mut socket = TcpStream::connect(self.running.url("").trim_start_matches("http://")).unwrap();
            socket.write_all(request.as_bytes()).unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
        }
    }
}

#[tokio::test]
async fn no_secret_is_logged_or_stored_in_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
    command.args(["--listen", "127.0.0.1:0", "--memory", "--no-rate-limits", "--data"]).arg(folder.path());
    command.env("RUST_LOG", LOG_FILTER).stderr(File::create(&log).unwrap());
    let mut scenario = SecretsScenario::new(SignetProcess::spawn(folder.path(), &mut command));
    let license = scenario.run_operator().await;
    scenario.run_app(&license).await;
    let bearer = scenario.run_users(&license).await;
    scenario.run_mistakes(&license, &bearer).await;

    let SecretsScenario { running, secrets, .. } = scenario;
    let local = &running.local;
    let raw_table = RawTable::new(text(&local["dynamodb_endpoint"]), text(&local["table"]));
    let items = raw_table.items().await;
    assert_eq!(running.signal("TERM"), 0);
    let log = fs::read_to_string(log).unwrap();
    // The log and the table are not empty.
    assert!(items.len() > 40, "{} items", items.len());
    assert!(SecretSearch::new(vec![license.license_id.clone()]).find_in_items(&items).is_some());
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests = lines.iter().filter(|line| line["message"] == "request" && line["target"].is_null()).count();
    assert!(requests > 700 && log.contains(&license.license_id), "{requests} requests in {} lines", lines.len());
    assert!(lines.iter().any(|line| line["level"] == "DEBUG"), "debug lines are logged");

    assert!(secrets.len() > 25, "{}", secrets.len());
    let all: Vec<String> = secrets.iter().flat_map(|secret| secret_fragments(secret)).collect();
    let search = SecretSearch::new(all.clone());
    assert_eq!(search.find(&log), None, "found in the log");
    assert_eq!(search.find_in_items(&items), None, "found in the table");
    // Personal data is not logged either.
    let personal = ["ada@example.com", "grace@example.com", "Ada Lovelace", "Somebody"].map(str::to_owned);
    assert_eq!(SecretSearch::new(personal.to_vec()).find(&log), None, "found in the log");
    // The search finds encoded secrets.
    for spelt in [HEXLOWER.encode(all[0].as_bytes()), BASE64.encode(format!("x{}", all[0]).as_bytes())] {
        assert_eq!(search.find(format!("{log}{spelt}")), Some(&*all[0]));
    }
}
