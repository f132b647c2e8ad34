//! What an operator does with a license key, each asked before it is done.

use std::str::FromStr;

use axum::response::{IntoResponse, Redirect, Response};
use licenses::get_license;
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use shared::{
    domain::{BillingPeriod, Catalog, LicenseId, Status},
    http::{Problem, resources::LicenseResource},
};

use super::{HERE, path};
use crate::{
    enter::{Operator, PathIds, Visit},
    form::Sent,
    ui::{
        components::{link, secret},
        inputs::{Choice, Form, Input},
        shell::{Page, Place},
        show,
    },
};

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Renew,
    Change,
    Suspend,
    Reinstate,
    Regenerate,
    Revoke,
}

impl Action {
    const ALL: [Self; 6] = [Self::Renew, Self::Change, Self::Suspend, Self::Reinstate, Self::Regenerate, Self::Revoke];

    /// What can be done with a license key of this status, the gravest last.
    pub(super) fn of(status: Status) -> &'static [Self] {
        match status {
            Status::Active => &[Self::Renew, Self::Change, Self::Suspend, Self::Regenerate, Self::Revoke],
            Status::Suspended => &[Self::Renew, Self::Change, Self::Reinstate, Self::Revoke],
            Status::Expired => &[Self::Renew, Self::Change, Self::Revoke],
            Status::Superseded => &[Self::Revoke],
            Status::Revoked => &[],
        }
    }

    /// As the address and the API name it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Change => "change",
            Self::Suspend => "suspend",
            Self::Reinstate => "reinstate",
            Self::Regenerate => "regenerate",
            Self::Revoke => "revoke",
        }
    }

    /// As its button names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Renew => "Renew",
            Self::Change => "Change",
            Self::Suspend => "Suspend",
            Self::Reinstate => "Reinstate",
            Self::Regenerate => "New key string",
            Self::Revoke => "Revoke",
        }
    }

    pub(super) fn is_dangerous(self) -> bool {
        matches!(self, Self::Regenerate | Self::Revoke)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Renew => "Renew this license key",
            Self::Change => "Change tier or seats",
            Self::Suspend => "Suspend this license key?",
            Self::Reinstate => "Reinstate this license key?",
            Self::Regenerate => "Give it a new key string?",
            Self::Revoke => "Revoke this license key for good?",
        }
    }

    fn what_happens(self) -> &'static str {
        match self {
            Self::Renew => "Its end moves; its key string and its machines stay as they are.",
            Self::Change => {
                "Features follow at each machine's next heartbeat. Fewer seats than machines hold are refused."
            }
            Self::Suspend => {
                "From now on no request activates a machine or renews a token of it. Tokens that are out stay good until \
                              they end. Its machines keep their seats, and reinstating makes it good again."
            }
            Self::Reinstate => "It is good again at once, and its machines go on at their next heartbeat.",
            Self::Regenerate => {
                "The present key string and every token of it stop working at the next heartbeat, and all seats are free. \
                                 Every machine has to activate again with the new key string, which is shown once."
            }
            Self::Revoke => {
                "From now on no request activates a machine or renews a token of it. Tokens that are out stay good until they \
                             end. This can't be undone: the customer would need a new key."
            }
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Renew => "renewed",
            Self::Change | Self::Regenerate => "saved",
            Self::Suspend => "suspended",
            Self::Reinstate => "reinstated",
            Self::Revoke => "revoked",
        }
    }

    fn inputs(self, license: &LicenseResource, catalog: &Catalog) -> Vec<Input> {
        match self {
            Self::Renew => ends(catalog, license, "period"),
            Self::Change => vec![
                Input::choice("tier_id", "Tier", tiers(catalog, license)).required().value(license.tier_id.to_string()),
                Input::choice(
                    "seats",
                    "Seats",
                    vec![
                        Choice::new("tier", "As the tier has it, or as they are if it stays"),
                        Choice::new("none", "No limit"),
                        Choice::new("own", "A number of its own"),
                    ],
                )
                .required()
                .value(if license.max_users.is_some() { "own" } else { "none" }),
                Input::number("max_users", "Number of seats", 1, 100_000)
                    .maybe(license.max_users.map(|seats| seats.to_string()))
                    .when("seats=own"),
            ],
            Self::Suspend | Self::Reinstate => {
                vec![Input::text("reason", "Reason", 500).hint("Stands in the history.")]
            }
            Self::Revoke => {
                vec![Input::text("reason", "Reason", 500).hint("Stands in the history. The customer sees it.")]
            }
            Self::Regenerate => Vec::new(),
        }
    }

    /// What the API is asked with.
    fn json(self, sent: &Sent, inputs: &[Input], license: &LicenseResource) -> Value {
        match self {
            Self::Renew => ends_json(sent),
            Self::Change => {
                let mut body = seats_json(sent);
                if sent.get("tier_id") != license.tier_id.to_string() {
                    body.insert("tier_id".to_owned(), sent.get("tier_id").into());
                }
                Value::Object(body)
            }
            Self::Suspend | Self::Reinstate | Self::Revoke => sent.json(inputs),
            Self::Regenerate => json!({}),
        }
    }
}

/// When a license key ends.
pub(super) fn ends(catalog: &Catalog, license: &LicenseResource, chosen: &str) -> Vec<Input> {
    let period = catalog.tiers.get(&license.tier_id).map(|tier| tier.billing_period);
    let more = match period {
        Some(BillingPeriod::Monthly) => "One month more",
        Some(BillingPeriod::Annual) => "One year more",
        Some(BillingPeriod::Perpetual) => "Never, as the tier is sold once",
        None => "One billing period more",
    };
    end_inputs(more, chosen)
}

pub(super) fn end_inputs(period: &str, chosen: &str) -> Vec<Input> {
    vec![
        Input::choice(
            "ends",
            "Ends",
            vec![
                Choice::new("period", period),
                Choice::new("never", "Never"),
                Choice::new("time", "At a time of its own"),
            ],
        )
        .required()
        .value(chosen),
        Input::time("expires_at", "At this time, in UTC").when("ends=time"),
    ]
}

/// Left out, null, or a time.
pub(super) fn ends_json(sent: &Sent) -> Value {
    match sent.get("ends") {
        "never" => json!({ "expires_at": null }),
        "time" => sent.json(&[Input::time("expires_at", "").required()]),
        _ => json!({}),
    }
}

/// Left out, null, or a number.
pub(super) fn seats_json(sent: &Sent) -> Map<String, Value> {
    let body = match sent.get("seats") {
        "none" => json!({ "max_users": null }),
        "own" => sent.json(&[Input::number("max_users", "", 1, 100_000).required()]),
        _ => json!({}),
    };
    body.as_object().cloned().unwrap_or_default()
}

fn tiers(catalog: &Catalog, license: &LicenseResource) -> Vec<Choice> {
    let mut tiers: Vec<_> = catalog.tiers.values().filter(|tier| tier.product_id == license.product_id).collect();
    tiers.sort_by_key(|tier| (tier.sort_order, tier.id));
    tiers
        .iter()
        .map(|tier| Choice::new(tier.id.to_string(), &tier.name).note(show::limit(tier.max_users, "seat")))
        .collect()
}

impl FromStr for Action {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|action| action.word() == word).ok_or(())
    }
}

async fn read(visit: &Visit, id: LicenseId) -> Result<(LicenseResource, Catalog), Problem> {
    let license = get_license::get(&visit.app.table, id, &visit.ctx).await?;
    Ok((license, visit.app.table.catalog().await?.catalog))
}

fn page<'a>(action: Action, trail: &'a [(&'a str, &'a str)], form: &Markup) -> Page<'a> {
    let content = html! { div.stack { p.prose { (action.what_happens()) } (form) } };
    Page::new(Place::LicenseKeys, action.title(), content).below(trail)
}

/// Asks.
pub(super) async fn ask(
    Operator(visit): Operator,
    PathIds(id, action): PathIds<LicenseId, Action>,
) -> Result<Response, Problem> {
    let (license, catalog) = read(&visit, id).await?;
    let back = path(id);
    let target = format!("{back}/{}", action.word());
    let form = form(action, &target, &back, action.inputs(&license, &catalog));
    Ok(page(action, &[(HERE, "License keys"), (&back, &license.key_hint)], &form.render(&visit)).render(&visit))
}

fn form<'a>(action: Action, target: &'a str, back: &'a str, inputs: Vec<Input>) -> Form<'a> {
    let form = Form::new(target, inputs, action.name(), back);
    if action.is_dangerous() { form.dangerous() } else { form }
}

/// Does it.
pub(super) async fn act(
    Operator(visit): Operator,
    PathIds(id, action): PathIds<LicenseId, Action>,
    sent: Sent,
) -> Result<Response, Problem> {
    let (license, catalog) = read(&visit, id).await?;
    let back = path(id);
    let inputs = action.inputs(&license, &catalog);
    let body = action.json(&sent, &inputs, &license);
    match visit.post(&format!("/api/v1.0/license-keys/{id}/{}", action.word()), &sent, &body).await {
        Ok(answer) if action == Action::Regenerate => Ok(new_key(&visit, &back, &answer)),
        Ok(_) => Ok(Redirect::to(&format!("{back}?done={}", action.done())).into_response()),
        Err(problem) => {
            let target = format!("{back}/{}", action.word());
            let form = form(action, &target, &back, inputs).refused(&sent, &problem);
            let trail = [(HERE, "License keys"), (&*back, &*license.key_hint)];
            Ok(page(action, &trail, &form.render(&visit)).refused(&visit, &problem))
        }
    }
}

/// The answer that shows a key string. It is shown this once.
pub(super) fn new_key(visit: &Visit, path: &str, answer: &Value) -> Response {
    let key = answer["license_key"].as_str().unwrap_or_default();
    let content = html! {
        div.stack {
            p.prose { "This is the one time that it is shown to you. The customer sees it in the dashboard, too, once signed in." }
            (secret(key, "the key"))
            div.actions { (link(path, "Go to the license key")) }
        }
    };
    Page::new(Place::LicenseKeys, "Here is the key string", content).below(&[(HERE, "License keys")]).render(visit)
}
