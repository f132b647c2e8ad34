//! The fields of forms. One list of inputs draws a form, keeps what was typed where it is refused, and says what the
//! API is asked with.

use maud::{Markup, PreEscaped, html};
use serde::Serialize;
use shared::{
    domain::{Code, FieldError},
    http::{Problem, representation::etag},
};

use super::icons;
use crate::{
    enter::Visit,
    form::{ONCE, Sent, TOKEN, VERSION},
    session::random_text,
};

/// One field. Its name is that of the API's field.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Whether an empty field is left out, in place of null.
    pub(crate) omit_empty: bool,
    /// What stands in it before anybody types.
    pub(crate) value: Vec<String>,
    autocomplete: &'static str,
    /// Which choice of another field it belongs to, as in `ends=time`; the style sheet hides it with the others.
    when: &'static str,
}

/// What is typed or chosen.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A line of text.
    Text { most: u32 },
    /// An e-mail address.
    Email,
    /// Several lines.
    Lines { most: u32 },
    /// A whole number.
    Number { least: i64, most: i64 },
    /// An amount, with so many digits after the point.
    Money { digits: u32 },
    /// A time in UTC.
    Time,
    /// Yes or no.
    Checkbox,
    /// One of several.
    Choice(Vec<Choice>),
    /// Any of several.
    Checkboxes(Vec<Choice>),
    /// Not for people.
    Hidden,
    /// The fields below belong together.
    Heading,
}

/// Something to choose.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) note: String,
}

impl Choice {
    /// A value, and what people call it.
    pub(crate) fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), note: String::new() }
    }

    /// With a word more.
    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

impl Input {
    fn new(name: &'static str, label: &'static str, kind: Kind) -> Self {
        Self {
            name,
            label,
            hint: "",
            kind,
            required: false,
            omit_empty: false,
            value: Vec::new(),
            autocomplete: "off",
            when: "",
        }
    }

    pub(crate) fn text(name: &'static str, label: &'static str, most: u32) -> Self {
        Self::new(name, label, Kind::Text { most })
    }

    pub(crate) fn email(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Email)
    }

    pub(crate) fn lines(name: &'static str, label: &'static str, most: u32) -> Self {
        Self::new(name, label, Kind::Lines { most })
    }

    pub(crate) fn number(name: &'static str, label: &'static str, least: i64, most: i64) -> Self {
        Self::new(name, label, Kind::Number { least, most })
    }

    pub(crate) fn money(name: &'static str, label: &'static str, digits: u32) -> Self {
        Self::new(name, label, Kind::Money { digits })
    }

    pub(crate) fn time(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Time)
    }

    pub(crate) fn checkbox(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Checkbox)
    }

    pub(crate) fn choice(name: &'static str, label: &'static str, choices: Vec<Choice>) -> Self {
        Self::new(name, label, Kind::Choice(choices))
    }

    pub(crate) fn checkboxes(name: &'static str, label: &'static str, choices: Vec<Choice>) -> Self {
        Self::new(name, label, Kind::Checkboxes(choices))
    }

    /// What the fields below are about.
    pub(crate) fn heading(label: &'static str) -> Self {
        Self::new("", label, Kind::Heading)
    }

    /// Something that the form carries along.
    pub(crate) fn hidden(name: &'static str, value: impl Into<String>) -> Self {
        Self::new(name, "", Kind::Hidden).value(value)
    }

    /// Which version of a thing the form is made of: who saves it after somebody else has is told so.
    pub(crate) fn version(of: &impl Serialize) -> Self {
        let tag = serde_json::to_vec(of).map(|bytes| etag(&bytes)).ok();
        Self::hidden(VERSION, tag.as_ref().and_then(|tag| tag.to_str().ok()).unwrap_or_default())
    }

    pub(crate) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// What helps to fill it in.
    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    /// Left out where it is empty: the API's own default holds.
    pub(crate) fn or_default(self) -> Self {
        Self { omit_empty: true, ..self }
    }

    pub(crate) fn value(self, value: impl Into<String>) -> Self {
        Self { value: vec![value.into()], ..self }
    }

    pub(crate) fn maybe(self, value: Option<impl Into<String>>) -> Self {
        Self { value: value.into_iter().map(Into::into).collect(), ..self }
    }

    pub(crate) fn values(self, value: Vec<String>) -> Self {
        Self { value, ..self }
    }

    pub(crate) fn checked(self, checked: bool) -> Self {
        if checked { self.value("on") } else { self }
    }

    /// Shown with one choice of another field alone: `ends=time` or `seats=own`.
    pub(crate) fn when(self, when: &'static str) -> Self {
        Self { when, ..self }
    }

    /// By which a browser fills it in.
    pub(crate) fn autocomplete(self, autocomplete: &'static str) -> Self {
        Self { autocomplete, ..self }
    }

    /// The same field with what was typed.
    fn typed(self, sent: &Sent) -> Self {
        let value = sent.all(self.name).map(str::to_owned).collect();
        Self { value, ..self }
    }

    fn first(&self) -> &str {
        self.value.first().map_or("", String::as_str)
    }
}

/// A form to be drawn.
#[derive(Debug)]
pub(crate) struct Form<'a> {
    /// Where it is sent.
    pub(crate) action: &'a str,
    pub(crate) inputs: Vec<Input>,
    /// What its button says.
    pub(crate) button: &'a str,
    /// Whether what it does can't be undone.
    pub(crate) is_dangerous: bool,
    /// Where whoever changes their mind goes.
    pub(crate) back: &'a str,
    /// What was wrong with it.
    pub(crate) problem: Option<&'a Problem>,
}

impl<'a> Form<'a> {
    /// A form that was not filled in yet.
    pub(crate) fn new(action: &'a str, inputs: Vec<Input>, button: &'a str, back: &'a str) -> Self {
        Self { action, inputs, button, is_dangerous: false, back, problem: None }
    }

    /// A form whose button does what can't be undone.
    pub(crate) fn dangerous(self) -> Self {
        Self { is_dangerous: true, ..self }
    }

    /// The form as it was sent, with what was wrong.
    pub(crate) fn refused(self, sent: &Sent, problem: &'a Problem) -> Self {
        let keep = |input: Input| if matches!(input.kind, Kind::Hidden) { input } else { input.typed(sent) };
        Self { inputs: self.inputs.into_iter().map(keep).collect(), problem: Some(problem), ..self }
    }

    /// As HTML.
    pub(crate) fn render(&self, visit: &Visit) -> Markup {
        let errors = self.problem.map_or(&[][..], |problem| &problem.errors);
        html! {
            form.form method="post" action=(self.action) data-form {
                (secrets(visit))
                @if let Some(problem) = self.problem { (self.summary(problem)) }
                @for input in &self.inputs { (render(input, &of_input(errors, input.name))) }
                div.form-end {
                    button.button.(if self.is_dangerous { "danger" } else { "primary" }) { (self.button) }
                    a.button.quiet href=(self.back) data-close { "Cancel" }
                }
            }
        }
    }

    /// What was wrong, where a screen reader begins to read. What belongs to no field stands here alone.
    fn summary(&self, problem: &Problem) -> Markup {
        let own = |error: &&FieldError| {
            self.inputs.iter().any(|input| is_of(error, input.name) && !matches!(input.kind, Kind::Hidden))
        };
        let (here, elsewhere): (Vec<_>, Vec<_>) = problem.errors.iter().partition(own);
        let explained = match problem.code {
            Code::IdempotencyKeyReused => {
                Some("This form was sent before, with other words in it. Send it again if you want both.")
            }
            Code::VersionConflict => Some(
                "Somebody else changed this while you did. Below is what you typed: send it again to put it in place of theirs.",
            ),
            _ => None,
        };
        html! {
            div.notice.bad role="alert" tabindex="-1" data-focus {
                (icons::warning())
                div {
                    p {
                        @if let Some(text) = explained { (text) }
                        @else if !here.is_empty() && elsewhere.is_empty() { "Not saved yet: something needs another look." }
                        @else if elsewhere.is_empty() { (sentence(&problem.detail)) }
                    }
                    @if explained.is_none() {
                        @for error in elsewhere { p { (sentence(&error.detail)) } }
                        @if !here.is_empty() {
                            ul { @for error in here { li { a href={ "#f-" (name_of(error)) } { (self.label(error)) } ": " (error.detail) } } }
                        }
                    }
                }
            }
        }
    }

    fn label(&self, error: &FieldError) -> &'static str {
        self.inputs.iter().find(|input| is_of(error, input.name)).map_or("", |input| input.label)
    }
}

/// What each form carries: whose session it is of, and a name of its own, by which sending it twice is noticed.
pub(crate) fn secrets(visit: &Visit) -> Markup {
    html! {
        input type="hidden" name=(TOKEN) value=(visit.session.form_token);
        input type="hidden" name=(ONCE) value=(random_text());
    }
}

/// A sentence from what the API says, which begins small and ends open.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

fn name_of(error: &FieldError) -> &str {
    error.pointer.as_deref().unwrap_or_default().trim_start_matches('/').split('/').next().unwrap_or_default()
}

fn is_of(error: &FieldError, name: &str) -> bool {
    !name.is_empty() && name_of(error) == name
}

fn of_input(errors: &[FieldError], name: &str) -> Vec<String> {
    errors.iter().filter(|error| is_of(error, name)).map(|error| sentence(&error.detail)).collect()
}

fn render(input: &Input, errors: &[String]) -> Markup {
    let id = format!("f-{}", input.name);
    if matches!(input.kind, Kind::Heading) {
        return html! { h2.form-heading { (input.label) } };
    }
    if matches!(input.kind, Kind::Hidden) {
        return html! { input type="hidden" name=(input.name) value=(input.first()); };
    }
    let described =
        [(!input.hint.is_empty()).then(|| format!("{id}-hint")), (!errors.is_empty()).then(|| format!("{id}-error"))];
    let described: Vec<String> = described.into_iter().flatten().collect();
    let described = (!described.is_empty()).then(|| described.join(" "));
    let invalid = (!errors.is_empty()).then_some("true");
    let notes = html! {
        @if !input.hint.is_empty() { p.hint id={ (id) "-hint" } { (input.hint) } }
        @if !errors.is_empty() { p.fault id={ (id) "-error" } { (icons::warning()) span { (errors.join(" ")) } } }
    };
    match &input.kind {
        Kind::Checkbox => html! {
            div.field.tick {
                input type="checkbox" id=(id) name=(input.name) value="on" checked[!input.first().is_empty()] aria-describedby=[described] aria-invalid=[invalid];
                label for=(id) { (input.label) }
                (notes)
            }
        },
        Kind::Checkboxes(choices) => html! {
            fieldset.field id=(id) aria-describedby=[described] tabindex="-1" {
                legend { (input.label) }
                (notes)
                @if choices.is_empty() { p.muted { "There is nothing to choose from yet." } }
                div.ticks {
                    @for (at, choice) in choices.iter().enumerate() {
                        div.tick {
                            input type="checkbox" id={ (id) "-" (at) } name=(input.name) value=(choice.value) checked[input.value.contains(&choice.value)];
                            label for={ (id) "-" (at) } { (choice.label) @if !choice.note.is_empty() { " " span.muted { (choice.note) } } }
                        }
                    }
                }
            }
        },
        kind => html! {
            div.field data-when=[(!input.when.is_empty()).then_some(input.when)] {
                label for=(id) { (input.label) @if !input.required && input.when.is_empty() { span.optional { "optional" } } }
                (control(input, kind, &id, described.as_deref(), invalid))
                (notes)
            }
        },
    }
}

fn control(input: &Input, kind: &Kind, id: &str, described: Option<&str>, invalid: Option<&str>) -> Markup {
    let (name, value) = (input.name, input.first());
    match kind {
        Kind::Lines { most } => html! {
            textarea id=(id) name=(name) rows="3" maxlength=(most) required[input.required] aria-describedby=[described] aria-invalid=[invalid] { (PreEscaped("\n")) (value) }
        },
        Kind::Choice(choices) => html! {
            select id=(id) name=(name) required[input.required] aria-describedby=[described] aria-invalid=[invalid] {
                @for choice in choices { option value=(choice.value) selected[choice.value == value] { (choice.label) @if !choice.note.is_empty() { " – " (choice.note) } } }
            }
        },
        _ => {
            let (kind, mode) = match kind {
                Kind::Email => ("email", "email"),
                // A number is typed as text: a browser's own field hides what it does not understand.
                Kind::Number { .. } => ("text", "numeric"),
                Kind::Money { .. } => ("text", "decimal"),
                Kind::Time => ("datetime-local", "text"),
                _ => ("text", "text"),
            };
            let most = match kind {
                "datetime-local" => None,
                _ => most_letters(&input.kind),
            };
            html! {
                input.(width(&input.kind)) type=(kind) inputmode=(mode) id=(id) name=(name) value=(value) maxlength=[most] required[input.required]
                    autocomplete=(input.autocomplete) spellcheck="false" aria-describedby=[described] aria-invalid=[invalid];
            }
        }
    }
}

fn most_letters(kind: &Kind) -> Option<u32> {
    match kind {
        Kind::Text { most } => Some(*most),
        Kind::Number { least, most } => {
            Some(u32::try_from(most.to_string().len().max(least.to_string().len())).unwrap_or(20))
        }
        Kind::Money { .. } => Some(20),
        Kind::Email => Some(254),
        _ => None,
    }
}

fn width(kind: &Kind) -> &'static str {
    match kind {
        Kind::Number { .. } | Kind::Money { .. } | Kind::Text { most: 0..10 } => "narrow",
        Kind::Time => "middle",
        _ => "wide",
    }
}
