//! The order of lines in a dry run. Nothing is imported then, so a line can only refer to lines of its own request: those of a
//! customer and of its license keys and machines are sent together.

use std::collections::HashMap;

use serde::Deserialize;

use super::lines::{ImportLine, LineType};

/// The fields by which lines refer to each other.
#[derive(Debug, Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of the fields in a line")]
struct References {
    external_id: Option<String>,
    customer_external_id: Option<String>,
    license_external_id: Option<String>,
}

/// Sorts lines, which are sorted by type, by group. Returns the number of the group of each line.
pub(super) fn sort_by_group(lines: Vec<ImportLine>) -> (Vec<ImportLine>, Vec<usize>) {
    let mut groups = Groups::default();
    let mut grouped: Vec<_> = lines.into_iter().map(|line| (groups.group_of(&line), line)).collect();
    grouped.sort_by_key(|(group, _)| *group);
    grouped.into_iter().map(|(group, line)| (line, group)).unzip()
}

/// Returns how many of the first `length` lines can be sent without a part of a group, or `length` if the first group is longer.
pub(super) fn whole_groups(groups: &[usize], length: usize) -> usize {
    let Some(next) = groups.get(length) else { return length };
    match groups.iter().position(|group| group == next) {
        Some(start @ 1..) if start < length => start,
        _ => length,
    }
}

/// The groups by type and id of their first lines.
#[derive(Default)]
struct Groups {
    customers: HashMap<String, usize>,
    licenses: HashMap<String, usize>,
    count: usize,
}

impl Groups {
    fn group_of(&mut self, line: &ImportLine) -> usize {
        let references: References = serde_json::from_str(line.text.expose()).unwrap_or_default();
        let new = self.count;
        let group = match (line.line_type, references) {
            (LineType::Customer, References { external_id: Some(id), .. }) => *self.customers.entry(id).or_insert(new),
            (LineType::License, References { external_id: Some(id), customer_external_id, .. }) => {
                let group = match customer_external_id {
                    Some(customer) => *self.customers.entry(customer).or_insert(new),
                    None => new,
                };
                *self.licenses.entry(id).or_insert(group)
            }
            (LineType::Activation, References { license_external_id: Some(id), .. }) => {
                *self.licenses.entry(id).or_insert(new)
            }
            _ => new,
        };
        self.count = self.count.max(group + 1);
        group
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::domain::Secret;

    use super::*;
    use crate::cli::import::lines::Record;

    fn line(line_type: LineType, text: &str) -> ImportLine {
        let record = Record::at_line(&Arc::from("file"), 1);
        ImportLine { line_type, text: Secret::new(text.to_owned()), record }
    }

    #[test]
    fn lines_of_a_customer_are_together() {
        let lines = vec![
            line(LineType::Customer, r#"{"external_id": "a"}"#),
            line(LineType::Customer, r#"{"external_id": "b"}"#),
            line(LineType::License, r#"{"external_id": "1", "customer_external_id": "b"}"#),
            line(LineType::License, r#"{"external_id": "2", "customer_external_id": "a"}"#),
            line(LineType::License, r#"{"external_id": "a"}"#),
            line(LineType::Activation, r#"{"license_external_id": "2"}"#),
            line(LineType::Activation, r#"{"license_external_id": "9"}"#),
            line(LineType::Activation, "[]"),
        ];
        let (sorted, groups) = sort_by_group(lines);
        assert_eq!(groups, [0, 0, 0, 1, 1, 2, 3, 4]);
        assert!(sorted[1].text.expose().contains(r#""2""#) && sorted[2].line_type == LineType::Activation);
        assert_eq!(whole_groups(&groups, 4), 3);
        assert_eq!(whole_groups(&groups, 5), 5);
        assert_eq!(whole_groups(&groups, 2), 2, "the first group is longer");
        assert_eq!(whole_groups(&groups, 8), 8);
    }
}
