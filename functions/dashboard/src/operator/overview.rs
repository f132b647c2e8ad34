//! The overview: how things stand, from a statistics item that a scheduled run refreshes, and the latest events.

use axum::response::Response;
use licenses::list_events::all_events;
use maud::html;
use shared::{http::Problem, store::listing::Paging};

use super::events::feed;
use crate::{
    enter::Visit,
    ui::{
        components::{empty, primary_link, section},
        shell::{Page, Place},
    },
};

/// How many of the latest events are shown.
const LATEST: usize = 12;

/// The page.
pub(crate) async fn page(visit: &Visit) -> Result<Response, Problem> {
    let paging = Paging { limit: LATEST, cursor: None, key: visit.services.cursor_key() };
    let latest = all_events(&visit.services.table, &paging, &visit.call).await?;
    let content = html! {
        (section("Latest events", &html! {}, &html! {
            @if latest.items.is_empty() {
                (empty("Nothing has happened yet", "Issuing a license key is the first event.",
                    &primary_link("/dashboard/license-keys/new", "Issue a key")))
            } @else {
                (feed(&latest.items, true))
            }
        }))
    };
    Ok(Page::new(Place::Overview, "Overview", content).draw(visit))
}
