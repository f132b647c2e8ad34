//! `signet api-key`: the first API key of an installation that is deployed.
#![expect(clippy::unwrap_used, reason = "what does not work fails the test")]

use std::process::{Command, Output};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use signet_tests::Stack;

/// Runs it where a stack has its table.
fn make(stack: &Stack, arguments: &[&str], without: Option<&str>) -> Output {
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

#[track_caller]
fn refused(output: &Output, why: &str) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(said.starts_with("error: ") && said.contains(why) && said.lines().count() == 1, "{said}");
}

async fn make_table(client: &Client, name: &str, partition: &str) {
    let attribute = AttributeDefinition::builder().attribute_name(partition).attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name(partition).key_type(KeyType::Hash).build();
    let asked = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    asked.attribute_definitions(attribute.build().unwrap()).key_schema(key.unwrap()).send().await.unwrap();
}

#[tokio::test]
async fn it_is_shown_once_and_may_do_everything() {
    let stack = Stack::start().await;
    let made = make(&stack, &["--table", &stack.local.table], None);
    let said = String::from_utf8(made.stderr).unwrap();
    assert!(made.status.success() && said.is_empty(), "{said}");
    let key = String::from_utf8(made.stdout).unwrap();
    assert_eq!(key.lines().count(), 1, "nothing but the key, so that it can be piped to where it is kept");

    let client = stack.anonymous.with_api_key(key.trim());
    let listed = client.get("api-keys").await.expect_status(200);
    let own = listed["items"].as_array().unwrap().iter().find(|key| key["name"] == "first key").unwrap();
    assert_eq!(own["scopes"], serde_json::json!(["*"]));
    let named = make(&stack, &["--table", &stack.local.table, "--name", "when all were lost"], None);
    assert!(named.status.success());
    assert_eq!(client.get("api-keys").await.expect_status(200)["items"][0]["name"], "when all were lost");
}

#[tokio::test]
async fn what_is_missing_or_another_s_is_told_in_a_line() {
    let stack = Stack::start().await;
    let table = &stack.local.table;
    refused(&make(&stack, &["--table", table], Some("AWS_REGION")), "AWS_REGION is not set");
    refused(&make(&stack, &["--table", table], Some("AWS_ACCESS_KEY_ID")), "aws configure export-credentials");
    refused(&make(&stack, &["--table", table, "--name", "\u{7}"], None), "--name");
    refused(&make(&stack, &["--table", "no-such-table"], None), "the table no-such-table can't be used: there is none");
    refused(&make(&stack, &[], None), "--table");

    let client = stack.local.app.table.client();
    make_table(client, "sessions", "PK").await;
    refused(&make(&stack, &["--table", "sessions"], None), "its keys are not the texts PK and SK");
    let endpoint = ["--memory", "--listen", "127.0.0.1:0", "--dynamodb-endpoint", &stack.local.dynamodb_endpoint];
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(table, "signet", "a stack of this name is started below");
    client.delete_table().table_name("signet").send().await.unwrap();
    make_table(client, "signet", "id").await;
    let started = Command::new(env!("CARGO_BIN_EXE_signet")).args(endpoint).arg("--data").arg(folder.path()).output();
    refused(&started.unwrap(), "the table signet can't be used: its keys are not the texts PK and SK");
}
