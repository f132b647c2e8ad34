//! Pages outside the layout: errors, expired sessions, sign-in and sign-out.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use shared::http::{Code, Problem};

use super::{
    components::{Tone, banner},
    forms::sentence,
    layout::standalone_page,
};
use crate::{
    form_data::{CSRF_TOKEN_FIELD, FormData, IDEMPOTENCY_KEY_FIELD},
    links,
    session::Session,
    theme::Theme,
    viewer::Viewer,
};

/// The page of a problem.
pub(crate) fn error(session: Option<&Session>, theme: Theme, problem: &Problem) -> Response {
    let parameters: Vec<_> =
        problem.errors.iter().filter_map(|error| Some((error.parameter.as_deref()?, &error.detail))).collect();
    let (heading, text) = match problem.code {
        Code::NotFound => ("Page not found", "This page doesn't exist, or you don't have access to it.".to_owned()),
        Code::Forbidden => ("You don't have access", sentence(&problem.detail)),
        _ if !parameters.is_empty() => ("Invalid link", "The link has values that this page doesn't know:".to_owned()),
        Code::MethodNotAllowed => ("Nothing to show here", sentence(&problem.detail)),
        Code::Unavailable => ("Signet is temporarily unavailable", "Try again in a few seconds.".to_owned()),
        Code::InternalError => {
            ("Something went wrong", "Try again. If it keeps happening, contact support.".to_owned())
        }
        code => (code.title(), sentence(&problem.detail)),
    };
    let content = html! {
        p { (text) }
        @for (parameter, detail) in parameters { p { code { (parameter) } ": " (sentence(detail)) } }
        div.actions {
            a.button.primary href=(links::OVERVIEW) { (if session.is_some() { "Go to dashboard" } else { "Sign in" }) }
        }
    };
    problem.attach_to(standalone_page(heading, theme, &content))
}

/// The response to a form that was submitted after its session expired. The form's values are kept, so that it can be
/// submitted again after signing in.
pub(crate) fn session_expired(action: &str, form: &FormData, theme: Theme) -> Response {
    let content = html! {
        p { "Your input is kept on this page." }
        ol.numbered-list {
            li { a.button.primary href=(links::sign_in("/dashboard/signed-in")) target="_blank" rel="opener" { "Sign in again" } " Opens a new tab." }
            li {
                form method="post" action=(action) data-submit-after-sign-in {
                    @for (name, value) in form.fields().filter(|(name, _)| *name != CSRF_TOKEN_FIELD) {
                        input type="hidden" name=(name) value=(value);
                    }
                    button.button { "Submit again" }
                }
            }
        }
        (submitted_values(form))
    };
    let problem = Problem::new(Code::Unauthenticated, "the session has expired");
    problem.attach_to(standalone_page("Your session has expired", theme, &content))
}

/// The submitted values, to be read and copied.
fn submitted_values(form: &FormData) -> Markup {
    let hidden = [CSRF_TOKEN_FIELD, IDEMPOTENCY_KEY_FIELD];
    let values: Vec<_> = form.fields().filter(|(name, value)| !hidden.contains(name) && !value.is_empty()).collect();
    html! {
        @if !values.is_empty() {
            details { summary { "View your input" } dl.description-list { @for (name, value) in values { div { dt { (name) } dd { (value) } } } } }
        }
    }
}

/// The page of a failed sign-in.
pub(crate) fn sign_in_failed(theme: Theme, problem: &Problem) -> Response {
    let content = html! {
        (banner(Tone::Danger, &html! { p { (sentence(&problem.detail)) } }))
        div.actions { a.button.primary href=(links::OVERVIEW) { "Try again" } }
    };
    problem.attach_to(standalone_page("Sign-in failed", theme, &content))
}

/// The page of a sign-in whose parameters are missing, repeated or malformed.
pub(crate) fn invalid_sign_in(theme: Theme) -> Response {
    let problem = Problem::new(Code::InvalidValue, "the link of this sign-in is invalid. Start the sign-in again");
    let mut response = sign_in_failed(theme, &problem);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// The confirmation of a sign-out. With `logout_url`, it leads to the issuer, whose session has to end as well.
pub(crate) fn signed_out(theme: Theme, logout_url: Option<&str>) -> Response {
    let content = html! {
        @match logout_url {
            Some(url) => { p { "Signing you out of your identity provider…" } div.actions { a.button.primary href=(url) { "Continue" } } }
            None => { div.actions { a.button.primary href=(links::OVERVIEW) { "Sign in" } } }
        }
    };
    standalone_page("You're signed out", theme, &content)
}

/// The confirmation of a sign-in in a separate tab.
pub(crate) fn signed_in(viewer: &Viewer) -> Response {
    let content = html! {
        p { "Signed in as " strong { (viewer.session.display_name()) } ". You can close this tab and return to your form." }
        div.actions { a.button href=(links::OVERVIEW) { "Go to dashboard" } }
    };
    let content = html! { div.stack data-signed-in { (content) } };
    (StatusCode::OK, standalone_page("You're signed in", viewer.theme, &content)).into_response()
}
