//! CSV files: rows with the cells of named columns.

use csv::{Reader, ReaderBuilder, StringRecord};
use zeroize::Zeroizing;

use super::{
    conversion::Conversion,
    files::InputFile,
    lines::Record,
    object::FieldProblem,
    times::{DateMeans, to_rfc3339},
};

/// The headings of a CSV file.
pub(super) struct Headings(StringRecord);

impl Headings {
    /// Returns the position of the first column with a heading. A later one with the same heading is a field that the vendor added.
    pub(super) fn position(&self, heading: &str) -> Option<usize> {
        self.iter().position(|own| own == heading)
    }

    /// Returns all headings, without surrounding spaces.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(str::trim)
    }
}

/// A row.
pub(super) struct Row {
    /// The line at which it starts.
    pub(super) record: Record,
    cells: StringRecord,
}

impl Row {
    /// Returns the cell of a column, or `None` if it is empty.
    pub(super) fn cell(&self, column: Option<usize>) -> Option<&str> {
        self.cells.get(column?).map(str::trim).filter(|cell| !cell.is_empty())
    }
}

/// Reads the headings and the rows. A row that cannot be read is a problem.
pub(super) fn read_rows(file: &InputFile, conversion: &mut Conversion) -> Option<(Headings, Vec<Row>)> {
    let delimiter = delimiter(&file.text);
    // The reader counts a line that ends with CRLF too late.
    let text = Zeroizing::new(file.text.replace("\r\n", "\n"));
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let headings = match reader.headers() {
        Ok(headings) if headings.iter().any(|heading| !heading.trim().is_empty()) => Headings(headings.clone()),
        _ => {
            conversion.refuse_file(Record::at_line(&file.name, 1), FieldProblem::new("headings", "are missing"));
            return None;
        }
    };
    Some((headings, rows(&mut reader, file, conversion)))
}

fn rows(reader: &mut Reader<&[u8]>, file: &InputFile, conversion: &mut Conversion) -> Vec<Row> {
    let mut rows = Vec::new();
    for read in reader.records() {
        match read {
            Ok(cells) => {
                let line = cells.position().map_or(0, csv::Position::line);
                rows.push(Row { record: Record::at_line(&file.name, line), cells });
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                conversion.add_problem(&Record::at_line(&file.name, line), row_problem(&error));
            }
        }
    }
    rows
}

fn row_problem(error: &csv::Error) -> FieldProblem {
    let detail = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} cells, but the headings have {expected_len}; is a quote missing?")
        }
        _ => "is not CSV".to_owned(),
    };
    FieldProblem::new("row", detail)
}

/// Returns the delimiter: a comma, or the semicolon or tab of which the headings have more.
fn delimiter(text: &str) -> u8 {
    let headings = text.lines().next().unwrap_or_default();
    let count = |delimiter: u8| headings.bytes().filter(|byte| *byte == delimiter).count();
    // `max_by_key` prefers the last.
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

/// Converts the time in a cell.
pub(super) fn time(heading: &str, cell: &str, date: DateMeans) -> Result<String, FieldProblem> {
    to_rfc3339(cell, date).ok_or_else(|| FieldProblem::time(heading))
}
