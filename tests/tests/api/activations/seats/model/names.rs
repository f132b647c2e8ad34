//! Names of random values, so that two executions that differ only in these are in the same state.

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXLOWER};
use signet_tests::{ScheduledCall, Value};

/// The names of activation nonces: which request generated them, and in which of its calls they were first sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(BTreeMap<String, String>);

/// Attributes that are random or not used by the protocol.
const IGNORED: [&str; 3] = ["key_hint", "ip", "last_ip"];

impl Names {
    /// Names the nonce of the activation that a call writes, if it is new.
    pub(super) fn add(&mut self, call: &ScheduledCall, request: &str) {
        let Some(writes) = call.input["TransactItems"].as_array() else { return };
        for write in writes {
            let item = &write["Put"]["Item"];
            if let (Some(nonce), true) = (item["life"]["B"].as_str(), is_activation(item)) {
                let name = || format!("{request}.{}", call.ordinal);
                self.0.entry(nonce.to_owned()).or_insert_with(name);
            }
        }
    }

    /// Returns the name of a nonce in base64.
    pub(super) fn of(&self, nonce: &str) -> String {
        self.0.get(nonce).cloned().unwrap_or_else(|| format!("unknown nonce {nonce}"))
    }

    /// Returns the name of the nonce in an activation id.
    pub(super) fn of_activation(&self, id: &str) -> String {
        let nonce = id.rsplit('_').next().expect("an activation id");
        self.of(&BASE64.encode(&HEXLOWER.decode(nonce.as_bytes()).expect("hexadecimal")))
    }

    /// Returns JSON in which nonces are replaced by their names, without random values, as text.
    pub(super) fn canonical(&self, value: &Value) -> String {
        let mut text = String::new();
        self.write(value, &mut text);
        text
    }

    fn write(&self, value: &Value, to: &mut String) {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_unstable_by_key(|(name, _)| *name);
                for (name, value) in fields {
                    if name == "life" {
                        to.push_str(&self.of(value["B"].as_str().unwrap_or_default()));
                    } else if !IGNORED.contains(&name.as_str()) && !name.starts_with("GSI") {
                        to.push_str(name);
                        to.push(':');
                        self.write(value, to);
                    }
                    to.push(',');
                }
            }
            Value::Array(values) => {
                to.push('[');
                for value in values {
                    self.write(value, to);
                    to.push(',');
                }
                to.push(']');
            }
            other => to.push_str(&other.to_string()),
        }
    }
}

fn is_activation(item: &Value) -> bool {
    item["SK"]["S"].as_str().is_some_and(|sort_key| sort_key.starts_with("MACHINE#"))
}
