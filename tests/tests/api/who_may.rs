//! Who may what: every operation of the OpenAPI document against every kind of caller. An operation without its row
//! fails, and so does a row without its operation.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::BTreeSet;

use jiff::SignedDuration;
use reqwest::Method;
use shared::domain::{ApiKey, ApiKeySecret, IdGenerator, Scope, Scopes};
use signet_tests::{Client, Stack, TestResponse, Value, json, text};

/// Who an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// Anyone, with nothing to show but what the body holds.
    Everyone,
    /// Any API key, and operators.
    AnyKey,
    /// API keys with this scope, and operators.
    Scope(Scope),
    /// The same, and customers for what is their own.
    ScopeOrOwner(Scope),
    /// People who signed in.
    SignedIn,
}

/// The table.
const ROWS: &[(&str, &str, For)] = &[
    ("get", "/.well-known/jwks.json", For::Everyone),
    ("get", "/.well-known/jwks.jwt", For::Everyone),
    ("get", "/.well-known/license-configuration", For::Everyone),
    ("get", "/health", For::Everyone),
    ("get", "/openapi.json", For::Everyone),
    ("get", "/docs", For::Everyone),
    ("get", "/docs/{file}", For::Everyone),
    ("get", "/problems", For::Everyone),
    ("get", "/problems/{code}", For::Everyone),
    ("get", "/api/v1.0/products/catalog", For::Everyone),
    ("post", "/api/v1.0/license-keys/validate", For::Everyone),
    ("post", "/api/v1.0/license-keys/heartbeat", For::Everyone),
    ("post", "/api/v1.0/license-activations/activate", For::Everyone),
    ("get", "/api/v1.0/products", For::AnyKey),
    ("get", "/api/v1.0/products/{id}", For::AnyKey),
    ("get", "/api/v1.0/product-features", For::AnyKey),
    ("get", "/api/v1.0/product-features/{id}", For::AnyKey),
    ("get", "/api/v1.0/pricing-tiers", For::AnyKey),
    ("get", "/api/v1.0/pricing-tiers/{id}", For::AnyKey),
    ("post", "/api/v1.0/products", For::Scope(Scope::CatalogWrite)),
    ("put", "/api/v1.0/products/{id}", For::Scope(Scope::CatalogWrite)),
    ("post", "/api/v1.0/product-features", For::Scope(Scope::CatalogWrite)),
    ("put", "/api/v1.0/product-features/{id}", For::Scope(Scope::CatalogWrite)),
    ("post", "/api/v1.0/pricing-tiers", For::Scope(Scope::CatalogWrite)),
    ("put", "/api/v1.0/pricing-tiers/{id}", For::Scope(Scope::CatalogWrite)),
    ("get", "/api/v1.0/customers", For::Scope(Scope::CustomersRead)),
    ("get", "/api/v1.0/customers/{id}", For::Scope(Scope::CustomersRead)),
    ("post", "/api/v1.0/customers", For::Scope(Scope::CustomersWrite)),
    ("put", "/api/v1.0/customers/{id}", For::Scope(Scope::CustomersWrite)),
    ("get", "/api/v1.0/license-keys", For::Scope(Scope::LicensesRead)),
    ("get", "/api/v1.0/license-keys/{id}", For::Scope(Scope::LicensesRead)),
    ("get", "/api/v1.0/license-keys/{id}/events", For::Scope(Scope::LicensesRead)),
    ("get", "/api/v1.0/events", For::Scope(Scope::LicensesRead)),
    ("post", "/api/v1.0/license-keys", For::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/revoke", For::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/suspend", For::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/reinstate", For::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/renew", For::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/change", For::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/regenerate", For::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/audit", For::Scope(Scope::LicensesWrite)),
    ("get", "/api/v1.0/license-activations", For::ScopeOrOwner(Scope::LicensesRead)),
    ("get", "/api/v1.0/license-activations/{id}", For::ScopeOrOwner(Scope::LicensesRead)),
    ("post", "/api/v1.0/license-activations/{id}/deactivate", For::ScopeOrOwner(Scope::LicensesWrite)),
    ("post", "/api/v1.0/register", For::SignedIn),
    ("post", "/api/v1.0/user/claim-license", For::SignedIn),
    ("get", "/api/v1.0/user/licenses", For::SignedIn),
    ("get", "/api/v1.0/api-keys", For::Scope(Scope::AccessWrite)),
    ("post", "/api/v1.0/api-keys", For::Scope(Scope::AccessWrite)),
    ("get", "/api/v1.0/api-keys/{id}", For::Scope(Scope::AccessWrite)),
    ("delete", "/api/v1.0/api-keys/{id}", For::Scope(Scope::AccessWrite)),
    ("get", "/api/v1.0/signing-keys", For::Scope(Scope::KeysWrite)),
    ("post", "/api/v1.0/signing-keys/rotate", For::Scope(Scope::KeysWrite)),
    ("post", "/api/v1.0/signing-keys/{kid}/condemn", For::Scope(Scope::KeysWrite)),
];

const PERSON: &str = "openid email profile";
const OPERATOR: &str = "openid email profile role:operator";

/// Things that are there; a license key and a machine of Ada's, for one row alone, as some rows end what they name.
struct Fixtures {
    product: Value,
    feature: Value,
    tier: Value,
    customer: Value,
    key: Value,
    license: Value,
    activation: Value,
}

impl Fixtures {
    async fn make(stack: &Stack, ada: &Value) -> Self {
        let product = stack.operator.create_product().await;
        let feature = stack.operator.create_feature(&product, "export.pdf").await;
        let tier = stack.operator.create_tier(&product, &json!({})).await;
        let issued = stack.operator.issue(ada, &tier, &json!({})).await;
        let activated = stack.anonymous.activate(text(&issued["license_key"]), "laptop").await.expect_status(201);
        let key = json!({ "name": "ci", "scopes": ["access:write"] });
        let key = stack.operator.post("api-keys", key).await.expect_status(201);
        let (license, activation) = (issued["license"].clone(), activated["activation"].clone());
        Self { product, feature, tier, customer: ada.clone(), key, license, activation }
    }

    /// The path with the id of what it is about.
    fn at(&self, path: &str) -> String {
        let below = path.strip_prefix("/api/v1.0/").unwrap_or_default();
        let thing = match below.split('/').next().unwrap_or_default() {
            "products" => &self.product,
            "product-features" => &self.feature,
            "pricing-tiers" => &self.tier,
            "customers" => &self.customer,
            "api-keys" => &self.key,
            "license-activations" => &self.activation,
            _ => &self.license,
        };
        // Of no key, so that the ring stays as it is.
        let path = path.replace("{id}", text(&thing["id"])).replace("{kid}", "none");
        let is_list = path.ends_with("/license-activations");
        if is_list { format!("{path}?license_id={}", text(&self.license["id"])) } else { path }
    }

    /// Checks that nobody has changed what they were refused to.
    async fn are_as_they_were(&self, stack: &Stack, row: &str) {
        let paths = [
            ("products", &self.product),
            ("product-features", &self.feature),
            ("pricing-tiers", &self.tier),
            ("customers", &self.customer),
            ("license-activations", &self.activation),
        ];
        for (list, thing) in paths {
            let now = stack.operator.get(&format!("{list}/{}", text(&thing["id"]))).await.expect_status(200);
            assert_eq!(&now, thing, "{row}");
        }
        stack.operator.get(&format!("api-keys/{}", text(&self.key["id"]))).await.expect_status(200);
        let license =
            stack.operator.get(&format!("license-keys/{}", text(&self.license["id"]))).await.expect_status(200);
        for field in ["status", "generation", "tier_id", "max_users", "expires_at"] {
            assert_eq!(license[field], self.license[field], "{row}: {field}");
        }
    }
}

/// Asks with an empty body: whoever may is told what is wrong with it; whoever may not is told that.
async fn ask(client: &Client, (method, path): (&str, &str), fixtures: &Fixtures) -> TestResponse {
    let path = fixtures.at(path);
    match method {
        "get" => client.get(&path).await,
        "put" => client.put(&path, json!({})).await,
        "delete" => client.delete(&path).await,
        _ => client.post(&path, json!({})).await,
    }
}

/// Checks that the caller was let in, whatever came of it.
#[track_caller]
fn allowed(answer: &TestResponse, who: &str) {
    let is_in = answer.status < 500 && !matches!(answer.status, 401 | 403);
    assert!(is_in, "{who} may {}: {} {}", answer.request, answer.status, answer.text);
}

/// Checks that it was refused, with this status and code.
#[track_caller]
fn refused(answer: &TestResponse, status: u16, code: &str, who: &str) {
    assert_eq!(answer.status, status, "{who} may not {}: {}", answer.request, answer.text);
    answer.expect_problem(status, code);
}

/// A bearer token of the development issuer.
async fn token(stack: &Stack, email: &str, scope: &str) -> String {
    let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", email)];
    let form: Vec<_> = form.into_iter().chain([("password", "any"), ("scope", scope)]).collect();
    let tokens = stack.anonymous.send(Method::POST, "/dev/oidc/token", |request| request.form(&form)).await;
    text(&tokens.expect_status(200)["access_token"]).to_owned()
}

/// An API key that may do all, for the next ten seconds.
async fn short_lived_key(stack: &Stack) -> Client {
    let now = stack.clock.now();
    let id = IdGenerator::new(now).make();
    let secret = ApiKeySecret::generate(id, &mut rand::rng());
    let expires_at = Some(now + SignedDuration::from_secs(10));
    let key =
        ApiKey { id, name: "short".to_owned(), scopes: Scopes::All, created_at: now, expires_at, last_used_at: None };
    stack.local.app.table.add_api_key(&key, &secret, None).await.unwrap();
    let client = stack.anonymous.with_api_key(secret.expose());
    client.get("products").await.expect_status(200);
    client
}

/// Callers whose credentials do not hold, though most of them look as if they were an operator's.
async fn impostors(stack: &Stack) -> Vec<(&'static str, Client)> {
    let bearer = |token: &str| stack.anonymous.with_header("authorization", &format!("Bearer {token}"));
    let ended = bearer(&token(stack, "op@example.com", OPERATOR).await);
    ended.get("customers").await.expect_status(200);
    let ended_key = short_lived_key(stack).await;
    stack.advance(2 * 3600);

    let strong = token(stack, "op@example.com", OPERATOR).await;
    let weak = token(stack, "op@example.com", PERSON).await;
    let parts: Vec<&str> = strong.split('.').collect();
    let swapped = format!("{}.{}.{}", parts[0], parts[1], weak.rsplit('.').next().unwrap());
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    let foreign = token(&Stack::start().await, "op@example.com", OPERATOR).await;
    let sold = stack.operator.issue_new_license(1).await;
    let unknown_key = ApiKeySecret::generate(IdGenerator::new(stack.clock.now()).make(), &mut rand::rng());
    vec![
        ("nobody", stack.anonymous.clone()),
        ("an operator whose token has ended", ended),
        ("an API key that has ended", ended_key),
        ("an operator's claims under another's signature", bearer(&swapped)),
        ("an operator's claims under none", bearer(&unsigned)),
        ("an operator of another issuer", bearer(&foreign)),
        ("an app with its license token", bearer(text(&sold.issued["token"]))),
        ("an app with its license key", stack.anonymous.with_api_key(&sold.license_key)),
        ("an unknown API key", stack.anonymous.with_api_key(unknown_key.expose())),
        ("two credentials", stack.operator.with_header("authorization", &format!("Bearer {strong}"))),
    ]
}

/// The operations of the OpenAPI document: method, path, and what it says of who may.
async fn operations(stack: &Stack) -> Vec<(String, String, Value)> {
    let document = stack.anonymous.get("/openapi.json").await.expect_status(200);
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete", "patch", "head", "options", "trace"] {
            if let Some(operation) = item.get(method) {
                found.push((method.to_owned(), path.clone(), operation["security"].clone()));
            }
        }
    }
    found
}

/// Who an operation is for. One that has no row fails the test.
#[track_caller]
fn row(method: &str, path: &str) -> For {
    let found = ROWS.iter().find(|row| (row.0, row.1) == (method, path));
    found.unwrap_or_else(|| panic!("{method} {path} has no row")).2
}

#[tokio::test]
async fn every_operation_has_its_row_and_every_row_its_operation() {
    let stack = Stack::start().await;
    let operations = operations(&stack).await;
    let listed: BTreeSet<_> = operations.iter().map(|(method, path, _)| (method.as_str(), path.as_str())).collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(listed, rows);
    assert_eq!(ROWS.len(), rows.len(), "no row stands twice");
}

#[tokio::test]
async fn the_document_says_what_the_table_says() {
    let stack = Stack::start().await;
    for (method, path, security) in operations(&stack).await {
        let ways: Vec<Value> = security.as_array().cloned().unwrap_or_default();
        let needs = |scopes: Value| vec![json!({ "api_key": scopes }), json!({ "bearer": [] })];
        let mut expected = match row(&method, &path) {
            For::Everyone => vec![],
            For::AnyKey => needs(json!([])),
            For::Scope(scope) | For::ScopeOrOwner(scope) => needs(json!([scope.as_str()])),
            For::SignedIn => vec![json!({ "bearer": [] })],
        };
        // An app gives its own seat back, with its token in the body.
        if path.ends_with("/deactivate") {
            expected.push(json!({}));
        }
        let told: BTreeSet<String> = ways.iter().map(Value::to_string).collect();
        let expected: BTreeSet<String> = expected.iter().map(Value::to_string).collect();
        let is_told = told == expected || (expected.is_empty() && told == BTreeSet::from(["{}".to_owned()]));
        assert!(is_told, "{method} {path}: {told:?}, not {expected:?}");
    }
}

#[tokio::test]
async fn who_is_not_known_may_nothing_but_what_everyone_may() {
    let stack = Stack::start_without_rate_limits().await;
    let impostors = impostors(&stack).await;
    let ada = stack.operator.create_customer().await;
    let fixtures = Fixtures::make(&stack, &ada).await;
    for (method, path, _) in operations(&stack).await {
        let row = row(&method, &path);
        for (who, client) in &impostors {
            let answer = ask(client, (&method, &path), &fixtures).await;
            match row {
                For::Everyone => allowed(&answer, who),
                _ => refused(&answer, 401, "unauthenticated", who),
            }
        }
    }
    fixtures.are_as_they_were(&stack, "impostors").await;
}

#[tokio::test]
async fn each_caller_may_do_what_the_table_says() {
    let stack = Stack::start().await;
    let ada = stack.sign_in("ada@example.com", PERSON).await;
    let customer = ada.post("register", json!({})).await.expect_status(201);
    let bob = stack.sign_in("bob@example.com", PERSON).await;
    bob.post("register", json!({})).await.expect_status(201);
    let stranger = stack.sign_in("eve@example.com", PERSON).await;
    let operator = stack.sign_in("op@example.com", OPERATOR).await;
    let bare = stack.client_with_scopes(&[]).await;
    let mut keys = Vec::new();
    for scope in Scope::ALL {
        keys.push((scope, stack.client_with_scopes(&[scope]).await));
    }

    for (method, path, _) in operations(&stack).await {
        let fixtures = Fixtures::make(&stack, &customer).await;
        let ask = async |client: &Client| ask(client, (&method, &path), &fixtures).await;
        let who = row(&method, &path);
        let people = [("the owner", &ada), ("another customer", &bob), ("a person who is no customer", &stranger)];

        // First whoever may not, so that it shows that nothing came of it.
        match who {
            For::Everyone => {}
            For::AnyKey => {
                for (name, person) in people {
                    refused(&ask(person).await, 403, "forbidden", name);
                }
            }
            For::Scope(scope) | For::ScopeOrOwner(scope) => {
                refused(&ask(&bare).await, 403, "forbidden", "an API key without scopes");
                for (_, key) in keys.iter().filter(|(own, _)| *own != scope) {
                    refused(&ask(key).await, 403, "forbidden", "an API key with another scope");
                }
                let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
                let others = stack.client_with_scopes(&others).await;
                refused(&ask(&others).await, 403, "forbidden", "an API key with all scopes but the one");
                let is_owners = who == For::ScopeOrOwner(scope);
                for (name, person) in people.into_iter().skip(usize::from(is_owners)) {
                    let (status, code) = if is_owners { (404, "not_found") } else { (403, "forbidden") };
                    refused(&ask(person).await, status, code, name);
                }
            }
            For::SignedIn => {
                refused(&ask(&bare).await, 403, "forbidden", "an API key without scopes");
                refused(&ask(&stack.operator).await, 403, "forbidden", "an API key that may all");
            }
        }
        fixtures.are_as_they_were(&stack, &format!("{method} {path}")).await;

        match who {
            For::Everyone | For::SignedIn => {
                for (name, person) in people {
                    allowed(&ask(person).await, name);
                }
            }
            For::ScopeOrOwner(_) => assert_eq!(ask(&ada).await.status, 200, "{method} {path}: the owner"),
            For::AnyKey | For::Scope(_) => {}
        }
        match who {
            For::Everyone | For::AnyKey => {
                allowed(&ask(&bare).await, "an API key without scopes");
                allowed(&ask(&stack.operator).await, "an API key that may all");
            }
            For::Scope(scope) | For::ScopeOrOwner(scope) => {
                for (_, key) in keys.iter().filter(|(own, _)| *own == scope) {
                    allowed(&ask(key).await, "an API key with the one scope");
                }
                allowed(&ask(&stack.operator).await, "an API key that may all");
            }
            For::SignedIn => {}
        }
        allowed(&ask(&operator).await, "an operator who signed in");
    }
}
