//! Pages with one form, which show it again when its submission is rejected.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;
use shared::http::Problem;

use super::{
    forms::Form,
    inputs::Input,
    layout::{NavSection, PageLayout},
};
use crate::{form_data::FormData, viewer::Viewer};

/// A page with one form.
#[derive(Debug)]
pub(crate) struct FormPage {
    layout: PageLayout,
    /// The text above the form, and the CSS class of both.
    intro: Option<(&'static str, Markup)>,
    form: Form,
}

impl FormPage {
    pub(crate) fn new(section: NavSection, title: impl Into<String>, form: Form) -> Self {
        Self { layout: PageLayout::new(section, title, html! {}), intro: None, form }
    }

    /// Adds a link to the parent page.
    pub(crate) fn breadcrumb(self, href: impl Into<String>, name: impl Into<String>) -> Self {
        Self { layout: self.layout.breadcrumb(href, name), ..self }
    }

    /// Adds text above the form.
    pub(crate) fn intro(self, text: Markup) -> Self {
        Self { intro: Some(("stack", text)), ..self }
    }

    /// Adds text above the form. Both have the width of text.
    pub(crate) fn narrow_intro(self, text: Markup) -> Self {
        Self { intro: Some(("stack prose", text)), ..self }
    }

    /// The body of the API request for a submission.
    pub(crate) fn request_body(&self, data: &FormData) -> Value {
        self.form.request_body(data)
    }

    /// The body of the API request with neutral values in place of those that can't be converted to the types of their
    /// inputs, to find the errors of the other values; `None` if all can be converted.
    pub(crate) fn neutral_body(&self, data: &FormData) -> Option<Value> {
        self.form.neutral_body(data)
    }

    /// The submitted values in hidden inputs, and one that says so, for a form that confirms the submission.
    pub(crate) fn carried(&self, data: &FormData, confirmed: &'static str) -> Vec<Input> {
        self.form.carried(data).into_iter().chain([Input::hidden(confirmed, "yes")]).collect()
    }

    /// Renders the page.
    pub(crate) fn render(self, viewer: &Viewer) -> Response {
        let form = self.form.render(&viewer.session);
        self.layout.content(with_intro(self.intro, form)).render(viewer)
    }

    /// Renders the page with the submitted values, to edit them.
    pub(crate) fn render_submitted(self, viewer: &Viewer, data: &FormData) -> Response {
        let form = self.form.render_submitted(&viewer.session, data);
        self.layout.content(with_intro(self.intro, form)).render(viewer)
    }

    /// Renders the page with the submitted values and the reason why they were rejected.
    pub(crate) fn render_error(self, viewer: &Viewer, data: &FormData, problem: &Problem) -> Response {
        let form = self.form.render_error(&viewer.session, data, problem);
        problem.attach_to(self.layout.content(with_intro(self.intro, form)).render(viewer))
    }
}

fn with_intro(intro: Option<(&str, Markup)>, form: Markup) -> Markup {
    match intro {
        Some((class, text)) => html! { div class=(class) { (text) (form) } },
        None => form,
    }
}
