//! Bearer tokens, from the development issuer's sign-in page to the endpoints that take them.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what does not work here fails the test")]

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use reqwest::{Method, redirect::Policy};
use shared::{
    auth::{Oidc, OidcSettings},
    domain::Secret,
};
use signet_local::{Folder, Options};
use signet_tests::{Client, Stack, TestResponse, Value, json, random_word};
use url::Url;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://127.0.0.1:9/callback?from=signet";

/// What a browser and a client of the issuer do.
struct Issuer<'a> {
    stack: &'a Stack,
    http: reqwest::Client,
    discovery: Value,
}

impl<'a> Issuer<'a> {
    async fn of(stack: &'a Stack) -> Self {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).redirect(Policy::none()).build().unwrap();
        let discovery = stack.anonymous.get("/dev/oidc/.well-known/openid-configuration").await.expect_status(200);
        Self { stack, http, discovery }
    }

    fn url(&self, name: &str) -> String {
        self.discovery[name].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned()
    }

    async fn token(&self, form: &[(&str, &str)]) -> TestResponse {
        let path = Url::parse(&self.url("token_endpoint")).unwrap().path().to_owned();
        self.stack.anonymous.send(Method::POST, &path, |request| request.form(form)).await
    }

    /// The tokens of a password grant.
    async fn by_password(&self, email: &str, scope: &str) -> Value {
        let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", email)];
        let form: Vec<_> = form.into_iter().chain([("password", "any"), ("scope", scope)]).collect();
        self.token(&form).await.expect_status(200)
    }

    /// A client of the API that has signed in.
    async fn signed_in(&self, scope: &str) -> Client {
        let tokens = self.by_password("ada@example.com", scope).await;
        bearer(&self.stack.anonymous, &tokens["access_token"])
    }

    /// Opens the sign-in page.
    async fn page(&self, params: &BTreeMap<&str, &str>) -> reqwest::Response {
        self.http.get(self.url("authorization_endpoint")).query(params).send().await.unwrap()
    }

    /// Sends the page's form: what it carries, and what the person enters.
    async fn submit(&self, page: &str, entered: &[(&str, &str)]) -> reqwest::Response {
        let mut form = hidden_fields(page);
        form.extend(entered.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.http.post(self.url("authorization_endpoint")).form(&form).send().await.unwrap()
    }

    /// A code, as whoever the form says.
    async fn code(&self, scope: &str, entered: &[(&str, &str)]) -> String {
        let mut params = request();
        params.insert("scope", scope);
        let page = self.page(&params).await;
        assert_eq!(page.status(), 200);
        let answer = self.submit(&page.text().await.unwrap(), entered).await;
        sent_back(&answer).remove("code").expect("a code")
    }

    async fn redeem(&self, code: &str, fields: &[(&str, &str)]) -> TestResponse {
        let mut form = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("client_id", "signet-dashboard"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]);
        form.extend(fields.iter().copied());
        self.token(&form.into_iter().collect::<Vec<_>>()).await
    }
}

/// What a client sends a browser to the sign-in page with.
fn request() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("response_type", "code"),
        ("client_id", "signet-dashboard"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid email profile"),
        ("state", "a state & \"more\""),
        ("nonce", "a nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ])
}

/// The fields that a form carries on.
fn hidden_fields(page: &str) -> BTreeMap<String, String> {
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
        let text = rest.split('"').next()?;
        Some(text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    };
    let tags = page.split("<input type=\"hidden\"").skip(1).map(|rest| rest.split('>').next().unwrap());
    tags.map(|tag| (attribute(tag, "name").unwrap(), attribute(tag, "value").unwrap())).collect()
}

/// What a redirect to the client says.
fn sent_back(answer: &reqwest::Response) -> BTreeMap<String, String> {
    assert_eq!(answer.status(), 303);
    let location = answer.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(CALLBACK), "{location}");
    Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

fn bearer(client: &Client, token: &Value) -> Client {
    client.with_header("authorization", &format!("Bearer {}", token.as_str().expect("a token")))
}

/// What a token says, unverified.
fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

async fn make_product(client: &Client) -> TestResponse {
    client.post("products", json!({"code": random_word("p"), "name": "Atlas"})).await
}

#[tokio::test]
async fn an_operator_signs_in_and_may_do_all() {
    let stack = Stack::start().await;
    let issuer = Issuer::of(&stack).await;
    let tokens = issuer.by_password("ada@example.com", "openid email role:operator").await;
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(3600)));
    for name in ["access_token", "id_token"] {
        let client = bearer(&stack.anonymous, &tokens[name]);
        make_product(&client).await.expect_status(201);
        client.get("customers").await.expect_status(200);
    }
    assert_eq!(stack.local.oidc_issuer, issuer.discovery["issuer"]);
}

#[tokio::test]
async fn another_user_is_known_and_may_not() {
    let stack = Stack::start().await;
    let issuer = Issuer::of(&stack).await;
    let client = issuer.sign_in("openid").await;
    let answer = make_product(&client).await;
    answer.expect_problem(403, "forbidden");
    assert!(answer.header("www-authenticate").is_empty());
    client.get("customers").await.expect_problem(403, "forbidden");
    client.get("products/catalog").await.expect_status(200);
}

#[tokio::test]
async fn the_code_flow_with_pkce_signs_in() {
    let stack = Stack::start().await;
    let issuer = Issuer::of(&stack).await;
    let page = issuer.page(&request()).await;
    assert_eq!(page.status(), 200);
    assert!(
        page.headers()["content-security-policy"].to_str().unwrap().contains("form-action 'self' http://127.0.0.1:9;")
    );
    assert_eq!(page.headers()["cache-control"], "no-store");
    let page = page.text().await.unwrap();

    // What is no address is asked for again; the request is carried on.
    let again = issuer.submit(&page, &[("email", "nobody")]).await;
    assert_eq!(again.status(), 422);
    let again = again.text().await.unwrap();
    assert_eq!(hidden_fields(&again), hidden_fields(&page));

    let typed = [("email", "Mary@example.com"), ("name", "Mary Somerville"), ("operator", "on")];
    let answer = sent_back(&issuer.submit(&again, &typed).await);
    assert_eq!(answer["state"], "a state & \"more\"");
    assert_eq!(answer["iss"], stack.local.oidc_issuer);
    assert_eq!(answer["from"], "signet");

    let tokens = issuer.redeem(&answer["code"], &[]).await;
    assert_eq!(tokens.header("cache-control"), "no-store");
    let tokens = tokens.expect_status(200);
    let id = claims(&tokens["id_token"]);
    let expected = json!({
        "iss": stack.local.oidc_issuer, "aud": "signet-dashboard", "nonce": "a nonce", "email": "Mary@example.com",
        "email_verified": true, "name": "Mary Somerville", "roles": ["operator"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&id[name], value, "{name}");
    }
    make_product(&bearer(&stack.anonymous, &tokens["id_token"])).await.expect_status(201);
    make_product(&bearer(&stack.anonymous, &tokens["access_token"])).await.expect_status(201);

    // The person is the same however they come.
    let same = issuer.by_password("mary@example.com", "openid").await;
    assert_eq!(claims(&same["id_token"])["sub"], id["sub"]);
}

#[tokio::test]
async fn somebody_ready_signs_in_with_a_click() {
    let stack = Stack::start().await;
    let issuer = Issuer::of(&stack).await;
    for (email, roles) in [("grace@example.com", json!(["operator"])), ("ada@example.com", json!([]))] {
        let code = issuer.code("openid unverified", &[("pick", email)]).await;
        let tokens = issuer.redeem(&code, &[]).await.expect_status(200);
        let id = claims(&tokens["id_token"]);
        assert_eq!((&id["email"], &id["roles"], &id["email_verified"]), (&json!(email), &roles, &json!(false)));
    }
}

#[tokio::test]
async fn a_code_is_for_one_client_once_and_for_a_minute() {
    let stack = Stack::start().await;
    let issuer = Issuer::of(&stack).await;
    let refused = |answer: TestResponse| {
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!("invalid_grant")), "{}", answer.text);
    };
    let code = async || issuer.code("openid", &[("pick", "ada@example.com")]).await;

    let used = code().await;
    issuer.redeem(&used, &[]).await.expect_status(200);
    refused(issuer.redeem(&used, &[]).await);

    // Shown with the wrong verifier or to the wrong place, it works no more with the right one.
    for wrong in [("code_verifier", CHALLENGE), ("redirect_uri", "http://127.0.0.1:9/callback"), ("code_verifier", "a")]
    {
        let stolen = code().await;
        refused(issuer.redeem(&stolen, &[wrong]).await);
        refused(issuer.redeem(&stolen, &[]).await);
    }
    let old = code().await;
    stack.advance(60);
    refused(issuer.redeem(&old, &[]).await);
    refused(issuer.redeem("made up", &[]).await);

    let answer = issuer.redeem(&code().await, &[("client_id", "other")]).await;
    assert_eq!((answer.status, &answer.body["error"]), (401, &json!("invalid_client")));
    let answer = issuer.redeem(&code().await, &[("code_verifier", "")]).await;
    assert_eq!((answer.status, &answer.body["error"]), (400, &json!("invalid_request")));
    let answer = issuer.redeem("x", &[("grant_type", "client_credentials")]).await;
    assert_eq!((answer.status, &answer.body["error"]), (400, &json!("unsupported_grant_type")));
}

#[tokio::test]
async fn what_can_not_be_granted_is_refused_where_it_is_safe_to() {
    let stack = Stack::start().await;
    let issuer = Issuer::of(&stack).await;
    // Nobody is sent to a place that is not known.
    let here = [("redirect_uri", "https://evil.example/"), ("redirect_uri", "javascript:1"), ("client_id", "<b>other")];
    for (name, value) in
        here.into_iter().chain([("redirect_uri", ""), ("redirect_uri", "http://127.0.0.1@evil.example")])
    {
        let mut params = request();
        params.insert(name, value);
        let answer = issuer.page(&params).await;
        assert_eq!(answer.status(), 400, "{name}={value}");
        assert!(!answer.headers().contains_key("location"), "{name}={value}");
        assert!(!answer.text().await.unwrap().contains("<b>"), "{name}={value}");
    }
    let there = [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("request", "eyJ", "request_not_supported"),
        ("prompt", "none", "login_required"),
    ];
    for (name, value, error) in there {
        let mut params = request();
        params.insert(name, value);
        let answer = sent_back(&issuer.page(&params).await);
        assert_eq!((answer["error"].as_str(), answer["state"].as_str()), (error, request()["state"]), "{name}={value}");
        assert!(!answer.contains_key("code"));
    }
    // The form's own fields are checked as the page's are.
    let form = BTreeMap::from([("pick", "ada@example.com"), ("redirect_uri", "https://evil.example/")]);
    let form: BTreeMap<_, _> = request().into_iter().chain(form).collect();
    let answer = issuer.http.post(issuer.url("authorization_endpoint")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused() {
    let (stack, other) = (Stack::start().await, Stack::start().await);
    let issuer = Issuer::of(&stack).await;
    let tokens = issuer.by_password("ada@example.com", "openid role:operator").await;
    let weak = issuer.by_password("ada@example.com", "openid").await;
    let foreign = Issuer::of(&other).await.by_password("ada@example.com", "openid role:operator").await;
    let sold = stack.operator.issue_new_license(1).await;

    let parts = |token: &Value| token.as_str().unwrap().split('.').map(str::to_owned).collect::<Vec<_>>();
    let (strong, weak) = (parts(&tokens["access_token"]), parts(&weak["access_token"]));
    let encode = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let none = encode(json!({"alg": "none", "typ": "JWT"}));
    let bad = [
        foreign["access_token"].clone(),
        sold.issued["token"].clone(),
        json!(format!("{}.{}.{}", strong[0], strong[1], weak[2])),
        json!(format!("{}.{}.", strong[0], strong[1])),
        json!(format!("{none}.{}.", strong[1])),
        json!("a.b.c"),
        json!(""),
    ];
    for token in bad {
        let answer = make_product(&bearer(&stack.anonymous, &token)).await;
        answer.expect_problem(401, "unauthenticated");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("Bearer realm=\"signet\", error=\"invalid_token\""), "{challenge}");
        assert!(!answer.text.contains(&strong[1]), "{token}");
    }
    // Without a credential, there is nothing wrong with one.
    let answer = make_product(&stack.anonymous).await;
    answer.expect_problem(401, "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"signet\", ApiKey header=\"X-Api-Key\"");
    // Two credentials, even two good ones, are one too many.
    let both = bearer(&stack.operator, &tokens["access_token"]);
    make_product(&both).await.expect_problem(401, "unauthenticated");

    let client = bearer(&stack.anonymous, &tokens["access_token"]);
    stack.advance(3600 + 59);
    make_product(&client).await.expect_status(201);
    stack.advance(1);
    make_product(&client).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn cognitos_access_tokens_are_taken() {
    let stack = Stack::start().await;
    let issuer = Issuer::of(&stack).await;
    let tokens = issuer.by_password("ada@example.com", "openid cognito role:operator").await;
    let access = claims(&tokens["access_token"]);
    assert_eq!((&access["client_id"], &access["token_use"]), (&json!("signet-dashboard"), &json!("access")));
    assert_eq!(access["cognito:groups"], json!(["operator"]));
    for absent in ["aud", "email", "roles", "name"] {
        assert!(access[absent].is_null(), "{absent}");
    }
    // This stack reads roles elsewhere, so it knows the person, and no operator.
    make_product(&bearer(&stack.anonymous, &tokens["access_token"])).await.expect_problem(403, "forbidden");

    let settings = OidcSettings {
        issuer: stack.local.oidc_issuer.clone(),
        audiences: vec!["signet-dashboard".to_owned()],
        roles_claim: "cognito:groups".to_owned(),
    };
    let (oidc, now): (_, Timestamp) = (Oidc::new(&settings).unwrap(), stack.clock.now());
    let token = Secret::new(tokens["access_token"].as_str().unwrap().to_owned());
    let user = oidc.verify(&token, now).await.unwrap();
    assert!(user.is_operator);
    assert_eq!(user.email, None);
    let complete = oidc.complete(user, now).await.unwrap();
    assert_eq!((complete.email.as_deref(), complete.email_verified), (Some("ada@example.com"), true));
}

#[tokio::test]
async fn userinfo_is_for_access_tokens() {
    let stack = Stack::start().await;
    let issuer = Issuer::of(&stack).await;
    let tokens = issuer.by_password("ada@example.com", "openid unverified").await;
    let ask = async |token: &Value| bearer(&stack.anonymous, token).get("/dev/oidc/userinfo").await;
    let body = ask(&tokens["access_token"]).await.expect_status(200);
    assert_eq!((&body["email"], &body["email_verified"]), (&json!("ada@example.com"), &json!(false)));
    assert_eq!(body["sub"], claims(&tokens["id_token"])["sub"]);
    for token in [&tokens["id_token"], &json!("made up")] {
        let answer = ask(token).await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").contains("invalid_token"));
    }
}

#[tokio::test]
async fn signing_out_leads_back() {
    let stack = Stack::start().await;
    let issuer = Issuer::of(&stack).await;
    let end = issuer.url("end_session_endpoint");
    let ask = async |target: &str| {
        let query = [("post_logout_redirect_uri", target), ("state", "x y")];
        issuer.http.get(&end).query(&query).send().await.unwrap()
    };
    let answer = ask("http://localhost:9/bye").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (303, &"http://localhost:9/bye?state=x+y".parse().unwrap())
    );
    assert_eq!(ask("https://evil.example/").await.status(), 400);
    assert_eq!(ask("").await.status(), 200);
}

#[tokio::test]
async fn a_web_page_under_another_name_learns_nothing() {
    let stack = Stack::start().await;
    let issuer = Issuer::of(&stack).await;
    let request = issuer.http.get(format!("{}/.well-known/openid-configuration", stack.local.oidc_issuer));
    let answer = request.header("host", "rebound.example.com:8080").send().await.unwrap();
    assert_eq!(answer.status(), 421);
}

#[tokio::test]
async fn a_restart_on_another_port_keeps_the_key_and_takes_new_tokens() {
    let path = tempfile::tempdir().unwrap();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let folder = Folder::take(path.path()).unwrap();
        let stack = Stack::start_with(Options { data: Some(&folder), ..Options::default() }).await;
        let issuer = Issuer::of(&stack).await;
        make_product(&issuer.sign_in("role:operator").await).await.expect_status(201);
        let document = stack.anonymous.get("/dev/oidc/jwks.json").await.expect_status(200);
        assert_eq!(document["keys"].as_array().unwrap().len(), 1);
        assert!(document["keys"][0]["d"].is_null());
        keys.push(document);
        stack.stop().await;
    }
    assert_eq!(keys[0], keys[1]);
}
