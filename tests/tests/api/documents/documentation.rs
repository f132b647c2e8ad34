//! The documentation names what exists: tests, files, environment variables, flags, claims and event types.

use std::{fs, path::PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Checks that every test and file that a page names exists; returns the number of tests.
fn check_names(page: &str) -> usize {
    let text = read(page);
    let prose = text.split("```").step_by(2).collect::<String>();
    let mut tests = 0;
    for name in quoted(&prose) {
        if let Some((module, test)) = name.rsplit_once("::").filter(|(module, _)| *module != "module") {
            let source = read(&format!("tests/tests/api/{}.rs", module.replace("::", "/")));
            assert!(source.contains(&format!("fn {test}(")), "{page} names the test {name}, which does not exist");
            tests += 1;
        } else if ["shared/", "functions/", "infra/", "tests/"].iter().any(|folder| name.starts_with(folder)) {
            let is_pattern = name.contains(['*', '{', ' ']);
            assert!(is_pattern || root().join(name).exists(), "{page} names {name}, which does not exist");
        }
    }
    tests
}

#[test]
fn security_model_names_tests_that_exist() {
    assert!(check_names("docs/explanation/security-model.md") > 10);
}

#[test]
fn seat_protocol_names_tests_that_exist() {
    assert!(check_names("docs/explanation/seat-protocol.md") > 60);
}

#[test]
fn architecture_names_files_that_exist() {
    check_names("docs/explanation/architecture.md");
}

#[test]
fn configuration_reference_lists_every_variable() {
    let (page, source) = (read("docs/reference/configuration.md"), read("shared/src/configuration.rs"));
    let code = source.split("#[cfg(test)]").next().unwrap();
    let names = code.split('"').skip(1).step_by(2).filter(|text| {
        let is_name = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        is_name && (text.starts_with("SIGNET_") || text.starts_with("AWS_"))
    });
    let mut found = 0;
    for name in names.filter(|name| *name != "AWS_LAMBDA_FUNCTION_NAME") {
        assert!(page.contains(&format!("`{name}`")), "docs/reference/configuration.md does not list {name}");
        found += 1;
    }
    assert!(found > 15, "only {found} variables were found");
}

#[test]
fn cli_reference_lists_every_flag() {
    let (page, source) = (read("docs/reference/cli.md"), read("infra/local/src/main.rs"));
    let mut found = 0;
    for (attribute, field) in source.lines().zip(source.lines().skip(1)) {
        if attribute.trim().starts_with("#[arg(long") {
            let name = field.trim().split(':').next().unwrap().replace('_', "-");
            assert!(page.contains(&format!("`--{name}")), "docs/reference/cli.md does not list --{name}");
            found += 1;
        }
    }
    assert!(found > 10, "only {found} flags were found");
}

fn schema(name: &str) -> Value {
    let document: Value = serde_json::from_str(&read("functions/discovery/openapi.json")).unwrap();
    document["components"]["schemas"][name].clone()
}

#[test]
fn claims_reference_lists_every_claim() {
    let page = read("docs/reference/token-claims.md");
    for (name, _) in schema("Claims")["properties"].as_object().unwrap() {
        let is_listed = page.contains(&format!("| `{name}` |")) || page.contains(&format!("| `{name}."));
        assert!(is_listed, "docs/reference/token-claims.md does not list {name}");
    }
}

#[test]
fn events_reference_lists_every_type() {
    let page = read("docs/reference/events.md");
    for name in schema("EventType")["enum"].as_array().unwrap() {
        let row = format!("| `{}` |", name.as_str().unwrap());
        assert!(page.contains(&row), "docs/reference/events.md does not list {name}");
    }
}
