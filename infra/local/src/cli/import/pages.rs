//! The bodies of requests: as many lines as the API accepts.

use shared::domain::Secret;
use zeroize::Zeroizing;

use super::{conversion::Conversion, lines::ImportLine, object::FieldProblem};

/// The maximum number of lines of a request.
const MAX_LINES: usize = 1_000;
/// The maximum size of a request.
const MAX_BYTES: usize = 4_000_000;

/// Returns how many of the lines, which are not empty, are in the next request.
pub(super) fn next_page(lines: &[ImportLine]) -> usize {
    let mut bytes = 0;
    let fitting = lines.iter().take(MAX_LINES).take_while(|line| {
        bytes += size(line);
        bytes <= MAX_BYTES
    });
    fitting.count().max(1)
}

/// Returns the body of a request with these lines.
pub(super) fn body(lines: &[ImportLine]) -> Secret {
    let mut text = Zeroizing::new(String::with_capacity(lines.iter().map(size).sum()));
    for line in lines {
        text.push_str(line.text.expose());
        text.push('\n');
    }
    Secret::new(std::mem::take(&mut *text))
}

/// Makes a problem of each line that no request can contain.
pub(super) fn refuse_long_lines(conversion: &mut Conversion) {
    for line in conversion.remove_lines(|line| size(line) > MAX_BYTES) {
        let detail = format!("is longer than the {MAX_BYTES} bytes of a request");
        conversion.add_problem(&line.record, FieldProblem::new("line", detail));
    }
}

/// Returns the size of a line with its line break.
fn size(line: &ImportLine) -> usize {
    line.text.expose().len() + 1
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::import::lines::{LineType, Record};

    /// Returns lines of these sizes, with their line breaks.
    fn lines(sizes: &[usize]) -> Vec<ImportLine> {
        let record = Record::at_line(&Arc::from("file"), 1);
        let text = |size: &usize| Secret::new("x".repeat(size - 1));
        let line = |size| ImportLine { line_type: LineType::Customer, text: text(size), record: record.clone() };
        sizes.iter().map(line).collect()
    }

    #[test]
    fn pages_have_at_most_1000_lines_and_4000000_bytes() {
        assert_eq!(next_page(&lines(&[10; 1_500])), 1_000);
        assert_eq!(next_page(&lines(&[10; 700])), 700);
        assert_eq!(next_page(&lines(&[2_000_000, 2_000_000, 2])), 2);
        assert_eq!(next_page(&lines(&[2_000_000, 2_000_001, 2])), 1);
        assert_eq!(body(&lines(&[2, 3])).expose(), "x\nxx\n");
    }
}
