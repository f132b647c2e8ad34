//! `Idempotency-Key`: a repeated request returns the stored response, and its effect happens once.

mod in_progress;
mod keys;
mod repeats;
mod stored_responses;

use signet_tests::{Client, Stack, TestResponse, Value, json, merged, random_word};

const HEADER: &str = "idempotency-key";

const USER_SCOPES: &str = "openid email profile";

/// A POST that supports the header: its caller, a valid body, another body, and the expected status.
#[derive(Debug, Clone)]
struct Case {
    client: Client,
    path: String,
    body: Value,
    other: Value,
    status: u16,
}

impl Case {
    /// Sends the request with an idempotency key.
    async fn send(&self, key: &str) -> TestResponse {
        self.client.with_header(HEADER, key).post(&self.path, self.body.clone()).await
    }

    /// Sends the other body with an idempotency key.
    async fn send_other(&self, key: &str) -> TestResponse {
        self.client.with_header(HEADER, key).post(&self.path, self.other.clone()).await
    }
}

/// Returns every POST that supports the header, each with its own resources.
async fn cases(stack: &Stack) -> Vec<Case> {
    let operator = &stack.operator;
    let license = operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await;
    let mut cases = Vec::new();
    let mut add = |path: &str, status, body: Value, change: Value| {
        let client = operator.clone();
        cases.push(Case { client, path: path.to_owned(), other: merged(body.clone(), &change), body, status });
    };
    let name = json!({"name": "Another"});
    add("products", 201, json!({"code": random_word("p"), "name": "Atlas"}), name.clone());
    let feature = json!({"product_id": license.product["id"], "key": random_word("f"), "name": "Export"});
    add("product-features", 201, feature, name.clone());
    let tier = json!({
        "product_id": license.product["id"], "code": random_word("t"), "name": "Pro", "monthly_price": 1,
        "annual_price": 1, "currency": "EUR", "billing_period": "annual", "max_users": 5,
    });
    add("pricing-tiers", 201, tier, name.clone());
    let email = format!("{}@example.com", random_word("ada"));
    add("customers", 201, json!({"name": "Ada", "email": email}), name.clone());
    let issue = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    add("license-keys", 201, issue, json!({"max_users": 1}));
    add("api-keys", 201, json!({"name": "ci", "scopes": ["licenses:read"]}), name);
    for (action, body, change) in [
        ("suspend", json!({}), json!({"reason": "x"})),
        ("reinstate", json!({}), json!({"reason": "x"})),
        ("renew", json!({}), json!({"expires_at": null})),
        ("change", json!({"max_users": 7}), json!({"max_users": 8})),
        // Its body is empty, so any other body is invalid.
        ("regenerate", json!({}), json!({"x": 1})),
        ("audit", json!({}), json!({"repair": true})),
        ("revoke", json!({"reason": "refund"}), json!({"reason": "fraud"})),
    ] {
        let issued = operator.issue(&operator.create_customer().await, &license.tier, &json!({})).await;
        let id = issued["license"]["id"].as_str().unwrap();
        if action == "reinstate" {
            operator.post(&format!("license-keys/{id}/suspend"), json!({})).await.expect_status(200);
        }
        add(&format!("license-keys/{id}/{action}"), 200, body, change);
    }
    cases.push(Case {
        client: stack.sign_in(&format!("{}@example.com", random_word("new")), USER_SCOPES).await,
        path: "register".to_owned(),
        body: json!({"name": "Ada"}),
        other: json!({"name": "Bob"}),
        status: 201,
    });
    let client = stack.sign_in(&format!("{}@example.com", random_word("old")), USER_SCOPES).await;
    client.post("register", json!({"name": "Ada"})).await.expect_status(201);
    let product = operator.create_product().await;
    let tier = operator.create_tier(&product, &json!({"is_claimable": true})).await;
    cases.push(Case {
        client,
        path: "user/claim-license".to_owned(),
        body: json!({"tier_id": tier["id"]}),
        other: json!({"tier_id": license.tier["id"]}),
        status: 201,
    });
    cases
}

/// Returns the parts of a response that a replay must repeat: the status, the body, and the headers that describe it.
fn replayed_parts(response: &TestResponse) -> (u16, &str, [&str; 3]) {
    (response.status, &response.text, ["location", "etag", "content-type"].map(|name| response.header(name)))
}

/// Returns the table's items, except idempotency records and the times at which API keys were last used.
async fn snapshot(stack: &Stack) -> Snapshot {
    let mut items = stack.items().await;
    items.retain(|item| !item["PK"]["S"].as_str().unwrap().starts_with("IDEMPOTENCY#"));
    let mut texts = Vec::new();
    for mut item in items {
        item.as_object_mut().unwrap().remove("last_used_at");
        texts.push(sorted_text(&item));
    }
    texts.sort();
    Snapshot(texts)
}

/// Formats JSON with sorted fields, because their order differs between scans.
fn sorted_text(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut texts: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name}: {}", sorted_text(value))).collect();
            texts.sort();
            texts.join(", ")
        }
        Value::Array(values) => values.iter().map(sorted_text).collect::<Vec<_>>().join("; "),
        value => value.to_string(),
    }
}

#[derive(PartialEq, Eq)]
struct Snapshot(Vec<String>);

impl std::fmt::Debug for Snapshot {
    /// Formats only the number of items, because the items are too long for an assertion message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} items", self.0.len())
    }
}

/// Returns the number of idempotency records.
async fn record_count(stack: &Stack) -> usize {
    let is_record = |item: &Value| item["PK"]["S"].as_str().unwrap().starts_with("IDEMPOTENCY#");
    stack.items().await.iter().filter(|item| is_record(item)).count()
}
