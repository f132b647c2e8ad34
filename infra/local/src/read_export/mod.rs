//! `signet read-export`: prints the customers and license keys of an export of the table to S3, as JSON lines.
//!
//! The files are read once to check everything, and only then once for each type of line, so that nothing is printed of an
//! export that is incomplete or damaged. Between these, memory holds the catalog, the ids of customers, and of each license
//! key the customer, the generation and the hash of its key string.

mod contents;
mod data_file;
mod error;
mod lines;
mod manifest;

use std::{
    error::Error,
    io::{self, BufWriter, ErrorKind, Write},
    path::Path,
};

use clap::ValueEnum;
use shared::store::export::ExportedItem;

use self::{
    contents::Contents,
    data_file::DataFile,
    lines::{Line, write_line},
    manifest::Manifest,
};
use crate::print_line;

/// A type of line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LineType {
    /// Customers
    Customers,
    /// License keys
    Licenses,
}

/// Prints the lines of one type, or of all types with customers first, to standard output, and counts to standard error.
pub(crate) fn read(directory: &Path, only: Option<LineType>) -> Result<(), Box<dyn Error>> {
    let manifest = Manifest::read(directory)?;
    for file in &manifest.files {
        file.check()?;
    }
    let contents = Contents::read(directory, &manifest.files)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for line_type in [LineType::Customers, LineType::Licenses] {
        if only.is_none_or(|only| only == line_type) {
            print_lines(&manifest.files, line_type, &contents, &mut out)?;
        }
    }
    out.flush().map_err(|error| output_error(&error))?;
    let Contents { customers, licenses, other_items, .. } = &contents;
    let counts = format!("{} customers, {} license keys, {other_items} other items", customers.len(), licenses.len());
    print_line(&mut io::stderr(), &format!("{} as of {}: {counts}", manifest.table_arn, manifest.export_time));
    Ok(())
}

fn print_lines(
    files: &[DataFile],
    line_type: LineType,
    contents: &Contents,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    for file in files {
        file.for_each_item(|item| {
            let line = match (line_type, item) {
                (LineType::Customers, ExportedItem::Customer(customer)) => Line::Customer(Box::new(customer)),
                (LineType::Licenses, ExportedItem::License(license)) => {
                    Line::License(Box::new(contents.license_line(license)?))
                }
                _ => return Ok(()),
            };
            Ok(write_line(out, &line).map_err(|error| output_error(&error))?)
        })?;
    }
    Ok(())
}

fn output_error(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::BrokenPipe => "the reader of standard output stopped before the last line".to_owned(),
        _ => format!("standard output: {error}"),
    }
}
