//! `docs/security.md` names the test behind each claim; those tests must be there.

use std::{fs, path::Path};

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_a_claim_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let notes = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let mut named = 0;
    for name in quoted(&notes) {
        if let Some((module, test)) = name.split_once("::").filter(|(module, _)| *module != "module") {
            let file = fs::read_to_string(root.join(format!("tests/tests/api/{module}.rs")));
            let file = file.unwrap_or_else(|_| panic!("there is no module {module}"));
            assert!(file.contains(&format!("fn {test}(")), "there is no test {name}");
            named += 1;
        } else if name.contains('/') && !name.contains([' ', '{']) {
            assert!(root.join(name).exists(), "there is no {name}");
        }
    }
    assert!(named > 10, "so few were found: {named}");
}
