//! What an import did, and what was wrong with its lines.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{
    conversion::{Conversion, Problem, counted},
    lines::ImportLine,
    tiers::Bought,
};
use crate::cli::{
    error::CliError,
    output::{self, Format},
    terminal::printable,
};

/// The code of records that `--skip-invalid` skips.
const INVALID_RECORD: &str = "invalid_record";
/// The columns of the table of errors.
const COLUMNS: &[&str] = &["file", "line", "record", "pointer", "code", "detail"];

/// The response to a page.
#[derive(Debug, Deserialize)]
pub(super) struct PageResult {
    pub(super) created: u64,
    pub(super) unchanged: u64,
    pub(super) failed: u64,
    pub(super) errors: Vec<LineError>,
    /// The first line that was not processed, counted from 1.
    pub(super) next_line: Option<usize>,
}

/// The error of a line of a page.
#[derive(Debug, Deserialize)]
pub(super) struct LineError {
    /// The line, counted from 1.
    pub(super) line: usize,
    pub(super) pointer: Option<String>,
    pub(super) code: String,
    pub(super) detail: String,
}

/// The result of an import.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Lines that the files contain.
    lines: usize,
    created: u64,
    unchanged: u64,
    failed: u64,
    /// Records that are not among the lines because they are invalid.
    skipped: usize,
    errors: Vec<Value>,
}

impl Report {
    /// Starts the report of an import without the records of the problems.
    pub(super) fn new(lines: usize, problems: &[Problem]) -> Self {
        let errors = problems.iter().map(|Problem { record, problem }| {
            json!({"file": &*record.file, "line": record.line, "record": record.name, "pointer": problem.field,
                "code": INVALID_RECORD, "detail": problem.detail})
        });
        Self { lines, created: 0, unchanged: 0, failed: 0, skipped: problems.len(), errors: errors.collect() }
    }

    /// Adds the result of the page that starts with the first of these lines. Errors get the records of their lines.
    pub(super) fn add(&mut self, page: PageResult, lines: &[ImportLine]) {
        self.created += page.created;
        self.unchanged += page.unchanged;
        self.failed += page.failed;
        for LineError { line, pointer, code, detail } in page.errors {
            let record = line.checked_sub(1).and_then(|index| lines.get(index)).map(|line| &line.record);
            self.errors.push(json!({
                "file": record.map(|record| &*record.file),
                "line": record.and_then(|record| record.line),
                "record": record.and_then(|record| record.name.as_ref()),
                "pointer": pointer,
                "code": code,
                "detail": detail,
            }));
        }
    }

    /// Prints the counts and the errors.
    pub(super) fn print(&self, to: &mut impl Write, format: Format) -> Result<(), CliError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let body = RawValue::from_string(text).map_err(|error| CliError::Output(error.into()))?;
        if format == Format::Json {
            return output::ignore_closed_pipe(output::print_object(to, &body, format));
        }
        if !self.errors.is_empty() {
            output::print_table(to, COLUMNS, &self.errors)?;
        }
        let Self { lines, created, unchanged, failed, skipped, .. } = self;
        let skipped =
            if *skipped > 0 { format!(", {} skipped", counted(*skipped, "invalid record")) } else { String::new() };
        let total = counted(*lines, "line");
        let text = format!("{total}: {created} created, {unchanged} unchanged, {failed} failed{skipped}\n");
        output::ignore_closed_pipe(to.write_all(text.as_bytes()).and_then(|()| to.flush()))
    }

    /// Returns an error if lines failed.
    pub(super) fn into_result(self) -> Result<(), CliError> {
        if self.failed == 0 { Ok(()) } else { Err(CliError::LinesFailed { failed: self.failed, lines: self.lines }) }
    }
}

/// Refuses files with license keys that have no pricing tier, and with invalid records unless these are skipped.
pub(super) fn refuse_invalid(conversion: &Conversion, skips_invalid: bool) -> Result<(), CliError> {
    let mut text = Vec::new();
    let missing = conversion.missing_tiers();
    if !missing.is_empty() {
        text.push("license keys have no pricing tier; add entries to the file of --map for:".to_owned());
        text.extend(missing.iter().map(|(bought, count)| format!("  {}", needed_entry(bought, *count))));
    }
    if !conversion.unreadable_files.is_empty() {
        text.push("files cannot be read:".to_owned());
        text.extend(conversion.unreadable_files.iter().map(described));
    }
    if !conversion.problems.is_empty() && !skips_invalid {
        let count = counted(conversion.problems.len(), "record");
        text.push(format!("{count} cannot be imported; correct them, or add --skip-invalid to import the others:"));
        text.extend(conversion.problems.iter().map(described));
    }
    if text.is_empty() {
        return Ok(());
    }
    let text: Vec<_> = text.iter().map(|line| printable(line)).collect();
    Err(CliError::Usage(text.join("\n")))
}

fn described(Problem { record, problem }: &Problem) -> String {
    format!("  {record}: {}: {}", problem.field, problem.detail)
}

/// Returns the names of which one needs an entry, the most specific first.
fn needed_entry(bought: &[Bought], count: usize) -> String {
    let names = match bought {
        [] => "default_tier (nothing says what was bought)".to_owned(),
        bought => bought.iter().map(ToString::to_string).collect::<Vec<_>>().join(", or "),
    };
    format!("{names}: {}", counted(count, "license key"))
}
