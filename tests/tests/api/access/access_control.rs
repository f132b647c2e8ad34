//! Access control: every operation of the OpenAPI document with every kind of caller. An operation without a row fails
//! the test, and so does a row without an operation.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use std::collections::BTreeSet;

use jiff::SignedDuration;
use reqwest::Method;
use shared::domain::{ApiKey, ApiKeySecret, IdGenerator, Scope, Scopes};
use signet_tests::{Client, Stack, TestResponse, Value, json, text};

/// Which callers an operation accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// All callers; a credential, if any, is in the body.
    Public,
    /// Any API key, and signed-in operators.
    AnyKey,
    /// API keys with this scope, and signed-in operators.
    Scope(Scope),
    /// API keys with this scope, signed-in operators, and customers for their own resources.
    ScopeOrOwner(Scope),
    /// Signed-in users.
    AnyUser,
}

/// The expected access of every operation, by its method and path.
const ROWS: &[(&str, &str, Access)] = &[
    ("get", "/.well-known/jwks.json", Access::Public),
    ("get", "/.well-known/jwks.jwt", Access::Public),
    ("get", "/.well-known/license-configuration", Access::Public),
    ("get", "/health", Access::Public),
    ("get", "/openapi.json", Access::Public),
    ("get", "/docs", Access::Public),
    ("get", "/docs/{file}", Access::Public),
    ("get", "/problems", Access::Public),
    ("get", "/problems/{code}", Access::Public),
    ("get", "/api/v1.0/products/catalog", Access::Public),
    ("post", "/api/v1.0/license-keys/validate", Access::Public),
    ("post", "/api/v1.0/license-keys/heartbeat", Access::Public),
    ("post", "/api/v1.0/license-activations/activate", Access::Public),
    ("get", "/api/v1.0/products", Access::AnyKey),
    ("get", "/api/v1.0/products/{id}", Access::AnyKey),
    ("get", "/api/v1.0/product-features", Access::AnyKey),
    ("get", "/api/v1.0/product-features/{id}", Access::AnyKey),
    ("get", "/api/v1.0/pricing-tiers", Access::AnyKey),
    ("get", "/api/v1.0/pricing-tiers/{id}", Access::AnyKey),
    ("post", "/api/v1.0/products", Access::Scope(Scope::CatalogWrite)),
    ("put", "/api/v1.0/products/{id}", Access::Scope(Scope::CatalogWrite)),
    ("post", "/api/v1.0/product-features", Access::Scope(Scope::CatalogWrite)),
    ("put", "/api/v1.0/product-features/{id}", Access::Scope(Scope::CatalogWrite)),
    ("post", "/api/v1.0/pricing-tiers", Access::Scope(Scope::CatalogWrite)),
    ("put", "/api/v1.0/pricing-tiers/{id}", Access::Scope(Scope::CatalogWrite)),
    ("get", "/api/v1.0/customers", Access::Scope(Scope::CustomersRead)),
    ("get", "/api/v1.0/customers/{id}", Access::Scope(Scope::CustomersRead)),
    ("post", "/api/v1.0/customers", Access::Scope(Scope::CustomersWrite)),
    ("put", "/api/v1.0/customers/{id}", Access::Scope(Scope::CustomersWrite)),
    ("get", "/api/v1.0/license-keys", Access::Scope(Scope::LicensesRead)),
    ("get", "/api/v1.0/license-keys/{id}", Access::Scope(Scope::LicensesRead)),
    ("get", "/api/v1.0/license-keys/{id}/events", Access::Scope(Scope::LicensesRead)),
    ("get", "/api/v1.0/events", Access::Scope(Scope::LicensesRead)),
    ("post", "/api/v1.0/license-keys", Access::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/revoke", Access::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/suspend", Access::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/reinstate", Access::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/renew", Access::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/change", Access::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/regenerate", Access::Scope(Scope::LicensesWrite)),
    ("post", "/api/v1.0/license-keys/{id}/audit", Access::Scope(Scope::LicensesWrite)),
    ("get", "/api/v1.0/license-activations", Access::ScopeOrOwner(Scope::LicensesRead)),
    ("get", "/api/v1.0/license-activations/{id}", Access::ScopeOrOwner(Scope::LicensesRead)),
    ("post", "/api/v1.0/license-activations/{id}/deactivate", Access::ScopeOrOwner(Scope::LicensesWrite)),
    ("post", "/api/v1.0/register", Access::AnyUser),
    ("post", "/api/v1.0/user/claim-license", Access::AnyUser),
    ("get", "/api/v1.0/user/licenses", Access::AnyUser),
    ("get", "/api/v1.0/api-keys", Access::Scope(Scope::AccessWrite)),
    ("post", "/api/v1.0/api-keys", Access::Scope(Scope::AccessWrite)),
    ("get", "/api/v1.0/api-keys/{id}", Access::Scope(Scope::AccessWrite)),
    ("delete", "/api/v1.0/api-keys/{id}", Access::Scope(Scope::AccessWrite)),
    ("get", "/api/v1.0/signing-keys", Access::Scope(Scope::KeysWrite)),
    ("post", "/api/v1.0/signing-keys/rotate", Access::Scope(Scope::KeysWrite)),
    ("post", "/api/v1.0/signing-keys/{kid}/condemn", Access::Scope(Scope::KeysWrite)),
];

const USER_SCOPES: &str = "openid email profile";
const OPERATOR_SCOPES: &str = "openid email profile role:operator";

/// Existing resources, among them a license key and an activation of Ada's. Each row has its own, because some
/// operations end them.
struct Resources {
    product: Value,
    feature: Value,
    tier: Value,
    customer: Value,
    api_key: Value,
    license: Value,
    activation: Value,
}

impl Resources {
    async fn create(stack: &Stack, ada: &Value) -> Self {
        let product = stack.operator.create_product().await;
        let feature = stack.operator.create_feature(&product, "export.pdf").await;
        let tier = stack.operator.create_tier(&product, &json!({})).await;
        let issued = stack.operator.issue(ada, &tier, &json!({})).await;
        let activated = stack.anonymous.activate(text(&issued["license_key"]), "laptop").await.expect_status(201);
        let api_key = json!({ "name": "ci", "scopes": ["access:write"] });
        let api_key = stack.operator.post("api-keys", api_key).await.expect_status(201);
        let (license, activation) = (issued["license"].clone(), activated["activation"].clone());
        Self { product, feature, tier, customer: ada.clone(), api_key, license, activation }
    }

    /// Fills in the id of the resource in a path.
    fn path(&self, path: &str) -> String {
        let below = path.strip_prefix("/api/v1.0/").unwrap_or_default();
        let resource = match below.split('/').next().unwrap_or_default() {
            "products" => &self.product,
            "product-features" => &self.feature,
            "pricing-tiers" => &self.tier,
            "customers" => &self.customer,
            "api-keys" => &self.api_key,
            "license-activations" => &self.activation,
            _ => &self.license,
        };
        // An unknown key, so that the key ring is not changed.
        let path = path.replace("{id}", text(&resource["id"])).replace("{kid}", "none");
        let is_list = path.ends_with("/license-activations");
        if is_list { format!("{path}?license_id={}", text(&self.license["id"])) } else { path }
    }

    /// Asserts that no resource has changed.
    async fn assert_unchanged(&self, stack: &Stack, row: &str) {
        let paths = [
            ("products", &self.product),
            ("product-features", &self.feature),
            ("pricing-tiers", &self.tier),
            ("customers", &self.customer),
            ("license-activations", &self.activation),
        ];
        for (list, resource) in paths {
            let now = stack.operator.get(&format!("{list}/{}", text(&resource["id"]))).await.expect_status(200);
            assert_eq!(&now, resource, "{row}");
        }
        stack.operator.get(&format!("api-keys/{}", text(&self.api_key["id"]))).await.expect_status(200);
        let license =
            stack.operator.get(&format!("license-keys/{}", text(&self.license["id"]))).await.expect_status(200);
        for field in ["status", "generation", "tier_id", "max_users", "expires_at"] {
            assert_eq!(license[field], self.license[field], "{row}: {field}");
        }
    }
}

/// Sends a request with an empty body. Authorized callers may get a validation error, others 401 or 403.
async fn send_empty(client: &Client, (method, path): (&str, &str), resources: &Resources) -> TestResponse {
    let path = resources.path(path);
    match method {
        "get" => client.get(&path).await,
        "put" => client.put(&path, json!({})).await,
        "delete" => client.delete(&path).await,
        _ => client.post(&path, json!({})).await,
    }
}

/// Asserts that the caller was authorized, whatever the result.
#[track_caller]
fn assert_allowed(response: &TestResponse, caller: &str) {
    let is_allowed = response.status < 500 && !matches!(response.status, 401 | 403);
    assert!(is_allowed, "{caller} must be allowed to {}: {} {}", response.request, response.status, response.text);
}

/// Asserts that the request was rejected with this status and code.
#[track_caller]
fn assert_rejected(response: &TestResponse, status: u16, code: &str, caller: &str) {
    assert_eq!(response.status, status, "{caller} must not be allowed to {}: {}", response.request, response.text);
    response.expect_problem(status, code);
}

/// Requests an access token of the development issuer.
async fn token(stack: &Stack, email: &str, scope: &str) -> String {
    let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", email)];
    let form: Vec<_> = form.into_iter().chain([("password", "any"), ("scope", scope)]).collect();
    let tokens = stack.anonymous.send(Method::POST, "/dev/oidc/token", |request| request.form(&form)).await;
    text(&tokens.expect_status(200)["access_token"]).to_owned()
}

/// Returns a client with an API key that has all scopes and expires in ten seconds.
async fn short_lived_key(stack: &Stack) -> Client {
    let now = stack.clock.now();
    let id = IdGenerator::new(now).generate();
    let secret = ApiKeySecret::generate(id, &mut rand::rng());
    let expires_at = Some(now + SignedDuration::from_secs(10));
    let key =
        ApiKey { id, name: "short".to_owned(), scopes: Scopes::All, created_at: now, expires_at, last_used_at: None };
    stack.local.app.table.add_api_key(&key, &secret, None).await.unwrap();
    let client = stack.anonymous.with_api_key(secret.expose());
    client.get("products").await.expect_status(200);
    client
}

/// Returns callers with invalid credentials, most of which resemble an operator's.
async fn invalid_callers(stack: &Stack) -> Vec<(&'static str, Client)> {
    let bearer = |token: &str| stack.anonymous.with_header("authorization", &format!("Bearer {token}"));
    let expired = bearer(&token(stack, "op@example.com", OPERATOR_SCOPES).await);
    expired.get("customers").await.expect_status(200);
    let expired_key = short_lived_key(stack).await;
    stack.advance(2 * 3600);

    let operator_token = token(stack, "op@example.com", OPERATOR_SCOPES).await;
    let user_token = token(stack, "op@example.com", USER_SCOPES).await;
    let parts: Vec<&str> = operator_token.split('.').collect();
    let swapped = format!("{}.{}.{}", parts[0], parts[1], user_token.rsplit('.').next().unwrap());
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    let foreign = token(&Stack::start().await, "op@example.com", OPERATOR_SCOPES).await;
    let license = stack.operator.issue_new_license(1).await;
    let unknown_key = ApiKeySecret::generate(IdGenerator::new(stack.clock.now()).generate(), &mut rand::rng());
    vec![
        ("no credential", stack.anonymous.clone()),
        ("an operator whose token has expired", expired),
        ("an API key that has expired", expired_key),
        ("an operator's claims with another signature", bearer(&swapped)),
        ("an operator's claims without a signature", bearer(&unsigned)),
        ("an operator of another issuer", bearer(&foreign)),
        ("an app with its license token", bearer(text(&license.issued["token"]))),
        ("an app with its license key", stack.anonymous.with_api_key(&license.license_key)),
        ("an unknown API key", stack.anonymous.with_api_key(unknown_key.expose())),
        ("two credentials", stack.operator.with_header("authorization", &format!("Bearer {operator_token}"))),
    ]
}

/// Returns the operations of the OpenAPI document: method, path and security requirements.
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

/// Returns the expected access of an operation. An operation without a row fails the test.
#[track_caller]
fn expected_access(method: &str, path: &str) -> Access {
    let found = ROWS.iter().find(|row| (row.0, row.1) == (method, path));
    found.unwrap_or_else(|| panic!("{method} {path} has no row")).2
}

#[tokio::test]
async fn every_operation_has_a_row_and_every_row_an_operation() {
    let stack = Stack::start().await;
    let operations = operations(&stack).await;
    let listed: BTreeSet<_> = operations.iter().map(|(method, path, _)| (method.as_str(), path.as_str())).collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(listed, rows);
    assert_eq!(ROWS.len(), rows.len(), "no row is duplicated");
}

#[tokio::test]
async fn the_openapi_document_has_the_expected_security() {
    let stack = Stack::start().await;
    for (method, path, security) in operations(&stack).await {
        let requirements: Vec<Value> = security.as_array().cloned().unwrap_or_default();
        let requires = |scopes: Value| vec![json!({ "api_key": scopes }), json!({ "bearer": [] })];
        let mut expected = match expected_access(&method, &path) {
            Access::Public => vec![],
            Access::AnyKey => requires(json!([])),
            Access::Scope(scope) | Access::ScopeOrOwner(scope) => requires(json!([scope.as_str()])),
            Access::AnyUser => vec![json!({ "bearer": [] })],
        };
        // An app can deactivate its own machine with the token in the body.
        if path.ends_with("/deactivate") {
            expected.push(json!({}));
        }
        let documented: BTreeSet<String> = requirements.iter().map(Value::to_string).collect();
        let expected: BTreeSet<String> = expected.iter().map(Value::to_string).collect();
        let is_documented =
            documented == expected || (expected.is_empty() && documented == BTreeSet::from(["{}".to_owned()]));
        assert!(is_documented, "{method} {path}: {documented:?}, not {expected:?}");
    }
}

#[tokio::test]
async fn invalid_callers_can_only_use_public_operations() {
    let stack = Stack::start_without_rate_limits().await;
    let callers = invalid_callers(&stack).await;
    let ada = stack.operator.create_customer().await;
    let resources = Resources::create(&stack, &ada).await;
    for (method, path, _) in operations(&stack).await {
        let access = expected_access(&method, &path);
        for (caller, client) in &callers {
            let response = send_empty(client, (&method, &path), &resources).await;
            match access {
                Access::Public => assert_allowed(&response, caller),
                _ => assert_rejected(&response, 401, "unauthenticated", caller),
            }
        }
    }
    resources.assert_unchanged(&stack, "invalid callers").await;
}

#[tokio::test]
async fn each_caller_has_exactly_the_expected_access() {
    let stack = Stack::start().await;
    let ada = stack.sign_in("ada@example.com", USER_SCOPES).await;
    let customer = ada.post("register", json!({})).await.expect_status(201);
    let bob = stack.sign_in("bob@example.com", USER_SCOPES).await;
    bob.post("register", json!({})).await.expect_status(201);
    let stranger = stack.sign_in("eve@example.com", USER_SCOPES).await;
    let operator = stack.sign_in("op@example.com", OPERATOR_SCOPES).await;
    let no_scopes = stack.client_with_scopes(&[]).await;
    let mut keys = Vec::new();
    for scope in Scope::ALL {
        keys.push((scope, stack.client_with_scopes(&[scope]).await));
    }

    for (method, path, _) in operations(&stack).await {
        let resources = Resources::create(&stack, &customer).await;
        let send = async |client: &Client| send_empty(client, (&method, &path), &resources).await;
        let access = expected_access(&method, &path);
        let users = [("the owner", &ada), ("another customer", &bob), ("a user who is not a customer", &stranger)];

        // Callers without access come first, so that any effect of their requests is detected.
        match access {
            Access::Public => {}
            Access::AnyKey => {
                for (name, user) in users {
                    assert_rejected(&send(user).await, 403, "forbidden", name);
                }
            }
            Access::Scope(scope) | Access::ScopeOrOwner(scope) => {
                assert_rejected(&send(&no_scopes).await, 403, "forbidden", "an API key without scopes");
                for (_, key) in keys.iter().filter(|(own, _)| *own != scope) {
                    assert_rejected(&send(key).await, 403, "forbidden", "an API key with another scope");
                }
                let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
                let others = stack.client_with_scopes(&others).await;
                assert_rejected(&send(&others).await, 403, "forbidden", "an API key with all other scopes");
                let owner_has_access = access == Access::ScopeOrOwner(scope);
                for (name, user) in users.into_iter().skip(usize::from(owner_has_access)) {
                    let (status, code) = if owner_has_access { (404, "not_found") } else { (403, "forbidden") };
                    assert_rejected(&send(user).await, status, code, name);
                }
            }
            Access::AnyUser => {
                assert_rejected(&send(&no_scopes).await, 403, "forbidden", "an API key without scopes");
                assert_rejected(&send(&stack.operator).await, 403, "forbidden", "an API key with all scopes");
            }
        }
        resources.assert_unchanged(&stack, &format!("{method} {path}")).await;

        match access {
            Access::Public | Access::AnyUser => {
                for (name, user) in users {
                    assert_allowed(&send(user).await, name);
                }
            }
            Access::ScopeOrOwner(_) => assert_eq!(send(&ada).await.status, 200, "{method} {path}: the owner"),
            Access::AnyKey | Access::Scope(_) => {}
        }
        match access {
            Access::Public | Access::AnyKey => {
                assert_allowed(&send(&no_scopes).await, "an API key without scopes");
                assert_allowed(&send(&stack.operator).await, "an API key with all scopes");
            }
            Access::Scope(scope) | Access::ScopeOrOwner(scope) => {
                for (_, key) in keys.iter().filter(|(own, _)| *own == scope) {
                    assert_allowed(&send(key).await, "an API key with the scope");
                }
                assert_allowed(&send(&stack.operator).await, "an API key with all scopes");
            }
            Access::AnyUser => {}
        }
        assert_allowed(&send(&operator).await, "a signed-in operator");
    }
}
