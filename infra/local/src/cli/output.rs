//! What is printed: tables on a terminal, otherwise JSON.

use std::io::{self, IsTerminal, Write};

use serde_json::{Value, value::RawValue};
use unicode_width::UnicodeWidthStr;

use super::{error::CliError, terminal::printable};

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON value per line, as the API sent it.
    Json,
    /// A table, for people.
    Table,
}

impl Format {
    /// Returns JSON if it was asked for or if standard output is not a terminal.
    pub(super) fn choose(json: bool) -> Self {
        if json || !io::stdout().is_terminal() { Self::Json } else { Self::Table }
    }
}

/// Prints the items of a page, one per line. Returns false if the reader has closed the pipe.
pub(super) fn print_lines(to: &mut impl Write, items: &[Box<RawValue>]) -> Result<bool, CliError> {
    let mut text = String::new();
    for item in items {
        text.push_str(item.get());
        text.push('\n');
    }
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).map_err(CliError::Output),
    }
}

/// Prints an object. In a table, its fields are rows; a list of objects in it has a table of its own.
pub(super) fn print_object(to: &mut impl Write, body: &RawValue, format: Format) -> io::Result<()> {
    let text = match format {
        Format::Json => format!("{}\n", body.get()),
        Format::Table => object_table(&serde_json::from_str(body.get()).unwrap_or_default()),
    };
    to.write_all(text.as_bytes()).and_then(|()| to.flush())
}

/// Prints a table of items.
pub(super) fn print_table(to: &mut impl Write, columns: &[&str], items: &[Value]) -> Result<(), CliError> {
    ignore_closed_pipe(to.write_all(items_table(columns, items).as_bytes()).and_then(|()| to.flush()))
}

/// Treats a reader that has closed the pipe as success.
pub(super) fn ignore_closed_pipe(written: io::Result<()>) -> Result<(), CliError> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(CliError::Output),
    }
}

fn items_table(columns: &[&str], items: &[Value]) -> String {
    let title = columns.iter().map(|column| column.replace(['.', '_'], " ").to_uppercase()).collect();
    let row = |item: &Value| columns.iter().map(|column| cell(field(item, column))).collect();
    align(&[title].into_iter().chain(items.iter().map(row)).collect::<Vec<_>>())
}

/// Returns the field of a path such as `actor.id`.
fn field<'a>(item: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(item, |value, name| &value[name])
}

/// A row for each field, and then a table for each list of objects.
fn object_table(object: &Value) -> String {
    let (mut rows, mut lists) = (Vec::new(), Vec::new());
    add_rows("", object, &mut rows, &mut lists);
    let mut text = align(&rows);
    for (name, items) in lists {
        let fields = items.first().and_then(Value::as_object).into_iter().flatten();
        let columns: Vec<_> = fields.filter(|(_, value)| !value.is_object()).map(|(name, _)| name.as_str()).collect();
        text += &["\n", &printable(&name), ":\n", &items_table(&columns, items)].concat();
    }
    text
}

/// Adds a row for each field, the id first. The fields of an object inside are named `license.id`.
fn add_rows<'a>(prefix: &str, object: &'a Value, rows: &mut Vec<Vec<String>>, lists: &mut Vec<(String, &'a [Value])>) {
    let mut fields: Vec<_> = object.as_object().into_iter().flatten().collect();
    fields.sort_by_key(|(name, _)| *name != "id");
    for (name, value) in fields {
        let name = format!("{prefix}{name}");
        match value {
            Value::Object(_) => add_rows(&format!("{name}."), value, rows, lists),
            Value::Array(items) if items.iter().any(Value::is_object) => lists.push((name, items)),
            _ => rows.push(vec![printable(&name), cell(value)]),
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => printable(&other.to_string()),
    }
}

/// Fills up all columns except the last to the same width. Nothing is shortened.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_aligned_by_the_width_of_characters_and_not_shortened() {
        let items = [
            json!({"id": "cus_1", "name": "字", "actor": {"id": "key_1"}, "scopes": ["a", "b"]}),
            json!({"id": "cus_1000000000000000000000000000000000000", "name": null, "scopes": []}),
        ];
        let line = |cells: [&str; 4]| {
            format!("{:41}  {}  {:8}  {}", cells[0], cells[1], cells[2], cells[3]).trim_end().to_owned()
        };
        let expected = [
            line(["ID", "NAME", "ACTOR ID", "SCOPES"]),
            line(["cus_1", "字  ", "key_1", "a, b"]),
            line(["cus_1000000000000000000000000000000000000", "-   ", "-", ""]),
        ];
        let expected = expected.join("\n") + "\n";
        assert_eq!(items_table(&["id", "name", "actor.id", "scopes"], &items), expected);
    }

    #[test]
    fn objects_have_a_row_for_each_field_and_a_table_for_each_list() {
        let items = json!([{"kid": 1, "use": "sig"}, {"kid": 10, "use": null}]);
        let object = json!({"a": null, "b": true, "id": "lic_1", "items": items, "license": {"id": "x"}, "s": []});
        let expected = "id          lic_1\na           -\nb           true\nlicense.id  x\ns\n\nitems:\nKID  USE\n1    sig\n10   -\n";
        assert_eq!(object_table(&object), expected);
    }

    #[test]
    fn control_characters_are_printed_as_text() {
        assert_eq!(items_table(&["name"], &[json!({"name": "a\u{1b}[2J\u{9b}b"})]), "NAME\na\\u{1b}[2J\\u{9b}b\n");
    }

    #[test]
    fn closed_pipe_is_no_error_and_a_full_disk_is_one() {
        struct Failing(io::ErrorKind);
        impl Write for Failing {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let item: Box<RawValue> = serde_json::from_str("{}").unwrap();
        let printed = |error| ignore_closed_pipe(print_object(&mut Failing(error), &item, Format::Json));
        assert!(printed(io::ErrorKind::BrokenPipe).is_ok());
        assert_eq!(printed(io::ErrorKind::StorageFull).unwrap_err().exit_code(), 1);
        let items = [item];
        assert!(!print_lines(&mut Failing(io::ErrorKind::BrokenPipe), &items).unwrap());
        assert!(print_lines(&mut Vec::new(), &items).unwrap());
    }
}
