use std::time::Duration;

use serde_json::{json, Value};

use crate::{
    identity::Identity,
    ports::{Request, RequestKind},
    text::visible,
};

const ACTIVATE: &str = "/api/v1.0/license-activations/activate";
const HEARTBEAT: &str = "/api/v1.0/license-keys/heartbeat";
const FETCH_KEYS: &str = "/.well-known/jwks.jwt";

/// What the app reports of the machine. `None` is not sent.
#[derive(Debug, Clone)]
pub(crate) struct MachineFacts {
    pub(crate) machine_name: Option<String>,
    pub(crate) app_version: Option<String>,
    pub(crate) os: Option<String>,
    pub(crate) hostname: Option<String>,
}

impl MachineFacts {
    /// Cuts the texts to the lengths that the API allows, and leaves out characters that it does not.
    pub(crate) fn cut(self) -> Self {
        let cut = |text: Option<String>, max| text.and_then(|text| visible(&text, max));
        Self {
            machine_name: cut(self.machine_name, 100),
            app_version: cut(self.app_version, 32),
            os: cut(self.os, 64),
            hostname: cut(self.hostname, 64),
        }
    }
}

pub(crate) fn activate(license_key: &str, identity: &Identity, facts: &MachineFacts) -> Request {
    let mut body = json!({"license_key": license_key, "machine_id": identity.machine_id});
    set(&mut body, "machine_name", facts.machine_name.as_deref());
    set_common(&mut body, identity, facts);
    post(RequestKind::Activate, ACTIVATE.to_owned(), body)
}

/// `borrow_until` is a time of RFC 3339.
pub(crate) fn heartbeat(token: &str, borrow_until: Option<&str>, identity: &Identity, facts: &MachineFacts) -> Request {
    let mut body = json!({"token": token, "machine_id": identity.machine_id});
    set(&mut body, "borrow_until", borrow_until);
    set_common(&mut body, identity, facts);
    post(RequestKind::Heartbeat, HEARTBEAT.to_owned(), body)
}

pub(crate) fn deactivate(activation_id: &str, token: &str, timeout: Option<Duration>) -> Request {
    let path = format!("/api/v1.0/license-activations/{activation_id}/deactivate");
    Request { timeout, ..post(RequestKind::Deactivate, path, json!({"token": token})) }
}

pub(crate) fn fetch_keys() -> Request {
    Request { kind: RequestKind::FetchKeys, path: FETCH_KEYS.to_owned(), body: None, timeout: None }
}

fn post(kind: RequestKind, path: String, body: Value) -> Request {
    Request { kind, path, body: Some(body), timeout: None }
}

fn set_common(body: &mut Value, identity: &Identity, facts: &MachineFacts) {
    set(body, "instance_id", identity.instance_id.as_deref());
    set(body, "app_version", facts.app_version.as_deref());
    set(body, "os", facts.os.as_deref());
    set(body, "hostname", facts.hostname.as_deref());
}

fn set(body: &mut Value, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        body[name] = json!(value);
    }
}
