//! The activity feed: license events as text.

use maud::{Markup, html};
use serde_json::Value;
use shared::domain::{Actor, ActorKind, Catalog, Customer, Event, EventType, ProductId};

use crate::{links, session::Session, ui::format};

/// The data that turns ids of events into names.
#[derive(Debug, Clone, Copy)]
pub(super) struct ActivityNames<'a> {
    pub(super) catalog: &'a Catalog,
    /// The signed-in user.
    pub(super) session: &'a Session,
    /// The product and the customer, if all events are of one license.
    pub(super) license: Option<(ProductId, Option<&'a Customer>)>,
}

/// A list of events, newest first. Events of different licenses link to theirs.
pub(super) fn activity_feed(events: &[Event], names: ActivityNames<'_>) -> Markup {
    html! {
        ul.list {
            @for event in events {
                li {
                    div {
                        strong { (event_name(event.kind)) }
                        @if let Some(details) = names.event_details(event) { " " span.muted { "· " (details) } }
                        span.subtext {
                            (names.actor_name(&event.actor)) @if !event.ip.is_empty() { " · " (event.ip) }
                            @if names.license.is_none() { " · " a href=(links::license_key(event.license_id)) { "License " (short_id(&event.license_id.to_string())) } }
                        }
                    }
                    (format::date_time(event.at))
                }
            }
        }
    }
}

fn event_name(kind: EventType) -> &'static str {
    match kind {
        EventType::Issued => "License issued",
        EventType::Claimed => "License claimed by a customer",
        EventType::Superseded => "License superseded",
        EventType::Suspended => "License suspended",
        EventType::Reinstated => "License reinstated",
        EventType::Renewed => "License renewed",
        EventType::Changed => "License changed",
        EventType::Overridden => "Entitlements overridden",
        EventType::Updated => "License details updated",
        EventType::Regenerated => "Key regenerated",
        EventType::Revoked => "License revoked",
        EventType::Audited => "License audited",
        EventType::Activated => "Machine activated",
        EventType::Borrowed => "Seat borrowed",
        EventType::Deactivated => "Machine deactivated",
        EventType::TakenOver => "Seat reassigned from inactive machine",
    }
}

impl ActivityNames<'_> {
    fn event_details(&self, event: &Event) -> Option<String> {
        let text = |name: &str| event.data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        match event.kind {
            EventType::Issued => text("tier").map(|code| self.tier_name(code).to_owned()),
            EventType::Superseded => text("superseded_by").map(|id| format!("replaced by {}", short_id(id))),
            EventType::Suspended | EventType::Reinstated | EventType::Revoked => {
                text("reason").map(|reason| format!("“{reason}”"))
            }
            EventType::Renewed => Some(text("expires_at").map_or_else(
                || "never expires".to_owned(),
                |end| format!("expires {}", end.parse().map_or_else(|_| end.to_owned(), format::date_text)),
            )),
            EventType::Changed => {
                let seats = match event.data.get("max_users").and_then(Value::as_u64) {
                    Some(seats) => format::count(seats, "seat"),
                    None => "unlimited seats".to_owned(),
                };
                let tier = text("tier_id").and_then(|id| self.catalog.tiers.get(&id.parse().ok()?));
                Some(tier.map_or_else(|| seats.clone(), |tier| format!("{}, {seats}", tier.name)))
            }
            EventType::Overridden => {
                let count = event.data.get("overrides").and_then(Value::as_array)?.len();
                Some(if count == 0 { "no overrides".to_owned() } else { format::count(count as u64, "override") })
            }
            EventType::Claimed | EventType::Updated => None,
            EventType::Regenerated => {
                let count = event.data.get("generation").and_then(Value::as_u64)?.checked_sub(1)?;
                Some(format!("{count}×"))
            }
            EventType::Audited => {
                let is_ok = event.data.get("ok").and_then(Value::as_bool)?;
                Some(if is_ok { "no issues" } else { "issues found" }.to_owned())
            }
            EventType::Activated | EventType::Deactivated | EventType::TakenOver => {
                text("machine_id").map(str::to_owned)
            }
            EventType::Borrowed => {
                let until = text("borrowed_until")?.parse().ok()?;
                Some(format!("{}, until {}", text("machine_id")?, format::date_time_text(until)))
            }
        }
    }

    /// The name of the tier with this code, or the code if tiers of several products with different names share it.
    fn tier_name<'a>(&'a self, code: &'a str) -> &'a str {
        let product = self.license.map(|(product, _)| product);
        let tiers = self.catalog.tiers.values().filter(|tier| tier.code == code);
        let mut tiers = tiers.filter(|tier| product.is_none_or(|product| tier.product_id == product));
        let Some(first) = tiers.next() else { return code };
        if tiers.all(|tier| tier.name == first.name) { &first.name } else { code }
    }

    /// The name of the actor. Of users, only the signed-in one and the license's customer are known.
    fn actor_name(&self, actor: &Actor) -> String {
        match actor.kind {
            ActorKind::ApiKey => format!("API key {}", short_id(&actor.id)),
            ActorKind::User if actor.id == self.session.subject => self.session.display_name().to_owned(),
            ActorKind::User => {
                let customer = self.license.and_then(|(_, customer)| customer);
                // A customer's subject is prefixed with the issuer's URL.
                let subject = customer.and_then(|customer| customer.subject.as_deref()?.split(' ').next_back());
                match customer {
                    Some(customer) if subject == Some(&*actor.id) => format::customer_name(customer).to_owned(),
                    _ => format!("User {}", short_id(&actor.id)),
                }
            }
            ActorKind::App => "App".to_owned(),
            ActorKind::System => "Signet".to_owned(),
        }
    }
}

/// The last characters of a long id.
fn short_id(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= 12 {
        id.to_owned()
    } else {
        format!("…{}", letters[letters.len() - 6..].iter().collect::<String>())
    }
}
