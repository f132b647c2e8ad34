//! The parts that `tests/real.sh` has brought up.

use std::{collections::BTreeMap, process::Command};

use aws_sdk_kms::types::KeySpec;
use shared::{AppState, Aws, Configuration, Timeouts, http_client, secrets, store::Table, tokens::kms};
use signet_local::Options;
use signet_tests::{Stack, random_word};

/// Where the parts answer, and a table that no other test has.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    dynamodb: String,
    aws: String,
    pub(crate) table: String,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: tests/real.sh sets it"))
}

impl Parts {
    pub(crate) fn new() -> Self {
        let (dynamodb, aws) = (variable("SIGNET_TEST_DYNAMODB"), variable("SIGNET_TEST_MINISTACK"));
        Self { dynamodb, aws, table: random_word("signet") }
    }

    /// A stack on them; another one has the same table, keys and secret.
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

    /// The variables of a function's environment: these, and those of what a stack has made.
    pub(crate) fn variables(&self, more: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
        let own = [
            ("SIGNET_TABLE", self.table.as_str()),
            ("SIGNET_ISSUER", "http://127.0.0.1:8080"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &self.aws),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb),
            ("SIGNET_SEALING_KEY", &self.sealing_alias()),
            ("SIGNET_SECRETS", &self.table),
        ];
        own.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    /// The parts of a function, as these variables make them.
    pub(crate) async fn function(&self, more: &[(&'static str, &str)]) -> AppState {
        let variables = self.variables(more);
        let configuration = Configuration::read(|name| variables.get(name).cloned()).unwrap();
        AppState::start(configuration).await.unwrap()
    }

    /// Runs the real binary with a function's variables, to its end; what it says on its way.
    pub(crate) fn signet(&self, task: &str, more: &[(&'static str, &str)]) -> String {
        let ran = Command::new(variable("SIGNET_TEST_SIGNET")).arg(task).envs(self.variables(more)).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.success(), "{said}");
        said
    }

    pub(crate) fn kms(&self) -> aws_sdk_kms::Client {
        kms::connect(&aws(), Some(self.aws.clone()))
    }

    pub(crate) fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        secrets::connect(&aws(), Some(self.aws.clone()))
    }

    pub(crate) fn sealing_alias(&self) -> String {
        format!("alias/{}-sealing", self.table)
    }

    /// Copies the table of a stack to one of another name, as a restored backup is; gives that name.
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

    /// The ARN of the key that seals.
    pub(crate) async fn sealing_key(&self) -> String {
        let described = self.kms().describe_key().key_id(self.sealing_alias()).send().await.unwrap();
        described.key_metadata.unwrap().arn.unwrap()
    }

    /// Makes another key, and has it seal from now on; gives its ARN.
    pub(crate) async fn change_sealing_key(&self) -> String {
        let made = self.kms().create_key().key_spec(KeySpec::SymmetricDefault).send().await.unwrap();
        let arn = made.key_metadata.unwrap().arn.unwrap();
        self.kms().update_alias().alias_name(self.sealing_alias()).target_key_id(&arn).send().await.unwrap();
        arn
    }
}

fn aws() -> Aws {
    let http_client = http_client(&[Some("http://127.0.0.1")]).unwrap();
    Aws::new("us-east-1", None, http_client, Timeouts::default())
}

/// The ARN of the key that signs.
pub(crate) async fn signing_key(stack: &Stack) -> String {
    let ring = stack.local.app.tokens.ring();
    ring.current(stack.clock.now()).await.unwrap().unwrap().handle
}

/// What KMS and Secrets Manager were asked since the last time that they were counted.
pub(crate) fn asked_of_keys(stack: &Stack) -> Vec<String> {
    let keys = ["Sign", "GenerateDataKey", "Decrypt", "GetPublicKey", "CreateKey", "DescribeKey", "GetSecretValue"];
    let mut asked = stack.faults.calls();
    asked.retain(|operation| keys.contains(&operation.as_str()));
    stack.faults.reset_calls();
    asked
}
