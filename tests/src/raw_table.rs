//! What a test sees behind the API: the table as it is, and keys that may do little.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use shared::domain::{ApiKey, ApiKeySecret, IdGenerator, Scope, Scopes};

use crate::{Client, Stack};

/// The table of a stack, as someone sees it who has the table and nothing else.
#[derive(Debug, Clone)]
pub struct RawTable {
    /// Where its DynamoDB answers.
    pub endpoint: String,
    /// Its name.
    pub table: String,
}

impl RawTable {
    /// Asks DynamoDB itself, in its own JSON: an operation, as in `Scan`, and all but the table's name.
    pub async fn dynamodb(&self, operation: &str, mut ask: Value) -> Value {
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .expect("a client without TLS needs nothing");
        ask["TableName"] = self.table.clone().into();
        let credential = "Credential=local/20260115/us-east-1/dynamodb/aws4_request";
        let request = http
            .post(&self.endpoint)
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-date", "20260115T120000Z")
            .header("authorization", format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"))
            .body(ask.to_string());
        let response = request.send().await.expect("DynamoDB answers");
        let status = response.status();
        let text = response.text().await.expect("the body comes whole");
        assert!(status.is_success(), "{operation}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Every item, in DynamoDB's own JSON.
    pub async fn items(&self) -> Vec<Value> {
        let (mut items, mut start) = (Vec::new(), Value::Null);
        loop {
            let ask = if start.is_null() { json!({}) } else { json!({"ExclusiveStartKey": start}) };
            let mut page = self.dynamodb("Scan", ask).await;
            items.extend(page["Items"].as_array().expect("items").clone());
            start = page["LastEvaluatedKey"].take();
            if start.is_null() {
                return items;
            }
        }
    }

    /// Every item as one text, bytes as the letters that they may be.
    pub async fn whole_table(&self) -> String {
        self.items().await.iter().map(|item| readable(item).to_string()).collect::<Vec<_>>().join("\n")
    }
}

impl Stack {
    fn raw_table(&self) -> RawTable {
        RawTable { endpoint: self.local.dynamodb_endpoint.clone(), table: self.local.table.clone() }
    }

    /// Every item of the table by its key, but for what is counted and for what is kept of requests that happen once.
    pub async fn written(&self) -> BTreeMap<String, Value> {
        let items = self.items().await.into_iter().map(|item| {
            let part = |name: &str| item[name]["S"].as_str().expect("a text").to_owned();
            (format!("{} {}", part("PK"), part("SK")), item)
        });
        items.filter(|(key, _)| !key.starts_with("RATE#") && !key.starts_with("IDEMPOTENCY#")).collect()
    }

    /// Checks that nothing was written, changed or deleted since.
    pub async fn nothing_written_since(&self, before: &BTreeMap<String, Value>) {
        let now = self.written().await;
        let differ = |key: &&String| now.get(*key) != before.get(*key);
        let different: BTreeSet<&String> = now.keys().chain(before.keys()).filter(differ).collect();
        assert!(different.is_empty(), "{different:#?}");
    }

    /// Asks the table's DynamoDB itself.
    pub async fn dynamodb(&self, operation: &str, ask: Value) -> Value {
        self.raw_table().dynamodb(operation, ask).await
    }

    /// Every item of the table, in DynamoDB's own JSON.
    pub async fn items(&self) -> Vec<Value> {
        self.raw_table().items().await
    }

    /// Every item of the table as one text.
    pub async fn whole_table(&self) -> String {
        self.raw_table().whole_table().await
    }

    /// Sets an attribute of a license key in the table, where no endpoint would: its value in DynamoDB's own JSON.
    pub async fn set_of_license(&self, license_id: &str, attribute: &str, value: Value) {
        let ask = json!({
            "Key": {"PK": {"S": format!("LICENSE#{license_id}")}, "SK": {"S": "LICENSE"}},
            "UpdateExpression": "SET #a = :a",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":a": value},
        });
        self.dynamodb("UpdateItem", ask).await;
    }

    /// The events of a license key, oldest first, as plain JSON.
    pub async fn events(&self, license_id: &str) -> Vec<Value> {
        let mut events: Vec<Value> = self.items().await.iter().map(plain).collect();
        events.retain(|item| {
            let is_event = item["SK"].as_str().is_some_and(|sk| sk.starts_with("EVENT#"));
            is_event && item["PK"] == format!("LICENSE#{license_id}")
        });
        // A ULID begins with its time; those of one millisecond come in the order of their types, so that a test can tell.
        events.sort_by_key(|event| {
            (event["GSI1SK"].as_str().map(|ulid| ulid[..10].to_owned()), event["type"].to_string())
        });
        events
    }

    /// Asks with an API key that has these scopes and no others.
    pub async fn client_with(&self, scopes: &[Scope]) -> Client {
        let now = self.clock.now();
        let id = IdGenerator::new(now).make();
        let secret = ApiKeySecret::generate(id, &mut rand::rng());
        let scopes = Scopes::Some(scopes.iter().copied().collect());
        let name = "test".to_owned();
        let key = ApiKey { id, name, scopes, created_at: now, expires_at: None, last_used_at: None };
        self.local.app.table.add_api_key(&key, &secret, None).await.expect("the table takes it");
        self.anonymous.with_api_key(secret.expose())
    }
}

/// DynamoDB's JSON with its bytes as text.
fn readable(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let read = |(name, value): (&String, &Value)| match (name.as_str(), value) {
                ("B", Value::String(base64)) => {
                    let bytes = BASE64.decode(base64.as_bytes()).expect("base64");
                    (name.clone(), String::from_utf8_lossy(&bytes).into())
                }
                _ => (name.clone(), readable(value)),
            };
            Value::Object(fields.iter().map(read).collect())
        }
        Value::Array(values) => values.iter().map(readable).collect(),
        other => other.clone(),
    }
}

/// DynamoDB's JSON, `{"S": "a"}`, as plain JSON; bytes as the base64 that they came in.
pub fn plain(item: &Value) -> Value {
    let fields = item.as_object().expect("an item").iter();
    Value::Object(fields.map(|(name, value)| (name.clone(), plain_value(value))).collect::<Map<_, _>>())
}

fn plain_value(value: &Value) -> Value {
    let (kind, value) = value.as_object().and_then(|typed| typed.iter().next()).expect("a typed value");
    match kind.as_str() {
        "N" => value.as_str().and_then(|number| serde_json::from_str(number).ok()).expect("a number"),
        "NULL" => Value::Null,
        "M" => plain(value),
        "L" => value.as_array().expect("a list").iter().map(plain_value).collect(),
        _ => value.clone(),
    }
}
