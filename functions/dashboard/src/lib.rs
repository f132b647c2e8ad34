//! The dashboard: server-rendered HTML pages for operators and customers. Pages use the same queries and commands as
//! the API, work without JavaScript, and load nothing from other hosts.

mod assets;
mod auth;
mod customer;
mod form_data;
mod operator;
mod page_context;
mod queries;
mod session;
mod session_middleware;
mod ui;

use axum::{
    Extension, Router,
    middleware::from_fn_with_state,
    response::{IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use shared::{AppState, http::Problem};

use self::{
    auth::{callback, sign_in, sign_out},
    page_context::{ApiClient, PageContext},
};

/// The function's routes. They are HTML pages and therefore not part of the OpenAPI document.
pub fn routes(app: &AppState) -> Router<AppState> {
    session_routes()
        .layer(from_fn_with_state(app.clone(), session_middleware::require_session))
        .layer(Extension(ApiClient::new(app)))
        .route("/dashboard/assets/{file}", get(assets::handler))
        .route("/dashboard/sign-in", get(sign_in::handler))
        .route("/dashboard/callback", get(callback::handler))
        .route("/dashboard/signed-out", get(sign_out::signed_out))
}

/// The routes that require a session.
fn session_routes() -> Router<AppState> {
    Router::new()
        .route("/dashboard", get(home))
        .route("/dashboard/sign-out", post(sign_out::handler))
        .route("/dashboard/signed-in", get(sign_out::signed_in))
        .route("/dashboard/theme", post(ui::theme::set_theme))
        .merge(operator::routes())
        .merge(customer::routes())
        .route("/dashboard/{*rest}", any(session_middleware::not_found))
}

/// Shows the overview to operators and redirects customers to their licenses.
async fn home(page: PageContext) -> Result<Response, Problem> {
    if page.session.is_operator {
        Box::pin(operator::overview::show(&page)).await
    } else {
        Ok(Redirect::to("/dashboard/licenses").into_response())
    }
}
