//! The registration of a signed-in user as a customer.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    domain::TierId,
    http::{Code, ListQuery, Problem},
};

use super::{current_customer, licenses};
use crate::{
    form_data::FormData,
    page_context::PageContext,
    ui::{
        forms::Form,
        inputs::Input,
        layout::{NavSection, PageLayout},
    },
};

pub(super) const PATH: &str = "/dashboard/welcome";

#[derive(Debug, Deserialize)]
pub(super) struct WelcomeQuery {
    /// The tier that the user was about to claim.
    tier: Option<String>,
}

fn form(page: &PageContext, tier: &str) -> Form<'static> {
    let inputs = vec![
        Input::text("name", "Name", 200)
            .required()
            .optional_value(page.session.name.as_deref())
            .autocomplete("name")
            .hint("A person or an organization."),
        Input::text("company", "Company", 200).autocomplete("organization"),
        Input::hidden("tier", tier),
    ];
    Form::new(PATH, inputs, "Continue", "/dashboard/catalog")
}

fn welcome_page(page: &PageContext, form: &Markup) -> PageLayout<'static> {
    let content = html! {
        div.stack {
            p.prose {
                "Confirm your details to continue."
                @if let Some(email) = &page.session.email { " You're signed in as " strong { (email) } "." }
            }
            (form)
        }
    };
    PageLayout::new(NavSection::Licenses, "Welcome", content)
}

/// Shows the registration form.
pub(super) async fn new(
    page: PageContext,
    query: Result<ListQuery<WelcomeQuery>, Problem>,
) -> Result<Response, Problem> {
    let tier = query?.filter.tier.unwrap_or_default();
    if current_customer(&page).await?.is_some() {
        return Ok(Redirect::to(&next_path(&tier)).into_response());
    }
    Ok(welcome_page(&page, &form(&page, &tier).render(&page)).render(&page))
}

/// Registers the user as a customer through the API.
pub(super) async fn register(page: PageContext, data: FormData) -> Response {
    let tier = data.get("tier").to_owned();
    let form = form(&page, &tier);
    let fields: Vec<Input> = form.inputs.iter().filter(|input| input.name != "tier").cloned().collect();
    match page.post("/api/v1.0/register", &data, &data.to_json(&fields)).await {
        Ok(_) => Redirect::to(&next_path(&tier)).into_response(),
        Err(problem) => {
            let problem = explain(problem);
            let form = form.with_error(&data, &problem).render(&page);
            welcome_page(&page, &form).render_error(&page, &problem)
        }
    }
}

/// The path after the registration: the claim of the tier, or the list of licenses. Only a valid id becomes part of it.
fn next_path(tier: &str) -> String {
    match tier.parse::<TierId>() {
        Ok(id) => format!("/dashboard/catalog/{id}/claim"),
        Err(_) => licenses::BASE_PATH.to_owned(),
    }
}

/// Replaces the API's detail about the email address with one for customers.
fn explain(problem: Problem) -> Problem {
    let is_about_email = problem.errors.iter().any(|error| error.parameter.as_deref() == Some("Authorization"));
    match problem.code {
        Code::EmailTaken => Problem::new(
            Code::EmailTaken,
            "your email address belongs to a customer with a different sign-in. Contact the vendor",
        ),
        _ if is_about_email => Problem::new(
            problem.code,
            "your email address is missing or not verified. Verify it with your identity provider, then sign out and sign \
             in again",
        ),
        _ => problem,
    }
}
