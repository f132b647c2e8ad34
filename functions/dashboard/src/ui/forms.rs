//! Forms: inputs with a submit button, and the errors of a rejected submission.

use maud::{Markup, html};
use serde_json::Value;
use shared::http::{Code, InputError, Problem};

use super::{
    icons,
    inputs::{Input, InputKind},
    request_body::request_body,
};
use crate::{
    form_data::{BACK_BUTTON, CSRF_TOKEN_FIELD, FormData, IDEMPOTENCY_KEY_FIELD},
    session::{Session, random_token},
};

/// A form.
#[derive(Debug)]
pub(crate) struct Form {
    /// The URL to submit to.
    action: String,
    inputs: Vec<Input>,
    submit_label: &'static str,
    is_destructive: bool,
    /// Whether a button returns to the form that the hidden fields are from.
    has_back: bool,
    /// The URL of the cancel link.
    cancel: String,
    /// Whether the form can upload files.
    is_multipart: bool,
}

impl Form {
    pub(crate) fn new(
        action: impl Into<String>,
        inputs: Vec<Input>,
        submit_label: &'static str,
        cancel: impl Into<String>,
    ) -> Self {
        Self {
            action: action.into(),
            inputs,
            submit_label,
            is_destructive: false,
            has_back: false,
            cancel: cancel.into(),
            is_multipart: false,
        }
    }

    /// Shows the submit button as destructive.
    pub(crate) fn destructive(self) -> Self {
        Self { is_destructive: true, ..self }
    }

    /// Adds a button that submits the form to edit it again.
    pub(crate) fn with_back(self) -> Self {
        Self { has_back: true, ..self }
    }

    /// Encodes the form so that it can upload files.
    pub(crate) fn multipart(self) -> Self {
        Self { is_multipart: true, ..self }
    }

    /// The body of the API request for a submission.
    pub(super) fn request_body(&self, data: &FormData) -> Value {
        request_body(data, &self.inputs)
    }

    /// The body of the API request with neutral values in place of those that can't be converted to the types of their
    /// inputs; `None` if all can be converted.
    pub(super) fn neutral_body(&self, data: &FormData) -> Option<Value> {
        let invalid = conversion_errors(&self.submitted(data), data);
        let is_invalid = |input: &&Input| invalid.iter().any(|error| is_error_of(error, input.name));
        let mut body = self.request_body(data);
        let mut is_neutral = false;
        for input in self.inputs.iter().filter(is_invalid) {
            if let Some(value) = input.neutral_value() {
                body[input.name] = value;
                is_neutral = true;
            }
        }
        is_neutral.then_some(body)
    }

    /// The submitted values in hidden inputs, for a form that confirms the submission.
    pub(super) fn carried(&self, data: &FormData) -> Vec<Input> {
        self.inputs.iter().map(|input| input.carried(data)).collect()
    }

    /// The inputs with the submitted values.
    fn submitted(&self, data: &FormData) -> Vec<Input> {
        self.inputs.iter().map(|input| input.clone().with_submitted(data)).collect()
    }

    /// Renders the form.
    pub(super) fn render(&self, session: &Session) -> Markup {
        self.render_with(session, None, &[])
    }

    /// Renders the form with the submitted values.
    pub(super) fn render_submitted(self, session: &Session, data: &FormData) -> Markup {
        let inputs = self.submitted(data);
        Self { inputs, ..self }.render_with(session, None, &[])
    }

    /// Renders the form with the submitted values and the reason why they were rejected.
    pub(super) fn render_error(self, session: &Session, data: &FormData, problem: &Problem) -> Markup {
        let inputs = self.submitted(data);
        let mut errors = conversion_errors(&inputs, data);
        // The error of a value that can't be converted replaces the API's.
        let is_other = |error: &&InputError| {
            let own = inputs.iter().find(|input| is_error_of(error, input.name));
            own.is_none_or(|input| !errors.iter().any(|error| is_error_of(error, input.name)))
        };
        let others: Vec<_> =
            problem.errors.iter().filter(is_other).map(|error| with_rule(error.clone(), &inputs)).collect();
        errors.extend(others);
        Self { inputs, ..self }.render_with(session, Some(problem), &errors)
    }

    fn render_with(&self, session: &Session, problem: Option<&Problem>, errors: &[InputError]) -> Markup {
        html! {
            form.form method="post" action=(self.action) enctype=[self.is_multipart.then_some("multipart/form-data")] {
                (hidden_fields(session))
                @if let Some(problem) = problem { (self.error_summary(problem, errors)) }
                @for input in &self.inputs { (input.render(&input_errors(input, errors))) }
                div.form-actions {
                    button.button.(if self.is_destructive { "danger" } else { "primary" }) { (self.submit_label) }
                    @if self.has_back { button.button name=(BACK_BUTTON) value="yes" formnovalidate { "Back" } }
                    a.button.ghost href=(self.cancel) data-close { "Cancel" }
                }
            }
        }
    }

    /// The errors above the inputs. It receives the focus, so that screen readers announce it.
    fn error_summary(&self, problem: &Problem, errors: &[InputError]) -> Markup {
        let visible: Vec<_> = self.inputs.iter().filter(|input| !matches!(input.kind, InputKind::Hidden)).collect();
        let invalid: Vec<_> = visible.iter().map(|input| (input, input_errors(input, errors))).collect();
        let invalid: Vec<_> = invalid.into_iter().filter(|(_, errors)| !errors.is_empty()).collect();
        let is_other = |error: &&InputError| !visible.iter().any(|input| is_error_of(error, input.name));
        let other: Vec<_> = errors.iter().filter(is_other).collect();
        let explanation = match problem.code {
            Code::IdempotencyKeyReused => {
                Some("This form was already submitted with other values. Submit it again to apply these as well.")
            }
            Code::VersionConflict => Some("Someone else changed this. Save again to overwrite their version."),
            _ => None,
        };
        html! {
            div.banner.danger role="alert" tabindex="-1" data-autofocus {
                (icons::warning())
                div {
                    @if let Some(text) = explanation {
                        p { (text) }
                    } @else {
                        @if errors.is_empty() || (problem.errors.is_empty() && problem.code != Code::InvalidValue) { p { (sentence(&problem.detail)) } }
                        @for error in other { p { (sentence(&error.detail)) } }
                        @if !invalid.is_empty() {
                            p { "Please fix the following:" }
                            ul { @for (input, errors) in invalid { li { a href={ "#f-" (input.name) } { (input.label) } ": " (errors.join(" ")) } } }
                        }
                    }
                }
            }
        }
    }
}

/// The errors of submitted values that are missing, or not of the types of their inputs.
fn conversion_errors(inputs: &[Input], data: &FormData) -> Vec<InputError> {
    let shown = inputs.iter().filter(|input| input.is_shown(data));
    let errors = shown.filter_map(|input| Some((input.name, input.conversion_error()?)));
    errors.map(|(name, error)| InputError::at(format!("/{name}"), Code::InvalidValue, error)).collect()
}

/// Replaces the API's error of an invalid value with the rule of its input, if the input has one.
fn with_rule(error: InputError, inputs: &[Input]) -> InputError {
    let input = inputs.iter().find(|input| is_error_of(&error, input.name));
    let rule = input.map_or("", |input| input.rule);
    if rule.is_empty() || error.code != Code::InvalidValue {
        return error;
    }
    InputError { detail: rule.to_owned(), ..error }
}

/// The errors of an input, as sentences, each once.
fn input_errors(input: &Input, errors: &[InputError]) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for error in errors.iter().filter(|error| is_error_of(error, input.name)) {
        let text = sentence(&error.detail);
        if !sentences.contains(&text) {
            sentences.push(text);
        }
    }
    sentences
}

/// The hidden fields of every form: the session's CSRF token and a new idempotency key.
pub(crate) fn hidden_fields(session: &Session) -> Markup {
    html! {
        input type="hidden" name=(CSRF_TOKEN_FIELD) value=(session.csrf_token);
        input type="hidden" name=(IDEMPOTENCY_KEY_FIELD) value=(random_token());
    }
}

/// Converts a problem detail, which starts in lower case and has no period, to a sentence.
pub(crate) fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if detail.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// Whether an error's JSON pointer is of the field with this name or within it.
fn is_error_of(error: &InputError, name: &str) -> bool {
    let pointer = error.pointer.as_deref().unwrap_or_default();
    !name.is_empty() && pointer.trim_start_matches('/').split('/').next() == Some(name)
}
