//! The dashboard: server-rendered HTML pages for operators and customers. Pages use the same queries and commands as
//! the API, work without JavaScript, and load nothing from other hosts.
//!
//! Modules form a line; each imports only those before it:
//!
//! - `assets`, `cookies`, `form_data`, `links`, `queries`: files, the parts of requests and URLs, and shared reads.
//! - `theme`, `session`: what cookies store.
//! - `viewer`: the signed-in user as an extractor.
//! - `ui`: layout, components and forms.
//! - `photo`: reads QR codes.
//! - `api`: submits forms to the API as the signed-in user.
//! - `app_file`, `offline_activation`: a file and pages that operators and customers share.
//! - `session_middleware`: requires a session on pages.
//! - `auth`, `operator`, `customer`: the pages. They do not import each other.

mod api;
mod app_file;
mod assets;
mod auth;
mod cookies;
mod customer;
mod form_data;
mod links;
mod offline_activation;
mod operator;
mod photo;
mod queries;
mod session;
mod session_middleware;
mod theme;
mod ui;
mod viewer;

use axum::{
    Extension, Router,
    extract::State,
    middleware::from_fn_with_state,
    response::{IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use shared::{
    AppState,
    http::{Problem, RequestContext},
    store::{Table, catalog::CatalogCache},
};

use self::{
    auth::{callback, sign_in, sign_out},
    viewer::Viewer,
};

/// The function's routes. They are HTML pages and therefore not part of the OpenAPI document.
pub fn routes(app: &AppState) -> Router<AppState> {
    session_routes()
        .layer(from_fn_with_state(app.clone(), session_middleware::require_session))
        .layer(Extension(api::client(app)))
        .route("/", get(root))
        .route("/dashboard/assets/{file}", get(assets::handler))
        .route("/dashboard/sign-in", get(sign_in::handler))
        .route(auth::CALLBACK_PATH, get(callback::handler))
        .route(auth::SIGNED_OUT_PATH, get(sign_out::signed_out))
}

/// The routes that require a session.
fn session_routes() -> Router<AppState> {
    Router::new()
        .route(links::OVERVIEW, get(home))
        .route("/dashboard/sign-out", post(sign_out::handler))
        .route("/dashboard/signed-in", get(sign_out::signed_in))
        .route("/dashboard/theme", post(theme::set_theme))
        .merge(operator::routes())
        .merge(customer::routes())
        .route("/dashboard/{*rest}", any(session_middleware::not_found))
}

/// Redirects people who open the address of the API in a browser.
async fn root() -> Redirect {
    Redirect::to(links::OVERVIEW)
}

/// Shows the overview to operators and redirects customers to their licenses.
async fn home(
    viewer: Viewer,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    if viewer.session.is_operator {
        Box::pin(operator::overview::show(&viewer, &table, &catalog, ctx.now)).await
    } else {
        Ok(Redirect::to(links::OWN_LICENSES).into_response())
    }
}
