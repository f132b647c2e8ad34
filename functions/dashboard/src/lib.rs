//! The dashboard: where operators and customers work. HTML from the same queries and commands as the API, small scripts
//! that pages can do without, and nothing from other hosts.

mod assets;
mod customer;
mod enter;
mod form;
mod operator;
mod session;
mod signing;
mod ui;

use axum::{
    Extension, Router,
    middleware::from_fn_with_state,
    response::{IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use shared::{AppState, http::Problem};

use self::{
    enter::{Api, Visit},
    signing::{begin, finish, sign_out},
};

/// The function's routes. They are pages, and so no part of the API's document.
pub fn routes(app: &AppState) -> Router<AppState> {
    pages()
        .layer(from_fn_with_state(app.clone(), enter::pass))
        .layer(Extension(Api::new(app)))
        .route("/dashboard/assets/{file}", get(assets::handler))
        .route("/dashboard/sign-in", get(begin::handler))
        .route("/dashboard/callback", get(finish::handler))
        .route("/dashboard/signed-out", get(sign_out::signed_out))
}

/// What takes a session.
fn pages() -> Router<AppState> {
    Router::new()
        .route("/dashboard", get(home))
        .route("/dashboard/sign-out", post(sign_out::handler))
        .route("/dashboard/signed-in", get(sign_out::signed_in))
        .route("/dashboard/theme", post(ui::theme::choose))
        .merge(operator::routes())
        .merge(customer::routes())
        .route("/dashboard/{*rest}", any(enter::nothing_here))
}

/// Where each begins to work.
async fn home(visit: Visit) -> Result<Response, Problem> {
    if visit.session.is_operator {
        Box::pin(operator::overview::page(&visit)).await
    } else {
        Ok(Redirect::to("/dashboard/licenses").into_response())
    }
}
