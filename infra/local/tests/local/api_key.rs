//! `signet api-key` against the table of a running stack.

use std::process::{Command, Output};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use signet_local::{DataDirectory, Options};
use signet_tests::Stack;

/// Runs `signet api-key` against the DynamoDB endpoint of a stack.
fn run_api_key(stack: &Stack, arguments: &[&str], without: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
    command.arg("api-key").args(arguments);
    let region = [("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    command.env("AWS_ENDPOINT_URL_DYNAMODB", &stack.local.dynamodb_endpoint).envs(region);
    command.env_remove("AWS_DEFAULT_REGION");
    if let Some(name) = without {
        command.env_remove(name);
    }
    command.output().unwrap()
}

/// Asserts that the command failed with one line on stderr that contains `expected`.
#[track_caller]
fn assert_fails(output: &Output, expected: &str) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(expected) && stderr.lines().count() == 1, "{stderr}");
}

async fn create_table(client: &Client, name: &str, partition: &str) {
    let attribute = AttributeDefinition::builder().attribute_name(partition).attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name(partition).key_type(KeyType::Hash).build();
    let request = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    request.attribute_definitions(attribute.build().unwrap()).key_schema(key.unwrap()).send().await.unwrap();
}

#[tokio::test]
async fn api_key_prints_a_key_with_all_permissions() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(folder.path()).unwrap();
    let stack = Stack::start_with(Options { data: Some(&data), ..Options::default() }).await;
    let output = run_api_key(&stack, &["--table", &stack.local.table], None);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    let key = String::from_utf8(output.stdout).unwrap();
    assert_eq!(key.lines().count(), 1, "only the key is printed, so that it can be piped to a secret store");

    let client = stack.anonymous.with_api_key(key.trim());
    let keys = client.get("api-keys").await.expect_status(200);
    let own = keys["items"].as_array().unwrap().iter().find(|key| key["name"] == "first key").unwrap();
    assert_eq!(own["scopes"], serde_json::json!(["*"]));
    let created = stack.event_items().await.into_iter().find(|event| event["subject"]["id"] == own["id"]).unwrap();
    assert_eq!(created["actor"], serde_json::json!({"kind": "system", "id": "command_line"}));
    assert_eq!(created["data"]["name"], "first key");
    let named = run_api_key(&stack, &["--table", &stack.local.table, "--name", "replacement key"], None);
    assert!(named.status.success());
    assert_eq!(client.get("api-keys").await.expect_status(200)["items"][0]["name"], "replacement key");
}

#[tokio::test]
async fn api_key_reports_missing_settings_and_foreign_tables_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(folder.path()).unwrap();
    let stack = Stack::start_with(Options { data: Some(&data), ..Options::default() }).await;
    let table = &stack.local.table;
    assert_fails(&run_api_key(&stack, &["--table", table], Some("AWS_REGION")), "AWS_REGION is not set");
    assert_fails(
        &run_api_key(&stack, &["--table", table], Some("AWS_ACCESS_KEY_ID")),
        "aws configure export-credentials",
    );
    assert_fails(&run_api_key(&stack, &["--table", table, "--name", "\u{7}"], None), "--name");
    assert_fails(
        &run_api_key(&stack, &["--table", "no-such-table"], None),
        "table no-such-table can't be used: it does not exist",
    );
    assert_fails(&run_api_key(&stack, &[], None), "--table");

    let client = stack.local.app.table.client();
    create_table(client, "sessions", "PK").await;
    assert_fails(&run_api_key(&stack, &["--table", "sessions"], None), "its keys must be the strings PK and SK");
    let endpoint = ["--memory", "--listen", "127.0.0.1:0", "--dynamodb-endpoint", &stack.local.dynamodb_endpoint];
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(table, "signet", "the process below uses a table of this name");
    client.delete_table().table_name("signet").send().await.unwrap();
    create_table(client, "signet", "id").await;
    let started = Command::new(env!("CARGO_BIN_EXE_signet")).args(endpoint).arg("--data").arg(folder.path()).output();
    assert_fails(&started.unwrap(), "table signet can't be used: its keys must be the strings PK and SK");
}
