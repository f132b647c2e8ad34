//! The search box: a form that is posted, as what is looked for may be a key string, which no address may hold.

use axum::{
    Router,
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use licenses::find::{Found, find};
use maud::html;
use shared::{
    AppState,
    domain::Secret,
    http::Problem,
    store::{customers::CustomerFilter, pagination::PageRequest},
};

use super::{customers, license_keys};
use crate::{
    enter::Operator,
    form::Sent,
    ui::{
        address,
        components::empty,
        shell::{Page, Place},
    },
};

/// The page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/dashboard/search", post(search))
}

async fn search(Operator(visit): Operator, sent: Sent) -> Result<Response, Problem> {
    let table = &visit.app.table;
    let text = sent.get("q");
    let to = match find(table, &Secret::new(text.to_owned())).await? {
        Found::License(id) => Some(license_keys::path(id)),
        Found::Customer(id) => Some(customers::path(id)),
        Found::Nothing => None,
    };
    if let Some(to) = to {
        return Ok(Redirect::to(&to).into_response());
    }
    let filter = CustomerFilter { name: text.to_owned(), ..CustomerFilter::default() };
    let paging = PageRequest { limit: 2, cursor: None, key: visit.app.cursor_key() };
    let named = if text.is_empty() { Vec::new() } else { table.customers(&filter, &paging).await?.items };
    Ok(match &named[..] {
        [] => {
            let content = empty(
                "Nothing found",
                "Look for the beginning of a customer’s name, a whole e-mail address, a whole license key, or an id such as lic_…, cus_… or act_….",
                &html! {},
            );
            Page::new(Place::Nowhere, "Search", content).render(&visit)
        }
        [one] => Redirect::to(&customers::path(one.id)).into_response(),
        _ => Redirect::to(&address(customers::HERE, &[("name", text)])).into_response(),
    })
}
