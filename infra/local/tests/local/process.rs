//! The `signet` binary: durability when it is killed, the files it leaves, and its errors at start.

use std::{
    collections::BTreeSet,
    fs, io,
    net::TcpListener,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use signet_tests::SignetProcess;
use tokio::sync::mpsc::{self, UnboundedSender};

/// Number of concurrent writers.
const WRITERS: usize = 4;

fn signet(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(folder).args(more).env("RUST_LOG", "error");
    command
}

fn start(folder: &Path, more: &[&str]) -> SignetProcess {
    SignetProcess::spawn(folder, &mut signet(folder, more))
}

/// Creates customers until the server is gone, and sends `task` for each. Returns the ids of the acknowledged ones.
async fn create_customers(url: String, key: String, task: usize, created: UnboundedSender<usize>) -> Vec<String> {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let mut acknowledged = Vec::new();
    for number in 0.. {
        // Each round uses another port, so each email address is new.
        let port = url.split(':').nth(2).unwrap().split('/').next().unwrap();
        let body = json!({"name": "Ada", "email": format!("ada-{port}-{task}-{number}@example.com")});
        let response = client.post(&url).header("x-api-key", &key).json(&body).send().await;
        let Ok(response) = response else { break };
        let status = response.status();
        let Ok(customer) = response.json::<Value>().await else { break };
        assert_eq!(status, 201, "{customer}");
        acknowledged.push(customer["id"].as_str().unwrap().to_owned());
        let _ = created.send(task);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_process_loses_no_acknowledged_write() {
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
        let (created, mut counted) = mpsc::unbounded_channel();
        let write = |task| tokio::spawn(create_customers(url.clone(), key.clone(), task, created.clone()));
        let tasks: Vec<_> = (0..WRITERS).map(write).collect();
        let mut counts = [0; WRITERS];
        while counts.iter().any(|count| *count < 5 + round) {
            counts[counted.recv().await.unwrap()] += 1;
        }
        running.kill();
        assert!(folder.path().join("local.json").exists(), "a killed process can't remove it");
        for task in tasks {
            let acknowledged = task.await.unwrap();
            assert!(!acknowledged.is_empty(), "a writer created nothing");
            all.extend(acknowledged);
        }

        running = start(folder.path(), &[]);
        assert_eq!(running.key(), key);
        assert_eq!(fs::read_to_string(folder.path().join("issuer")).unwrap(), issuer);
        assert_eq!(jwks(&client, &running).await, kids);
        for id in &all {
            let request = client.get(running.url(&format!("/api/v1.0/customers/{id}"))).header("x-api-key", &key);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200, "{id}, one of {}, is lost", all.len());
        }
    }
}

async fn jwks(client: &reqwest::Client, running: &SignetProcess) -> Value {
    client.get(running.url("/.well-known/jwks.json")).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn issuer_stays_the_same_when_the_port_changes() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path(), &[]);
    let issuer = first.url("");
    assert_eq!(first.signal("TERM"), 0);
    let second = start(folder.path(), &[]);
    let response = reqwest::get(second.url("/.well-known/license-configuration")).await.unwrap();
    let found: Value = response.json().await.unwrap();
    assert_eq!(found["issuer"], issuer);
    assert_eq!(found["jwks_uri"], second.url("/.well-known/jwks.json"));
}

#[test]
fn local_json_exists_only_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("local.json");
    for signal in ["INT", "TERM"] {
        let running = start(folder.path(), &[]);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let fields: BTreeSet<_> = running.local.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = ["base_url", "operator_api_key", "oidc_issuer", "dynamodb_endpoint", "table"];
        assert_eq!(fields, BTreeSet::from(expected));
        assert_eq!(running.signal(signal), 0);
        assert!(!file.exists());
    }
    let mut killed = start(folder.path(), &[]);
    killed.kill();
    assert!(file.exists());
    // A process that fails to start removes the file of a killed one as well.
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = occupied.local_addr().unwrap().to_string();
    assert_fails(&signet(folder.path(), &[]).args(["--listen", &listen]).output().unwrap(), 1, "can't listen on");
    assert!(!file.exists());
}

#[test]
fn memory_option_writes_only_local_json() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), &["--memory"]);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["local.json"]);
    assert_eq!(running.signal("TERM"), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn only_the_owner_can_read_the_data_directory() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("created/by/signet");
    let running = start(&folder, &[]);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    for name in ["table.db", "table.db-wal", "table.db-shm", "sealing.key", "operator-api-key", "local.json"] {
        assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(running.signal("TERM"), 0);
}

/// Asserts that the process exited with this code and one line on stderr that contains `expected`.
fn assert_fails(output: &Output, code: i32, expected: &str) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(output.stdout.is_empty());
}

/// Returns outputs that cannot be written, each with its description.
fn broken_outputs() -> Vec<(&'static str, OwnedFd)> {
    let (_, without_reader) = io::pipe().unwrap();
    let mut outputs = vec![("a pipe without a reader", without_reader.into())];
    if cfg!(target_os = "linux") {
        outputs.push(("/dev/full", fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into()));
    }
    outputs
}

#[tokio::test]
async fn outputs_that_cannot_be_written_do_not_stop_the_server() {
    for (description, output) in broken_outputs() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = signet(folder.path(), &["--memory"]);
        command.env("RUST_LOG", "debug").stdout(output.try_clone().unwrap()).stderr(output);
        let running = SignetProcess::spawn_with_own_output(folder.path(), &mut command);
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        for (path, status) in [("/api/v1.0/products", 200), ("/api/v1.0/products/unknown", 404)] {
            let request = client.get(running.url(path)).header("x-api-key", running.key());
            let response = request.send().await.unwrap_or_else(|error| panic!("{description}: {path}: {error}"));
            assert_eq!(response.status(), status, "{description}: {path}");
        }
        assert_eq!(running.signal("TERM"), 0, "{description}");
    }
}

#[test]
fn start_errors_exit_although_stderr_cannot_be_written() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = occupied.local_addr().unwrap().to_string();
    for (description, output) in broken_outputs() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = signet(folder.path(), &["--memory", "--listen", &listen]);
        let status = command.env("RUST_LOG", "debug").stderr(output).status().unwrap();
        assert_eq!(status.code(), Some(1), "{description}");
    }
}

#[test]
fn data_directory_is_locked_by_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), &[]);
    for more in [&[][..], &["--memory"]] {
        let second = signet(folder.path(), more).output().unwrap();
        assert_fails(&second, 1, &format!("in use by another running signet at {}", running.url("")));
    }
    assert!(folder.path().join("local.json").exists(), "the file of the first process remains");
}

#[test]
fn existing_table_requires_its_signing_keys() {
    let (first, second, third) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let with_table = start(first.path(), &[]);
    let endpoint = with_table.local["dynamodb_endpoint"].as_str().unwrap();
    let why = "the table's current signing key is not available here";
    assert_fails(&signet(second.path(), &["--dynamodb-endpoint", endpoint]).output().unwrap(), 1, why);

    // With a copy of the keys, another process can use the table.
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
fn missing_ca_certificates_matter_only_with_https_endpoints() {
    let folder = tempfile::tempdir().unwrap();
    let bare = |more: &[&str]| {
        let mut command = signet(folder.path(), more);
        command.env("SSL_CERT_FILE", folder.path().join("none.pem")).env("SSL_CERT_DIR", folder.path().join("none"));
        command
    };
    SignetProcess::spawn(folder.path(), &mut bare(&["--memory"])).kill();

    let https = ["--memory", "--dynamodb-endpoint", "https://127.0.0.1:9"];
    assert_fails(&bare(&https).output().unwrap(), 1, "install the package ca-certificates");
}

/// Returns the command with a limit on the size of files, in 512 bytes. A write beyond it fails as on a full disk.
fn with_file_size_limit(command: &Command, blocks: u32) -> Command {
    let mut limited = Command::new("sh");
    // Without the trap, the signal of a write beyond the limit would end the process.
    limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
    limited.arg(command.get_program()).args(command.get_args()).env("RUST_LOG", "error");
    limited
}

#[test]
fn next_start_repeats_one_that_failed_on_a_full_disk() {
    // At these limits, the table exists and one of its indexes does not.
    for blocks in [96, 128, 160] {
        let folder = tempfile::tempdir().unwrap();
        let limited = with_file_size_limit(&signet(folder.path(), &[]), blocks).output().unwrap();
        assert_fails(&limited, 1, "DynamoDB is unavailable");
        assert_eq!(start(folder.path(), &[]).signal("TERM"), 0, "after a limit of {blocks} blocks");
    }
}

#[test]
fn start_errors_are_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "").unwrap();
    assert_fails(&signet(&at("file"), &[]).output().unwrap(), 1, "file: ");
    for (name, content, message) in [
        ("operator-api-key", "not a key", "operator-api-key: invalid API key"),
        ("sealing.key", "short", "32 bytes"),
        ("table.db", "not a database, but long enough to be recognized as something else", "DynamoDB"),
    ] {
        let damaged = at(&format!("damaged {name}"));
        fs::create_dir(&damaged).unwrap();
        fs::write(damaged.join(name), content).unwrap();
        assert_fails(&signet(&damaged, &[]).output().unwrap(), 1, message);
    }
    let unreachable = ["--memory", "--dynamodb-endpoint", "http://127.0.0.1:9"];
    assert_fails(&signet(&at("no table"), &unreachable).output().unwrap(), 1, "DynamoDB is unavailable");
    let unreachable = ["--memory", "--kms-endpoint", "http://127.0.0.1:9"];
    assert_fails(
        &signet(&at("no kms"), &unreachable).output().unwrap(),
        1,
        "KMS and Secrets Manager at http://127.0.0.1:9: ",
    );
    let mut reencrypt = Command::new(env!("CARGO_BIN_EXE_signet"));
    let reencrypt =
        reencrypt.arg("reencrypt").env("RUST_LOG", "error").env("SIGNET_TABLE", "signet").env_remove("AWS_REGION");
    let missing = "SIGNET_ISSUER is not set; AWS_REGION is not set; SIGNET_SEALING_KEY is not";
    assert_fails(&reencrypt.output().unwrap(), 1, missing);
    for flag in [&["--lisen"][..], &["--listen", "nowhere"], &["--issuer", "example.com"], &["--data"]] {
        assert_fails(&signet(&at("unused"), flag).output().unwrap(), 2, flag[0]);
    }
    assert!(!at("unused").exists());
}
