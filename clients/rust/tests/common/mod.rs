//! A server on loopback, and tokens and key sets that are signed with the keys of the test vectors.
#![allow(dead_code, reason = "each test program uses a part")]

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        mpsc::{channel, Receiver, Sender},
        Arc,
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
    Engine,
};
use ring::{
    rand::SystemRandom,
    signature::{RsaKeyPair, RSA_PKCS1_SHA256},
};
use serde_json::{json, Value};
use signet_client::{AppConfig, Options};

pub(crate) const LICENSE_KEY: &str = "ATLAS-7K3QM-9V2XD-H4T8N-B6RZP-3WJ5C-FPZ08";
const PRODUCT: &str = "atlas";
/// The issuer is only compared, and never contacted.
const ISSUER: &str = "https://licenses.example.com";

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A request that the server received.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What the server answers: bytes of a response, after which the connection is closed, or nothing.
pub(crate) type Handler = Arc<dyn Fn(&Request) -> Option<Vec<u8>> + Send + Sync>;

/// A server on a free port, whose threads end with the process.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) requests: Receiver<Request>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::start_with("http", handler, |stream| Some(Box::new(stream)))
    }

    /// Starts a server whose connections are wrapped, for example in TLS.
    pub(crate) fn start_with(
        scheme: &str,
        handler: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        let (handler, wrap): (Handler, _) = (Arc::new(handler), Arc::new(wrap));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, wrap, sender) = (handler.clone(), wrap.clone(), sender.clone());
                thread::spawn(move || wrap(stream).map(|mut stream| serve(&mut *stream, &handler, &sender)));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn config(&self) -> AppConfig {
        self.config_json().to_string().parse().unwrap()
    }

    pub(crate) fn config_json(&self) -> Value {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../conformance/config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        config["api_url"] = json!(self.url);
        config
    }

    /// Returns the paths of the requests so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests.try_iter().map(|request| request.path).collect()
    }
}

pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn serve(stream: &mut dyn Stream, handler: &Handler, sender: &Sender<Request>) {
    let Some(request) = read_request(stream) else { return };
    let _ = sender.send(request.clone());
    match handler(&request) {
        Some(response) => drop(stream.write_all(&response).and_then(|()| stream.flush())),
        // Waits until the client ends the connection.
        None => drop(stream.read(&mut [0])),
    }
}

pub(crate) fn read_request(stream: &mut dyn Stream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut parts = line.split_whitespace();
    let (method, path) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

pub(crate) fn response(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

pub(crate) fn problem(status: u16, code: &str) -> Vec<u8> {
    response(status, "application/problem+json", &json!({"status": status, "code": code}).to_string())
}

/// Answers as the API does while the license is valid. The next heartbeat is due after one to two seconds.
#[expect(clippy::unnecessary_wraps, reason = "it is a handler")]
pub(crate) fn api(request: &Request) -> Option<Vec<u8>> {
    if request.path == "/.well-known/jwks.jwt" {
        return Some(response(200, "application/jwt", &key_set()));
    }
    if request.path.ends_with("/deactivate") {
        return Some(response(200, "application/json", r#"{"status": "deactivated"}"#));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    Some(token_response(&body))
}

/// Returns a response with a token for the machine and the process of a request.
pub(crate) fn token_response(request: &Value) -> Vec<u8> {
    let next = jiff::Timestamp::from_second(i64::try_from(now()).unwrap() + 2).unwrap();
    let body = json!({"token": token(request), "next_heartbeat_at": next.to_string(), "in_grace": false});
    response(200, "application/json", &body.to_string())
}

pub(crate) fn token(request: &Value) -> String {
    let iat = now();
    let mut activation = json!({"id": "act_1", "machine_id": request["machine_id"]});
    if request["instance_id"].is_string() {
        activation["instance_id"] = request["instance_id"].clone();
    }
    let claims = json!({
        "iss": ISSUER, "aud": PRODUCT, "sub": "lic_1", "iat": iat, "nbf": iat, "exp": iat + 3600,
        "features": ["export.pdf"], "feature_limits": {"export.rows": 1000, "projects": null},
        "enforcement": {"heartbeat_interval_seconds": 2, "offline_until": iat + 7200, "license_expires_at": null},
        "activation": activation,
    });
    sign("license+jwt", &claims, "issuer")
}

pub(crate) fn key_set() -> String {
    let vectors: Value = serde_json::from_slice(&fs::read(vectors().join("issuer.json")).unwrap()).unwrap();
    let keys = &vectors["jwks"]["keys"];
    assert!(keys.is_array(), "issuer.json has a key set");
    let iat = now();
    sign("jwk-set+jwt", &json!({"iss": ISSUER, "sub": ISSUER, "iat": iat, "exp": iat + 604_800, "keys": keys}), "root")
}

fn sign(typ: &str, claims: &Value, key: &str) -> String {
    let pem = fs::read_to_string(vectors().join(format!("keys/{key}.pem"))).unwrap();
    let base64: String =
        pem.lines().skip_while(|line| !line.starts_with("-----")).filter(|line| !line.starts_with("-----")).collect();
    let pair = RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(base64).unwrap()).unwrap();
    let header = json!({"alg": "RS256", "typ": typ, "kid": key_id(key)});
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", encode(&header), encode(claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
    format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

fn key_id(key: &str) -> String {
    let vectors: Value = serde_json::from_slice(&fs::read(vectors().join("issuer.json")).unwrap()).unwrap();
    let keys = if key == "root" { &vectors["root_keys"] } else { &vectors["jwks"]["keys"] };
    keys[0]["kid"].as_str().unwrap().to_owned()
}

/// Returns options for a machine with this folder.
pub(crate) fn options(folder: impl Into<PathBuf>) -> Options {
    Options::new().storage_folder(folder).machine_id("machine-1")
}
