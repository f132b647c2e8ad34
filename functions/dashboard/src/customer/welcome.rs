//! A signed-in person becomes a customer.

use axum::{
    extract::{Query, rejection::QueryRejection},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use shared::{domain::Code, http::Problem};

use crate::{
    enter::Visit,
    form::Sent,
    signing::begin::of_ours,
    ui::{
        address,
        components::{card, notice},
        inputs::{Form, Input},
        shell::{Page, Place},
    },
};

pub(super) const HERE: &str = "/dashboard/welcome";
const TO: &str = "to";

/// Where a person who is no customer yet is asked who they are, before they go on to a page.
pub(super) fn address_before(to: &str) -> String {
    address(HERE, &[(TO, to)])
}

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    to: String,
}

pub(super) async fn ask(visit: Visit, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let to = asked.map(|Query(asked)| asked.to).unwrap_or_default();
    page(content(&visit, &form(&visit, &of_ours(to)))).draw(&visit)
}

pub(super) fn page(content: Markup) -> Page<'static> {
    Page::new(Place::Licenses, "Welcome", content)
}

/// Why it is asked, and the form.
pub(super) fn content(visit: &Visit, form: &Form<'_>) -> Markup {
    let email = visit.session.email.as_deref();
    html! {
        div.stack.measure {
            p {
                "Tell the vendor who you are, once. Then you can claim a license, and see your keys and machines here."
                @if let Some(email) = email {
                    " What was sold to " strong { (email) } " before appears by itself."
                }
            }
            @match email {
                Some(email) if !visit.session.email_verified => (notice("warn", &unverified(email))),
                Some(_) => (card(&form.draw(visit))),
                None => (notice("warn", &html! { p { (NO_ADDRESS) } })),
            }
        }
    }
}

const NO_ADDRESS: &str =
    "Where you sign in, no e-mail address is known of you. Add one there, then sign in again here.";

fn unverified(email: &str) -> Markup {
    html! {
        p {
            "Where you sign in, nobody has checked yet that " strong { (email) } " is yours, and an address that anybody could "
            "have typed must not open its owner's license keys. Verify it there, then sign out and in again here."
        }
    }
}

pub(super) fn form(visit: &Visit, to: &str) -> Form<'static> {
    let inputs = vec![
        Input::text("name", "Your name", 200)
            .required()
            .maybe(visit.session.name.as_deref())
            .autocomplete("name")
            .hint("Or your organisation's."),
        Input::text("company", "Company", 200).autocomplete("organization"),
        Input::hidden(TO, to),
    ];
    Form::new(HERE, inputs, "Go on", super::catalog::HERE)
}

pub(super) async fn register(visit: Visit, sent: Sent) -> Response {
    let to = of_ours(sent.get(TO).to_owned());
    let form = form(&visit, &to);
    let asked: Vec<Input> = form.inputs.iter().filter(|input| input.name != TO).cloned().collect();
    match visit.post("/api/v1.0/register", &sent, &sent.json(&asked)).await {
        Ok(_) => Redirect::to(&to).into_response(),
        Err(problem) => {
            let problem = in_words(problem);
            page(content(&visit, &form.refused(&sent, &problem))).refused(&visit, &problem)
        }
    }
}

const ADDRESS_TAKEN: &str = "Somebody who signs in differently is the customer with your e-mail address already. If that is you, \
                             sign in the way you did then; if not, ask the vendor.";

/// What was refused, in the words of whoever reads pages.
fn in_words(problem: Problem) -> Problem {
    match problem.code {
        Code::EmailTaken => Problem::new(Code::EmailTaken, ADDRESS_TAKEN),
        _ => problem,
    }
}
