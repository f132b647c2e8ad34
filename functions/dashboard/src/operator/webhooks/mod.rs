//! Webhook endpoints, and the deliveries to them.

mod actions;
mod delivery;
mod detail;
mod endpoint;
mod form;
mod list;

use axum::{
    Router,
    routing::{get, post},
};
use shared::AppState;

use self::endpoint::NEW_PATH;
use crate::links;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(links::WEBHOOKS, get(list::handler))
        .route(NEW_PATH, get(form::new).post(form::create))
        .route("/dashboard/webhooks/{id}", get(detail::handler))
        .route("/dashboard/webhooks/{id}/edit", get(form::edit).post(form::update))
        .route("/dashboard/webhooks/{id}/{action}", get(actions::confirm).post(actions::perform))
        .route("/dashboard/webhook-deliveries/{id}", get(delivery::handler))
        .route("/dashboard/webhook-deliveries/{id}/retry", post(delivery::retry))
}
