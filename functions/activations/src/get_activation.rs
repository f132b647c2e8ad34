//! Returns an activation.

use std::sync::Arc;

use axum::extract::State;
use shared::{
    app::Settings,
    auth::{Caller, LicenseAccess},
    domain::{ActivationId, DescribedActivation, License, Scope},
    http::{PathId, Problem, RequestContext, WithEtag, resources::ActivationResource},
    store::{StoreError, Table},
};

/// Returns an activation.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-activations/{id}",
    operation_id = "get_activation",
    tag = "activations",
    summary = "Get an activation",
    params(("id" = ActivationId, Path, description = "`act_…`")),
    responses((status = 200, description = "The activation", body = ActivationResource, headers(("ETag" = String)))),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<ActivationId>,
) -> Result<WithEtag<ActivationResource>, Problem> {
    let access = caller.license_access(&table, Scope::LicensesRead).await?;
    let (license, activation) = get(&table, access, &id).await?.ok_or_else(Problem::not_found)?;
    Ok(WithEtag(ActivationResource::new(&activation, &license, settings.clock_margin, ctx.now)))
}

/// Returns an activation, live or ended, with the facts about its machine, and its license key. Returns `None` after the machine
/// was activated again: its record holds only the latest activation.
pub async fn get(
    table: &Table,
    access: LicenseAccess,
    id: &ActivationId,
) -> Result<Option<(License, DescribedActivation)>, StoreError> {
    // Boxed, because the future is large.
    let described = Box::pin(table.activation_with_id(id));
    let (license, found) = tokio::try_join!(table.license(id.license), described)?;
    let license = license.filter(|license| access.includes(license));
    Ok(license.zip(found))
}
