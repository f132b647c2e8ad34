//! `docs/reference/error-codes.md` lists every error code with the same explanation as the error pages.
#![expect(clippy::unwrap_used, reason = "a missing file fails the test")]

use std::{env, fmt::Write, fs};

use discovery::problems::explain;
use shared::{
    domain::Code,
    http::problem::{status, title},
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/error-codes.md");
/// Everything after this line is generated.
const MARKER: &str = "<!-- Generated: UPDATE_DOCS=1 cargo test -p discovery --test error_codes -->\n";

/// The table of all codes, then a section for each.
fn generated() -> String {
    let mut text = String::from("\n| code | status | meaning |\n| --- | --- | --- |\n");
    for code in Code::ALL {
        writeln!(text, "| [`{code}`](#{code}) | {} | {} |", status(code).as_u16(), title(code)).unwrap();
    }
    for code in Code::ALL {
        let explanation = explain(code);
        let (status, title) = (status(code).as_u16(), title(code));
        writeln!(text, "\n## `{code}` {{ #{code} }}\n\n**{status}** · {title}\n").unwrap();
        writeln!(text, "**What happened.** {}\n", explanation.cause).unwrap();
        writeln!(text, "**What to do.** {}", explanation.resolution).unwrap();
    }
    text
}

#[test]
fn error_code_reference_matches_the_code() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (introduction, _) = page.split_once(MARKER).unwrap();
    let expected = format!("{introduction}{MARKER}{}", generated());
    if page != expected && env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, &expected).unwrap();
        return;
    }
    let command = "UPDATE_DOCS=1 cargo test -p discovery --test error_codes";
    assert!(page == expected, "docs/reference/error-codes.md is out of date; update it with {command}");
}
