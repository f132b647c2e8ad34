//! The public interface, against a server on loopback.
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it only in functions of the harness")]

mod common;

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    net::{TcpListener, TcpStream},
    sync::{mpsc::channel, Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime},
};

use common::{api, options, problem, response, token_response, Server, LICENSE_KEY};
use rustls::pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer};
use serde_json::{json, Value};
use signet_client::{AppConfig, License, OfflineReason, Options, State, Storage};
use tempfile::tempdir;

const UNACTIVATED: State = State::Unactivated { has_license_key: false, reason: None };
const WAITING: State = State::Unactivated { has_license_key: true, reason: Some(OfflineReason::NotContacted) };

/// Opens a license and activates it. Returns the code of the error.
fn activate(server: &Server, options: Options) -> Result<License, String> {
    let license = License::open(server.config(), options).unwrap();
    license.activate(LICENSE_KEY).map_err(|error| error.code().to_owned())?;
    Ok(license)
}

fn short_timeouts(options: Options) -> Options {
    options.timeout(Duration::from_millis(300)).connect_timeout(Duration::from_millis(300))
}

#[test]
fn an_activated_license_grants_its_features_and_survives_a_restart_without_a_request() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = activate(&server, options(folder.path())).unwrap();
    assert!(license.has("export.pdf") && !license.has("sso"));
    let limits = ["export.rows", "projects", "other"].map(|feature| license.limit(feature));
    assert_eq!(limits, [1000, u64::MAX, 0]);
    license.close();
    drop(server.paths());
    let license = License::open(server.config(), options(folder.path())).unwrap();
    assert!(matches!(license.state(), State::Active { in_grace: false, .. }));
    assert_eq!(server.paths(), [""; 0]);
}

#[test]
fn requests_have_the_user_agent_and_what_the_app_reports() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let options = options(folder.path())
        .machine_name("Build 7")
        .app_version("4.2.0")
        .os("plan9")
        .hostname("build-07")
        .user_agent_suffix("atlas/4.2.0");
    activate(&server, options).unwrap();
    let request = server.requests.recv().unwrap();
    assert_eq!(request.headers["user-agent"], "signet-client-rust/0.1.0 atlas/4.2.0");
    assert_eq!(request.headers["content-type"], "application/json");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let expected = json!({
        "license_key": LICENSE_KEY, "machine_id": "machine-1", "machine_name": "Build 7", "app_version": "4.2.0",
        "os": "plan9", "hostname": "build-07"
    });
    assert_eq!(body, expected);
}

#[test]
fn the_machine_name_and_the_operating_system_are_reported_unless_switched_off() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    activate(&server, options(folder.path())).unwrap();
    let body: Value = serde_json::from_slice(&server.requests.recv().unwrap().body).unwrap();
    assert_eq!(body["os"], format!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    assert!(!body["machine_name"].as_str().unwrap().is_empty());

    let (server, folder) = (Server::start(api), tempdir().unwrap());
    activate(&server, options(folder.path()).without_os().without_machine_name()).unwrap();
    let body: Value = serde_json::from_slice(&server.requests.recv().unwrap().body).unwrap();
    assert_eq!(body, json!({"license_key": LICENSE_KEY, "machine_id": "machine-1"}));
}

#[test]
fn the_background_thread_sends_heartbeats_until_close() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = activate(&server, options(folder.path())).unwrap();
    loop {
        let request = server.requests.recv_timeout(Duration::from_secs(20)).unwrap();
        if request.path == "/api/v1.0/license-keys/heartbeat" {
            break;
        }
    }
    license.close();
    // A heartbeat may have been on its way.
    thread::sleep(Duration::from_millis(200));
    drop(server.paths());
    assert!(server.requests.recv_timeout(Duration::from_secs(3)).is_err());
}

#[test]
fn a_callback_that_panics_is_ignored() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = License::open(server.config(), options(folder.path())).unwrap();
    let (sender, changes) = channel();
    license.on_change(|_| panic!("the callback of the test panics"));
    license.on_change(move |state| sender.send(state.clone()).unwrap());
    assert!(license.activate(LICENSE_KEY).unwrap().may_run());
    assert!(changes.try_recv().unwrap().may_run());
    assert_eq!(license.deactivate().unwrap(), UNACTIVATED);
    assert_eq!(changes.try_recv().unwrap(), UNACTIVATED);
}

#[test]
fn a_callback_can_use_the_license() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = License::open(server.config(), options(folder.path())).unwrap();
    let (sender, results) = channel();
    let inner = license.clone();
    license.on_change(move |_| sender.send(inner.has("export.pdf")).unwrap());
    license.activate(LICENSE_KEY).unwrap();
    assert!(results.try_recv().unwrap());
}

#[test]
fn a_callback_can_wait_for_a_thread_that_changes_the_license() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = License::open(server.config(), options(folder.path())).unwrap();
    let (sender, changes) = channel();
    let inner = license.clone();
    license.on_change(move |state| {
        if state.may_run() {
            let inner = inner.clone();
            thread::spawn(move || inner.deactivate()).join().unwrap().unwrap();
        }
        sender.send(state.name()).unwrap();
    });
    license.activate(LICENSE_KEY).unwrap();
    assert_eq!(changes.try_iter().collect::<Vec<_>>(), ["Active", "Unactivated"]);
}

#[test]
fn an_operation_that_is_in_flight_at_close_fails_and_frees_the_seat_of_a_process() {
    for (is_floating, path) in [(true, "/api/v1.0/license-activations/act_1/deactivate"), (false, "")] {
        let (sender, answer_activation) = channel::<()>();
        let answer_activation = Mutex::new(answer_activation);
        let handler = move |request: &common::Request| {
            if request.path.ends_with("/activate") {
                answer_activation.lock().unwrap().recv().unwrap();
            }
            api(request)
        };
        let (server, folder) = (Server::start(handler), tempdir().unwrap());
        let options = options(folder.path());
        let options = if is_floating { options.instance_id("worker-1") } else { options };
        let license = License::open(server.config(), options).unwrap();
        let activating = license.clone();
        let thread = thread::spawn(move || activating.activate(LICENSE_KEY).unwrap_err());
        server.requests.recv_timeout(Duration::from_secs(5)).unwrap();
        license.close();
        sender.send(()).unwrap();
        assert_eq!(thread.join().unwrap().code(), "closed");
        assert_eq!(server.paths().pop().unwrap().replace("/.well-known/jwks.jwt", ""), path);
        assert_eq!(license.state(), UNACTIVATED);
        assert!(!folder.path().join("license-key").exists());
    }
}

#[test]
fn the_state_does_not_wait_for_a_request() {
    let (server, folder) = (Server::start(|_| None), tempdir().unwrap());
    let license = License::open(server.config(), options(folder.path()).timeout(Duration::from_secs(10))).unwrap();
    let activating = license.clone();
    let thread = thread::spawn(move || activating.activate(LICENSE_KEY).unwrap_err());
    server.requests.recv_timeout(Duration::from_secs(5)).unwrap();
    let start = Instant::now();
    assert_eq!(license.state(), UNACTIVATED);
    assert!(start.elapsed() < Duration::from_secs(1));
    drop(thread);
}

#[test]
fn a_server_that_does_not_answer_is_unreachable_after_the_time_out() {
    let (server, folder) = (Server::start(|_| None), tempdir().unwrap());
    let start = Instant::now();
    assert_eq!(activate(&server, short_timeouts(options(folder.path()))).unwrap_err(), "unreachable");
    assert!((Duration::from_millis(300)..Duration::from_secs(5)).contains(&start.elapsed()));
}

#[test]
fn release_waits_for_two_seconds_at_most() {
    let handler = |request: &common::Request| if request.path.ends_with("/deactivate") { None } else { api(request) };
    let (server, folder) = (Server::start(handler), tempdir().unwrap());
    let license = activate(&server, options(folder.path())).unwrap();
    let start = Instant::now();
    assert_eq!(license.release(), WAITING);
    assert!((Duration::from_millis(1900)..Duration::from_secs(6)).contains(&start.elapsed()));
    assert_eq!(fs::read_to_string(folder.path().join("license-key")).unwrap(), LICENSE_KEY);
}

#[test]
fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let (server, folder) = (
            Server::start(move |_| {
                let head = format!("HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
                Some(head.into_bytes())
            }),
            tempdir().unwrap(),
        );
        assert_eq!(activate(&server, options(folder.path())).unwrap_err(), "unreachable");
        assert_eq!(server.paths(), ["/api/v1.0/license-activations/activate"], "{status}");
    }
}

#[test]
fn a_response_of_more_than_a_megabyte_is_not_read() {
    for (length, is_accepted) in [(1_000_000, true), (1_000_001, false)] {
        let handler = move |request: &common::Request| {
            if request.method == "GET" {
                return api(request);
            }
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let body = json!({"token": common::token(&body)}).to_string();
            Some(response(200, "application/json", &(body.clone() + &" ".repeat(length - body.len()))))
        };
        let (server, folder) = (Server::start(handler), tempdir().unwrap());
        assert_eq!(activate(&server, options(folder.path())).is_ok(), is_accepted, "{length}");
    }
}

#[test]
fn a_response_that_is_cut_off_is_unreachable() {
    let handler = |_: &common::Request| {
        let mut response = problem(403, "revoked");
        response.pop();
        Some(response)
    };
    let (server, folder) = (Server::start(handler), tempdir().unwrap());
    assert_eq!(activate(&server, options(folder.path())).unwrap_err(), "unreachable");
}

#[test]
fn a_refusal_is_an_error_with_its_code_and_a_state() {
    let (server, folder) = (Server::start(|_| Some(problem(403, "revoked"))), tempdir().unwrap());
    let license = License::open(server.config(), options(folder.path())).unwrap();
    assert_eq!(license.activate(LICENSE_KEY).unwrap_err().code(), "revoked");
    assert_eq!(license.state(), State::Refused { code: "revoked".into(), retry_at: None });
}

#[test]
fn a_token_is_borrowed_until_a_time() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = activate(&server, options(folder.path())).unwrap();
    license.borrow(SystemTime::UNIX_EPOCH + Duration::from_millis(4_102_444_800_900)).unwrap();
    let is_borrowed = server.requests.try_iter().any(|request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        body["borrow_until"] == "2100-01-01T00:00:00Z"
    });
    assert!(is_borrowed);
}

#[test]
fn an_invalid_configuration_cannot_be_opened() {
    let valid = Server::start(api).config_json();
    let with = |field: &str, value: Value| {
        let mut config = valid.clone();
        config[field] = value;
        config
    };
    let modulus = "A".repeat(342);
    let invalid = [
        json!({}),
        json!([]),
        with("root_keys", json!([])),
        with("root_keys", json!([{"kty": "RSA", "n": "AQAB", "e": "AQAB"}])),
        with("root_keys", json!([{"kty": "RSA", "e": "AQAB"}])),
        with("root_keys", json!([{"kty": "RSA", "n": modulus}])),
        with("root_keys", json!([{"n": modulus, "e": "AQAB"}])),
        with("root_keys", json!(["AQAB"])),
        with("product", json!("")),
        with("issuer", json!("")),
        with("api_url", json!("http://licenses.example.com")),
        with("api_url", json!("http://localhost.example.com")),
        with("api_url", json!("ftp://localhost")),
        with("api_url", json!("licenses")),
        with("api_url", json!("https://user@licenses.example.com")),
        with("api_url", json!("https://user:password@licenses.example.com")),
        with("api_url", json!("https://licenses.example.com/?")),
        with("api_url", json!("https://licenses.example.com?x=1")),
        with("api_url", json!("https://licenses.example.com/#x")),
    ];
    for config in invalid {
        let error = config
            .to_string()
            .parse()
            .and_then(|config: AppConfig| License::open(config, options(tempdir().unwrap().path())));
        assert_eq!(error.unwrap_err().code(), "invalid_config", "{config}");
    }
    for url in ["http://localhost:1", "http://127.8.8.8", "http://[::1]:8080/", "https://licenses.example.com/base/"] {
        let config = with("api_url", json!(url)).to_string().parse().unwrap();
        assert!(License::open(config, options(tempdir().unwrap().path())).is_ok(), "{url}");
    }
}

#[test]
fn the_error_of_an_invalid_option_names_it() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let options = || options(folder.path());
    let cut_off = &CA[..CA.len() / 2];
    for (option, options) in [
        ("machine_id", options().machine_id("")),
        ("machine_id", options().machine_id("m".repeat(257))),
        ("machine_id", options().machine_id("m\n")),
        ("instance_id", options().instance_id("")),
        ("instance_id", options().instance_id("i".repeat(65))),
        ("instance_id", options().instance_id("i\u{85}")),
        ("instance_id and machine_id", options().machine_id("m".repeat(200)).instance_id("i".repeat(57))),
        ("proxy", options().proxy("")),
        ("proxy", options().proxy("proxy.example.com:3128")),
        ("proxy", options().proxy("http://")),
        ("proxy", options().proxy("http://:3128")),
        ("proxy", options().proxy("socks5://proxy.example.com")),
        ("ca_certificates", options().ca_certificates("")),
        ("ca_certificates", options().ca_certificates("no certificate")),
        ("ca_certificates", options().ca_certificates(cut_off)),
        ("connect_timeout", options().connect_timeout(Duration::ZERO)),
        ("timeout", options().timeout(Duration::ZERO)),
        ("user_agent_suffix", options().user_agent_suffix("atlas\r\n")),
    ] {
        let error = License::open(server.config(), options.clone()).unwrap_err();
        assert_eq!(error.code(), "invalid_config", "{option}");
        assert!(error.to_string().contains(&format!(": {option} must be ")), "{error}");
    }
    for options in [
        options().machine_id("m".repeat(256)),
        options().machine_id("é".repeat(96)).instance_id("i".repeat(64)),
        options().proxy("https://user:secret@[::1]:3128/"),
        options().ca_certificates(CA),
    ] {
        License::open(server.config(), options).unwrap();
    }
}

#[test]
fn what_the_app_reports_is_cut() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let options = options(folder.path())
        .machine_name("é".repeat(60) + "x")
        .app_version(" 4.2\n\u{202e}.0 ")
        .os("\u{200b}\t")
        .hostname("h".repeat(70));
    activate(&server, options).unwrap();
    let body: Value = serde_json::from_slice(&server.requests.recv().unwrap().body).unwrap();
    let expected = json!({
        "license_key": LICENSE_KEY, "machine_id": "machine-1", "machine_name": "é".repeat(50), "app_version": "4.2.0",
        "hostname": "h".repeat(64)
    });
    assert_eq!(body, expected);
}

#[test]
fn the_error_without_a_response_has_its_cause() {
    let folder = tempdir().unwrap();
    let mut config = Server::start(api).config_json();
    // Port 1 refuses connections.
    config["api_url"] = json!("http://127.0.0.1:1");
    let license = License::open(config.to_string().parse().unwrap(), options(folder.path())).unwrap();
    let error = license.activate(LICENSE_KEY).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.to_string(), format!("the license key was not activated: {cause}"));
    assert!(license.diagnose().contains(&cause));
}

#[test]
fn the_message_of_an_error_repeats_no_license_key() {
    let handler = |_: &common::Request| {
        let problem = json!({"status": 422, "code": "invalid_value", "detail": format!("{LICENSE_KEY} is not valid")});
        Some(response(422, "application/problem+json", &problem.to_string()))
    };
    let (server, folder) = (Server::start(handler), tempdir().unwrap());
    let license = License::open(server.config(), options(folder.path())).unwrap();
    let error = license.activate(LICENSE_KEY).unwrap_err();
    assert_eq!(error.to_string(), "the license key was not activated: … is not valid");
    assert!(!license.diagnose().contains(LICENSE_KEY));
}

#[test]
fn an_operation_after_close_is_an_error() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = activate(&server, options(folder.path()).instance_id("worker-1")).unwrap();
    let (sender, changes) = channel();
    license.on_change(move |state| sender.send(state.clone()).unwrap());
    license.close();
    drop(server.paths());
    let until = SystemTime::now() + Duration::from_secs(3600);
    let results =
        [license.activate(LICENSE_KEY), license.deactivate(), license.borrow(until), license.import_license_file("{}")];
    assert!(results.into_iter().all(|result| result.unwrap_err().code() == "closed"));
    assert_eq!([license.refresh(), license.release()], [WAITING, WAITING]);
    license.close();
    assert_eq!(server.paths(), [""; 0]);
    assert!(changes.try_recv().is_err());
}

#[test]
fn a_time_that_has_passed_or_is_too_late_is_no_time_for_borrowing() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = activate(&server, options(folder.path())).unwrap();
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    for until in [SystemTime::UNIX_EPOCH - Duration::from_secs(1), SystemTime::now() - Duration::from_secs(1), end] {
        assert_eq!(license.borrow(until).unwrap_err().code(), "invalid_value");
    }
}

#[test]
fn states_have_the_texts_of_the_specification() {
    let until = SystemTime::UNIX_EPOCH + Duration::from_millis(1_768_482_000_900);
    let (active, code) =
        (|in_grace, end| State::Active { until, in_grace, grace_ends_at: end }, || "revoked".to_owned());
    for (state, text) in [
        (UNACTIVATED, "Unactivated"),
        (WAITING, "Unactivated (a license key is stored; not_contacted)"),
        (active(false, None), "Active until 2026-01-15T13:00:00Z"),
        (active(true, Some(until)), "Active until 2026-01-15T13:00:00Z, in grace until 2026-01-15T13:00:00Z"),
        (State::Offline { until, reason: OfflineReason::Http(503) }, "Offline until 2026-01-15T13:00:00Z (http_503)"),
        (State::Expired { since: until }, "Expired since 2026-01-15T13:00:00Z"),
        (State::Refused { code: code(), retry_at: None }, "Refused (revoked)"),
        (State::Refused { code: code(), retry_at: Some(until) }, "Refused (revoked), retry at 2026-01-15T13:00:00Z"),
        (State::ClockTampered, "ClockTampered"),
    ] {
        assert_eq!(state.to_string(), text);
    }
}

#[test]
fn the_issuer_is_the_url_of_the_api_by_default() {
    let server = Server::start(|_| Some(problem(403, "revoked")));
    let mut config = server.config_json();
    config["issuer"] = json!(server.url);
    config.as_object_mut().unwrap().remove("api_url");
    let folder = tempdir().unwrap();
    let license = License::open(config.to_string().parse().unwrap(), options(folder.path())).unwrap();
    assert_eq!(license.activate(LICENSE_KEY).unwrap_err().code(), "revoked");
}

#[test]
fn nothing_that_is_printed_contains_a_secret() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let options = options(folder.path()).proxy("http://user:hunter2@127.0.0.1:1");
    assert!(!format!("{options:?}").contains("hunter2"));
    let license = License::open(server.config(), options).unwrap();
    let error = license.activate(LICENSE_KEY).unwrap_err();
    let printed = format!("{license:?} {} {error:?} {error}", license.diagnose());
    assert!(!printed.contains("hunter2") && !printed.contains(LICENSE_KEY), "{printed}");

    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = activate(&server, common::options(folder.path())).unwrap();
    let printed = format!("{license:?} {:?} {}", license.state(), license.diagnose());
    assert!(!printed.contains("eyJ") && !printed.contains(LICENSE_KEY), "{printed}");
}

/// A storage of an app.
#[derive(Clone, Default)]
struct MemoryStorage(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl Storage for MemoryStorage {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().insert(name.to_owned(), content.to_vec());
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

#[test]
fn an_app_can_bring_its_storage() {
    let (server, storage) = (Server::start(api), MemoryStorage::default());
    let options = || Options::new().storage(storage.clone()).machine_id("machine-1");
    drop(activate(&server, options()).unwrap());
    assert!(License::open(server.config(), options()).unwrap().state().may_run());
    let mut names: Vec<_> = storage.0.lock().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["clock.json", "keys.jwt", "license-key", "token.json"]);
}

/// Starts a proxy. Its channel gets the head of each request to the proxy.
fn start_proxy() -> (String, std::sync::mpsc::Receiver<common::Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:p%40ss@{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let request = common::read_request(&mut client).unwrap();
            let mut server = TcpStream::connect(&request.path).unwrap();
            sender.send(request).unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from_client, &mut to_server));
            thread::spawn(move || io::copy(&mut server, &mut client));
        }
    });
    (url, requests)
}

#[test]
fn requests_go_through_a_proxy_with_connect_and_its_credentials() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let (proxy, requests) = start_proxy();
    activate(&server, options(folder.path()).proxy(proxy)).unwrap();
    let request = requests.try_recv().unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("CONNECT", server.url.trim_start_matches("http://")));
    // user:p@ss
    assert_eq!(request.headers["proxy-authorization"], "basic dXNlcjpwQHNz".replace("basic", "Basic"));
}

/// Starts an API over TLS, with a certificate of the CA in the fixtures.
fn start_tls_server() -> Server {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("fixtures/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("fixtures/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    Server::start_with("https", api, move |stream| {
        let connection = rustls::ServerConnection::new(config.clone()).unwrap();
        Some(Box::new(rustls::StreamOwned::new(connection, stream)))
    })
}

const CA: &[u8] = include_bytes!("fixtures/ca.pem");

#[test]
fn a_server_with_an_unknown_certificate_is_unreachable() {
    let (server, folder) = (start_tls_server(), tempdir().unwrap());
    assert_eq!(activate(&server, options(folder.path())).unwrap_err(), "unreachable");
    assert_eq!(server.paths(), [""; 0]);
}

#[test]
fn a_server_with_a_certificate_of_an_extra_ca_is_trusted() {
    let (server, folder) = (start_tls_server(), tempdir().unwrap());
    activate(&server, options(folder.path()).ca_certificates(CA)).unwrap();
}

#[test]
fn tls_goes_through_a_proxy() {
    let (server, folder) = (start_tls_server(), tempdir().unwrap());
    let (proxy, requests) = start_proxy();
    activate(&server, options(folder.path()).ca_certificates(CA).proxy(proxy)).unwrap();
    assert_eq!(requests.try_recv().unwrap().method, "CONNECT");
}

#[test]
fn a_process_with_an_instance_id_frees_its_seat_at_close() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = activate(&server, options(folder.path()).instance_id("worker-1")).unwrap();
    assert!(!folder.path().join("token.json").exists());
    license.close();
    assert!(server.paths().contains(&"/api/v1.0/license-activations/act_1/deactivate".to_owned()));
    assert_eq!(license.state(), WAITING);
}

#[test]
fn a_released_seat_is_not_taken_again_by_the_background_thread() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = activate(&server, options(folder.path())).unwrap();
    license.release();
    drop(server.paths());
    assert!(server.requests.recv_timeout(Duration::from_secs(2)).is_err());
    assert_eq!(license.state(), WAITING);
}

#[test]
fn an_operation_wins_over_a_heartbeat_that_is_on_its_way() {
    let (sender, release_heartbeat) = channel::<()>();
    let release_heartbeat = Mutex::new(release_heartbeat);
    let handler = move |request: &common::Request| {
        if request.path.ends_with("/heartbeat") {
            let _ = release_heartbeat.lock().unwrap().recv();
            return Some(token_response(&serde_json::from_slice(&request.body).unwrap()));
        }
        api(request)
    };
    let (server, folder) = (Server::start(handler), tempdir().unwrap());
    let license = activate(&server, options(folder.path())).unwrap();
    while !server.requests.recv_timeout(Duration::from_secs(20)).unwrap().path.ends_with("/heartbeat") {}
    license.deactivate().unwrap();
    sender.send(()).unwrap();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(license.state(), UNACTIVATED);
    assert!(!folder.path().join("token.json").exists());
}

#[test]
fn reasons_have_the_names_of_the_specification() {
    let reasons =
        [OfflineReason::NotContacted, OfflineReason::Network, OfflineReason::Http(503), OfflineReason::InvalidResponse];
    assert_eq!(reasons.map(|reason| reason.to_string()), ["not_contacted", "network", "http_503", "invalid_response"]);
}

#[test]
fn the_default_folder_is_in_the_data_folder_of_the_user() {
    // Another process, because the environment of this one is shared by its tests.
    let (home, server) = (tempdir().unwrap(), Server::start(api));
    let app = home.path().join("signet-app.json");
    fs::write(&app, server.config_json().to_string()).unwrap();
    let program = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples/app");
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(&program)
            .args(arguments)
            .current_dir(home.path())
            .env("XDG_DATA_HOME", home.path())
            .env("HOME", home.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["diagnose"]).contains(&home.path().join("signet/atlas").display().to_string()));
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn the_asynchronous_handle_does_the_same() {
    let (server, folder) = (Server::start(api), tempdir().unwrap());
    let license = signet_client::AsyncLicense::open(server.config(), options(folder.path())).await.unwrap();
    assert!(license.activate(LICENSE_KEY).await.unwrap().may_run());
    assert!(license.has("export.pdf"));
    assert_eq!(license.import_license_file("{}").await.unwrap_err().code(), "license_file_invalid");
    assert_eq!(license.deactivate().await.unwrap(), UNACTIVATED);
    license.close().await;
}
