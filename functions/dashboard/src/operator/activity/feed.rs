//! The activity feed: events as text.

use maud::{Markup, html};
use shared::domain::Event;

use super::{
    changes::changes,
    names::{ActivityNames, event_name},
};
use crate::ui::format;

/// A list of events, newest first. Events of different resources link to theirs.
pub(crate) fn activity_feed(events: &[Event], names: ActivityNames<'_>) -> Markup {
    html! {
        ul.list {
            @for event in events {
                li {
                    div {
                        strong { (event_name(event.event_type())) }
                        @if let Some(details) = names.event_details(event) { " " span.muted { "· " (details) } }
                        span.subtext {
                            (names.actor_name(&event.actor)) @if let Some(ip) = &event.ip { " · " (ip) }
                            @if names.license.is_none() { " · " (names.subject(&event.subject)) }
                        }
                        (changes(event, names.catalog))
                    }
                    (format::date_time(event.at))
                }
            }
        }
    }
}
