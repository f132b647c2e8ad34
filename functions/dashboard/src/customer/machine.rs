//! Deactivates a machine of one of the customer's licenses.

use axum::{extract::State, response::Response};
use maud::html;
use serde::de::IgnoredAny;
use serde_json::json;
use shared::{
    domain::{ActivationId, DescribedActivation, License, LicenseId},
    http::Problem,
    store::Table,
};

use crate::{
    api::Api,
    form_data::FormData,
    links, queries,
    session::Session,
    ui::{form_page::FormPage, format, forms::Form, layout::NavSection, notice::Notice},
    viewer::{PathIds, Viewer},
};

type MachinePath = PathIds<LicenseId, ActivationId>;

/// A machine of one of the customer's licenses.
async fn own_machine(
    table: &Table,
    session: &Session,
    PathIds(id, activation): MachinePath,
) -> Result<(License, DescribedActivation), Problem> {
    let license = queries::own_license(table, &session.user(), id).await?;
    let found = table.activation_with_id(&activation).await?.filter(|_| activation.license == id);
    Ok((license, found.ok_or_else(Problem::not_found)?))
}

/// Asks for confirmation before a machine is deactivated.
pub(super) async fn confirm_deactivate(
    viewer: Viewer,
    State(table): State<Table>,
    ids: MachinePath,
) -> Result<Response, Problem> {
    let (license, machine) = own_machine(&table, &viewer.session, ids).await?;
    let license_path = links::own_license(license.id);
    let action = format!("{license_path}/machines/{}/deactivate", machine.activation.id);
    let form = Form::new(action, Vec::new(), "Deactivate", &license_path).destructive();
    Ok(FormPage::new(NavSection::Licenses, "Deactivate this machine?", form)
        .breadcrumb(links::OWN_LICENSES, "Your licenses")
        .breadcrumb(license_path, license.key_hint)
        .narrow_intro(html! {
            p {
                "Frees the seat of " strong { (machine.display_name()) }
                " immediately. To use the app there again, activate it with the license key."
            }
            p.muted { "If it's offline, it keeps working until " (format::date_time(machine.activation.lease_expires_at)) "." }
        })
        .render(&viewer))
}

/// Deactivates a machine through the API.
pub(super) async fn deactivate(
    viewer: Viewer,
    State(table): State<Table>,
    api: Api,
    ids: MachinePath,
) -> Result<Response, Problem> {
    let (license, machine) = own_machine(&table, &viewer.session, ids).await?;
    let path = format!("/api/v1.0/license-activations/{}/deactivate", machine.activation.id);
    let IgnoredAny = api.post(&path, &FormData::default(), &json!({})).await?;
    Ok(Notice::Deactivated.redirect_to(&links::own_license(license.id)))
}
