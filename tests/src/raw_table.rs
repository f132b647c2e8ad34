//! Direct access to the DynamoDB table, and API keys with chosen scopes.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use shared::domain::{
    ApiKey, ApiKeySecret, EventData, EventSource, IdGenerator, Scope, Scopes, Subject, Timestamp,
    event::payload::ApiKeyData,
};

use crate::{Client, Stack, dynamodb::DynamoDb, transport::http_client};

/// The table of a stack, accessed without Signet's own code or keys.
#[derive(Debug, Clone)]
pub struct RawTable {
    dynamodb: DynamoDb,
    table: String,
}

impl RawTable {
    /// Returns a table at the URL of DynamoDB.
    pub fn new(endpoint: &str, table: &str) -> Self {
        Self { dynamodb: DynamoDb::Endpoint(endpoint.to_owned()), table: table.to_owned() }
    }

    /// Calls a DynamoDB operation, such as `Scan`, with its input in DynamoDB's JSON. The table's name is added.
    pub async fn call_dynamodb(&self, operation: &str, mut input: Value) -> Value {
        input["TableName"] = self.table.clone().into();
        let (status, output) = match &self.dynamodb {
            DynamoDb::InProcess(database) => database.call(operation, input.to_string().as_bytes()),
            DynamoDb::Endpoint(endpoint) => call_endpoint(endpoint, operation, &input).await,
        };
        assert_eq!(status, 200, "{operation}: {output}");
        serde_json::from_str(&output).expect("JSON")
    }

    /// Returns every item in DynamoDB's JSON.
    pub async fn items(&self) -> Vec<Value> {
        let (mut items, mut start) = (Vec::new(), Value::Null);
        loop {
            let input = if start.is_null() { json!({}) } else { json!({"ExclusiveStartKey": start}) };
            let mut page = self.call_dynamodb("Scan", input).await;
            let Value::Array(read) = page["Items"].take() else { panic!("items: {page}") };
            items.extend(read);
            start = page["LastEvaluatedKey"].take();
            if start.is_null() {
                return items;
            }
        }
    }

    /// Returns every item as one text, with binary values decoded as UTF-8.
    pub async fn table_as_text(&self) -> String {
        self.items().await.iter().map(|item| with_binary_as_text(item).to_string()).collect::<Vec<_>>().join("\n")
    }
}

/// Calls an operation over HTTP. Returns the status and the body.
async fn call_endpoint(endpoint: &str, operation: &str, input: &Value) -> (u16, String) {
    let credential = "Credential=local/20260115/us-east-1/dynamodb/aws4_request";
    let request = http_client()
        .post(endpoint)
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260115T120000Z")
        .header("authorization", format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"))
        .body(input.to_string());
    let response = request.send().await.expect("DynamoDB sends a response");
    (response.status().as_u16(), response.text().await.expect("the body is complete"))
}

impl Stack {
    fn raw_table(&self) -> RawTable {
        RawTable { dynamodb: self.dynamodb.clone(), table: self.local.table.clone() }
    }

    /// Returns every item of the table by its key, except rate limit buckets, idempotency records, and the times at which
    /// API keys were last used, which are written in the background.
    pub async fn snapshot_items(&self) -> BTreeMap<String, Value> {
        let items = self.items().await.into_iter().map(|mut item| {
            item.as_object_mut().expect("an item").remove("last_used_at");
            let part = |name: &str| item[name]["S"].as_str().expect("a string").to_owned();
            (format!("{} {}", part("PK"), part("SK")), item)
        });
        items.filter(|(key, _)| !key.starts_with("RATE#") && !key.starts_with("IDEMPOTENCY#")).collect()
    }

    /// Asserts that no item was added, changed or deleted since the snapshot.
    pub async fn assert_unchanged_since(&self, before: &BTreeMap<String, Value>) {
        let now = self.snapshot_items().await;
        let differ = |key: &&String| now.get(*key) != before.get(*key);
        let different: BTreeSet<&String> = now.keys().chain(before.keys()).filter(differ).collect();
        assert!(different.is_empty(), "{different:#?}");
    }

    /// Calls DynamoDB directly; see [`RawTable::call_dynamodb`].
    pub async fn call_dynamodb(&self, operation: &str, input: Value) -> Value {
        self.raw_table().call_dynamodb(operation, input).await
    }

    /// Returns every item of the table in DynamoDB's JSON.
    pub async fn items(&self) -> Vec<Value> {
        self.raw_table().items().await
    }

    /// Returns every item of the table as one text.
    pub async fn table_as_text(&self) -> String {
        self.raw_table().table_as_text().await
    }

    /// Sets an attribute of a license item to a value in DynamoDB's JSON, bypassing the API.
    pub async fn set_license_attribute(&self, license_id: &str, attribute: &str, value: Value) {
        let input = json!({
            "Key": {"PK": {"S": format!("LICENSE#{license_id}")}, "SK": {"S": "LICENSE"}},
            "UpdateExpression": "SET #a = :a",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":a": value},
        });
        self.call_dynamodb("UpdateItem", input).await;
    }

    /// Returns the event items of all resources as plain JSON, oldest first.
    pub async fn event_items(&self) -> Vec<Value> {
        let mut events: Vec<Value> = self.items().await.iter().map(plain).collect();
        events.retain(|item| item["SK"].as_str().is_some_and(|sk| sk.starts_with("EVENT#")));
        // The first ten characters of a ULID are its time. Events of the same millisecond are sorted by type, so that
        // the order is deterministic.
        events.sort_by_key(|event| {
            (event["GSI1SK"].as_str().map(|ulid| ulid[..10].to_owned()), event["type"].to_string())
        });
        events
    }

    /// Returns the event items of a license key as plain JSON, oldest first.
    pub async fn license_events(&self, license_id: &str) -> Vec<Value> {
        let mut events = self.event_items().await;
        events.retain(|item| item["PK"] == format!("LICENSE#{license_id}"));
        events
    }

    /// Returns a client with a new API key that has exactly these scopes.
    pub async fn client_with_scopes(&self, scopes: &[Scope]) -> Client {
        self.client_with_key(Scopes::Some(scopes.iter().copied().collect()), None).await
    }

    /// Returns a client with a new API key.
    pub async fn client_with_key(&self, scopes: Scopes, expires_at: Option<Timestamp>) -> Client {
        let now = self.clock.now();
        let id = IdGenerator::new(now).generate();
        let secret = ApiKeySecret::generate(id, &mut rand::rng());
        let name = "test".to_owned();
        let key = ApiKey { id, name, scopes, created_at: now, expires_at, last_used_at: None };
        let data = EventData::ApiKeyCreated(ApiKeyData::new(&key));
        let event = EventSource::system("test", now).event(&mut IdGenerator::new(now), Subject::ApiKey(id), data);
        self.local.app.table.add_api_key(&key, &secret, &event, None).await.expect("the API key is stored");
        self.anonymous.with_api_key(secret.expose())
    }
}

/// Replaces the base64 of binary values in DynamoDB's JSON with their bytes as text.
fn with_binary_as_text(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let decode = |(name, value): (&String, &Value)| match (name.as_str(), value) {
                ("B", Value::String(base64)) => {
                    let bytes = BASE64.decode(base64.as_bytes()).expect("base64");
                    (name.clone(), String::from_utf8_lossy(&bytes).into())
                }
                _ => (name.clone(), with_binary_as_text(value)),
            };
            Value::Object(fields.iter().map(decode).collect())
        }
        Value::Array(values) => values.iter().map(with_binary_as_text).collect(),
        other => other.clone(),
    }
}

/// Converts an item in DynamoDB's JSON, `{"S": "a"}`, to plain JSON; binary values stay base64.
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
