//! A local stack whose table, keys and OIDC issuer the functions use.

use std::{collections::BTreeMap, process::Command};

use jiff::SignedDuration;
use reqwest::Method;
use shared::domain::key_ring::RotationPolicy;
use signet_local::{DataDirectory, Options};
use signet_tests::{Client, Environment, FakeQueue, Function, Value, pregenerated_keys, text};
use tempfile::TempDir;

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");
/// The refresh interval of the key ring, in seconds. A new key can sign after twice this interval.
const KEY_REFRESH_SECONDS: i64 = 1;

pub(crate) struct Installation {
    pub(crate) local: signet_local::LocalServer,
    pub(crate) folder: TempDir,
    pub(crate) queue: FakeQueue,
    _data: DataDirectory,
}

impl Installation {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(folder.path()).unwrap();
        let rotation_policy =
            RotationPolicy { refresh: SignedDuration::from_secs(KEY_REFRESH_SECONDS), ..RotationPolicy::default() };
        let pregenerated_keys = pregenerated_keys(Some(&data));
        let options = Options { data: Some(&data), rotation_policy, pregenerated_keys, ..Options::default() };
        let local = Box::pin(signet_local::LocalServer::start(options)).await.unwrap();
        Self { local, folder, queue: FakeQueue::start().await, _data: data }
    }

    /// Returns the environment variables of a function, with these changes. An empty value means that it is not set.
    pub(crate) fn variables(&self, changes: &[(&'static str, &str)]) -> Environment {
        let oidc = self.local.app.settings.oidc.as_ref().unwrap();
        let refresh = KEY_REFRESH_SECONDS.to_string();
        let queue = self.queue.url();
        let defaults = [
            ("SIGNET_TABLE", self.local.table.as_str()),
            ("SIGNET_ISSUER", self.local.app.issuer()),
            ("SIGNET_KEY_DIR", self.folder.path().to_str().unwrap()),
            ("SIGNET_ALLOW_LOCAL_KEYS", "true"),
            ("SIGNET_KEY_REFRESH_SECONDS", &refresh),
            ("SIGNET_OIDC_ISSUER", &oidc.issuer),
            ("SIGNET_OIDC_AUDIENCES", &oidc.audiences[0]),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.local.dynamodb_endpoint),
            ("SIGNET_WEBHOOK_QUEUE", &queue),
            ("AWS_ENDPOINT_URL_SQS", &self.queue.endpoint),
        ];
        defaults.iter().chain(changes).map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    pub(crate) async fn function(&self, name: &str) -> Function {
        Function::start(name, &self.variables(&[])).await.unwrap()
    }

    /// Signs in at the development issuer and returns the access token.
    pub(crate) async fn bearer_token(&self, email: &str) -> String {
        let form = [
            ("grant_type", "password"),
            ("client_id", "signet-dashboard"),
            ("username", email),
            ("password", "any"),
            ("scope", "openid email profile"),
        ];
        let client = Client::new(&self.local.base_url);
        let tokens =
            client.send(Method::POST, "/dev/oidc/token", |request| request.form(&form)).await.expect_status(200);
        text(&tokens["access_token"]).to_owned()
    }
}

/// Reads an event and fills in its placeholders as `events/README.md` describes.
pub(crate) fn event(name: &str, placeholders: &BTreeMap<&str, String>) -> Value {
    let mut fill = Command::new(format!("{EVENTS}/fill"));
    let filled = fill.arg(format!("{EVENTS}/{name}.json")).envs(placeholders).output().unwrap();
    assert!(filled.status.success(), "{name}: {}", String::from_utf8_lossy(&filled.stderr));
    serde_json::from_slice(&filled.stdout).unwrap()
}
