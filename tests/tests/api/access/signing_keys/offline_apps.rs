//! Apps that verify tokens offline while keys rotate.

use std::{collections::BTreeMap, fs};

use jiff::SignedDuration;
use shared::domain::key_ring::RotationPolicy;
use signet_local::{DataDirectory, Options};
use signet_tests::{START, Stack, Value, VerifiedToken, json, text};

use super::{ROTATE, condemn, get_ring, kid, kid_of, maintain, states};

/// An app that refreshes its keys only when they expire, and never because of an unknown `kid`.
struct OfflineApp<'a> {
    stack: &'a Stack,
    name: &'static str,
    token: String,
    /// The cached key sets by their path, and until when each is cached.
    keys: BTreeMap<&'static str, (Value, jiff::Timestamp)>,
    /// The built-in root keys.
    roots: Vec<Value>,
}

impl<'a> OfflineApp<'a> {
    async fn activate(stack: &'a Stack, name: &'static str, license_key: &str, roots: &[&Value]) -> Self {
        let activated = stack.anonymous.activate(license_key, name).await.expect_status(201);
        let token = text(&activated["token"]).to_owned();
        Self { stack, name, token, keys: BTreeMap::new(), roots: roots.iter().map(|root| (*root).clone()).collect() }
    }

    async fn heartbeat(&mut self) {
        let response = self.stack.anonymous.heartbeat(&self.token, self.name).await.expect_status(200);
        text(&response["token"]).clone_into(&mut self.token);
    }

    /// Verifies the token with the JWK Set and with the signed key set.
    async fn verify(&mut self) {
        for path in ["/.well-known/jwks.json", "/.well-known/jwks.jwt"] {
            let now = self.stack.clock.now();
            if self.keys.get(path).is_none_or(|(_, until)| *until <= now) {
                let response = self.stack.anonymous.get(path).await;
                let set = match response.body {
                    Value::Null => {
                        self.roots.iter().find_map(|root| VerifiedToken::claims_with_key(&response.text, root))
                    }
                    set => Some(set),
                };
                let set = set.unwrap_or_else(|| panic!("{}: no built-in root key verifies the signed set", self.name));
                self.keys.insert(path, (set, now + SignedDuration::from_secs(300)));
            }
            let verified = VerifiedToken::verify(&self.token, &self.keys[path].0);
            assert!(verified.is_some(), "{} at {now}: a valid token is rejected with {path}", self.name);
        }
    }
}

/// Advances all clocks minute by minute, with maintenance every five minutes and heartbeats every 15 minutes.
async fn run_for(stacks: &[Stack; 2], apps: &mut [OfflineApp<'_>], minutes: usize) {
    for minute in 0..minutes {
        for stack in stacks {
            stack.advance(60);
        }
        if minute % 5 == 4 {
            maintain(&stacks[0]).await;
        }
        for (index, app) in apps.iter_mut().enumerate() {
            if (minute + index) % 15 == 0 {
                app.heartbeat().await;
            }
            app.verify().await;
        }
    }
}

#[tokio::test]
async fn valid_tokens_are_accepted_throughout_rotation_condemnation_and_root_replacement() {
    let folder = tempfile::tempdir().unwrap();
    let folder = DataDirectory::open(folder.path()).unwrap();
    // A key signs for two hours, and tokens are valid for one.
    let rotation_policy =
        RotationPolicy { rotation: SignedDuration::from_hours(2), refresh: SignedDuration::from_secs(300) };
    let options = || Options { data: Some(&folder), rotation_policy, ..Options::default() };
    let one = Stack::start_with(options()).await;
    let endpoint = Some(one.local.dynamodb_endpoint.clone());
    let other = Stack::start_with(Options { dynamodb_endpoint: endpoint.clone(), ..options() }).await;
    let stacks = [one, other];
    let license = stacks[0].operator.issue_new_license(4).await;
    let first = get_ring(&stacks[0]).await;
    let old_root = &first["root_keys"][0];
    let mut apps = [
        OfflineApp::activate(&stacks[0], "a", &license.license_key, &[old_root]).await,
        OfflineApp::activate(&stacks[1], "b", &license.license_key, &[old_root]).await,
    ];

    // Keys are created, promoted and retired.
    run_for(&stacks, &mut apps, 6 * 60).await;
    let later = get_ring(&stacks[0]).await;
    assert_eq!(states(&later).iter().filter(|state| **state == "retired").count(), 2, "{later}");

    // A key that signed recently is condemned: apps with its tokens activate again with the key string, and others
    // continue.
    let condemned_kid = kid(&later, "current").to_owned();
    stacks[0].operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    for app in &mut apps {
        app.keys.clear();
    }
    run_for(&stacks, &mut apps, 20).await;
    condemn(&stacks[0], &condemned_kid).await.expect_status(200);
    for app in &mut apps {
        if kid_of(&app.token.clone().into()) == condemned_kid {
            let reactivated = app.stack.anonymous.activate(&license.license_key, app.name).await.expect_status(200);
            text(&reactivated["token"]).clone_into(&mut app.token);
        }
    }
    run_for(&stacks, &mut apps, 60).await;

    // Another root key is announced and built into new apps; then it signs; then the old one is removed.
    let handle = create_root_key(&folder).await;
    let (old, new) = (text(&old_root["kid"]), handle.as_str());
    let mut announced = vec![];
    for roots in [format!("{old}\n{new}\n"), format!("{new}\n{old}\n"), format!("{new}\n")] {
        fs::write(folder.file("root-keys"), &roots).unwrap();
        let key_rotator = Stack::start_with(Options { dynamodb_endpoint: endpoint.clone(), ..options() }).await;
        key_rotator.advance(stacks[0].clock.now().duration_since(START).as_secs());
        maintain(&key_rotator).await;
        let listed = get_ring(&stacks[0]).await["root_keys"].clone();
        let kids: Vec<_> = listed.as_array().unwrap().iter().map(|root| text(&root["kid"])).collect();
        assert_eq!(kids, roots.split_whitespace().collect::<Vec<_>>());
        if announced.is_empty() {
            announced = listed.as_array().unwrap().clone();
            // Every app is updated with both root keys before the new one signs.
            for app in &mut apps {
                app.roots.clone_from(&announced);
            }
        }
        for _ in 0..4 {
            for stack in &stacks {
                stack.advance(200);
            }
            for app in &mut apps {
                app.heartbeat().await;
                app.verify().await;
            }
        }
    }
    let set = stacks[0].anonymous.get("/.well-known/jwks.jwt").await.text;
    assert!(
        VerifiedToken::claims_with_key(&set, &announced[1]).is_some()
            && VerifiedToken::claims_with_key(&set, &announced[0]).is_none()
    );
}

/// Creates a root key in the directory.
async fn create_root_key(folder: &DataDirectory) -> String {
    use shared::tokens::{Signer, local::LocalSigner};
    let signer = LocalSigner::in_directory(&folder.file("signing-keys")).unwrap();
    signer.create("root").await.unwrap().handle
}
