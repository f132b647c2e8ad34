//! The search for customers and licenses. It uses POST, because the search text may be a key string, which must not
//! appear in a URL.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use licenses::find::{SearchResult, find};
use maud::html;
use shared::{
    AppState,
    domain::Secret,
    http::{Problem, Required},
    secrets::CursorSecret,
    store::{Table, customers::CustomerFilter, pagination::PageRequest},
};

use crate::{
    form_data::FormData,
    links,
    ui::{
        components::empty_state,
        form_page::FormPage,
        forms::Form,
        inputs::Input,
        layout::{NavSection, PageLayout},
    },
    viewer::Operator,
};

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route(links::SEARCH, get(form).post(search))
}

/// Shows a search form, for example after a sign-in.
async fn form(Operator(viewer): Operator) -> Response {
    let text = Input::text("q", "Search for", 254)
        .required()
        .hint("The start of a customer's name, an email address, a full license key, or an ID.");
    let form = Form::new(links::SEARCH, vec![text], "Search", links::OVERVIEW);
    FormPage::new(NavSection::None, "Search", form).render(&viewer)
}

/// Redirects to the only result, or to the list of customers if several match.
async fn search(
    Operator(viewer): Operator,
    State(table): State<Table>,
    Required(secret): Required<CursorSecret>,
    form: FormData,
) -> Result<Response, Problem> {
    let text = form.get("q");
    let result = match find(&table, &Secret::new(text.to_owned())).await? {
        SearchResult::License(id) => Some(links::license_key(id)),
        SearchResult::Customer(id) => Some(links::customer(id)),
        SearchResult::NotFound => None,
    };
    if let Some(path) = result {
        return Ok(Redirect::to(&path).into_response());
    }
    let filter = CustomerFilter { name: text.to_owned(), ..CustomerFilter::default() };
    // Two are enough to know whether there are several.
    let paging = PageRequest { limit: 2, cursor: None, key: secret.cached().cursor_key() };
    let matches = if text.is_empty() { Vec::new() } else { table.customers(&filter, &paging).await?.items };
    Ok(match &matches[..] {
        [] => {
            let content = empty_state(
                &format!("No results for “{text}”"),
                "Try the start of a customer's name, an email address, a full license key, or an ID.",
                &html! {},
            );
            PageLayout::new(NavSection::None, "Search", content).render(&viewer)
        }
        [customer] => Redirect::to(&links::customer(customer.id)).into_response(),
        _ => Redirect::to(&links::with_query(links::CUSTOMERS, &[("name", text)])).into_response(),
    })
}
