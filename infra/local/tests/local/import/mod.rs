//! `signet import`: the files of other systems, and their import into a running installation.

mod convert;
mod invalid;
mod upload;

use std::path::{Path, PathBuf};

/// An export of another system and how it is imported.
struct Fixture {
    name: &'static str,
    arguments: &'static [&'static str],
}

/// All exports, by the names of their expected lines.
const FIXTURES: &[Fixture] = &[
    Fixture { name: "keygen", arguments: &["--from", "keygen", "--map", "keygen.map.json", "keygen.json"] },
    Fixture {
        name: "lemonsqueezy",
        arguments: &["--from", "lemonsqueezy", "--map", "lemonsqueezy.map.json", "lemonsqueezy.json"],
    },
    Fixture { name: "polar", arguments: &["--from", "polar", "--map", "polar.map.json", "polar.json"] },
    Fixture { name: "gumroad", arguments: &["--from", "gumroad", "--map", "gumroad.map.json", "gumroad.csv"] },
    Fixture {
        name: "gumroad-sales",
        arguments: &["--from", "gumroad", "--map", "gumroad.map.json", "gumroad-sales.json"],
    },
    Fixture { name: "csv", arguments: &["--from", "csv", "--map", "csv.map.json", "licenses.csv", "machines.csv"] },
];

/// Returns the directory with the exports.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/import")
}
