//! The registration of a signed-in user as a customer.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use maud::html;
use serde::{Deserialize, de::IgnoredAny};
use shared::{
    domain::TierId,
    http::{Code, ListQuery, Problem},
    store::Table,
};

use super::current::current_customer;
use crate::{
    api::Api,
    form_data::FormData,
    links,
    session::Session,
    ui::{form_page::FormPage, forms::Form, inputs::Input, layout::NavSection, request_body::request_body},
    viewer::Viewer,
};

#[derive(Debug, Deserialize)]
pub(super) struct WelcomeQuery {
    /// The tier that the user was about to claim.
    tier: Option<String>,
}

/// The inputs of the registration itself.
fn inputs(session: &Session) -> Vec<Input> {
    vec![
        Input::text("name", "Name", 200)
            .required()
            .optional_value(session.name.as_deref())
            .autocomplete("name")
            .hint("A person or an organization."),
        Input::text("company", "Company", 200).autocomplete("organization"),
    ]
}

fn welcome_page(session: &Session, tier: &str) -> FormPage {
    let inputs = inputs(session).into_iter().chain([Input::hidden("tier", tier)]).collect();
    let form = Form::new(links::WELCOME, inputs, "Continue", links::CATALOG);
    FormPage::new(NavSection::Licenses, "Welcome", form).intro(html! {
        p.prose {
            "Confirm your details to continue."
            @if let Some(email) = &session.email { " You're signed in as " strong { (email) } "." }
        }
    })
}

/// Shows the registration form.
pub(super) async fn new(
    viewer: Viewer,
    State(table): State<Table>,
    query: Result<ListQuery<WelcomeQuery>, Problem>,
) -> Result<Response, Problem> {
    let tier = query?.filter.tier.unwrap_or_default();
    if current_customer(&table, &viewer.session).await?.is_some() {
        return Ok(Redirect::to(&next_path(&tier)).into_response());
    }
    Ok(welcome_page(&viewer.session, &tier).render(&viewer))
}

/// Registers the user as a customer through the API.
pub(super) async fn register(viewer: Viewer, api: Api, data: FormData) -> Response {
    let tier = data.get("tier");
    let body = request_body(&data, &inputs(&viewer.session));
    match api.post("/api/v1.0/register", &data, &body).await {
        Ok(IgnoredAny) => Redirect::to(&next_path(tier)).into_response(),
        Err(problem) => {
            welcome_page(&viewer.session, tier).render_error(&viewer, &data, &explain(problem, &viewer.session))
        }
    }
}

/// The path after the registration: the claim of the tier, or the list of licenses. Only a valid id becomes part of it.
fn next_path(tier: &str) -> String {
    match tier.parse::<TierId>() {
        Ok(id) => links::claim(id),
        Err(_) => links::OWN_LICENSES.to_owned(),
    }
}

/// Replaces the API's detail about the email address with one for customers.
fn explain(problem: Problem, session: &Session) -> Problem {
    let is_about_email = problem.errors.iter().any(|error| error.parameter.as_deref() == Some("Authorization"));
    match problem.code {
        Code::EmailTaken if session.email_verified => Problem::new(
            Code::EmailTaken,
            "your email address belongs to a customer with a different sign-in. Contact the vendor",
        ),
        // The API forbids the registration only if the address is not verified. A verified address may be that of an
        // existing customer.
        _ if is_about_email || matches!(problem.code, Code::Forbidden | Code::EmailTaken) => Problem::new(
            problem.code,
            "your email address is not verified yet. Verify it where you manage your sign-in, for example with the link in \
             the email that you received. Then sign out, and sign in again",
        ),
        _ => problem,
    }
}
