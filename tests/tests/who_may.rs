//! Who may what: every operation of the OpenAPI document against every kind of caller. An operation without its row
//! fails, and so does a row without its operation.

use std::collections::BTreeSet;

use shared::domain::Scope;
use signet_tests::{Client, Stack, Value, json, text};

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
    ("get", "/.well-known/license-configuration", For::Everyone),
    ("get", "/openapi.json", For::Everyone),
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
];

/// The ids that paths and queries name: things of Ada's.
struct Things {
    license: String,
    activation: String,
}

impl Things {
    /// An id of the kind that the path takes: of Ada's where it matters whose it is.
    fn id_in(&self, path: &str) -> String {
        let list = path.strip_prefix("/api/v1.0/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let word = match list {
            "license-activations" => return self.activation.clone(),
            "license-keys" => return self.license.clone(),
            "products" => "prod",
            "product-features" => "feat",
            "pricing-tiers" => "tier",
            "customers" => "cus",
            _ => "key",
        };
        format!("{word}_01JD8W0V5XK6Q3R7T2N4M8P9ZB")
    }
}

/// Asks for an operation with an empty body: whoever may is told what is wrong with it, or that there is no such
/// thing; whoever may not is told that.
async fn ask(client: &Client, (method, path): (&str, &str), things: &Things) -> (u16, String) {
    let mut path = path.replace("{id}", &things.id_in(path));
    if path.ends_with("/license-activations") {
        path = format!("{path}?license_id={}", things.license);
    }
    let answer = match method {
        "get" => client.get(&path).await,
        "put" => client.put(&path, json!({})).await,
        "delete" => client.delete(&path).await,
        _ => client.post(&path, json!({})).await,
    };
    (answer.status, answer.body["code"].as_str().unwrap_or_default().to_owned())
}

fn refused((status, code): &(u16, String)) -> bool {
    *status == 401 || (*status == 403 && code == "forbidden")
}

#[tokio::test]
async fn every_operation_has_its_row_and_every_row_its_operation() {
    let stack = Stack::start().await;
    let document = stack.anonymous.get("/openapi.json").await.expect(200);
    let listed: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = ["get", "put", "post", "delete", "patch"].into_iter();
            methods.filter(|method| item.get(method).is_some()).map(move |method| format!("{method} {path}"))
        })
        .collect();
    let rows: BTreeSet<String> = ROWS.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(listed, rows);
}

#[tokio::test]
async fn each_caller_may_do_what_the_table_says() {
    let stack = Stack::start().await;
    let scope = "openid email profile";
    let ada = stack.signed_in("ada@example.com", scope).await;
    let customer = ada.post("register", json!({ "name": "Ada" })).await.expect(201);
    let bob = stack.signed_in("bob@example.com", scope).await;
    bob.post("register", json!({ "name": "Bob" })).await.expect(201);
    let product = stack.operator.product().await;
    let tier = stack.operator.tier_with(&product, &json!({ "is_claimable": true, "max_users": 3 })).await;
    let claimed = ada.post("user/claim-license", json!({ "tier_id": tier["id"] })).await.expect(201);
    let operator = stack.signed_in("op@example.com", "openid email profile role:operator").await;
    let forged = stack.anonymous.with_header("authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.");
    let license_token = format!("Bearer {}", text(&claimed["token"]));
    let wrong_kind = stack.anonymous.with_header("authorization", &license_token);
    let wrong_key = format!("signet_key_01JD8W0V5XK6Q3R7T2N4M8P9ZB_{}", "0".repeat(64));
    let wrong_key = stack.anonymous.with_api_key(&wrong_key);

    for (method, path, who) in ROWS.iter().copied() {
        // Each row has machines and a key of its own, as some rows end what they name.
        let issued = stack.operator.issue(&customer, &tier, &json!({})).await;
        let things = things(&stack, &issued).await;
        let ask = async |client: &Client| ask(client, (method, path), &things).await;
        let row = format!("{method} {path}");
        if who == For::Everyone {
            assert!(!refused(&ask(&stack.anonymous).await), "{row}: everyone may");
            continue;
        }
        for nobody in [&stack.anonymous, &forged, &wrong_kind, &wrong_key] {
            assert_eq!(ask(nobody).await.0, 401, "{row}: who is that?");
        }
        let of_other = ask(&bob).await;
        match who {
            For::Everyone => {}
            For::AnyKey => {
                let key = stack.client_with(&[Scope::KeysWrite]).await;
                assert!(!refused(&ask(&key).await), "{row}: any key may");
                assert!(!refused(&ask(&operator).await), "{row}: an operator may");
            }
            For::Scope(scope) | For::ScopeOrOwner(scope) => {
                let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
                let lacking = ask(&stack.client_with(&others).await).await;
                assert_eq!(lacking, (403, "forbidden".to_owned()), "{row}: all scopes but the one");
                if who == For::Scope(scope) {
                    assert_eq!(of_other, (403, "forbidden".to_owned()), "{row}: a customer");
                    assert_eq!(ask(&ada).await, (403, "forbidden".to_owned()), "{row}: a customer");
                } else {
                    assert_eq!(of_other, (404, "not_found".to_owned()), "{row}: someone else's");
                    assert_eq!(ask(&ada).await.0, 200, "{row}: one's own");
                }
                assert!(!refused(&ask(&operator).await), "{row}: an operator may");
                assert!(!refused(&ask(&stack.client_with(&[scope]).await).await), "{row}: the one scope");
            }
            For::SignedIn => {
                assert_eq!(ask(&stack.operator).await, (403, "forbidden".to_owned()), "{row}: an API key");
                assert!(!refused(&of_other), "{row}: a customer may");
                assert!(!refused(&ask(&operator).await), "{row}: an operator may, as anybody");
            }
        }
    }
}

/// A license of Ada's, and a machine of hers that is live.
async fn things(stack: &Stack, issued: &Value) -> Things {
    let activated = stack.anonymous.activate(text(&issued["license_key"]), "laptop").await.expect(201);
    Things {
        license: text(&issued["license"]["id"]).to_owned(),
        activation: text(&activated["activation"]["id"]).to_owned(),
    }
}

#[tokio::test]
async fn a_bearer_token_ends_with_its_time() {
    let stack = Stack::start().await;
    let operator = stack.signed_in("op@example.com", "openid email role:operator").await;
    operator.get("products").await.expect(200);
    stack.advance(2 * 86_400);
    operator.get("products").await.problem(401, "unauthenticated");
}
