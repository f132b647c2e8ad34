//! Imports and exports.

mod conflicts;
mod export;
mod import;
mod items;
mod key_strings;
mod large_imports;
mod repeats;

use signet_tests::{Client, Stack, Value, json, merged, text};

/// A product with a tier, to which imported license keys refer.
struct Shop {
    stack: Stack,
    product: Value,
    tier: Value,
}

impl Shop {
    async fn start() -> Self {
        Self::with(Stack::start().await).await
    }

    async fn with(stack: Stack) -> Self {
        let product = stack.operator.create_product_with(&json!({"code": "atlas"})).await;
        let tier = stack.operator.create_tier(&product, &json!({"code": "pro", "max_users": 2})).await;
        Self { stack, product, tier }
    }

    fn operator(&self) -> &Client {
        &self.stack.operator
    }

    /// Imports lines and returns the result.
    async fn import(&self, lines: &[Value]) -> Value {
        import_text(self.operator(), &to_lines(lines)).await
    }

    /// Imports lines, all of which must be created.
    #[track_caller]
    fn import_new(&self, lines: Vec<Value>) -> impl Future<Output = ()> {
        let location = std::panic::Location::caller();
        async move {
            let result = self.import(&lines).await;
            assert_eq!(result["created"], lines.len(), "{location}: {result}");
        }
    }

    async fn license(&self, external_id: &str) -> Value {
        let list = self.operator().get(&format!("license-keys?external_id={external_id}")).await.expect_status(200);
        let [license] = &list["items"].as_array().unwrap()[..] else { panic!("{external_id}: {list}") };
        license.clone()
    }

    async fn customer(&self, external_id: &str) -> Value {
        let list = self.operator().get(&format!("customers?external_id={external_id}")).await.expect_status(200);
        list["items"][0].clone()
    }
}

async fn import_text(operator: &Client, text: &str) -> Value {
    operator.post_lines("imports", text).await.expect_status(200)
}

fn to_lines(lines: &[Value]) -> String {
    lines.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect()
}

fn customer(id: &str) -> Value {
    json!({"type": "customer", "external_id": id, "name": "Ada Lovelace", "email": format!("{id}@example.com")})
}

fn license(id: &str, customer: &str, fields: &Value) -> Value {
    let line = json!({
        "type": "license", "external_id": id, "customer_external_id": customer, "product_code": "atlas",
        "tier_code": "pro",
    });
    merged(line, fields)
}

fn activation(license: &str, machine: &str) -> Value {
    json!({"type": "activation", "license_external_id": license, "machine_id": machine})
}

/// Returns the counts of a result: created, unchanged, failed.
fn counts(result: &Value) -> [u64; 3] {
    ["created", "unchanged", "failed"].map(|name| result[name].as_u64().unwrap())
}

/// Returns the errors of a result as `LINE POINTER CODE`.
fn errors(result: &Value) -> Vec<String> {
    let describe = |error: &Value| {
        assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{error}");
        format!("{} {} {}", error["line"], text(&error["pointer"]), text(&error["code"]))
    };
    result["errors"].as_array().unwrap().iter().map(describe).collect()
}
