//! The inputs of limits: for each a number, or a checkbox for unlimited.

use maud::{Markup, html};
use serde_json::Value;
use shared::domain::catalog::MAX_LIMIT;

use crate::form_data::FormData;

/// The error of a number that is not one.
pub(super) const ERROR: &str = "Enter whole numbers from 0 to 9,007,199,254,740,991, or leave blank.";

/// The inputs of one limit. Neither a number nor unlimited means that the limit is not set.
#[derive(Debug, Clone)]
pub(crate) struct LimitRow {
    /// The id of the feature.
    id: String,
    label: String,
    note: String,
    /// The submitted or present number; empty if it is not set.
    number: String,
    is_unlimited: bool,
}

impl LimitRow {
    /// Creates the inputs of a feature. The present value is `None` if it is not set, and `Some(None)` if it is unlimited.
    #[expect(clippy::option_option, reason = "three states: not set, unlimited, and a number")]
    pub(crate) fn new(
        id: String,
        label: impl Into<String>,
        note: impl Into<String>,
        value: Option<Option<u64>>,
    ) -> Self {
        let number = value.flatten().map(|number| number.to_string()).unwrap_or_default();
        Self { id, label: label.into(), note: note.into(), number, is_unlimited: value == Some(None) }
    }

    fn number_name(&self) -> String {
        format!("limit-{}", self.id)
    }

    fn unlimited_name(&self) -> String {
        format!("unlimited-{}", self.id)
    }

    /// Replaces the value with the submitted one.
    pub(super) fn with_submitted(self, form: &FormData) -> Self {
        let number = form.get(&self.number_name()).to_owned();
        let is_unlimited = !form.get(&self.unlimited_name()).is_empty();
        Self { number, is_unlimited, ..self }
    }

    pub(super) fn is_valid(&self) -> bool {
        self.is_unlimited
            || self.number.is_empty()
            || self.number.parse::<u64>().is_ok_and(|number| number <= MAX_LIMIT)
    }

    /// The submitted value with the id of the feature; `None` if it is not set. Text that is no number is passed on, so that
    /// the API reports the validation error.
    pub(super) fn json(&self, form: &FormData) -> Option<(String, Value)> {
        let Self { id, number, is_unlimited, .. } = self.clone().with_submitted(form);
        match (is_unlimited, &*number) {
            (true, _) => Some((id, Value::Null)),
            (false, "") => None,
            (false, text) => Some((id, text.parse::<u64>().map_or_else(|_| text.into(), Value::from))),
        }
    }

    pub(super) fn render(&self, group: &str) -> Markup {
        let id = format!("{group}-{}", self.id);
        html! {
            div.limit-row {
                label for=(id) { (self.label) " " span.muted { (self.note) } }
                input.input-narrow type="text" inputmode="numeric" id=(id) name=(self.number_name()) value=(self.number) maxlength="16" autocomplete="off";
                div.checkbox-field {
                    input type="checkbox" id={ (id) "-unlimited" } name=(self.unlimited_name()) value="on" checked[self.is_unlimited] aria-label={ (self.label) ": unlimited" };
                    label for={ (id) "-unlimited" } { "Unlimited" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_limit_is_a_number_unlimited_or_not_set() {
        let row = LimitRow::new("feat_1".to_owned(), "Rows", "rows", Some(Some(5)));
        for (body, expected) in [
            ("", None),
            ("limit-feat_1=", None),
            ("limit-feat_1=0", Some(json!(0))),
            ("limit-feat_1=+1000+", Some(json!(1000))),
            ("limit-feat_1=1000&unlimited-feat_1=on", Some(Value::Null)),
            ("unlimited-feat_1=on", Some(Value::Null)),
            ("limit-feat_1=-1", Some(json!("-1"))),
            ("limit-feat_1=many", Some(json!("many"))),
        ] {
            let form = FormData::parse(body.as_bytes());
            let is_text = expected.as_ref().is_some_and(Value::is_string);
            assert_eq!(row.json(&form), expected.map(|value| ("feat_1".to_owned(), value)), "{body}");
            assert_eq!(row.clone().with_submitted(&form).is_valid(), !is_text, "{body}");
        }
        assert!(!LimitRow::new("a".to_owned(), "", "", Some(Some(u64::MAX))).is_valid());
        assert!(ERROR.contains(&super::super::format::number(MAX_LIMIT)));
    }
}
