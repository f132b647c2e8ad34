//! Audits a license.

use axum::{extract::State, response::Response};
use licenses::audit::{Finding, Response as Audit};
use maud::html;
use shared::{
    domain::LicenseId,
    http::{PathId, Problem, RequestContext},
    store::Table,
};

use crate::{
    api::Api,
    form_data::FormData,
    links, queries,
    ui::{
        components::{Tone, badge, banner, link_button, table},
        form_page::FormPage,
        forms::{Form, sentence},
        inputs::Input,
        layout::{NavSection, PageLayout},
        request_body::request_body,
    },
    viewer::Operator,
};

fn inputs() -> Vec<Input> {
    vec![Input::checkbox("repair", "Repair issues automatically").hint(
        "Frees seats without a machine, ends activations without a seat, and signs the stored token again if its signing \
         key was compromised.",
    )]
}

/// Asks for confirmation.
pub(super) async fn confirm(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    let license = queries::license(&table, id, ctx.now).await?;
    let license_path = links::license_key(id);
    let form = Form::new(format!("{license_path}/audit"), inputs(), "Audit", &license_path);
    Ok(FormPage::new(NavSection::LicenseKeys, "Audit license", form)
        .breadcrumb(links::LICENSE_KEYS, "Licenses")
        .breadcrumb(license_path, license.key_hint)
        .intro(html! {
            p.prose { "Checks all stored data of this license for inconsistencies. The audit is recorded in the history." }
        })
        .render(&viewer))
}

/// Audits a license through the API and shows the findings.
pub(super) async fn audit(
    Operator(viewer): Operator,
    api: Api,
    PathId(id): PathId<LicenseId>,
    data: FormData,
) -> Result<Response, Problem> {
    let path = format!("/api/v1.0/license-keys/{id}/audit");
    let audit: Audit = api.post(&path, &data, &request_body(&data, &inputs())).await?;
    let row = |finding: &Finding| {
        vec![
            html! { (check_name(&finding.code)) },
            if finding.ok { badge("OK", Tone::Success) } else { badge("Issue", Tone::Danger) },
            html! { (sentence(&finding.detail)) },
        ]
    };
    let license_path = links::license_key(id);
    let content = html! {
        @if audit.ok { (banner(Tone::Success, &html! { p { "No issues found." } })) }
        @else { (banner(Tone::Warning, &html! { p { "Issues found." } })) }
        (table("Findings", ["Check", "Result", "Details"], audit.findings.iter().map(row)))
        div.section.actions { (link_button(&license_path, "View license")) }
    };
    Ok(PageLayout::new(NavSection::LicenseKeys, "Audit results", content)
        .breadcrumb(links::LICENSE_KEYS, "Licenses")
        .breadcrumb(license_path, audit.license.key_hint)
        .render(&viewer))
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
