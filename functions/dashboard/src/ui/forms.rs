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

    /// Renders the form.
    pub(super) fn render(&self, session: &Session) -> Markup {
        self.render_with(session, None)
    }

    /// Renders the form with the submitted values.
    pub(super) fn render_submitted(self, session: &Session, data: &FormData) -> Markup {
        let inputs = self.inputs.into_iter().map(|input| input.with_submitted(data)).collect();
        Self { inputs, ..self }.render_with(session, None)
    }

    /// Renders the form with the submitted values and the reason why they were rejected.
    pub(super) fn render_error(self, session: &Session, data: &FormData, problem: &Problem) -> Markup {
        let inputs = self.inputs.into_iter().map(|input| input.with_submitted(data)).collect();
        Self { inputs, ..self }.render_with(session, Some(problem))
    }

    fn render_with(&self, session: &Session, problem: Option<&Problem>) -> Markup {
        let errors = problem.map_or(&[][..], |problem| &problem.errors);
        html! {
            form.form method="post" action=(self.action) enctype=[self.is_multipart.then_some("multipart/form-data")] {
                (hidden_fields(session))
                @if let Some(problem) = problem { (self.error_summary(problem)) }
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
    fn error_summary(&self, problem: &Problem) -> Markup {
        let visible: Vec<_> = self.inputs.iter().filter(|input| !matches!(input.kind, InputKind::Hidden)).collect();
        let invalid: Vec<_> = visible.iter().map(|input| (input, input_errors(input, &problem.errors))).collect();
        let invalid: Vec<_> = invalid.into_iter().filter(|(_, errors)| !errors.is_empty()).collect();
        let is_other = |error: &&InputError| !visible.iter().any(|input| is_error_of(error, input.name));
        let other: Vec<_> = problem.errors.iter().filter(is_other).collect();
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
                        @if invalid.is_empty() && other.is_empty() { p { (sentence(&problem.detail)) } }
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

/// The errors of an input, as sentences.
fn input_errors(input: &Input, errors: &[InputError]) -> Vec<String> {
    let errors: Vec<_> = errors.iter().filter(|error| is_error_of(error, input.name)).collect();
    match input.conversion_error() {
        Some(error) if !errors.is_empty() => vec![error],
        _ => errors.into_iter().map(|error| sentence(&error.detail)).collect(),
    }
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
