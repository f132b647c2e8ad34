//! What an event has changed: fields before and after.

use maud::{Markup, html};
use serde_json::Value;
use shared::domain::{
    Catalog, Event, EventData, Timestamp,
    event::payload::{LicenseChanged, LicenseOverridden, OverrideData},
};

use crate::ui::format;

/// A field, and its values before and after.
type Row = (String, Markup, Markup);

/// A table of the changed fields, which opens on demand. Empty if the event has no values before and after.
pub(super) fn changes(event: &Event, catalog: &Catalog) -> Markup {
    let rows = rows(&event.data, catalog);
    html! {
        @if !rows.is_empty() {
            details {
                summary { "Before and after" }
                table.table.changes {
                    thead { tr { th scope="col" { "Field" } th scope="col" { "Before" } th scope="col" { "After" } } }
                    tbody {
                        @for (field, before, after) in rows {
                            tr {
                                td data-label="Field" { (field) }
                                td data-label="Before" { (before) }
                                td data-label="After" { (after) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn rows(data: &EventData, catalog: &Catalog) -> Vec<Row> {
    match data {
        EventData::ProductUpdated(changes)
        | EventData::PricingTierUpdated(changes)
        | EventData::ProductFeatureUpdated(changes)
        | EventData::WebhookEndpointUpdated(changes)
        | EventData::SettingsUpdated(changes) => changes
            .changes
            .iter()
            .map(|(name, change)| {
                (sentence_case(name), plain(&value_text(&change.from)), plain(&value_text(&change.to)))
            })
            .collect(),
        EventData::LicenseRenewed(data) => vec![("Expires".to_owned(), expiry(data.from), expiry(data.expires_at))],
        EventData::LicenseChanged(data) => terms(data, catalog),
        EventData::LicenseOverridden(LicenseOverridden { from, overrides }) => {
            vec![("Overrides".to_owned(), override_list(from, catalog), override_list(overrides, catalog))]
        }
        _ => Vec::new(),
    }
}

fn terms(data: &LicenseChanged, catalog: &Catalog) -> Vec<Row> {
    let tier = |id| catalog.tiers.get(id).map_or_else(|| "Unknown tier".to_owned(), |tier| tier.name.clone());
    let seats = |max| plain(&format::limit(max, "seat"));
    let mut rows = Vec::new();
    if data.from.tier_id != data.tier_id {
        rows.push(("Pricing tier".to_owned(), plain(&tier(&data.from.tier_id)), plain(&tier(&data.tier_id))));
    }
    if data.from.max_users != data.max_users {
        rows.push(("Seats".to_owned(), seats(data.from.max_users), seats(data.max_users)));
    }
    rows
}

fn plain(text: &str) -> Markup {
    html! { (text) }
}

fn expiry(at: Option<Timestamp>) -> Markup {
    format::or(at.map(format::date_time), "Never")
}

fn override_list(overrides: &[OverrideData], catalog: &Catalog) -> Markup {
    let text = |one: &OverrideData| {
        let name = catalog.features.get(&one.feature_id).map_or("Unknown feature", |feature| feature.name.as_str());
        let grant = match (one.enabled, one.limit) {
            (Some(true), _) => "on".to_owned(),
            (Some(false), _) => "off".to_owned(),
            (None, Some(Some(limit))) => format::number(limit),
            (None, _) => "unlimited".to_owned(),
        };
        html! { (name) ": " (grant) @if let Some(end) = one.expires_at { " until " (format::date(end)) } }
    };
    html! {
        @if overrides.is_empty() { "None" }
        @for (at, one) in overrides.iter().enumerate() { @if at > 0 { ", " } (text(one)) }
    }
}

/// The name of a field as a label, such as `Sort order`.
fn sentence_case(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).map(|letter| if letter == '_' { ' ' } else { letter }).collect()
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "Yes".to_owned(),
        Value::Bool(false) => "No".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
