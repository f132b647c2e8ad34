//! Where a function can't start, its log has one line, which names the fix, and its process ends.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType::S};
use axum::{Json, Router};
use signet_tests::{Environment, Function, FunctionExit, Value, json, text};

use crate::installation::{Installation, event};

const FUNCTIONS: [&str; 10] = [
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
];

/// What a function that ended has told: one line, in which all of these stand.
#[track_caller]
fn told(started: Result<Function, FunctionExit>, words: &[&str]) -> String {
    let Err(ended) = started else { panic!("it must not start") };
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let [line] = ended.log.as_slice() else { panic!("not one line: {:#?}", ended.log) };
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("not running")), "{line}");
    let error = text(&line["error"]).to_owned();
    for word in words {
        assert!(error.contains(word), "no {word} in: {error}");
    }
    error
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/functions.sh runs it"]
async fn without_its_environment_a_function_names_all_that_is_missing() {
    let missing = [
        "SIGNET_ISSUER is not set",
        "SIGNET_TABLE is not set",
        "AWS_REGION is not set",
        "SIGNET_SEALING_KEY is not set",
        "SIGNET_SECRETS is not set",
    ];
    for name in FUNCTIONS {
        told(Function::start_outside_lambda(name, &Environment::new()).await, &missing);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/functions.sh runs it"]
async fn outside_lambda_it_says_where_functions_run() {
    let installation = Installation::start().await;
    let mut variables = installation.variables(&[("AWS_REGION", "us-east-1")]);
    let started = Function::start_outside_lambda("catalog", &variables).await;
    told(started, &["AWS_LAMBDA_RUNTIME_API", "cargo lambda watch", "cargo run"]);
    let runtime = [
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
    ];
    variables.extend(runtime.map(|name| (name, "256".to_owned())));
    let started = Function::start_outside_lambda("catalog", &variables).await;
    told(started, &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/functions.sh runs it"]
async fn one_variable_that_is_wrong_is_named_and_its_value_is_not() {
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
        let error = told(started, &[variable]);
        assert!(value.is_empty() || !error.contains(value), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/functions.sh runs it"]
async fn keys_in_files_are_not_for_lambda_unless_it_is_said_twice() {
    let installation = Installation::start().await;
    let started = Function::start("licenses", &installation.variables(&[("SIGNET_ALLOW_LOCAL_KEYS", "")])).await;
    told(started, &["SIGNET_KEY_DIR is for development", "SIGNET_ALLOW_LOCAL_KEYS=true"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/functions.sh runs it"]
async fn a_table_that_is_missing_or_another_s_or_out_of_reach_is_told() {
    let installation = Installation::start().await;
    table_of_other_keys(&installation, "other").await;
    for name in ["missing", "other"] {
        for function in FUNCTIONS {
            let started = Function::start(function, &installation.variables(&[("SIGNET_TABLE", name)])).await;
            told(started, &[&format!("the table {name} can't be read"), "SIGNET_TABLE must name a table"]);
        }
    }
    let nobody = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")];
    told(Function::start("catalog", &installation.variables(&nobody)).await, &["DynamoDB gave no answer"]);
}

/// Makes a table that somebody else would have.
async fn table_of_other_keys(installation: &Installation, name: &str) {
    let attribute = AttributeDefinition::builder().attribute_name("id").attribute_type(S).build().unwrap();
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let client = installation.local.app.table.client();
    let made = client.create_table().table_name(name).attribute_definitions(attribute).key_schema(key);
    made.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/functions.sh runs it"]
async fn rotation_is_told_the_root_keys() {
    let installation = Installation::start().await;
    let aws = secrets_manager().await;
    let in_kms = [
        ("SIGNET_KEY_DIR", ""),
        ("SIGNET_SEALING_KEY", "alias/signet"),
        ("SIGNET_SECRETS", "signet"),
        ("AWS_ENDPOINT_URL", aws.as_str()),
    ];
    let variables = installation.variables(&in_kms);
    told(Function::start("rotation", &variables).await, &["SIGNET_ROOT_KEYS is not set"]);
    // Nobody else needs them.
    Function::start("catalog", &variables).await.unwrap();
}

/// Answers what a function asks of Secrets Manager when it starts, and nothing that KMS would; gives its URL.
async fn secrets_manager() -> String {
    let answer = json!({"VersionId": "one", "SecretString": json!({"key": "k".repeat(64)}).to_string()});
    let app = Router::new().fallback(async move || Json(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/functions.sh runs it"]
async fn an_issuer_that_is_out_of_reach_is_told_and_api_keys_go_on_working() {
    let installation = Installation::start().await;
    let nobody = installation.variables(&[("SIGNET_OIDC_ISSUER", "http://127.0.0.1:9")]);
    let filling = BTreeMap::from([
        ("API_KEY", installation.local.operator_api_key.expose().to_owned()),
        ("BEARER_TOKEN", installation.bearer_token("ada@example.com").await),
    ]);
    let catalog = Function::start("catalog", &nobody).await.unwrap();
    let lines = catalog.log().iter().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let errors: Vec<_> =
        lines.iter().filter(|line| line["level"] == "ERROR").map(|line| text(&line["message"])).collect();
    assert!(
        matches!(errors[..], [told] if told.contains("SIGNET_OIDC_ISSUER names must be right and reachable")),
        "{lines:#?}"
    );
    let listed = catalog.invoke(event("get_products", &filling)).await.unwrap();
    assert_eq!(listed["statusCode"], 200);

    let registration = Function::start("registration", &nobody).await.unwrap();
    let refused = registration.invoke(event("get_user_licenses", &filling)).await.unwrap();
    assert_eq!(refused["statusCode"], 503, "{refused}");
}
