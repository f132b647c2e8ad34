//! The actions on a license, each with a confirmation page.

use std::str::FromStr;

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use shared::{
    domain::{BillingPeriod, Catalog, LicenseId, Status, Timestamp},
    http::{Problem, resources::LicenseResource},
};

use super::{BASE_PATH, path};
use crate::{
    form_data::FormData,
    page_context::{OperatorContext, PageContext, PathIds},
    queries,
    ui::{
        components::{link_button, secret},
        format,
        forms::Form,
        inputs::{Choice, Input},
        layout::{NavSection, PageLayout},
    },
};

/// An action on a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LicenseAction {
    Renew,
    Change,
    Suspend,
    Reinstate,
    Regenerate,
    Revoke,
}

impl LicenseAction {
    const ALL: [Self; 6] = [Self::Renew, Self::Change, Self::Suspend, Self::Reinstate, Self::Regenerate, Self::Revoke];

    /// The actions that a status allows; destructive ones last.
    pub(super) fn allowed(status: Status) -> &'static [Self] {
        match status {
            Status::Active => &[Self::Renew, Self::Change, Self::Suspend, Self::Regenerate, Self::Revoke],
            Status::Suspended => &[Self::Renew, Self::Change, Self::Reinstate, Self::Revoke],
            Status::Expired => &[Self::Renew, Self::Change, Self::Revoke],
            Status::Superseded => &[Self::Revoke],
            Status::Revoked => &[],
        }
    }

    /// The last segment of the page's and of the API's path.
    pub(super) fn path_segment(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Change => "change",
            Self::Suspend => "suspend",
            Self::Reinstate => "reinstate",
            Self::Regenerate => "regenerate",
            Self::Revoke => "revoke",
        }
    }

    /// The label of buttons.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Renew => "Renew",
            Self::Change => "Change tier or seats",
            Self::Suspend => "Suspend",
            Self::Reinstate => "Reinstate",
            Self::Regenerate => "Regenerate key",
            Self::Revoke => "Revoke",
        }
    }

    pub(super) fn is_destructive(self) -> bool {
        matches!(self, Self::Regenerate | Self::Revoke)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Renew => "Renew license",
            Self::Change => "Change tier or seats",
            Self::Suspend => "Suspend this license?",
            Self::Reinstate => "Reinstate this license?",
            Self::Regenerate => "Regenerate this key?",
            Self::Revoke => "Permanently revoke this license?",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Renew => "Extends the expiry date. The key and machines don't change.",
            Self::Change => "Features update at the next heartbeat. Seats can't go below the number in use.",
            Self::Suspend => {
                "Machines can't activate or renew their tokens until you reinstate the license. They keep their seats, and \
                 existing tokens work until they expire."
            }
            Self::Reinstate => "The license becomes active immediately. Machines continue at their next heartbeat.",
            Self::Regenerate => {
                "The current key and its tokens stop working at the next heartbeat, and all seats are freed. Every machine \
                 must activate again with the new key."
            }
            Self::Revoke => {
                "Machines can no longer activate or renew their tokens. Existing tokens work until they expire. This can't \
                 be undone: the customer would need a new license."
            }
        }
    }

    /// The code of the confirmation after the action.
    fn notice(self) -> &'static str {
        match self {
            Self::Renew => "renewed",
            Self::Change | Self::Regenerate => "saved",
            Self::Suspend => "suspended",
            Self::Reinstate => "reinstated",
            Self::Revoke => "revoked",
        }
    }

    fn inputs(self, license: &LicenseResource, catalog: &Catalog, now: Timestamp) -> Vec<Input> {
        match self {
            Self::Renew => expiry_inputs(&renewal_label(catalog, license, now)),
            Self::Change => {
                let seats = if license.max_users.is_some() { "custom" } else { "unlimited" };
                let [select, number] = seat_inputs();
                vec![
                    Input::select("tier_id", "Tier", tier_choices(catalog, license))
                        .required()
                        .value(license.tier_id.to_string()),
                    select.value(seats),
                    number.optional_value(license.max_users.map(|seats| seats.to_string())),
                ]
            }
            Self::Suspend | Self::Reinstate => {
                vec![Input::text("reason", "Reason", 500).hint("Recorded in the history.")]
            }
            Self::Revoke => {
                let hint = "Recorded in the history and shown to the customer.";
                vec![Input::text("reason", "Reason", 500).hint(hint)]
            }
            Self::Regenerate => Vec::new(),
        }
    }

    /// The body of the API request.
    fn request_body(self, data: &FormData, inputs: &[Input], license: &LicenseResource) -> Value {
        match self {
            Self::Renew => expiry_json(data),
            Self::Change => {
                let mut body = seats_json(data);
                if data.get("tier_id") != license.tier_id.to_string() {
                    body.insert("tier_id".to_owned(), data.get("tier_id").into());
                }
                Value::Object(body)
            }
            Self::Suspend | Self::Reinstate | Self::Revoke => data.to_json(inputs),
            Self::Regenerate => json!({}),
        }
    }
}

/// The label of a renewal for one term, with the new expiry date.
fn renewal_label(catalog: &Catalog, license: &LicenseResource, now: Timestamp) -> String {
    let Some(tier) = catalog.tiers.get(&license.tier_id) else { return "Extend by one term".to_owned() };
    let label = match tier.billing_period {
        BillingPeriod::Monthly => "Extend by 1 month",
        BillingPeriod::Annual => "Extend by 1 year",
        BillingPeriod::Perpetual => return "Never (perpetual tier)".to_owned(),
    };
    let end = license.expires_at.and_then(|expires_at| tier.billing_period.end(expires_at.max(now)));
    end.map_or_else(|| label.to_owned(), |end| format!("{label} ({})", format::date_text(end)))
}

/// The inputs of an expiry date. `term` is the label of the default choice.
pub(super) fn expiry_inputs(term: &str) -> Vec<Input> {
    vec![
        Input::select(
            "expiry",
            "Expires",
            vec![Choice::new("term", term), Choice::new("never", "Never"), Choice::new("date", "Custom date")],
        )
        .required()
        .value("term"),
        Input::date_time("expires_at", "Expires at (UTC)").visible_when("expiry=date"),
    ]
}

/// The API's `expires_at`: omitted for one term, null for never, or a time.
pub(super) fn expiry_json(data: &FormData) -> Value {
    match data.get("expiry") {
        "never" => json!({ "expires_at": null }),
        "date" => data.to_json(&[Input::date_time("expires_at", "").required()]),
        _ => json!({}),
    }
}

/// The inputs of a number of seats.
pub(super) fn seat_inputs() -> [Input; 2] {
    [
        Input::select(
            "seats",
            "Seats",
            vec![
                Choice::new("default", "Tier default"),
                Choice::new("unlimited", "Unlimited"),
                Choice::new("custom", "Custom"),
            ],
        )
        .required(),
        Input::number("max_users", "Number of seats", 1, 100_000).visible_when("seats=custom"),
    ]
}

/// The API's `max_users`: omitted for the tier's default, null for unlimited, or a number.
pub(super) fn seats_json(data: &FormData) -> Map<String, Value> {
    let body = match data.get("seats") {
        "unlimited" => json!({ "max_users": null }),
        "custom" => data.to_json(&[Input::number("max_users", "", 1, 100_000).required()]),
        _ => json!({}),
    };
    body.as_object().cloned().unwrap_or_default()
}

fn tier_choices(catalog: &Catalog, license: &LicenseResource) -> Vec<Choice> {
    let mut tiers: Vec<_> = catalog.tiers.values().filter(|tier| tier.product_id == license.product_id).collect();
    tiers.sort_by_key(|tier| (tier.sort_order, tier.id));
    tiers
        .iter()
        .map(|tier| Choice::new(tier.id.to_string(), &tier.name).note(format::limit(tier.max_users, "seat")))
        .collect()
}

impl FromStr for LicenseAction {
    type Err = ();

    fn from_str(segment: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|action| action.path_segment() == segment).ok_or(())
    }
}

async fn read(page: &PageContext, id: LicenseId) -> Result<(LicenseResource, Catalog), Problem> {
    let license = queries::license(page, id).await?;
    Ok((license, page.app.table.catalog().await?.catalog))
}

fn action_page<'a>(action: LicenseAction, breadcrumbs: &'a [(&'a str, &'a str)], form: &Markup) -> PageLayout<'a> {
    let content = html! { div.stack { p.prose { (action.description()) } (form) } };
    PageLayout::new(NavSection::LicenseKeys, action.title(), content).breadcrumbs(breadcrumbs)
}

fn action_form<'a>(action: LicenseAction, target: &'a str, license_path: &'a str, inputs: Vec<Input>) -> Form<'a> {
    let form = Form::new(target, inputs, action.label(), license_path);
    if action.is_destructive() { form.destructive() } else { form }
}

/// Asks for confirmation.
pub(super) async fn confirm(
    OperatorContext(page): OperatorContext,
    PathIds(id, action): PathIds<LicenseId, LicenseAction>,
) -> Result<Response, Problem> {
    let (license, catalog) = read(&page, id).await?;
    let license_path = path(id);
    let target = format!("{license_path}/{}", action.path_segment());
    let inputs = action.inputs(&license, &catalog, page.ctx.now);
    let form = action_form(action, &target, &license_path, inputs).render(&page);
    let breadcrumbs = [(BASE_PATH, "Licenses"), (&*license_path, &*license.key_hint)];
    Ok(action_page(action, &breadcrumbs, &form).render(&page))
}

/// Performs an action through the API.
pub(super) async fn perform(
    OperatorContext(page): OperatorContext,
    PathIds(id, action): PathIds<LicenseId, LicenseAction>,
    data: FormData,
) -> Result<Response, Problem> {
    let (license, catalog) = read(&page, id).await?;
    let license_path = path(id);
    let inputs = action.inputs(&license, &catalog, page.ctx.now);
    let body = action.request_body(&data, &inputs, &license);
    match page.post(&format!("/api/v1.0/license-keys/{id}/{}", action.path_segment()), &data, &body).await {
        Ok(response) if action == LicenseAction::Regenerate => {
            Ok(show_key(&page, "License key regenerated", &license_path, &response))
        }
        Ok(_) => Ok(Redirect::to(&format!("{license_path}?notice={}", action.notice())).into_response()),
        Err(problem) => {
            let target = format!("{license_path}/{}", action.path_segment());
            let form = action_form(action, &target, &license_path, inputs).with_error(&data, &problem).render(&page);
            let breadcrumbs = [(BASE_PATH, "Licenses"), (&*license_path, &*license.key_hint)];
            Ok(action_page(action, &breadcrumbs, &form).render_error(&page, &problem))
        }
    }
}

/// Shows a new key string. Operators see it only once.
pub(super) fn show_key(page: &PageContext, title: &str, license_path: &str, response: &Value) -> Response {
    let key = response["license_key"].as_str().unwrap_or_default();
    let content = html! {
        div.stack {
            p.prose { "Copy it now: you won't see it again. The customer can view it in their portal." }
            (secret(key, "license key"))
            div.actions { (link_button(license_path, "View license")) }
        }
    };
    PageLayout::new(NavSection::LicenseKeys, title, content).breadcrumbs(&[(BASE_PATH, "Licenses")]).render(page)
}
