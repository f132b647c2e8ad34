//! Activates a machine offline with any license.

use axum::{extract::State, response::Response};
use shared::{
    domain::LicenseId,
    http::{PathId, Problem, RequestContext},
    store::{Table, catalog::CatalogCache},
};

use crate::{
    api::Api, form_data::FormData, offline_activation::OfflineActivation, ui::machines::Audience, viewer::Operator,
};

async fn load(
    (table, catalog): (&Table, &CatalogCache),
    id: LicenseId,
    ctx: &RequestContext,
) -> Result<OfflineActivation, Problem> {
    let license = table.license(id).await?.ok_or_else(Problem::not_found)?;
    OfflineActivation::load(table, catalog, license, Audience::Operator, ctx.now).await
}

/// Shows the form.
pub(super) async fn form(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    Ok(load((&table, &catalog), id, &ctx).await?.render_form(&viewer))
}

/// Activates the machine, and shows the license file.
pub(super) async fn activate(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
    api: Api,
    data: FormData,
) -> Result<Response, Problem> {
    load((&table, &catalog), id, &ctx).await?.activate(&viewer, &table, &api, &data).await
}
