//! The overview: how things stand, from a statistics item that a scheduled run refreshes, and the latest events.

use axum::response::Response;
use licenses::list_events::all_events;
use maud::{Markup, html};
use shared::{
    domain::{Event, EventType},
    http::Problem,
    store::listing::Paging,
};

use crate::{
    enter::Visit,
    ui::{
        components::{empty, primary_link, section},
        shell::{Page, Place},
        show,
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
                ul.feed { @for event in &latest.items { (event_row(event)) } }
            }
        }))
    };
    Ok(Page::new(Place::Overview, "Overview", content).draw(visit))
}

fn event_row(event: &Event) -> Markup {
    html! {
        li {
            a href={ "/dashboard/license-keys/" (event.license_id) } { (event_name(event.kind)) }
            (show::time(event.at))
        }
    }
}

/// What happened, in a word.
pub(crate) fn event_name(kind: EventType) -> &'static str {
    match kind {
        EventType::Issued => "Issued",
        EventType::Superseded => "Superseded",
        EventType::Suspended => "Suspended",
        EventType::Reinstated => "Reinstated",
        EventType::Renewed => "Renewed",
        EventType::Changed => "Changed",
        EventType::Regenerated => "New key string",
        EventType::Revoked => "Revoked",
        EventType::Audited => "Audited",
        EventType::Activated => "Machine activated",
        EventType::Deactivated => "Machine deactivated",
        EventType::TakenOver => "Lapsed seat taken over",
    }
}
