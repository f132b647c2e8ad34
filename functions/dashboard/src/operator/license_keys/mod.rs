//! Licenses: the list, and the actions on one.

mod actions;
mod audit;
mod change_preview;
mod detail;
mod entitlements;
mod issue;
mod issue_preview;
mod key_page;
mod list;
mod offline;
mod terms;

use axum::{Router, routing::get};
use shared::AppState;

use crate::links;

/// The routes of licenses.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(links::LICENSE_KEYS, get(list::handler))
        .route(links::NEW_LICENSE_KEY, get(issue::new).post(issue::create))
        .route("/dashboard/license-keys/{id}", get(detail::machines))
        .route("/dashboard/license-keys/{id}/history", get(detail::history))
        .route("/dashboard/license-keys/{id}/entitlements", get(entitlements::show))
        .route("/dashboard/license-keys/{id}/entitlements/{feature}", get(entitlements::edit).post(entitlements::save))
        .route("/dashboard/license-keys/{id}/audit", get(audit::confirm).post(audit::audit))
        .route("/dashboard/license-keys/{id}/offline-activation", get(offline::form).post(offline::activate))
        .route(
            "/dashboard/license-keys/{id}/machines/{activation}/deactivate",
            get(detail::confirm_deactivate).post(detail::deactivate),
        )
        .route("/dashboard/license-keys/{id}/{action}", get(actions::confirm).post(actions::perform))
}
