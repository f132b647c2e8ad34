//! The search for customers, licenses, machines, pages and actions: as a page, and in the command palette. It uses POST, because the
//! search text may be a key string or the name of a person, which must not appear in a URL.

use axum::{
    Router,
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use licenses::find::{SearchResult, find};
use maud::html;
use shared::{
    AppState,
    domain::Secret,
    http::{Problem, Required},
    secrets::CursorSecret,
    store::{Table, customers::CustomerFilter, pagination::PageRequest, search::Found},
};

use super::search_results::Results;
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

/// The maximum number of results of each kind on the page.
const MAX_ON_PAGE: usize = 25;
/// The maximum number of results of each kind in the palette.
const MAX_IN_PALETTE: usize = 5;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route(links::SEARCH, get(form).post(search)).route(links::SEARCH_RESULTS, post(results))
}

/// Shows a search form, for example after a sign-in.
async fn form(Operator(viewer): Operator) -> Response {
    let text = Input::text("q", "Search for", 254)
        .required()
        .hint("The beginning of any word of a name, an address, a machine or an external ID, or a full license key.");
    let form = Form::new(links::SEARCH, vec![text], "Search", links::OVERVIEW);
    FormPage::new(NavSection::None, "Search", form).render(&viewer)
}

/// Redirects to the license or customer that the text identifies, or to the only result, or else shows all results.
async fn search(
    Operator(viewer): Operator,
    State(table): State<Table>,
    Required(secret): Required<CursorSecret>,
    form: FormData,
) -> Result<Response, Problem> {
    let text = form.get("q");
    let exact = match find(&table, &Secret::new(text.to_owned())).await? {
        SearchResult::License(id) => Some(links::license_key(id)),
        SearchResult::Customer(id) => Some(links::customer(id)),
        SearchResult::NotFound => None,
    };
    if let Some(path) = exact {
        return Ok(Redirect::to(&path).into_response());
    }
    let mut found =
        if text.is_empty() { Results::default() } else { Results::by_words(&table, text, MAX_ON_PAGE).await? };
    if found.is_empty() && !text.is_empty() {
        // Customers whose words are not in the index yet.
        let filter = CustomerFilter { name: text.to_owned(), ..CustomerFilter::default() };
        let paging = PageRequest { limit: MAX_ON_PAGE, cursor: None, key: secret.cached().cursor_key() };
        let page = table.customers(&filter, &paging).await?;
        let has_more = page.next.is_some();
        found = Results::of_resources(&Found { customers: page.items, has_more, ..Found::default() });
    }
    if let Some(path) = found.only() {
        return Ok(Redirect::to(path).into_response());
    }
    let content = if found.is_empty() {
        empty_state(
            &format!("No results for “{text}”"),
            "Try the start of a word of a name, company or email, the end of a license key, a machine name, or an ID.",
            &html! {},
        )
    } else {
        found.sections()
    };
    Ok(PageLayout::new(NavSection::None, "Search", content).render(&viewer))
}

/// The results for the command palette, as a part of a page.
async fn results(_: Operator, State(table): State<Table>, form: FormData) -> Result<Response, Problem> {
    let text = form.get("q");
    let found = Results::find(&table, text, MAX_IN_PALETTE).await?;
    let content = if found.is_empty() {
        html! { p.palette-more { "No results" } }
    } else {
        found.options()
    };
    Ok(Html(content.into_string()).into_response())
}
