//! Access control: every operation of the access table with every kind of caller.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use jiff::SignedDuration;
use reqwest::Method;
use shared::domain::{ApiKeySecret, IdGenerator, Scope, Scopes};
use signet_tests::{Access, Client, Fixtures, ROWS, Row, Stack, TestResponse, check_each, json, text};

const USER_SCOPES: &str = "openid email profile";
const OPERATOR_SCOPES: &str = "openid email profile role:operator";

/// Sends a request with an empty body. Authorized callers may get a validation error, others 401 or 403.
async fn send_empty(client: &Client, row: &Row, fixtures: &Fixtures) -> TestResponse {
    let path = fixtures.path(&row.template());
    match row.method() {
        Method::GET => client.get(&path).await,
        Method::PUT => client.put(&path, json!({})).await,
        Method::PATCH => client.patch(&path, json!({})).await,
        Method::DELETE => client.delete(&path).await,
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
    let expires_at = Some(stack.clock.now() + SignedDuration::from_secs(10));
    let client = stack.client_with_key(Scopes::All, expires_at).await;
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

#[tokio::test]
async fn invalid_callers_can_only_use_public_operations() {
    let stack = Stack::start_without_rate_limits().await;
    let callers = invalid_callers(&stack).await;
    let fixtures = Fixtures::create(&stack, stack.operator.create_customer().await).await;
    let before = stack.snapshot_items().await;
    check_each(ROWS, async |row| {
        for (caller, client) in &callers {
            let response = send_empty(client, row, &fixtures).await;
            match row.access {
                Access::Public => assert_allowed(&response, caller),
                _ => assert_rejected(&response, 401, "unauthenticated", caller),
            }
        }
    })
    .await;
    stack.assert_unchanged_since(&before).await;
}

/// Callers with valid credentials.
struct Callers {
    /// The customer that owns the fixtures.
    owner: Client,
    /// Another customer, and a user who is not a customer.
    other_users: [(&'static str, Client); 2],
    signed_in_operator: Client,
    no_scopes: Client,
    /// For each scope, an API key with only this scope, and one with all others.
    keys: Vec<(Scope, Client, Client)>,
}

impl Callers {
    async fn create(stack: &Stack) -> Self {
        let [owner, other] = ["ada@example.com", "bob@example.com"].map(|email| stack.sign_in(email, USER_SCOPES));
        let (owner, other) = (owner.await, other.await);
        let stranger = stack.sign_in("eve@example.com", USER_SCOPES).await;
        other.post("register", json!({})).await.expect_status(201);
        let mut keys = Vec::new();
        for scope in Scope::ALL {
            let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
            let (own, others) = (stack.client_with_scopes(&[scope]).await, stack.client_with_scopes(&others).await);
            // The first use of an API key writes its time.
            own.get("products").await.expect_status(200);
            others.get("products").await.expect_status(200);
            keys.push((scope, own, others));
        }
        let no_scopes = stack.client_with_scopes(&[]).await;
        no_scopes.get("products").await.expect_status(200);
        Self {
            owner,
            other_users: [("another customer", other), ("a user who is not a customer", stranger)],
            signed_in_operator: stack.sign_in("op@example.com", OPERATOR_SCOPES).await,
            no_scopes,
            keys,
        }
    }
}

/// Asserts that each caller without access is rejected.
async fn assert_others_are_rejected(stack: &Stack, callers: &Callers, row: &Row, fixtures: &Fixtures) {
    let send = async |client: &Client| send_empty(client, row, fixtures).await;
    match row.access {
        Access::Public => {}
        Access::AnyKey => {
            assert_rejected(&send(&callers.owner).await, 403, "forbidden", "the owner");
            for (name, user) in &callers.other_users {
                assert_rejected(&send(user).await, 403, "forbidden", name);
            }
        }
        Access::Scope(scope) | Access::ScopeOfQuery(scope, _) | Access::ScopeOrOwner(scope) => {
            assert_rejected(&send(&callers.no_scopes).await, 403, "forbidden", "an API key without scopes");
            for (own, key, all_others) in &callers.keys {
                if *own == scope {
                    assert_rejected(&send(all_others).await, 403, "forbidden", "an API key with all other scopes");
                } else {
                    assert_rejected(&send(key).await, 403, "forbidden", "an API key with another scope");
                }
            }
            let owner_has_access = row.access == Access::ScopeOrOwner(scope);
            let (status, code) = if owner_has_access { (404, "not_found") } else { (403, "forbidden") };
            for (name, user) in &callers.other_users {
                assert_rejected(&send(user).await, status, code, name);
            }
            if !owner_has_access {
                assert_rejected(&send(&callers.owner).await, 403, "forbidden", "the owner");
            }
        }
        Access::AllScopes => {
            assert_rejected(&send(&callers.no_scopes).await, 403, "forbidden", "an API key without scopes");
            for (_, _, all_others) in &callers.keys {
                assert_rejected(&send(all_others).await, 403, "forbidden", "an API key with all scopes but one");
            }
            for (name, user) in callers.other_users.iter().chain([&("the owner", callers.owner.clone())]) {
                assert_rejected(&send(user).await, 403, "forbidden", name);
            }
        }
        Access::AnyUser => {
            assert_rejected(&send(&callers.no_scopes).await, 403, "forbidden", "an API key without scopes");
            assert_rejected(&send(&stack.operator).await, 403, "forbidden", "an API key with all scopes");
        }
    }
}

/// Asserts that each caller with access is accepted.
async fn assert_callers_are_accepted(stack: &Stack, callers: &Callers, row: &Row, fixtures: &Fixtures) {
    let send = async |client: &Client| send_empty(client, row, fixtures).await;
    match row.access {
        Access::Public | Access::AnyUser => {
            assert_allowed(&send(&callers.owner).await, "the owner");
            for (name, user) in &callers.other_users {
                assert_allowed(&send(user).await, name);
            }
        }
        Access::ScopeOrOwner(_) => {
            let response = send(&callers.owner).await;
            assert_allowed(&response, "the owner");
            assert_ne!(response.status, 404, "{}: the owner's resource is found", row.operation);
        }
        Access::AnyKey | Access::Scope(_) | Access::ScopeOfQuery(..) | Access::AllScopes => {}
    }
    match row.access {
        Access::Public | Access::AnyKey => {
            assert_allowed(&send(&callers.no_scopes).await, "an API key without scopes");
            assert_allowed(&send(&stack.operator).await, "an API key with all scopes");
        }
        Access::Scope(scope) | Access::ScopeOfQuery(scope, _) | Access::ScopeOrOwner(scope) => {
            for (_, key, _) in callers.keys.iter().filter(|(own, ..)| *own == scope) {
                assert_allowed(&send(key).await, "an API key with the scope");
            }
            assert_allowed(&send(&stack.operator).await, "an API key with all scopes");
        }
        Access::AllScopes => assert_allowed(&send(&stack.operator).await, "an API key with all scopes"),
        Access::AnyUser => {}
    }
    assert_allowed(&send(&callers.signed_in_operator).await, "a signed-in operator");
}

#[tokio::test]
async fn each_caller_has_exactly_the_expected_access() {
    let stack = Stack::start().await;
    let callers = Callers::create(&stack).await;
    let customer = callers.owner.post("register", json!({})).await.expect_status(201);
    let readable = Fixtures::create(&stack, customer.clone()).await;
    check_each(ROWS, async |row| {
        let fixtures = match row.method() {
            Method::GET => readable.clone(),
            // Some operations end their resources.
            _ => Fixtures::create(&stack, customer.clone()).await,
        };
        // Callers without access come first, so that any effect of their requests is detected.
        let before = stack.snapshot_items().await;
        assert_others_are_rejected(&stack, &callers, row, &fixtures).await;
        stack.assert_unchanged_since(&before).await;
        assert_callers_are_accepted(&stack, &callers, row, &fixtures).await;
    })
    .await;
}
