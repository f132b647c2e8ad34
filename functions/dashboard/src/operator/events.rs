//! What happened, in words.

use maud::{Markup, html};
use serde_json::Value;
use shared::domain::{Actor, ActorKind, Event, EventType};

use super::license_keys;
use crate::ui::show;

/// Events, newest first. Of all license keys, each says of which.
pub(crate) fn feed(events: &[Event], of_all: bool) -> Markup {
    html! {
        ul.feed {
            @for event in events {
                li {
                    div {
                        strong { (name(event.kind)) }
                        @if let Some(more) = more(event) { " " span.muted { (more) } }
                        span.sub {
                            (who(&event.actor)) " from " (event.ip)
                            @if of_all { " · " a href=(license_keys::path(event.license_id)) { "License key " (short(&event.license_id.to_string())) } }
                        }
                    }
                    (show::time(event.at))
                }
            }
        }
    }
}

/// What happened, in a word.
fn name(kind: EventType) -> &'static str {
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

/// What else the event tells.
fn more(event: &Event) -> Option<String> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match event.kind {
        EventType::Issued => text("tier").map(|tier| format!("in the tier {tier}")),
        EventType::Superseded => text("superseded_by").map(|by| format!("by {}", short(by))),
        EventType::Suspended | EventType::Reinstated | EventType::Revoked => {
            text("reason").map(|reason| format!("“{reason}”"))
        }
        EventType::Renewed => {
            Some(text("expires_at").map_or_else(|| "for ever".to_owned(), |end| format!("until {}", day(end))))
        }
        EventType::Changed => Some(match event.data.get("max_users").and_then(Value::as_u64) {
            Some(seats) => format!("to {seats} seats"),
            None => "to no limit of seats".to_owned(),
        }),
        EventType::Regenerated => event.data.get("generation").map(|count| format!("generation {count}")),
        EventType::Audited => event
            .data
            .get("ok")
            .and_then(Value::as_bool)
            .map(|ok| if ok { "all well" } else { "something found" }.to_owned()),
        EventType::Activated | EventType::Deactivated | EventType::TakenOver => text("machine_id").map(str::to_owned),
    }
}

fn day(text: &str) -> &str {
    text.split('T').next().unwrap_or(text)
}

fn who(actor: &Actor) -> String {
    match actor.kind {
        ActorKind::ApiKey => format!("API key {}", short(&actor.id)),
        ActorKind::User => format!("Person {}", short(&actor.id)),
        ActorKind::App => "The app".to_owned(),
        ActorKind::System => "Signet".to_owned(),
    }
}

/// The end of an id, by which people know it again.
fn short(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= 12 {
        id.to_owned()
    } else {
        format!("…{}", letters[letters.len() - 6..].iter().collect::<String>())
    }
}
