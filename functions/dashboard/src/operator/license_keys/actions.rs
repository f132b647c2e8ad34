//! The actions on a license, each with a confirmation page.

use std::str::FromStr;

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use shared::{
    domain::{BillingPeriod, Catalog, License, LicenseId, Status, Timestamp},
    http::{Problem, RequestContext},
    store::Table,
};

use super::{
    change_preview, key_page,
    terms::{KEPT, PREVIEWED, expiry_inputs, expiry_json, seat_inputs, seats_json, tier_default},
};
use crate::{
    api::Api,
    form_data::FormData,
    links,
    ui::{
        components::description_list,
        form_page::FormPage,
        format,
        forms::Form,
        inputs::{Choice, Input},
        layout::NavSection,
        notice::Notice,
    },
    viewer::{Operator, PathIds},
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

    /// The confirmation of the action.
    fn notice(self) -> Notice {
        match self {
            Self::Renew => Notice::Renewed,
            Self::Change | Self::Regenerate => Notice::Changed,
            Self::Suspend => Notice::Suspended,
            Self::Reinstate => Notice::Reinstated,
            Self::Revoke => Notice::Revoked,
        }
    }

    fn inputs(self, license: &License, catalog: &Catalog, now: Timestamp) -> Vec<Input> {
        match self {
            Self::Renew => expiry_inputs(renewal_choice(catalog, license, now)),
            Self::Change => {
                let kept = own_seats(catalog, license).map(|seats| format!("Keep {}", seats.to_lowercase()));
                let [seats, number] = seat_inputs(kept);
                let tier = Input::select("tier_id", "Tier", tier_choices(catalog, license));
                vec![tier.required().value(license.tier_id.to_string()), seats, number]
            }
            Self::Reinstate => vec![Input::text("reason", "Reason", 500).hint("Recorded in the history.")],
            Self::Suspend | Self::Revoke => {
                let hint = "Recorded in the history and shown to the customer.";
                vec![Input::text("reason", "Reason", 500).hint(hint)]
            }
            Self::Regenerate => Vec::new(),
        }
    }

    /// The body of the API request.
    fn request_body(self, data: &FormData, page: &FormPage, license: &License, catalog: &Catalog) -> Value {
        match self {
            Self::Renew => expiry_json(data),
            Self::Change => change_json(data, license, catalog),
            Self::Suspend | Self::Reinstate | Self::Revoke => page.request_body(data),
            Self::Regenerate => json!({}),
        }
    }
}

/// The API's request of a change. Without a new tier, the API keeps the seats, so the tier's default is a number.
fn change_json(data: &FormData, license: &License, catalog: &Catalog) -> Value {
    let mut body = seats_json(data);
    let is_new_tier = data.get("tier_id") != license.tier_id.to_string();
    if is_new_tier {
        body.insert("tier_id".to_owned(), data.get("tier_id").into());
    }
    let tier = catalog.tiers.get(&license.tier_id);
    match (data.get("seats"), tier) {
        (KEPT, _) => body.insert("max_users".to_owned(), license.max_users.into()),
        ("default", Some(tier)) if !is_new_tier => body.insert("max_users".to_owned(), tier.max_users.into()),
        _ => None,
    };
    Value::Object(body)
}

/// The number of seats of a license, such as `7 seats`, if it differs from that of its tier.
fn own_seats(catalog: &Catalog, license: &License) -> Option<String> {
    let tier = catalog.tiers.get(&license.tier_id)?;
    (tier.max_users != license.max_users).then(|| format::limit(license.max_users, "seat"))
}

/// The choice of a renewal for one term, with the new expiry date.
fn renewal_choice(catalog: &Catalog, license: &License, now: Timestamp) -> Choice {
    let Some(tier) = catalog.tiers.get(&license.tier_id) else { return Choice::new("term", "Extend by one term") };
    if license.expires_at.is_none() {
        return Choice::new("term", "Never (unchanged)");
    }
    let label = match tier.billing_period {
        BillingPeriod::Monthly => "Extend by 1 month",
        BillingPeriod::Annual => "Extend by 1 year",
        BillingPeriod::Perpetual => return Choice::new("term", "Never (perpetual tier)"),
    };
    let end = license.next_expiry(tier.billing_period, now);
    let date = end.map(|end| format!(", to {}", format::date_text(end))).unwrap_or_default();
    Choice::new("term", format!("{label}{date}")).time(end)
}

fn tier_choices(catalog: &Catalog, license: &License) -> Vec<Choice> {
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

fn action_page(action: LicenseAction, license: &License, catalog: &Catalog, now: Timestamp) -> FormPage {
    let license_path = links::license_key(license.id);
    let inputs = action.inputs(license, catalog, now);
    let target = format!("{license_path}/{}", action.path_segment());
    let form = Form::new(target, inputs, action.label(), &license_path);
    let form = if action.is_destructive() { form.destructive() } else { form };
    FormPage::new(NavSection::LicenseKeys, action.title(), form)
        .breadcrumb(links::LICENSE_KEYS, "Licenses")
        .breadcrumb(license_path, &license.key_hint)
        .intro(html! {
            p.prose { (action.description()) }
            (present_terms(action, license, catalog, now))
        })
}

/// The terms that a renewal or a change replaces.
fn present_terms(action: LicenseAction, license: &License, catalog: &Catalog, now: Timestamp) -> Markup {
    let tier = catalog.tiers.get(&license.tier_id);
    match action {
        LicenseAction::Renew => description_list(&[(
            "Expires now",
            format::expiry(license.expires_at, license.grace_ends_at(now), format::date_time),
        )]),
        LicenseAction::Change => description_list(&[
            ("Current tier", html! { (tier.map_or("–", |tier| tier.name.as_str())) }),
            (
                "Current seats",
                html! {
                    (format::limit(license.max_users, "seat"))
                    @if let Some(tier) = tier { (tier_default(license.max_users, tier)) }
                },
            ),
        ]),
        _ => html! {},
    }
}

async fn find(table: &Table, id: LicenseId) -> Result<License, Problem> {
    table.license(id).await?.ok_or_else(Problem::not_found)
}

/// Asks for confirmation.
pub(super) async fn confirm(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathIds(id, action): PathIds<LicenseId, LicenseAction>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    let license = find(&table, id).await?;
    let catalog = table.catalog().await?.catalog;
    Ok(action_page(action, &license, &catalog, ctx.now).render(&viewer))
}

/// Performs an action through the API.
pub(super) async fn perform(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathIds(id, action): PathIds<LicenseId, LicenseAction>,
    ctx: RequestContext,
    api: Api,
    data: FormData,
) -> Result<Response, Problem> {
    let license = find(&table, id).await?;
    let catalog = table.catalog().await?.catalog;
    let page = action_page(action, &license, &catalog, ctx.now);
    if data.is_back() {
        return Ok(page.render_submitted(&viewer, &data));
    }
    let body = action.request_body(&data, &page, &license, &catalog);
    let path = format!("/api/v1.0/license-keys/{id}/{}", action.path_segment());
    if action == LicenseAction::Change && data.get(PREVIEWED).is_empty() {
        // Without an idempotency key: nothing is changed.
        let preview = api.post(&format!("{path}?dry_run=true"), &FormData::default(), &body).await;
        return Ok(match preview {
            Ok(preview) => change_preview::page(&catalog, (&page, &data), &preview).render(&viewer),
            Err(problem) => page.render_error(&viewer, &data, &problem),
        });
    }
    let done = if action == LicenseAction::Regenerate {
        let regenerated = api.post(&path, &data, &body).await;
        regenerated.map(|regenerated| key_page::render(&viewer, "License key regenerated", &regenerated))
    } else {
        let changed = api.post(&path, &data, &body).await;
        changed.map(|IgnoredAny| action.notice().redirect_to(&links::license_key(id)))
    };
    Ok(done.unwrap_or_else(|problem| page.render_error(&viewer, &data, &problem)))
}
