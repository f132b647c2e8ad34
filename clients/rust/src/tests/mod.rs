//! Tests of the core, with clocks, a storage, random numbers and a server of their own.

mod background;
mod clock;
mod conformance;
mod file_storage;
mod machine_ids;
mod no_proxy;
mod world;

use std::{fs, path::PathBuf};

use serde_json::Value;

/// Returns the folder of the conformance suite.
fn conformance_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../conformance")
}

/// Reads a file of the conformance suite.
fn conformance_file(name: &str) -> Value {
    let path = conformance_folder().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}
