//! The real binary: what it keeps when it is killed, what it leaves behind, and how it says no.
#![expect(clippy::unwrap_used, reason = "what does not work fails the test")]

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};
use signet_tests::SignetProcess;

const TASKS: usize = 4;

fn signet(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(folder).args(more).env("RUST_LOG", "error");
    command
}

fn start(folder: &Path, more: &[&str]) -> SignetProcess {
    SignetProcess::spawn(folder, &mut signet(folder, more))
}

/// Makes customers until nobody answers any more; those whose making was answered.
async fn write(url: String, key: String, task: usize) -> Vec<String> {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let mut acknowledged = Vec::new();
    for number in 0.. {
        // Each round has a port of its own, so each e-mail address is new.
        let port = url.split(':').nth(2).unwrap().split('/').next().unwrap();
        let body = json!({"name": "Ada", "email": format!("ada-{port}-{task}-{number}@example.com")});
        let asked = client.post(&url).header("x-api-key", &key).json(&body).send().await;
        let Ok(answer) = asked else { break };
        let status = answer.status();
        let Ok(customer) = answer.json::<Value>().await else { break };
        assert_eq!(status, 201, "{customer}");
        acknowledged.push(customer["id"].as_str().unwrap().to_owned());
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_no_write_that_it_answered() {
    let folder = tempfile::tempdir().unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let mut running = start(folder.path(), &[]);
    let key = running.key();
    let issuer = fs::read_to_string(folder.path().join("issuer")).unwrap();
    let kids = jwks(&client, &running).await;
    assert_eq!(issuer, running.url(""));
    let mut all = Vec::new();
    for round in 0..3 {
        let url = running.url("/api/v1.0/customers");
        let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(write(url.clone(), key.clone(), task))).collect();
        tokio::time::sleep(Duration::from_millis(300 + 170 * round)).await;
        running.kill();
        assert!(folder.path().join("local.json").exists(), "nobody had the time to remove it");
        for task in tasks {
            let acknowledged = task.await.unwrap();
            assert!(!acknowledged.is_empty(), "a task wrote nothing");
            all.extend(acknowledged);
        }

        running = start(folder.path(), &[]);
        assert_eq!(running.key(), key);
        assert_eq!(fs::read_to_string(folder.path().join("issuer")).unwrap(), issuer);
        assert_eq!(jwks(&client, &running).await, kids);
        for id in &all {
            let asked = client.get(running.url(&format!("/api/v1.0/customers/{id}"))).header("x-api-key", &key);
            let answer = asked.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{id}, one of {}, is lost", all.len());
        }
    }
}

async fn jwks(client: &reqwest::Client, running: &SignetProcess) -> Value {
    client.get(running.url("/.well-known/jwks.json")).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn endpoints_follow_the_port_and_the_issuer_stays() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path(), &[]);
    let issuer = first.url("");
    assert_eq!(first.signal("TERM"), 0);
    let second = start(folder.path(), &[]);
    let answer = reqwest::get(second.url("/.well-known/license-configuration")).await.unwrap();
    let found: Value = answer.json().await.unwrap();
    assert_eq!(found["issuer"], issuer);
    assert_eq!(found["jwks_uri"], second.url("/.well-known/jwks.json"));
}

#[test]
fn local_json_is_there_only_while_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("local.json");
    for signal in ["INT", "TERM"] {
        let running = start(folder.path(), &[]);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let fields: BTreeSet<_> = running.local.as_object().unwrap().keys().map(String::as_str).collect();
        let named = ["base_url", "operator_api_key", "oidc_issuer", "dynamodb_endpoint", "table"];
        assert_eq!(fields, BTreeSet::from(named));
        assert_eq!(running.signal(signal), 0);
        assert!(!file.exists());
    }
    let mut killed = start(folder.path(), &[]);
    killed.kill();
    assert!(file.exists());
    // One that does not come to answer does not leave another's behind either.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    refused(&signet(folder.path(), &[]).args(["--listen", &listen]).output().unwrap(), 1, "can't listen on");
    assert!(!file.exists());
}

#[test]
fn in_memory_the_folder_gets_local_json_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), &["--memory"]);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["local.json"]);
    assert_eq!(running.signal("TERM"), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_it_keeps_is_its_owners_alone() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("made/by/it");
    let running = start(&folder, &[]);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    for name in ["table.db", "table.db-wal", "table.db-shm", "sealing.key", "operator-api-key", "local.json"] {
        assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(running.signal("TERM"), 0);
}

/// It ended with this code, and with one line that says why.
fn refused(output: &Output, code: i32, why: &str) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.starts_with("error: ") && said.contains(why), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_folder_is_one_process_s() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), &[]);
    for more in [&[][..], &["--memory"]] {
        let second = signet(folder.path(), more).output().unwrap();
        refused(&second, 1, &format!("in use by another running signet, which answers at {}", running.url("")));
    }
    assert!(folder.path().join("local.json").exists(), "the first one's stays");
}

#[test]
fn another_dynamodb_is_used_as_it_is_unless_its_keys_are_elsewhere() {
    let (first, second, third) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let with_table = start(first.path(), &[]);
    let endpoint = with_table.local["dynamodb_endpoint"].as_str().unwrap();
    let why = "the signing key that the table names as current can't sign here";
    refused(&signet(second.path(), &["--dynamodb-endpoint", endpoint]).output().unwrap(), 1, why);

    // With the keys, it is as good as the one that made the table.
    fs::create_dir(third.path().join("signing-keys")).unwrap();
    for key in fs::read_dir(first.path().join("signing-keys")).unwrap() {
        let key = key.unwrap();
        fs::copy(key.path(), third.path().join("signing-keys").join(key.file_name())).unwrap();
    }
    let without = start(third.path(), &["--dynamodb-endpoint", endpoint]);
    assert_eq!(without.local["dynamodb_endpoint"], endpoint);
    assert!(!third.path().join("table.db").exists());
    assert_ne!(without.key(), with_table.key());
}

#[test]
fn without_ca_certificates_it_starts_unless_https_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let bare = |more: &[&str]| {
        let mut command = signet(folder.path(), more);
        command.env("SSL_CERT_FILE", folder.path().join("none.pem")).env("SSL_CERT_DIR", folder.path().join("none"));
        command
    };
    SignetProcess::spawn(folder.path(), &mut bare(&["--memory"])).kill();

    let https = ["--memory", "--dynamodb-endpoint", "https://127.0.0.1:9"];
    refused(&bare(&https).output().unwrap(), 1, "install its package ca-certificates");
}

#[test]
fn what_can_t_start_says_so_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "").unwrap();
    refused(&signet(&at("file"), &[]).output().unwrap(), 1, "file: ");
    for (name, content, why) in [
        ("operator-api-key", "not a key", "operator-api-key: no API key"),
        ("sealing.key", "short", "32 bytes"),
        ("table.db", "this is no database, and it is long enough for one to be told from", "DynamoDB"),
    ] {
        let damaged = at(&format!("damaged {name}"));
        fs::create_dir(&damaged).unwrap();
        fs::write(damaged.join(name), content).unwrap();
        refused(&signet(&damaged, &[]).output().unwrap(), 1, why);
    }
    let nobody = ["--memory", "--dynamodb-endpoint", "http://127.0.0.1:9"];
    refused(&signet(&at("no table"), &nobody).output().unwrap(), 1, "DynamoDB gave no answer");
    let nobody = ["--memory", "--kms-endpoint", "http://127.0.0.1:9"];
    refused(&signet(&at("no kms"), &nobody).output().unwrap(), 1, "KMS and Secrets Manager at http://127.0.0.1:9: ");
    let mut reencrypt = Command::new(env!("CARGO_BIN_EXE_signet"));
    let reencrypt =
        reencrypt.arg("rewrap").env("RUST_LOG", "error").env("SIGNET_TABLE", "signet").env_remove("AWS_REGION");
    let missing =
        "SIGNET_ISSUER is not set; AWS_REGION is not set; SIGNET_SEALING_KEY is not set; SIGNET_SECRETS is not";
    refused(&reencrypt.output().unwrap(), 1, missing);
    for flag in [&["--lisen"][..], &["--listen", "nowhere"], &["--issuer", "example.com"], &["--data"]] {
        refused(&signet(&at("unused"), flag).output().unwrap(), 2, flag[0]);
    }
    assert!(!at("unused").exists());
}
