//! What the product was told and must not say: the whole story against the real binary, which logs all that it can, and
//! then a search for every secret in its log and in its table.
#![expect(clippy::unwrap_used, reason = "what does not work fails the test")]

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};

use data_encoding::{BASE64, HEXLOWER};
use reqwest::{
    Method, RequestBuilder,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, REFERER, USER_AGENT},
};
use serde_json::{Value, json};
use signet_tests::{
    AppKey, Client, IssuedLicense, RawTable, SignetProcess, TestResponse, find_secret, items_contain, secret_fragments,
    text,
};

/// All of ours, and of everybody else's what is not every byte on a socket.
const EVERYTHING: &str = "debug,access=trace,activations=trace,catalog=trace,customers=trace,discovery=trace,\
                          licenses=trace,registration=trace,shared=trace,signet=trace,signet_local=trace";

/// Who sells, who runs the software, and all that is not for anybody else's eyes.
struct Story {
    running: SignetProcess,
    operator: Client,
    app: Client,
    secrets: Vec<String>,
}

impl Story {
    fn begin(running: SignetProcess) -> Self {
        let app = Client::new(&running.url(""));
        let operator = app.with_api_key(&running.key());
        let secrets = vec![running.key()];
        Self { running, operator, app, secrets }
    }

    fn keep(&mut self, secret: &Value) -> String {
        let secret = text(secret).to_owned();
        self.secrets.push(secret.clone());
        secret
    }

    /// What issuing answered, kept.
    fn keep_issued(&mut self, issued: &Value) -> (String, String) {
        (self.keep(&issued["license_key"]), self.keep(&issued["token"]))
    }

    /// The operator sells, changes, regenerates and ends license keys; programs get keys of their own.
    async fn of_the_operator(&mut self) -> IssuedLicense {
        let operator = self.operator.clone();
        let tier =
            json!({"max_users": 2, "is_claimable": true, "heartbeat_interval_seconds": 2, "renew_after_seconds": 1});
        let sold = operator.issue_new_license_with(&tier).await;
        self.keep_issued(&sold.issued);
        let issue = json!({"customer_id": operator.create_customer().await["id"], "tier_id": sold.tier["id"]});
        let once = operator.with_header("idempotency-key", "order-1");
        let first = once.post("license-keys", issue.clone()).await.expect_status(201);
        assert_eq!(once.post("license-keys", issue.clone()).await.expect_status(201), first);
        once.post("license-keys", json!({"customer_id": "x"})).await.expect_problem(422, "idempotency_key_reused");
        self.keep_issued(&first);
        let path = format!("license-keys/{}", text(&first["license"]["id"]));
        for (step, body) in [
            ("suspend", json!({})),
            ("reinstate", json!({})),
            ("renew", json!({})),
            ("change", json!({"max_users": 1})),
        ] {
            operator.post(&format!("{path}/{step}"), body).await.expect_status(200);
        }
        let again =
            operator.with_header("idempotency-key", "again").post(&format!("{path}/regenerate"), json!({})).await;
        self.keep_issued(&again.expect_status(200));
        operator.post(&format!("{path}/audit"), json!({"repair": true})).await.expect_status(200);
        operator.post(&format!("{path}/revoke"), json!({"reason": "refund"})).await.expect_status(200);

        let made = json!({"name": "ci", "scopes": ["licenses:read"]});
        let made = operator.with_header("idempotency-key", "key").post("api-keys", made).await.expect_status(201);
        let key = self.keep(&made["api_key"]);
        let program = self.app.with_api_key(&key);
        program.get(&path).await.expect_status(200);
        program.post("customers", json!({})).await.expect_problem(403, "forbidden");
        operator.delete(&format!("api-keys/{}", text(&made["id"]))).await.expect_status(204);
        program.get(&path).await.expect_problem(401, "unauthenticated");
        sold
    }

    /// The app activates, sends heartbeats until it has a fresh token, is refused a seat, and gives one back.
    async fn of_the_app(&mut self, sold: &IssuedLicense) {
        let app = self.app.clone();
        let activated =
            app.activate(&sold.license_key.to_lowercase().replace('-', " "), "one").await.expect_status(201);
        let mut token = self.keep(&activated["token"]);
        loop {
            let beat = app.heartbeat(&token, "one").await.expect_status(200);
            token = self.keep(&beat["token"]);
            if beat["renewed"] == true {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        for body in [
            json!({"token": token}),
            json!({"license_key": sold.license_key}),
            json!({"license_key": sold.license_key, "machine_id": "x"}),
        ] {
            app.post("license-keys/validate", body).await.expect_status(200);
        }
        let by_token = app.post("license-activations/activate", json!({"token": token, "machine_id": "two"})).await;
        self.keep(&by_token.expect_status(201)["token"]);
        // An app that gets its tokens encrypted: what it opens is a token as any.
        let own = AppKey::generate(2048);
        let body = json!({"license_key": sold.license_key, "machine_id": "two", "public_key": own.jwk()});
        let encrypted = app.post("license-activations/activate", body).await.expect_status(200);
        self.keep(&encrypted["token"]);
        let opened = self.keep(&own.decrypt(&encrypted).unwrap().0.into());
        let beat = app.heartbeat(&opened, "two").await.expect_status(200);
        self.keep(&beat["token"]);
        app.heartbeat(text(&beat["token"]), "two").await.expect_problem(401, "token_invalid");
        app.activate(&sold.license_key, "three").await.expect_problem(409, "seat_limit_reached");
        let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
        app.post(&path, json!({"token": token})).await.expect_status(200);
        app.heartbeat(&token, "one").await.expect_problem(403, "not_activated");
    }

    /// People sign in, register, and claim.
    async fn of_people(&mut self, sold: &IssuedLicense) -> String {
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
                last = self.keep(&tokens[kind]);
                let person = self.app.with_header("authorization", &format!("Bearer {last}"));
                person.get("products").await;
                person.post("register", json!({"name": "Somebody"})).await;
                let claimed = person.post("user/claim-license", json!({"tier_id": sold.tier["id"]})).await;
                if claimed.status < 300 {
                    self.keep_issued(&claimed.body);
                }
                person.get("user/licenses").await;
            }
        }
        last
    }

    /// One secret of each kind wherever somebody may put it who holds it wrong, whole and broken.
    async fn of_those_who_err(&mut self, sold: &IssuedLicense, bearer: &str) {
        let key = self.running.key();
        for secret in [&key, &sold.license_key, text(&sold.issued["token"]), bearer] {
            for text in [secret.to_owned(), format!("{secret}x"), secret[1..].to_owned(), secret.to_uppercase()] {
                self.put_everywhere(&text).await;
            }
            self.put_in_a_socket(secret);
        }
    }

    async fn put_everywhere(&self, secret: &str) {
        let app = &self.app;
        let encoded: String =
            reqwest::Url::parse_with_params("http://a/", [("a", secret)]).unwrap().query().unwrap()[2..].into();
        let refused = |answer: TestResponse| assert!(answer.status < 500, "{}: {}", answer.request, answer.text);
        for path in [
            format!("products?api_key={encoded}&token={encoded}&{encoded}=1"),
            format!("license-keys/{encoded}"),
            format!("license-activations/{encoded}/deactivate"),
            format!("/{encoded}"),
            format!("/api/{encoded}/products"),
            format!("license-keys?cursor={encoded}"),
        ] {
            refused(self.operator.get(&path).await);
            refused(app.post(&path, json!({"token": secret})).await);
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
            refused(client.get("products").await);
            refused(client.post("products", json!({})).await);
        }
        let with = |request: RequestBuilder| {
            let request = request.header(USER_AGENT, secret).header(COOKIE, secret).header(REFERER, secret);
            request.header("origin", secret).header("x-forwarded-for", secret).header(CONTENT_TYPE, secret)
        };
        refused(self.operator.send(Method::POST, "products", with).await);
        let by = |name: &str| json!({name: secret, "machine_id": "one"});
        for body in [
            by("license_key"),
            by("token"),
            by("api_key"),
            json!({secret: 1}),
            json!({"token": [secret]}),
            json!(secret),
        ] {
            for path in ["license-keys/validate", "license-keys/heartbeat", "license-activations/activate"] {
                refused(app.post(path, body.clone()).await);
            }
        }
        for body in
            [secret.to_owned(), format!("{{\"token\": \"{secret}\""), format!("{{\"token\": \"{secret}\\ud800\"}}")]
        {
            let with = |request: RequestBuilder| request.header(CONTENT_TYPE, "application/json").body(body);
            refused(app.send(Method::POST, "license-keys/validate", with).await);
        }
        let code = [
            ("grant_type", "authorization_code"),
            ("client_id", "signet-dashboard"),
            ("code", secret),
            ("code_verifier", secret),
            ("redirect_uri", "http://localhost/"),
        ];
        refused(app.send(Method::POST, "/dev/oidc/token", |request| request.form(&code)).await);
        refused(app.send(Method::GET, "/dev/oidc/userinfo", |request| request.header(AUTHORIZATION, secret)).await);
    }

    /// As a method, and as what is no HTTP at all.
    fn put_in_a_socket(&self, secret: &str) {
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
async fn no_secret_is_logged_and_none_lies_in_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
    command.args(["--listen", "127.0.0.1:0", "--memory", "--no-rate-limits", "--data"]).arg(folder.path());
    command.env("RUST_LOG", EVERYTHING).stderr(File::create(&log).unwrap());
    let mut story = Story::begin(SignetProcess::spawn(folder.path(), &mut command));
    let sold = story.of_the_operator().await;
    story.of_the_app(&sold).await;
    let bearer = story.of_people(&sold).await;
    story.of_those_who_err(&sold, &bearer).await;

    let Story { running, secrets, .. } = story;
    let raw_table = RawTable {
        endpoint: text(&running.local["dynamodb_endpoint"]).to_owned(),
        table: text(&running.local["table"]).to_owned(),
    };
    let items = raw_table.items().await;
    assert_eq!(running.signal("TERM"), 0);
    let log = fs::read_to_string(log).unwrap();
    // There is something to search.
    assert!(items.len() > 40 && items_contain(&items, &sold.license_id), "{} items", items.len());
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests = lines.iter().filter(|line| line["message"] == "request" && line["target"].is_null()).count();
    assert!(requests > 700 && log.contains(&sold.license_id), "{requests} requests in {} lines", lines.len());
    assert!(lines.iter().any(|line| line["level"] == "DEBUG"), "all that can be logged is");

    assert!(secrets.len() > 25, "{}", secrets.len());
    let all: Vec<String> = secrets.iter().flat_map(|secret| secret_fragments(secret)).collect();
    assert_eq!(find_secret(&log, &all), None, "it is in a line of the log");
    for piece in &all {
        assert!(!items_contain(&items, piece), "{piece} lies in the table");
    }
    // What is a person's own is nobody else's to read in a log.
    let personal = ["ada@example.com", "grace@example.com", "Ada Lovelace", "Somebody"].map(str::to_owned);
    assert_eq!(find_secret(&log, &personal), None, "it is in a line of the log");
    // That it would be seen.
    for spelt in [HEXLOWER.encode(all[0].as_bytes()), BASE64.encode(format!("x{}", all[0]).as_bytes())] {
        assert_eq!(find_secret(&format!("{log}{spelt}"), &all).as_ref(), Some(&all[0]));
    }
}
