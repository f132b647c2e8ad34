//! A function that cannot start logs one line that names the cause and the fix, and exits.

use std::{collections::BTreeMap, io::ErrorKind};

use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType::S};
use axum::{Json, Router};
use signet_tests::{Environment, Function, FunctionExit, Value, json, text};

use crate::installation::{Installation, event};

const FUNCTIONS: [&str; 14] = [
    "access",
    "activations",
    "catalog",
    "customers",
    "dashboard",
    "discovery",
    "licenses",
    "registration",
    "rotation",
    "statistics",
    "transfers",
    "webhooks",
    "webhooks-feed",
    "webhooks-sender",
];

/// Asserts that a function exited with one log line that contains all of these words, and returns its error.
#[track_caller]
fn start_error(started: Result<Function, FunctionExit>, words: &[&str]) -> String {
    let Err(exit) = started else { panic!("the function started") };
    assert_eq!(exit.code, Some(1), "{exit:#?}");
    let [line] = exit.log.as_slice() else { panic!("expected one line: {:#?}", exit.log) };
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("the function cannot run")), "{line}");
    let error = text(&line["error"]).to_owned();
    for word in words {
        assert!(error.contains(word), "{word} is missing in: {error}");
    }
    error
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/functions.sh"]
async fn missing_variables_are_all_reported() {
    let missing = [
        "SIGNET_ISSUER is not set",
        "SIGNET_TABLE is not set",
        "AWS_REGION is not set",
        "SIGNET_SEALING_KEY is not set",
    ];
    for name in FUNCTIONS {
        start_error(Function::start_outside_lambda(name, &Environment::new()).await, &missing);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/functions.sh"]
async fn start_outside_lambda_is_reported() {
    let installation = Installation::start().await;
    let mut variables = installation.variables(&[("AWS_REGION", "us-east-1")]);
    let started = Function::start_outside_lambda("catalog", &variables).await;
    start_error(started, &["AWS_LAMBDA_RUNTIME_API", "cargo lambda watch", "cargo run"]);
    let runtime = [
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
    ];
    variables.extend(runtime.map(|name| (name, "256".to_owned())));
    let started = Function::start_outside_lambda("catalog", &variables).await;
    start_error(started, &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/functions.sh"]
async fn invalid_variable_is_reported_without_its_value() {
    let installation = Installation::start().await;
    for (variable, value) in [
        ("SIGNET_TABLE", "arn:aws:dynamodb:eu-west-1:111122223333:table/signet"),
        ("SIGNET_ISSUER", "http://licenses.example.com"),
        ("SIGNET_KEY_ROTATION_SECONDS", "90d"),
        ("SIGNET_OIDC_AUDIENCES", ""),
        ("SIGNET_CORS_ORIGINS", "*.example.com"),
        ("SIGNET_FAILED_AUTH_LIMIT_PER_MINUTE", "hunter2"),
    ] {
        let started = Function::start("catalog", &installation.variables(&[(variable, value)])).await;
        let error = start_error(started, &[variable]);
        assert!(value.is_empty() || !error.contains(value), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/functions.sh"]
async fn local_keys_need_explicit_permission_in_lambda() {
    let installation = Installation::start().await;
    let started = Function::start("licenses", &installation.variables(&[("SIGNET_ALLOW_LOCAL_KEYS", "")])).await;
    start_error(started, &["SIGNET_KEY_DIR is for development", "SIGNET_ALLOW_LOCAL_KEYS=true"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/functions.sh"]
async fn missing_foreign_or_unreachable_table_is_reported() {
    let installation = Installation::start().await;
    table_of_other_keys(&installation, "other").await;
    for name in ["missing", "other"] {
        for function in FUNCTIONS {
            let started = Function::start(function, &installation.variables(&[("SIGNET_TABLE", name)])).await;
            start_error(started, &[&format!("cannot read the table {name}"), "SIGNET_TABLE must name a table"]);
        }
    }
    let unreachable = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")];
    start_error(Function::start("catalog", &installation.variables(&unreachable)).await, &["DynamoDB is unavailable"]);
}

/// Creates a table with a key schema that Signet does not use.
async fn table_of_other_keys(installation: &Installation, name: &str) {
    let attribute = AttributeDefinition::builder().attribute_name("id").attribute_type(S).build().unwrap();
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let client = installation.local.app.table.client();
    let request = client.create_table().table_name(name).attribute_definitions(attribute).key_schema(key);
    request.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/functions.sh"]
async fn only_rotation_requires_the_root_keys() {
    let installation = Installation::start().await;
    let aws = secrets_manager().await;
    let in_kms = [
        ("SIGNET_KEY_DIR", ""),
        ("SIGNET_SEALING_KEY", "alias/signet"),
        ("SIGNET_CURSOR_SECRET", "signet"),
        ("SIGNET_SESSION_SECRET", "signet-sessions"),
        ("AWS_ENDPOINT_URL", aws.as_str()),
    ];
    let variables = installation.variables(&in_kms);
    start_error(Function::start("rotation", &variables).await, &["SIGNET_ROOT_KEYS is not set"]);
    // Other functions do not need them.
    Function::start("catalog", &variables).await.unwrap();
}

/// Starts a Secrets Manager that serves the secret of a function, without KMS. Returns its URL.
async fn secrets_manager() -> String {
    let response = json!({"VersionId": "one", "SecretString": json!({"key": "k".repeat(64)}).to_string()});
    let app = Router::new().fallback(async move || Json(response));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/functions.sh"]
async fn oidc_issuer_that_hangs_delays_only_requests_with_bearer_tokens() {
    let installation = Installation::start().await;
    // Connections wait for `accept`, which is never called.
    let issuer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", issuer.local_addr().unwrap());
    issuer.set_nonblocking(true).unwrap();
    let hangs = installation.variables(&[("SIGNET_OIDC_ISSUER", &url)]);
    let placeholders = BTreeMap::from([
        ("API_KEY", installation.local.operator_api_key.expose().to_owned()),
        ("BEARER_TOKEN", installation.bearer_token("ada@example.com").await),
    ]);
    let catalog = Function::start("catalog", &hangs).await.unwrap();
    let listed = catalog.invoke(event("list_products", &placeholders)).await.unwrap();
    assert_eq!(listed["statusCode"], 200);
    let connection = issuer.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(connection, Err(ErrorKind::WouldBlock), "neither the start nor the API key needs the issuer");

    let registration = Function::start("registration", &hangs).await.unwrap();
    let refused = registration.invoke(event("list_own_licenses", &placeholders)).await.unwrap();
    assert_eq!(refused["statusCode"], 503, "{refused}");
    registration.wait_for_log("failed to fetch the keys of the OIDC issuer").await;
}
