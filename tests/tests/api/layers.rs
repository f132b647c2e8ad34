//! The modules of each crate form a line, as ARCHITECTURE.md shows it.

use std::{fs, path::Path};

use signet_tests::{import_cycles, imports_against};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The modules of `shared`, each of which imports only from those before it.
const LINE: [&str; 13] = [
    "domain",
    "clock",
    "ttl_cache",
    "timeouts",
    "retries",
    "aws",
    "queue",
    "store",
    "secrets",
    "tokens",
    "http",
    "auth",
    "app",
];

/// The modules of the dashboard, in the same order.
const DASHBOARD_LINE: [&str; 17] = [
    "assets",
    "cookies",
    "form_data",
    "links",
    "queries",
    "theme",
    "session",
    "viewer",
    "ui",
    "photo",
    "api",
    "app_file",
    "offline_activation",
    "session_middleware",
    "auth",
    "operator",
    "customer",
];

#[test]
fn modules_of_shared_import_only_from_those_before_them() {
    let found = imports_against(&Path::new(ROOT).join("shared/src"), &LINE);
    assert!(found.is_empty(), "imports against the line {}:\n{}", LINE.join(" ← "), found.join("\n"));
}

#[test]
fn modules_of_the_dashboard_import_only_from_those_before_them() {
    let found = imports_against(&Path::new(ROOT).join("functions/dashboard/src"), &DASHBOARD_LINE);
    assert!(found.is_empty(), "imports against the line {}:\n{}", DASHBOARD_LINE.join(" ← "), found.join("\n"));
}

#[test]
fn architecture_shows_the_line_of_modules() {
    let text = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|')).filter_map(|line| line.split('|').nth(1));
    let shown: Vec<_> = rows.flat_map(|cell| cell.split(',')).map(|name| name.trim().trim_matches('`')).collect();
    assert_eq!(shown, LINE);
}

#[test]
fn no_crate_has_an_import_cycle() {
    let functions = fs::read_dir(Path::new(ROOT).join("functions")).unwrap().map(|entry| entry.unwrap().path());
    let others = ["shared", "infra/local", "tests"].map(|folder| Path::new(ROOT).join(folder));
    let mut found = Vec::new();
    for folder in functions.chain(others) {
        found.extend(
            import_cycles(&folder.join("src"))
                .into_iter()
                .map(|cycle| format!("{}: {}", folder.display(), cycle.join(", "))),
        );
    }
    assert!(found.is_empty(), "import cycles:\n{}", found.join("\n"));
}

#[test]
fn every_test_file_is_declared_as_a_module() {
    let mut folders = vec![Path::new(ROOT).join("tests/tests/api")];
    let mut undeclared = Vec::new();
    while let Some(folder) = folders.pop() {
        let names = ["main.rs", "mod.rs"];
        let declarations: String = names.iter().filter_map(|name| fs::read_to_string(folder.join(name)).ok()).collect();
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if name == "snapshots" || names.iter().any(|file| path.ends_with(file)) {
                continue;
            }
            if !declarations.lines().any(|line| line == format!("mod {name};")) {
                undeclared.push(path.display().to_string());
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    assert_eq!(undeclared, [""; 0]);
}
