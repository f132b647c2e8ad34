//! Pages for when something does not go as it was meant.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use shared::{
    domain::Code,
    http::{Problem, problem::title},
};

use super::{Theme, components::notice, inputs::sentence, shell::bare};
use crate::{
    enter::Visit,
    form::{ONCE, Sent, TOKEN},
    session::Session,
};

/// What was refused, and what to do now.
pub(crate) fn page(session: Option<&Session>, theme: Theme, problem: &Problem) -> Response {
    let (heading, text) = match problem.code {
        Code::NotFound => {
            ("There is nothing here", "The address may be mistyped, or the thing is somebody else's.".to_owned())
        }
        Code::Forbidden => ("This is not for you", sentence(&problem.detail)),
        Code::Unavailable => {
            ("Signet can't answer right now", "Nothing is lost. Try again in a few seconds.".to_owned())
        }
        Code::InternalError => {
            ("Something went wrong on our side", "Nothing is lost, and trying again may help.".to_owned())
        }
        code => (title(code), sentence(&problem.detail)),
    };
    let content = html! {
        p { (text) }
        @for error in &problem.errors { p { (sentence(&error.detail)) } }
        div.actions {
            a.button.primary href="/dashboard" { (if session.is_some() { "Go to the dashboard" } else { "Sign in" }) }
        }
    };
    problem.attach_to(bare(heading, theme, &content))
}

/// A form was sent after the session was over: what was typed is kept, until the person has signed in again.
pub(crate) fn session_over(action: &str, sent: &Sent, theme: Theme) -> Response {
    let content = html! {
        p { "You were signed out while you typed, as a session lasts eight hours. Nothing of it is lost." }
        ol.steps {
            li { a.button.primary href="/dashboard/sign-in?to=/dashboard/signed-in" target="_blank" rel="opener" { "Sign in again" } " It opens a new tab." }
            li {
                form method="post" action=(action) data-send-when-signed-in {
                    @for (name, value) in sent.fields().filter(|(name, _)| *name != TOKEN) {
                        input type="hidden" name=(name) value=(value);
                    }
                    button.button { "Send what you typed" }
                }
            }
        }
        (typed(sent))
    };
    let problem = Problem::new(Code::Unauthenticated, "the session is over");
    problem.attach_to(bare("Your session is over", theme, &content))
}

/// What was typed, so that it can be read and copied.
fn typed(sent: &Sent) -> Markup {
    let shown: Vec<_> =
        sent.fields().filter(|(name, value)| ![TOKEN, ONCE].contains(name) && !value.is_empty()).collect();
    html! {
        @if !shown.is_empty() {
            details { summary { "What you typed" } dl.facts { @for (name, value) in shown { div { dt { (name) } dd { (value) } } } } }
        }
    }
}

/// A sign-in that came to nothing.
pub(crate) fn sign_in_failed(theme: Theme, problem: &Problem) -> Response {
    let content = html! {
        (notice("bad", &html! { p { (sentence(&problem.detail)) } }))
        div.actions { a.button.primary href="/dashboard" { "Try again" } }
    };
    problem.attach_to(bare("You are not signed in", theme, &content))
}

/// Good-bye, on the way to the issuer if it has a session of its own.
pub(crate) fn signed_out(theme: Theme, way_out: Option<&str>) -> Response {
    let content = html! {
        @match way_out {
            Some(url) => { p { "Going on to sign you out where you signed in." } div.actions { a.button.primary href=(url) { "Go on" } } }
            None => { p { "Your session is over, on this machine and everywhere its cookie may have gone." } div.actions { a.button.primary href="/dashboard" { "Sign in" } } }
        }
    };
    bare("You are signed out", theme, &content)
}

/// The end of a sign-in in a tab of its own.
pub(crate) fn signed_in(visit: &Visit) -> Response {
    let content = html! {
        p { "You are signed in as " strong { (visit.session.called()) } ". Close this tab, and go on where you were." }
        div.actions { a.button href="/dashboard" { "Go to the dashboard" } }
    };
    (StatusCode::OK, bare("Signed in", visit.theme, &html! { div data-signed-in { (content) } })).into_response()
}
