//! Audits a license.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;
use shared::{
    domain::LicenseId,
    http::{PathId, Problem},
};

use super::{BASE_PATH, path};
use crate::{
    form_data::FormData,
    page_context::OperatorContext,
    queries,
    ui::{
        components::{Column, Tone, badge, banner, link_button, table},
        forms::{Form, sentence},
        inputs::Input,
        layout::{NavSection, PageLayout},
    },
};

fn inputs() -> Vec<Input> {
    vec![Input::checkbox("repair", "Repair issues automatically").hint(
        "Frees seats without a machine, ends activations without a seat, and signs the stored token again if its signing \
         key was compromised.",
    )]
}

/// Asks for confirmation.
pub(super) async fn confirm(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<LicenseId>,
) -> Result<Response, Problem> {
    let license = queries::license(&page, id).await?;
    let license_path = path(id);
    let target = format!("{license_path}/audit");
    let content = html! {
        div.stack {
            p.prose { "Checks all stored data of this license for inconsistencies. The audit is recorded in the history." }
            (Form::new(&target, inputs(), "Audit", &license_path).render(&page))
        }
    };
    Ok(PageLayout::new(NavSection::LicenseKeys, "Audit license", content)
        .breadcrumbs(&[(BASE_PATH, "Licenses"), (&license_path, &license.key_hint)])
        .render(&page))
}

/// Audits a license through the API and shows the findings.
pub(super) async fn audit(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<LicenseId>,
    data: FormData,
) -> Result<Response, Problem> {
    let body = data.to_json(&inputs());
    let response = page.post(&format!("/api/v1.0/license-keys/{id}/audit"), &data, &body).await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = response["findings"].as_array().cloned().unwrap_or_default();
    let is_ok = response["ok"].as_bool().unwrap_or_default();
    let row = |finding: &Value| -> Vec<Markup> {
        let is_ok = finding["ok"].as_bool().unwrap_or_default();
        vec![
            html! { (check_name(&text(&finding["code"]))) },
            if is_ok { badge("OK", Tone::Success) } else { badge("Issue", Tone::Danger) },
            html! { (sentence(&text(&finding["detail"]))) },
        ]
    };
    let columns = [Column::new("Check"), Column::new("Result"), Column::new("Details")];
    let license_path = path(id);
    let content = html! {
        @if is_ok { (banner(Tone::Success, &html! { p { "No issues found." } })) }
        @else { (banner(Tone::Warning, &html! { p { "Issues found." } })) }
        (table("Findings", &columns, &findings.iter().map(row).collect::<Vec<_>>()))
        div.section.actions { (link_button(&license_path, "View license")) }
    };
    let key_hint = text(&response["license"]["key_hint"]);
    Ok(PageLayout::new(NavSection::LicenseKeys, "Audit results", content)
        .breadcrumbs(&[(BASE_PATH, "Licenses"), (&license_path, &key_hint)])
        .render(&page))
}

fn check_name(code: &str) -> &str {
    match code {
        "seats" => "Seats and machines",
        "stored_token" => "Stored token and key",
        "signing_key" => "Signing key",
        "tier" => "Tier",
        "customer_pointer" => "Customer's current license",
        "expiry" => "Expiry",
        other => other,
    }
}
