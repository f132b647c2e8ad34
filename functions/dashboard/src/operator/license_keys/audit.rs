//! Looks a license key over.

use axum::response::Response;
use licenses::get_license;
use maud::{Markup, html};
use shared::{
    domain::LicenseId,
    http::{PathId, Problem},
};

use super::{HERE, path};
use crate::{
    enter::Operator,
    form::Sent,
    ui::{
        components::{Column, badge, link, notice, table},
        inputs::{Form, Input},
        shell::{Page, Place},
    },
};

fn inputs() -> Vec<Input> {
    vec![Input::checkbox("repair", "Mend what can be mended").hint(
        "Frees seats that no machine has, ends activations whose seat is not theirs, and signs the stored token anew where its \
         key was condemned.",
    )]
}

/// Asks how.
pub(super) async fn ask(Operator(visit): Operator, PathId(id): PathId<LicenseId>) -> Result<Response, Problem> {
    let license = get_license::get(&visit.app.table, id, &visit.ctx).await?;
    let back = path(id);
    let target = format!("{back}/audit");
    let content = html! {
        div.stack {
            p.prose { "An audit reads everything that belongs to this key, and stands in its history." }
            (Form::new(&target, inputs(), "Audit", &back).render(&visit))
        }
    };
    Ok(Page::new(Place::LicenseKeys, "Audit this license key", content)
        .below(&[(HERE, "License keys"), (&back, &license.key_hint)])
        .render(&visit))
}

/// Does it, and shows what was found.
pub(super) async fn audit(
    Operator(visit): Operator,
    PathId(id): PathId<LicenseId>,
    sent: Sent,
) -> Result<Response, Problem> {
    let body = sent.json(&inputs());
    let answer = visit.post(&format!("/api/v1.0/license-keys/{id}/audit"), &sent, &body).await?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let findings = answer["findings"].as_array().cloned().unwrap_or_default();
    let is_well = answer["ok"].as_bool().unwrap_or_default();
    let row = |finding: &serde_json::Value| -> Vec<Markup> {
        vec![
            html! { (name(&text(&finding["code"]))) },
            if finding["ok"].as_bool().unwrap_or_default() { badge("Good", "good") } else { badge("Look here", "bad") },
            html! { (text(&finding["detail"])) },
        ]
    };
    let columns = [Column::new("What"), Column::new("Found"), Column::new("In words")];
    let back = path(id);
    let content = html! {
        @if is_well { (notice("good", &html! { p { "All is as it should be." } })) }
        @else { (notice("warn", &html! { p { "Something is not as it should be." } })) }
        (table("Findings", &columns, &findings.iter().map(row).collect::<Vec<_>>()))
        div.section.actions { (link(&back, "Go to the license key")) }
    };
    let hint = text(&answer["license"]["key_hint"]);
    Ok(Page::new(Place::LicenseKeys, "Audit", content).below(&[(HERE, "License keys"), (&back, &hint)]).render(&visit))
}

fn name(code: &str) -> &str {
    match code {
        "seats" => "Seats and machines",
        "stored_token" => "Stored token and key string",
        "signing_key" => "Signing key",
        "tier" => "Tier",
        "customer_pointer" => "Customer’s current key",
        "expiry" => "End",
        other => other,
    }
}
