//! Returns an activation.

use axum::extract::State;
use shared::{
    AppState,
    auth::{Caller, LicenseAccess},
    domain::{ActivationId, Scope},
    http::{PathId, Problem, RequestContext, WithEtag, resources::ActivationResource},
};

/// Returns an activation.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-activations/{id}",
    tag = "activations",
    summary = "Get an activation",
    params(("id" = ActivationId, Path, description = "`act_…`")),
    responses((status = 200, description = "The activation", body = ActivationResource, headers(("ETag" = String)))),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<ActivationId>,
) -> Result<WithEtag<ActivationResource>, Problem> {
    let access = caller.license_access(&app.table, Scope::LicensesRead).await?;
    Ok(WithEtag(get(&app, access, &id, &ctx).await?))
}

/// Returns an activation, live or ended. Returns `not_found` after the machine was activated again: its record holds
/// only the latest activation.
pub async fn get(
    app: &AppState,
    access: LicenseAccess,
    id: &ActivationId,
    ctx: &RequestContext,
) -> Result<ActivationResource, Problem> {
    let (license, activation) =
        tokio::try_join!(app.table.license(id.license), app.table.activation(id.license, id.machine))?;
    let license = access.check(license)?;
    let activation = activation.filter(|activation| activation.id == *id).ok_or_else(Problem::not_found)?;
    Ok(ActivationResource::new(&activation, &license, app.settings.clock_margin, ctx.now))
}
