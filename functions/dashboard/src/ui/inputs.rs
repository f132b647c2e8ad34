//! Form inputs. One list of inputs renders a form, keeps its values after an error, and defines the request body.

use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};
use serde::Serialize;
use serde_json::{Value, json};
use shared::domain::{catalog::MAX_PRICE, time::parse_time};

use super::{
    format, icons,
    limits::{self, LimitRow},
    parse::{offset_field, parse_date_time, parse_price},
};
use crate::form_data::{FormData, VERSION_FIELD, version_of};

/// An input of a form. Its name is the name of the API's field.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    hint: &'static str,
    pub(crate) kind: InputKind,
    pub(crate) required: bool,
    /// Whether an empty value is omitted from the request body instead of sent as null.
    pub(crate) omit_empty: bool,
    /// The initial or submitted values; at most one, except for checkboxes.
    values: Vec<String>,
    autocomplete: &'static str,
    /// Shows the input only while another input has a value, such as `expiry=date`. The style sheet implements it.
    visible_when: &'static str,
    /// The link in an empty group of checkboxes: its URL and the text before it.
    empty_link: Option<(String, &'static str)>,
    /// The error if no checkbox is selected.
    none_selected: &'static str,
    /// The error of an invalid value, instead of the API's, which describes the JSON field.
    pub(super) rule: &'static str,
}

/// The type of an input.
#[derive(Debug, Clone)]
pub(crate) enum InputKind {
    Text {
        max_length: u32,
    },
    Email,
    /// Text with several lines.
    Multiline {
        max_length: u32,
    },
    /// An integer.
    Number {
        min: i64,
        max: i64,
    },
    /// An amount of money in this currency.
    Money {
        currency: String,
    },
    /// A date and time. The value is rendered in UTC. A hidden field has its UTC offset: the script converts both to the
    /// browser's time zone, and names it in the label.
    DateTime,
    Checkbox,
    Select(Vec<Choice>),
    Checkboxes(Vec<Choice>),
    /// A number or "unlimited" for each of these limits.
    Limits(Vec<LimitRow>),
    /// An uploaded file, of one of these types.
    File {
        accept: &'static str,
    },
    Hidden,
    /// A heading above the following inputs; it has no value.
    Heading,
}

/// An option of a select or of a group of checkboxes.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    note: String,
    /// The time whose date in UTC the label contains.
    time: Option<Timestamp>,
}

impl Choice {
    pub(crate) fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), note: String::new(), time: None }
    }

    /// Sets the time whose [`format::date_text`] the label contains. The script replaces it with the local date.
    pub(crate) fn time(self, time: Option<Timestamp>) -> Self {
        Self { time, ..self }
    }

    /// Adds secondary text.
    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

impl Input {
    fn new(name: &'static str, label: &'static str, kind: InputKind) -> Self {
        Self {
            name,
            label,
            hint: "",
            kind,
            required: false,
            omit_empty: false,
            values: Vec::new(),
            autocomplete: "off",
            visible_when: "",
            empty_link: None,
            none_selected: "",
            rule: "",
        }
    }

    pub(crate) fn text(name: &'static str, label: &'static str, max_length: u32) -> Self {
        Self::new(name, label, InputKind::Text { max_length })
    }

    pub(crate) fn email(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, InputKind::Email)
    }

    pub(crate) fn multiline(name: &'static str, label: &'static str, max_length: u32) -> Self {
        Self::new(name, label, InputKind::Multiline { max_length })
    }

    pub(crate) fn number(name: &'static str, label: &'static str, min: i64, max: i64) -> Self {
        Self::new(name, label, InputKind::Number { min, max })
    }

    pub(crate) fn money(name: &'static str, label: &'static str, currency: &str) -> Self {
        Self::new(name, label, InputKind::Money { currency: currency.to_owned() })
    }

    pub(crate) fn date_time(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, InputKind::DateTime)
    }

    pub(crate) fn file(name: &'static str, label: &'static str, accept: &'static str) -> Self {
        Self::new(name, label, InputKind::File { accept })
    }

    pub(crate) fn checkbox(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, InputKind::Checkbox)
    }

    pub(crate) fn select(name: &'static str, label: &'static str, choices: Vec<Choice>) -> Self {
        Self::new(name, label, InputKind::Select(choices))
    }

    pub(crate) fn checkboxes(name: &'static str, label: &'static str, choices: Vec<Choice>) -> Self {
        Self::new(name, label, InputKind::Checkboxes(choices))
    }

    pub(crate) fn limits(name: &'static str, label: &'static str, rows: Vec<LimitRow>) -> Self {
        Self::new(name, label, InputKind::Limits(rows))
    }

    pub(crate) fn heading(label: &'static str) -> Self {
        Self::new("", label, InputKind::Heading)
    }

    pub(crate) fn hidden(name: &'static str, value: impl Into<String>) -> Self {
        Self::new(name, "", InputKind::Hidden).value(value)
    }

    /// The `ETag` of the resource that the form edits, to detect concurrent changes.
    pub(crate) fn version(resource: &impl Serialize) -> Self {
        Self::hidden(VERSION_FIELD, version_of(resource))
    }

    pub(crate) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Adds help text below the input.
    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    /// Omits an empty value, so that the API's default applies.
    pub(crate) fn or_default(self) -> Self {
        Self { omit_empty: true, ..self }
    }

    pub(crate) fn value(self, value: impl Into<String>) -> Self {
        Self { values: vec![value.into()], ..self }
    }

    pub(crate) fn optional_value(self, value: Option<impl Into<String>>) -> Self {
        Self { values: value.into_iter().map(Into::into).collect(), ..self }
    }

    pub(crate) fn values(self, values: Vec<String>) -> Self {
        Self { values, ..self }
    }

    pub(crate) fn checked(self, checked: bool) -> Self {
        if checked { self.value("on") } else { self }
    }

    /// Shows the input only while a select has a value. The style sheet knows `expiry=date`, `seats=custom` and
    /// `value=number`.
    pub(crate) fn visible_when(self, condition: &'static str) -> Self {
        Self { visible_when: condition, ..self }
    }

    /// Sets the `autocomplete` attribute.
    pub(crate) fn autocomplete(self, autocomplete: &'static str) -> Self {
        Self { autocomplete, ..self }
    }

    /// Links to the page that creates the first option of an empty group of checkboxes.
    pub(crate) fn empty_link(self, text: &'static str, href: String) -> Self {
        Self { empty_link: Some((href, text)), ..self }
    }

    /// Sets the error that is shown if no checkbox is selected.
    pub(crate) fn none_selected(self, error: &'static str) -> Self {
        Self { none_selected: error, ..self }
    }

    /// Sets the error of an invalid value: what is allowed.
    pub(crate) fn rule(self, rule: &'static str) -> Self {
        Self { rule, ..self }
    }

    /// Replaces the values with the submitted ones. Hidden inputs keep theirs.
    pub(crate) fn with_submitted(self, form: &FormData) -> Self {
        if matches!(self.kind, InputKind::Hidden) {
            return self;
        }
        if let InputKind::Limits(rows) = self.kind {
            let rows = rows.into_iter().map(|row| row.with_submitted(form)).collect();
            return Self { kind: InputKind::Limits(rows), ..self };
        }
        let mut values: Vec<_> = form.all(self.name).map(str::to_owned).collect();
        if matches!(self.kind, InputKind::DateTime) {
            let offset = form.get(&offset_field(self.name));
            for value in &mut values {
                let time = parse_date_time(value, offset).and_then(|text| parse_time(&text).ok());
                *value = time.map_or_else(|| value.clone(), format::date_time_input);
            }
        }
        Self { values, ..self }
    }

    /// The submitted value in a hidden input, for a form that confirms the submission. A time is in UTC, as without an offset.
    pub(super) fn carried(&self, form: &FormData) -> Self {
        let value = match self.kind {
            InputKind::DateTime => self.clone().with_submitted(form).first_value().to_owned(),
            _ => form.get(self.name).to_owned(),
        };
        Self::hidden(self.name, value)
    }

    fn first_value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    /// Whether the input was shown with these submitted values.
    pub(super) fn is_shown(&self, data: &FormData) -> bool {
        self.visible_when.split_once('=').is_none_or(|(name, value)| data.get(name) == value)
    }

    /// The error of a value that is missing, or not of the input's type: what is allowed. It replaces the API's error, which
    /// describes the JSON field.
    pub(crate) fn conversion_error(&self) -> Option<String> {
        let text = self.first_value();
        // An input that is shown only with another one's value is required then.
        let required = self.required || !self.visible_when.is_empty();
        let is_valid = match &self.kind {
            InputKind::Checkboxes(_) => !self.values.is_empty() || self.none_selected.is_empty(),
            InputKind::Limits(rows) => rows.iter().all(LimitRow::is_valid),
            _ if text.is_empty() => !required,
            InputKind::Text { max_length } | InputKind::Multiline { max_length } => {
                text.chars().count() <= *max_length as usize
            }
            InputKind::Number { min, max } => text.parse().is_ok_and(|number| (*min..=*max).contains(&number)),
            InputKind::Money { currency } => parse_price(text, currency).is_some_and(|amount| amount <= MAX_PRICE),
            InputKind::DateTime => parse_date_time(text, "").is_some(),
            _ => true,
        };
        (!is_valid).then(|| self.allowed_values(required))
    }

    /// Says what is allowed.
    fn allowed_values(&self, required: bool) -> String {
        let text = self.first_value();
        let blank = if required { "" } else { ", or leave blank" };
        match &self.kind {
            InputKind::Checkboxes(_) => self.none_selected.to_owned(),
            InputKind::Limits(_) => limits::ERROR.to_owned(),
            InputKind::Number { min, max } => {
                let [min, max] = [min, max].map(|limit| format::number(limit.unsigned_abs()));
                format!("Enter a whole number from {min} to {max}{blank}.")
            }
            InputKind::Money { currency } if parse_price(text, currency).is_some() => {
                format!("Enter at most {}.", format::price(MAX_PRICE, currency))
            }
            InputKind::Money { currency } => format::amount_rule(currency),
            InputKind::DateTime => "Choose a date and time.".to_owned(),
            InputKind::Text { max_length } | InputKind::Multiline { max_length } if !text.is_empty() => {
                format!("Use at most {} characters.", format::number((*max_length).into()))
            }
            _ => "This field is required.".to_owned(),
        }
    }

    /// A valid value in place of one that can't be converted to the input's type, so that the other values of the form
    /// can be checked. `None` for inputs whose values need no conversion.
    pub(super) fn neutral_value(&self) -> Option<Value> {
        match &self.kind {
            // The largest number, because other numbers of a form have to be smaller.
            InputKind::Number { max, .. } => Some(json!(max)),
            InputKind::Money { .. } => Some(json!(0)),
            InputKind::DateTime => Some(Value::Null),
            InputKind::Limits(_) => Some(json!({})),
            _ => None,
        }
    }

    /// Renders the input with its label, hint and errors.
    pub(crate) fn render(&self, errors: &[String]) -> Markup {
        let id = format!("f-{}", self.name);
        if matches!(self.kind, InputKind::Heading) {
            return html! { h2.form-heading { (self.label) } };
        }
        if matches!(self.kind, InputKind::Hidden) {
            return html! { input type="hidden" name=(self.name) value=(self.first_value()); };
        }
        let hint_id = (!self.hint.is_empty()).then(|| format!("{id}-hint"));
        let error_id = (!errors.is_empty()).then(|| format!("{id}-error"));
        let described_by: Vec<String> = hint_id.into_iter().chain(error_id).collect();
        let described_by = (!described_by.is_empty()).then(|| described_by.join(" "));
        let invalid = (!errors.is_empty()).then_some("true");
        let notes = html! {
            @if !self.hint.is_empty() { p.hint id={ (id) "-hint" } { (self.hint) } }
            @if !errors.is_empty() { p.field-error id={ (id) "-error" } { (icons::warning()) span { (errors.join(" ")) } } }
        };
        match &self.kind {
            InputKind::Checkbox => html! {
                div.form-field.checkbox-field {
                    input type="checkbox" id=(id) name=(self.name) value="on" checked[!self.first_value().is_empty()] aria-describedby=[described_by] aria-invalid=[invalid];
                    label for=(id) { (self.label) }
                    (notes)
                }
            },
            InputKind::Checkboxes(choices) => html! {
                fieldset.form-field id=(id) aria-describedby=[described_by] tabindex="-1" {
                    legend { (self.label) }
                    (notes)
                    (self.checkbox_group(&id, choices))
                }
            },
            InputKind::Limits(rows) => html! {
                fieldset.form-field id=(id) aria-describedby=[described_by] tabindex="-1" {
                    legend { (self.label) }
                    (notes)
                    @for row in rows { (row.render(&id)) }
                }
            },
            _ => html! {
                div.form-field data-visible-when=[(!self.visible_when.is_empty()).then_some(self.visible_when)] {
                    label for=(id) { (self.label) @if matches!(self.kind, InputKind::DateTime) { " " (zone_label("Z")) } @if !self.required && self.visible_when.is_empty() { span.optional { "optional" } } }
                    (self.control(&id, described_by.as_deref(), invalid))
                    (notes)
                }
            },
        }
    }

    fn checkbox_group(&self, id: &str, choices: &[Choice]) -> Markup {
        html! {
            @if choices.is_empty() {
                @if let Some((href, text)) = &self.empty_link { p.muted { (text) " " a href=(href) { "Create one first" } "." } }
            }
            div.checkbox-group {
                @for (at, choice) in choices.iter().enumerate() {
                    div.checkbox-field {
                        input type="checkbox" id={ (id) "-" (at) } name=(self.name) value=(choice.value) checked[self.values.contains(&choice.value)];
                        label for={ (id) "-" (at) } { (choice.label) @if !choice.note.is_empty() { " " span.muted { (choice.note) } } }
                    }
                }
            }
        }
    }

    fn control(&self, id: &str, described_by: Option<&str>, invalid: Option<&str>) -> Markup {
        let (name, value) = (self.name, self.first_value());
        match &self.kind {
            InputKind::Multiline { max_length } => html! {
                textarea id=(id) name=(name) rows="3" maxlength=(max_length) required[self.required] aria-describedby=[described_by] aria-invalid=[invalid] { (PreEscaped("\n")) (value) }
            },
            InputKind::Select(choices) => html! {
                select id=(id) name=(name) required[self.required] aria-describedby=[described_by] aria-invalid=[invalid] {
                    @for choice in choices { option value=(choice.value) selected[choice.value == value] data-time=[choice.time] { (choice.label) @if !choice.note.is_empty() { " – " (choice.note) } } }
                }
            },
            InputKind::File { accept } => html! {
                input.input-wide type="file" id=(id) name=(name) accept=(accept) required[self.required] aria-describedby=[described_by] aria-invalid=[invalid];
            },
            kind => {
                let (kind, mode) = match kind {
                    InputKind::Email => ("email", "email"),
                    // Browsers drop invalid values of `type="number"`. As text, they reach the server, which explains
                    // the error.
                    InputKind::Number { .. } => ("text", "numeric"),
                    InputKind::Money { .. } => ("text", "decimal"),
                    InputKind::DateTime => ("datetime-local", "text"),
                    _ => ("text", "text"),
                };
                html! {
                    input.(self.width_class()) type=(kind) inputmode=(mode) id=(id) name=(name) value=(value) maxlength=[self.max_length()] required[self.required]
                        autocomplete=(self.autocomplete) spellcheck="false" aria-describedby=[described_by] aria-invalid=[invalid];
                    @if kind == "datetime-local" { (offset_input(name, "Z")) }
                }
            }
        }
    }

    fn max_length(&self) -> Option<u32> {
        match &self.kind {
            InputKind::Text { max_length } => Some(*max_length),
            InputKind::Number { min, max } => {
                Some(u32::try_from(max.to_string().len().max(min.to_string().len())).unwrap_or(20))
            }
            InputKind::Money { .. } => Some(15),
            InputKind::Email => Some(254),
            _ => None,
        }
    }

    fn width_class(&self) -> &'static str {
        match &self.kind {
            InputKind::Number { .. } | InputKind::Money { .. } | InputKind::Text { max_length: 0..10 } => {
                "input-narrow"
            }
            InputKind::DateTime => "input-medium",
            _ => "input-wide",
        }
    }
}

/// The time zone of an input at this UTC offset, after its label.
pub(crate) fn zone_label(offset: &str) -> Markup {
    html! { span.zone data-zone { "(UTC" @if offset != "Z" { (offset) } ")" } }
}

/// The hidden field with the UTC offset of an input. Browsers must not restore an earlier value, which would shift the time.
pub(crate) fn offset_input(name: &str, offset: &str) -> Markup {
    html! { input type="hidden" name=(offset_field(name)) value=(offset) autocomplete="off"; }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_wrong_type_have_an_error() {
        let error = |input: Input, value: &str| input.value(value).conversion_error();
        let seats = || Input::number("max_users", "Seats", 1, 100_000);
        for value in ["1", "100000", ""] {
            assert_eq!(error(seats(), value), None, "{value}");
        }
        for value in ["0", "100001", "many", "1.5"] {
            let text = "Enter a whole number from 1 to 100,000, or leave blank.";
            assert_eq!(error(seats(), value).as_deref(), Some(text), "{value}");
        }
        let price = |currency| Input::money("monthly_price", "Monthly price", currency).required();
        for (currency, value, expected) in [
            ("EUR", "19.90", None),
            ("EUR", "19.999", Some("Enter an amount in EUR with at most 2 decimals, such as 19.90.")),
            ("EUR", "", Some("Enter an amount in EUR with at most 2 decimals, such as 19.90.")),
            ("KWD", "19.999", None),
            ("KWD", "abc", Some("Enter an amount in KWD with at most 3 decimals, such as 19.900.")),
            ("JPY", "1990", None),
            ("JPY", "19.90", Some("Enter an amount in JPY without decimals, such as 1990.")),
            ("EURO", "abc", Some("Enter an amount, such as 19.90.")),
            ("EUR", "90071992547409", None),
            ("EUR", "90071992547409.91", None),
            ("EUR", "90071992547409.92", Some("Enter at most €90,071,992,547,409.91.")),
            ("EUR", "999999999999999", Some("Enter at most €90,071,992,547,409.91.")),
        ] {
            assert_eq!(error(price(currency), value).as_deref(), expected, "{currency} {value}");
        }
        let date_time = Input::date_time("at", "At");
        assert_eq!(error(date_time.clone(), "2027-01-15T12:00"), None);
        let submitted = FormData::parse(b"at=2027-01-15T00:30&at_offset=%2B02:00");
        assert_eq!(date_time.clone().with_submitted(&submitted).first_value(), "2027-01-14T22:30");
        assert_eq!(error(date_time, "soon").as_deref(), Some("Choose a date and time."));
        let name = || Input::text("name", "Name", 9).required();
        assert_eq!(error(name(), "").as_deref(), Some("This field is required."));
        assert_eq!(error(name(), "äöüäöüäöüä").as_deref(), Some("Use at most 9 characters."));
        assert_eq!(error(name(), "äöüäöüäöü"), None);
        let group = Input::checkboxes("scopes", "Scopes", Vec::new());
        assert_eq!(group.clone().conversion_error(), None);
        assert_eq!(group.none_selected("Select one.").conversion_error().as_deref(), Some("Select one."));
    }
}
