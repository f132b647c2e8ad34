//! The terms of a license in forms: its expiry date and its number of seats.

use maud::{Markup, html};
use serde_json::{Map, Value, json};
use shared::domain::Tier;

use crate::{
    form_data::FormData,
    ui::{
        format,
        inputs::{Choice, Input},
        request_body::request_body,
    },
};

/// The field of a form whose effect was previewed.
pub(super) const PREVIEWED: &str = "previewed";
/// The choice of the number of seats that the license has.
pub(super) const KEPT: &str = "kept";

/// The inputs of an expiry date. `term` is the default choice, with the value `term`.
pub(super) fn expiry_inputs(term: Choice) -> Vec<Input> {
    vec![
        Input::select(
            "expiry",
            "Expires",
            vec![term, Choice::new("never", "Never"), Choice::new("date", "Custom date")],
        )
        .required()
        .value("term"),
        Input::date_time("expires_at", "Expires at").visible_when("expiry=date"),
    ]
}

/// The API's `expires_at`: omitted for one term, null for never, or a time.
pub(super) fn expiry_json(data: &FormData) -> Value {
    match data.get("expiry") {
        "never" => json!({ "expires_at": null }),
        "date" => request_body(data, &[Input::date_time("expires_at", "").required()]),
        _ => json!({}),
    }
}

/// The inputs of a number of seats. `kept` is the label of the choice that keeps a number that differs from the tier's.
pub(super) fn seat_inputs(kept: Option<String>) -> [Input; 2] {
    let mut choices = vec![Choice::new("default", "Tier default")];
    choices.extend(kept.map(|label| Choice::new(KEPT, label)));
    choices.extend([Choice::new("unlimited", "Unlimited"), Choice::new("custom", "Custom")]);
    [
        Input::select("seats", "Seats", choices).required().value("default"),
        Input::number("max_users", "Number of seats", 1, 100_000).visible_when("seats=custom"),
    ]
}

/// The number of seats of the tier, if that of a license differs, below it.
pub(super) fn tier_default(max_users: Option<u32>, tier: &Tier) -> Markup {
    html! { @if max_users != tier.max_users { span.subtext { "Tier default: " (format::limit(tier.max_users, "seat")) } } }
}

/// The API's `max_users`: omitted for the tier's default, null for unlimited, or a number.
pub(super) fn seats_json(data: &FormData) -> Map<String, Value> {
    let body = match data.get("seats") {
        "unlimited" => json!({ "max_users": null }),
        "custom" => request_body(data, &[Input::number("max_users", "", 1, 100_000).required()]),
        _ => json!({}),
    };
    body.as_object().cloned().unwrap_or_default()
}
