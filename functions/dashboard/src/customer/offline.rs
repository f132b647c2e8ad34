//! Activates a machine offline with one of the customer's licenses.

use axum::{extract::State, response::Response};
use shared::{
    domain::LicenseId,
    http::{PathId, Problem, RequestContext},
    store::{Table, catalog::CatalogCache},
};

use crate::{
    api::Api, form_data::FormData, offline_activation::OfflineActivation, queries, ui::machines::Audience,
    viewer::Viewer,
};

async fn load(
    viewer: &Viewer,
    (table, catalog): (&Table, &CatalogCache),
    id: LicenseId,
    ctx: &RequestContext,
) -> Result<OfflineActivation, Problem> {
    let license = queries::own_license(table, &viewer.session.user(), id).await?;
    OfflineActivation::load(table, catalog, license, Audience::Customer, ctx.now).await
}

/// Shows the form.
pub(super) async fn form(
    viewer: Viewer,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    Ok(load(&viewer, (&table, &catalog), id, &ctx).await?.render_form(&viewer))
}

/// Activates the machine, and shows the license file.
pub(super) async fn activate(
    viewer: Viewer,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
    api: Api,
    data: FormData,
) -> Result<Response, Problem> {
    load(&viewer, (&table, &catalog), id, &ctx).await?.activate(&viewer, &table, &api, &data).await
}
