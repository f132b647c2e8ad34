use serde_json::{json, Value};

use super::conformance_file;
use crate::machine_id::{derive, ephemeral, Machine};

/// A machine of `machine-ids.json`.
struct RecordedMachine(Value);

impl Machine for RecordedMachine {
    fn system(&self) -> &str {
        self.0["system"].as_str().unwrap()
    }

    fn read_file(&self, path: &str) -> Option<String> {
        self.0["files"][path].as_str().map(str::to_owned)
    }

    fn exists(&self, path: &str) -> bool {
        self.0["files"].get(path).is_some()
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.0["environment"][name].as_str().map(str::to_owned)
    }

    fn run(&self, program: &str, _arguments: &[&str]) -> Option<String> {
        assert_eq!(program, if self.system() == "macos" { "ioreg" } else { "reg" });
        self.0["output"].as_str().map(str::to_owned)
    }
}

#[test]
fn machine_ids_are_those_of_the_conformance_suite() {
    for machine in conformance_file("machine-ids.json").as_array().unwrap() {
        let id = derive("atlas", &RecordedMachine(machine.clone()));
        assert_eq!(json!(id), machine["machine_id"], "{}", machine["name"]);
    }
}

#[test]
fn ephemeral_ids_are_random() {
    let id = ephemeral();
    let digits = id.strip_prefix("ephemeral-").unwrap();
    assert!(digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_ne!(id, ephemeral());
}
