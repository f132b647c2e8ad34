//! Adds a license that belongs to no customer yet, such as one from a reseller, by its license key.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use maud::html;
use serde::Deserialize;
use shared::{
    domain::LicenseId,
    http::{Code, Problem},
    store::Table,
};

use super::current::current_customer;
use crate::{
    api::Api,
    form_data::FormData,
    links,
    ui::{form_page::FormPage, forms::Form, inputs::Input, layout::NavSection, notice::Notice},
    viewer::Viewer,
};

/// What is read of a claimed license.
#[derive(Debug, Deserialize)]
struct Claimed {
    id: LicenseId,
}

fn claim_page() -> FormPage {
    let input = Input::text("license_key", "License key", 255).required().autocomplete("off");
    let form = Form::new(links::CLAIM_KEY, vec![input], "Add license", links::OWN_LICENSES);
    FormPage::new(NavSection::Licenses, "Add a license", form)
        .breadcrumb(links::OWN_LICENSES, "Your licenses")
        .intro(html! { p.prose { "Enter a license key that you received, for example from a reseller." } })
}

/// Shows the form. Users who have not registered are redirected to the registration.
pub(super) async fn new(viewer: Viewer, State(table): State<Table>) -> Result<Response, Problem> {
    if current_customer(&table, &viewer.session).await?.is_none() {
        return Ok(Redirect::to(links::WELCOME).into_response());
    }
    Ok(claim_page().render(&viewer))
}

/// Claims the license through the API.
pub(super) async fn claim(viewer: Viewer, api: Api, data: FormData) -> Response {
    let page = claim_page();
    let body = page.request_body(&data);
    match api.post::<Claimed>("/api/v1.0/user/claim-key", &data, &body).await {
        Ok(claimed) => Notice::Added.redirect_to(&links::own_license(claimed.id)),
        Err(problem) if problem.code == Code::CustomerNotRegistered => Redirect::to(links::WELCOME).into_response(),
        Err(problem) => page.render_error(&viewer, &data, &explain(problem)),
    }
}

/// Replaces the API's detail with one for customers.
fn explain(problem: Problem) -> Problem {
    if problem.code != Code::NotFound {
        return problem;
    }
    let detail = "this license key does not exist or belongs to someone else. Check it, and try again";
    Problem::new(Code::NotFound, detail)
}
