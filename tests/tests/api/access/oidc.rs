//! Bearer tokens: the development issuer's sign-in flow, and the endpoints that accept its tokens.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use reqwest::{Method, redirect::Policy};
use shared::{
    auth::{Oidc, OidcSettings},
    domain::Secret,
};
use signet_local::{DataDirectory, Options};
use signet_tests::{Client, Stack, TestResponse, Value, json, random_word};
use url::Url;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://127.0.0.1:9/callback?from=signet";

/// A browser and an OpenID Connect client of the development issuer.
struct DevIssuerClient<'a> {
    stack: &'a Stack,
    http: reqwest::Client,
    discovery: Value,
}

impl<'a> DevIssuerClient<'a> {
    async fn new(stack: &'a Stack) -> Self {
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

    /// Requests tokens with the password grant.
    async fn password_grant(&self, email: &str, scope: &str) -> Value {
        let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", email)];
        let form: Vec<_> = form.into_iter().chain([("password", "any"), ("scope", scope)]).collect();
        self.token(&form).await.expect_status(200)
    }

    /// Returns an API client that is signed in.
    async fn sign_in(&self, scope: &str) -> Client {
        let tokens = self.password_grant("ada@example.com", scope).await;
        bearer(&self.stack.anonymous, &tokens["access_token"])
    }

    /// Opens the sign-in page.
    async fn sign_in_page(&self, params: &BTreeMap<&str, &str>) -> reqwest::Response {
        self.http.get(self.url("authorization_endpoint")).query(params).send().await.unwrap()
    }

    /// Submits the page's form with its hidden fields and the user's input.
    async fn submit(&self, page: &str, input: &[(&str, &str)]) -> reqwest::Response {
        let mut form = hidden_fields(page);
        form.extend(input.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.http.post(self.url("authorization_endpoint")).form(&form).send().await.unwrap()
    }

    /// Signs in with this input and returns the authorization code.
    async fn code(&self, scope: &str, input: &[(&str, &str)]) -> String {
        let mut params = authorization_request();
        params.insert("scope", scope);
        let page = self.sign_in_page(&params).await;
        assert_eq!(page.status(), 200);
        let response = self.submit(&page.text().await.unwrap(), input).await;
        callback_parameters(&response).remove("code").expect("a code")
    }

    /// Redeems an authorization code; `fields` override the valid parameters.
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

/// Returns the parameters of a valid authorization request.
fn authorization_request() -> BTreeMap<&'static str, &'static str> {
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

/// Returns the hidden fields of a form.
fn hidden_fields(page: &str) -> BTreeMap<String, String> {
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
        let text = rest.split('"').next()?;
        Some(text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    };
    let tags = page.split("<input type=\"hidden\"").skip(1).map(|rest| rest.split('>').next().unwrap());
    tags.map(|tag| (attribute(tag, "name").unwrap(), attribute(tag, "value").unwrap())).collect()
}

/// Returns the parameters of a redirect to the client's callback URL.
fn callback_parameters(response: &reqwest::Response) -> BTreeMap<String, String> {
    assert_eq!(response.status(), 303);
    let location = response.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(CALLBACK), "{location}");
    Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

fn bearer(client: &Client, token: &Value) -> Client {
    client.with_header("authorization", &format!("Bearer {}", token.as_str().expect("a token")))
}

/// Returns the claims of a token without verifying it.
fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

async fn create_product(client: &Client) -> TestResponse {
    client.post("products", json!({"code": random_word("p"), "name": "Atlas"})).await
}

#[tokio::test]
async fn an_operator_token_is_authorized_for_all_operations() {
    let stack = Stack::start().await;
    let issuer = DevIssuerClient::new(&stack).await;
    let tokens = issuer.password_grant("ada@example.com", "openid email role:operator").await;
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(3600)));
    for name in ["access_token", "id_token"] {
        let client = bearer(&stack.anonymous, &tokens[name]);
        create_product(&client).await.expect_status(201);
        client.get("customers").await.expect_status(200);
    }
    assert_eq!(stack.local.oidc_issuer, issuer.discovery["issuer"]);
}

#[tokio::test]
async fn a_user_without_the_role_gets_403() {
    let stack = Stack::start().await;
    let issuer = DevIssuerClient::new(&stack).await;
    let client = issuer.sign_in("openid").await;
    let response = create_product(&client).await;
    response.expect_problem(403, "forbidden");
    assert!(response.header("www-authenticate").is_empty());
    client.get("customers").await.expect_problem(403, "forbidden");
    client.get("products/catalog").await.expect_status(200);
}

#[tokio::test]
async fn the_authorization_code_flow_with_pkce_returns_tokens() {
    let stack = Stack::start().await;
    let issuer = DevIssuerClient::new(&stack).await;
    let page = issuer.sign_in_page(&authorization_request()).await;
    assert_eq!(page.status(), 200);
    assert!(
        page.headers()["content-security-policy"].to_str().unwrap().contains("form-action 'self' http://127.0.0.1:9;")
    );
    assert_eq!(page.headers()["cache-control"], "no-store");
    let page = page.text().await.unwrap();

    // An invalid address shows the form again, with the same hidden fields.
    let retry = issuer.submit(&page, &[("email", "invalid")]).await;
    assert_eq!(retry.status(), 422);
    let retry = retry.text().await.unwrap();
    assert_eq!(hidden_fields(&retry), hidden_fields(&page));

    let user = [("email", "Mary@example.com"), ("name", "Mary Somerville"), ("operator", "on")];
    let response = callback_parameters(&issuer.submit(&retry, &user).await);
    assert_eq!(response["state"], "a state & \"more\"");
    assert_eq!(response["iss"], stack.local.oidc_issuer);
    assert_eq!(response["from"], "signet");

    let tokens = issuer.redeem(&response["code"], &[]).await;
    assert_eq!(tokens.header("cache-control"), "no-store");
    let tokens = tokens.expect_status(200);
    let id_token = claims(&tokens["id_token"]);
    let expected = json!({
        "iss": stack.local.oidc_issuer, "aud": "signet-dashboard", "nonce": "a nonce", "email": "Mary@example.com",
        "email_verified": true, "name": "Mary Somerville", "roles": ["operator"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&id_token[name], value, "{name}");
    }
    create_product(&bearer(&stack.anonymous, &tokens["id_token"])).await.expect_status(201);
    create_product(&bearer(&stack.anonymous, &tokens["access_token"])).await.expect_status(201);

    // The subject depends only on the address, not on the grant.
    let same = issuer.password_grant("mary@example.com", "openid").await;
    assert_eq!(claims(&same["id_token"])["sub"], id_token["sub"]);
}

#[tokio::test]
async fn a_predefined_user_signs_in_without_input() {
    let stack = Stack::start().await;
    let issuer = DevIssuerClient::new(&stack).await;
    for (email, roles) in [("grace@example.com", json!(["operator"])), ("ada@example.com", json!([]))] {
        let code = issuer.code("openid unverified", &[("pick", email)]).await;
        let tokens = issuer.redeem(&code, &[]).await.expect_status(200);
        let id_token = claims(&tokens["id_token"]);
        assert_eq!(
            (&id_token["email"], &id_token["roles"], &id_token["email_verified"]),
            (&json!(email), &roles, &json!(false))
        );
    }
}

#[tokio::test]
async fn an_authorization_code_is_valid_once_for_its_client_and_one_minute() {
    let stack = Stack::start().await;
    let issuer = DevIssuerClient::new(&stack).await;
    let assert_invalid_grant = |response: TestResponse| {
        assert_eq!((response.status, &response.body["error"]), (400, &json!("invalid_grant")), "{}", response.text);
    };
    let code = async || issuer.code("openid", &[("pick", "ada@example.com")]).await;

    let used = code().await;
    issuer.redeem(&used, &[]).await.expect_status(200);
    assert_invalid_grant(issuer.redeem(&used, &[]).await);

    // A code that was sent with a wrong verifier or redirect URI is no longer accepted with the right ones.
    for invalid in
        [("code_verifier", CHALLENGE), ("redirect_uri", "http://127.0.0.1:9/callback"), ("code_verifier", "a")]
    {
        let stolen = code().await;
        assert_invalid_grant(issuer.redeem(&stolen, &[invalid]).await);
        assert_invalid_grant(issuer.redeem(&stolen, &[]).await);
    }
    let expired = code().await;
    stack.advance(60);
    assert_invalid_grant(issuer.redeem(&expired, &[]).await);
    assert_invalid_grant(issuer.redeem("unknown", &[]).await);

    let response = issuer.redeem(&code().await, &[("client_id", "other")]).await;
    assert_eq!((response.status, &response.body["error"]), (401, &json!("invalid_client")));
    let response = issuer.redeem(&code().await, &[("code_verifier", "")]).await;
    assert_eq!((response.status, &response.body["error"]), (400, &json!("invalid_request")));
    let response = issuer.redeem("x", &[("grant_type", "client_credentials")]).await;
    assert_eq!((response.status, &response.body["error"]), (400, &json!("unsupported_grant_type")));
}

#[tokio::test]
async fn invalid_authorization_requests_redirect_only_to_valid_callback_urls() {
    let stack = Stack::start().await;
    let issuer = DevIssuerClient::new(&stack).await;
    // The browser is not redirected to an unknown URL.
    let without_redirect =
        [("redirect_uri", "https://evil.example/"), ("redirect_uri", "javascript:1"), ("client_id", "<b>other")];
    for (name, value) in
        without_redirect.into_iter().chain([("redirect_uri", ""), ("redirect_uri", "http://127.0.0.1@evil.example")])
    {
        let mut params = authorization_request();
        params.insert(name, value);
        let response = issuer.sign_in_page(&params).await;
        assert_eq!(response.status(), 400, "{name}={value}");
        assert!(!response.headers().contains_key("location"), "{name}={value}");
        assert!(!response.text().await.unwrap().contains("<b>"), "{name}={value}");
    }
    let with_redirect = [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("request", "eyJ", "request_not_supported"),
        ("prompt", "none", "login_required"),
    ];
    for (name, value, error) in with_redirect {
        let mut params = authorization_request();
        params.insert(name, value);
        let response = callback_parameters(&issuer.sign_in_page(&params).await);
        assert_eq!(
            (response["error"].as_str(), response["state"].as_str()),
            (error, authorization_request()["state"]),
            "{name}={value}"
        );
        assert!(!response.contains_key("code"));
    }
    // The submitted form is validated like the page's parameters.
    let form = BTreeMap::from([("pick", "ada@example.com"), ("redirect_uri", "https://evil.example/")]);
    let form: BTreeMap<_, _> = authorization_request().into_iter().chain(form).collect();
    let response = issuer.http.post(issuer.url("authorization_endpoint")).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn invalid_tokens_return_401() {
    let (stack, other) = (Stack::start().await, Stack::start().await);
    let issuer = DevIssuerClient::new(&stack).await;
    let tokens = issuer.password_grant("ada@example.com", "openid role:operator").await;
    let user = issuer.password_grant("ada@example.com", "openid").await;
    let foreign = DevIssuerClient::new(&other).await.password_grant("ada@example.com", "openid role:operator").await;
    let license = stack.operator.issue_new_license(1).await;

    let parts = |token: &Value| token.as_str().unwrap().split('.').map(str::to_owned).collect::<Vec<_>>();
    let (operator, user) = (parts(&tokens["access_token"]), parts(&user["access_token"]));
    let encode = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let none = encode(json!({"alg": "none", "typ": "JWT"}));
    let invalid = [
        foreign["access_token"].clone(),
        license.issued["token"].clone(),
        json!(format!("{}.{}.{}", operator[0], operator[1], user[2])),
        json!(format!("{}.{}.", operator[0], operator[1])),
        json!(format!("{none}.{}.", operator[1])),
        json!("a.b.c"),
        json!(""),
    ];
    for token in invalid {
        let response = create_product(&bearer(&stack.anonymous, &token)).await;
        response.expect_problem(401, "unauthenticated");
        let challenge = response.header("www-authenticate");
        assert!(challenge.starts_with("Bearer realm=\"signet\", error=\"invalid_token\""), "{challenge}");
        assert!(!response.text.contains(&operator[1]), "{token}");
    }
    // Without a credential, the challenge has no `error`.
    let response = create_product(&stack.anonymous).await;
    response.expect_problem(401, "unauthenticated");
    assert_eq!(response.header("www-authenticate"), "Bearer realm=\"signet\", ApiKey header=\"X-Api-Key\"");
    // Two credentials are rejected, even if both are valid.
    let both = bearer(&stack.operator, &tokens["access_token"]);
    create_product(&both).await.expect_problem(401, "unauthenticated");

    let client = bearer(&stack.anonymous, &tokens["access_token"]);
    stack.advance(3600 + 59);
    create_product(&client).await.expect_status(201);
    stack.advance(1);
    create_product(&client).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn cognito_access_tokens_are_accepted() {
    let stack = Stack::start().await;
    let issuer = DevIssuerClient::new(&stack).await;
    let tokens = issuer.password_grant("ada@example.com", "openid cognito role:operator").await;
    let access = claims(&tokens["access_token"]);
    assert_eq!((&access["client_id"], &access["token_use"]), (&json!("signet-dashboard"), &json!("access")));
    assert_eq!(access["cognito:groups"], json!(["operator"]));
    for absent in ["aud", "email", "roles", "name"] {
        assert!(access[absent].is_null(), "{absent}");
    }
    // This stack reads roles from another claim, so the user is authenticated but not an operator.
    create_product(&bearer(&stack.anonymous, &tokens["access_token"])).await.expect_problem(403, "forbidden");

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
    let complete = oidc.complete_profile(user, now).await.unwrap();
    assert_eq!((complete.email.as_deref(), complete.email_verified), (Some("ada@example.com"), true));
}

#[tokio::test]
async fn userinfo_accepts_only_access_tokens() {
    let stack = Stack::start().await;
    let issuer = DevIssuerClient::new(&stack).await;
    let tokens = issuer.password_grant("ada@example.com", "openid unverified").await;
    let userinfo = async |token: &Value| bearer(&stack.anonymous, token).get("/dev/oidc/userinfo").await;
    let body = userinfo(&tokens["access_token"]).await.expect_status(200);
    assert_eq!((&body["email"], &body["email_verified"]), (&json!("ada@example.com"), &json!(false)));
    assert_eq!(body["sub"], claims(&tokens["id_token"])["sub"]);
    for token in [&tokens["id_token"], &json!("unknown")] {
        let response = userinfo(token).await;
        assert_eq!(response.status, 401);
        assert!(response.header("www-authenticate").contains("invalid_token"));
    }
}

#[tokio::test]
async fn sign_out_redirects_to_the_client() {
    let stack = Stack::start().await;
    let issuer = DevIssuerClient::new(&stack).await;
    let end = issuer.url("end_session_endpoint");
    let sign_out = async |target: &str| {
        let query = [("post_logout_redirect_uri", target), ("state", "x y")];
        issuer.http.get(&end).query(&query).send().await.unwrap()
    };
    let response = sign_out("http://localhost:9/bye").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (303, &"http://localhost:9/bye?state=x+y".parse().unwrap())
    );
    assert_eq!(sign_out("https://evil.example/").await.status(), 400);
    assert_eq!(sign_out("").await.status(), 200);
}

#[tokio::test]
async fn requests_for_another_host_name_return_421() {
    let stack = Stack::start().await;
    let issuer = DevIssuerClient::new(&stack).await;
    let request = issuer.http.get(format!("{}/.well-known/openid-configuration", stack.local.oidc_issuer));
    let response = request.header("host", "rebound.example.com:8080").send().await.unwrap();
    assert_eq!(response.status(), 421);
}

#[tokio::test]
async fn a_restart_on_another_port_keeps_the_signing_key() {
    let path = tempfile::tempdir().unwrap();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let folder = DataDirectory::open(path.path()).unwrap();
        let stack = Stack::start_with(Options { data: Some(&folder), ..Options::default() }).await;
        let issuer = DevIssuerClient::new(&stack).await;
        create_product(&issuer.sign_in("role:operator").await).await.expect_status(201);
        let document = stack.anonymous.get("/dev/oidc/jwks.json").await.expect_status(200);
        assert_eq!(document["keys"].as_array().unwrap().len(), 1);
        assert!(document["keys"][0]["d"].is_null());
        keys.push(document);
        stack.stop().await;
    }
    assert_eq!(keys[0], keys[1]);
}
