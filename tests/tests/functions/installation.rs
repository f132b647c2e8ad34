//! The table, keys and issuer that functions are started on: those of a stack on this machine.

use std::{collections::BTreeMap, process::Command};

use jiff::SignedDuration;
use reqwest::Method;
use shared::domain::key_ring::RotationPolicy;
use signet_local::{Folder, Options};
use signet_tests::{Client, Environment, Function, Value, text};
use tempfile::TempDir;

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");
/// How old a function's copy of the key ring may be: a new key may sign after twice that.
const REFRESH: i64 = 1;

pub(crate) struct Installation {
    pub(crate) local: signet_local::Stack,
    pub(crate) folder: TempDir,
    _taken: Folder,
}

impl Installation {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let taken = Folder::take(folder.path()).unwrap();
        let ring = RotationPolicy { refresh: SignedDuration::from_secs(REFRESH), ..RotationPolicy::default() };
        let options = Options { data: Some(&taken), ring, ..Options::default() };
        let local = signet_local::Stack::start(options).await.unwrap();
        Self { local, folder, _taken: taken }
    }

    /// The variables of a function that is to work here, with these changed or besides; an empty one counts as not set.
    pub(crate) fn variables(&self, changes: &[(&'static str, &str)]) -> Environment {
        let oidc = self.local.app.settings.oidc.as_ref().unwrap();
        let refresh = REFRESH.to_string();
        let own = [
            ("SIGNET_TABLE", self.local.table.as_str()),
            ("SIGNET_ISSUER", self.local.app.issuer()),
            ("SIGNET_KEY_DIR", self.folder.path().to_str().unwrap()),
            ("SIGNET_ALLOW_LOCAL_KEYS", "true"),
            ("SIGNET_KEY_REFRESH_SECONDS", &refresh),
            ("SIGNET_OIDC_ISSUER", &oidc.issuer),
            ("SIGNET_OIDC_AUDIENCES", &oidc.audiences[0]),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.local.dynamodb_endpoint),
        ];
        own.iter().chain(changes).map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    pub(crate) async fn function(&self, name: &str) -> Function {
        Function::start(name, &self.variables(&[])).await.unwrap()
    }

    /// A bearer token of somebody who signed in.
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

/// An event with its placeholders filled in, as `events/README.md` tells people to.
pub(crate) fn event(name: &str, filling: &BTreeMap<&str, String>) -> Value {
    let mut fill = Command::new(format!("{EVENTS}/fill"));
    let filled = fill.arg(format!("{EVENTS}/{name}.json")).envs(filling).output().unwrap();
    assert!(filled.status.success(), "{name}: {}", String::from_utf8_lossy(&filled.stderr));
    serde_json::from_slice(&filled.stdout).unwrap()
}
