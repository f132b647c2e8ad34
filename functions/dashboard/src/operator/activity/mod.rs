//! Activity: events as text, in feeds and on a page of their own.

mod changes;
mod feed;
mod names;
mod page;

use axum::{Router, routing::get};
use shared::AppState;

pub(super) use self::{feed::activity_feed, names::ActivityNames};
use crate::links;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route(links::ACTIVITY, get(page::handler))
}
