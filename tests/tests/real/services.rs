//! The services that `tests/real.sh` starts: DynamoDB Local, and KMS and Secrets Manager of MiniStack.

use std::{collections::BTreeMap, process::Command};

use aws_sdk_kms::types::KeySpec;
use shared::{AppState, Aws, Configuration, Timeouts, http_client, secrets, store::Table, tokens::kms};
use signet_local::Options;
use signet_tests::{Stack, random_word};

/// The endpoints of the services, and a unique table name.
#[derive(Debug, Clone)]
pub(crate) struct TestServices {
    dynamodb: String,
    aws: String,
    pub(crate) table: String,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: tests/real.sh sets it"))
}

impl TestServices {
    pub(crate) fn new() -> Self {
        let (dynamodb, aws) = (variable("SIGNET_TEST_DYNAMODB"), variable("SIGNET_TEST_MINISTACK"));
        Self { dynamodb, aws, table: random_word("signet") }
    }

    /// Starts a stack on the services. Further stacks share its table, keys and secret.
    pub(crate) async fn stack(&self) -> Stack {
        Stack::start_with(self.options()).await
    }

    pub(crate) fn options(&self) -> Options<'static> {
        Options {
            dynamodb_endpoint: Some(self.dynamodb.clone()),
            kms_endpoint: Some(self.aws.clone()),
            table: self.table.clone(),
            ..Options::default()
        }
    }

    /// Returns the environment variables of a function for the resources of a stack, extended by these.
    pub(crate) fn variables(&self, more: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
        let defaults = [
            ("SIGNET_TABLE", self.table.as_str()),
            ("SIGNET_ISSUER", "http://127.0.0.1:8080"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &self.aws),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb),
            ("SIGNET_SEALING_KEY", &self.sealing_alias()),
            ("SIGNET_CURSOR_SECRET", &self.table),
            ("SIGNET_SESSION_SECRET", &self.session_secret()),
        ];
        defaults.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    /// Returns the application state of a function with these environment variables.
    pub(crate) async fn function(&self, more: &[(&'static str, &str)]) -> AppState {
        let variables = self.variables(more);
        let configuration = Configuration::read(|name| variables.get(name).cloned()).unwrap();
        AppState::start(configuration).await.unwrap()
    }

    /// Runs a subcommand of the `signet` binary with a function's environment variables. Returns its stderr.
    pub(crate) fn signet(&self, task: &str, more: &[(&'static str, &str)]) -> String {
        let output =
            Command::new(variable("SIGNET_TEST_SIGNET")).arg(task).envs(self.variables(more)).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        stderr
    }

    pub(crate) fn kms(&self) -> aws_sdk_kms::Client {
        kms::connect(&aws(), Some(self.aws.clone()))
    }

    pub(crate) fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        secrets::connect(&aws(), Some(self.aws.clone()))
    }

    fn session_secret(&self) -> String {
        format!("{}-sessions", self.table)
    }

    pub(crate) fn sealing_alias(&self) -> String {
        format!("alias/{}-sealing", self.table)
    }

    /// Copies the table of a stack, like a restored backup. Returns the name of the copy.
    pub(crate) async fn copy_table(&self, stack: &Stack) -> String {
        let table = &stack.local.app.table;
        let name = random_word("restored");
        let restored = Table::connect(&aws(), &name, Some(self.dynamodb.clone()));
        restored.create_if_missing().await.unwrap();
        let all = table.client().scan().table_name(table.name()).send().await.unwrap().items.unwrap();
        for item in all {
            restored.client().put_item().table_name(&name).set_item(Some(item)).send().await.unwrap();
        }
        name
    }

    /// Returns the ARN of the sealing key.
    pub(crate) async fn sealing_key(&self) -> String {
        let described = self.kms().describe_key().key_id(self.sealing_alias()).send().await.unwrap();
        described.key_metadata.unwrap().arn.unwrap()
    }

    /// Creates a KMS key and makes it the sealing key. Returns its ARN.
    pub(crate) async fn change_sealing_key(&self) -> String {
        let created = self.kms().create_key().key_spec(KeySpec::SymmetricDefault).send().await.unwrap();
        let arn = created.key_metadata.unwrap().arn.unwrap();
        self.kms().update_alias().alias_name(self.sealing_alias()).target_key_id(&arn).send().await.unwrap();
        arn
    }
}

fn aws() -> Aws {
    let http_client = http_client(&[Some("http://127.0.0.1")]).unwrap();
    Aws::new("us-east-1", None, http_client, Timeouts::default())
}

/// Returns the ARN of the current signing key.
pub(crate) async fn signing_key(stack: &Stack) -> String {
    let ring = stack.local.app.tokens.ring();
    ring.current(stack.clock.now()).await.unwrap().unwrap().handle
}

/// The operations of KMS and Secrets Manager that Signet calls.
pub(crate) const KEY_CALLS: [&str; 7] =
    ["Sign", "GenerateDataKey", "Decrypt", "GetPublicKey", "CreateKey", "DescribeKey", "GetSecretValue"];

/// Returns the calls to KMS and Secrets Manager since the previous call of this function.
pub(crate) fn take_key_calls(stack: &Stack) -> Vec<String> {
    let mut calls = stack.faults.calls();
    calls.retain(|operation| KEY_CALLS.contains(&operation.as_str()));
    stack.faults.reset_calls();
    calls
}
