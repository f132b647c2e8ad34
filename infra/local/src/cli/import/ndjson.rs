//! Lines that are already in the form of the API. They are sent as they are.

use serde::Deserialize;
use shared::domain::Secret;

use super::{
    conversion::Conversion,
    files::InputFile,
    lines::{ImportLine, LineType, Record},
    object::FieldProblem,
};

/// The field that decides the order.
#[derive(Deserialize)]
struct TypedLine {
    r#type: LineType,
}

/// Adds the lines of the files. Empty lines are skipped.
pub(super) fn convert(files: &[InputFile], conversion: &mut Conversion) {
    for file in files {
        for (number, text) in (1..).zip(file.text.lines()) {
            let (record, text) = (Record::at_line(&file.name, number), text.trim());
            match serde_json::from_str::<TypedLine>(text) {
                _ if text.is_empty() => {}
                Ok(line) => {
                    let text = Secret::new(text.to_owned());
                    conversion.add_line(ImportLine { line_type: line.r#type, text, record });
                }
                // The error could quote a part of the line.
                Err(error) => {
                    let (field, detail) = match error.classify() {
                        serde_json::error::Category::Data => ("type", "expected customer, license or activation"),
                        _ => ("line", "is not a JSON object"),
                    };
                    conversion.add_problem(&record, FieldProblem::new(field, detail));
                }
            }
        }
    }
}
