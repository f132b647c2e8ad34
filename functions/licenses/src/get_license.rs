//! Returns a license key with its number of used seats.

use axum::extract::State;
use shared::{
    AppState,
    auth::Caller,
    domain::{LicenseId, Scope},
    http::{PathId, Problem, RequestContext, WithEtag, resources::LicenseResource},
    store::Table,
};

/// Returns a license key.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-keys/{id}",
    tag = "license keys",
    summary = "Get a license key",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    responses((status = 200, description = "The license key", body = LicenseResource, headers(("ETag" = String)))),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
) -> Result<WithEtag<LicenseResource>, Problem> {
    caller.require(Scope::LicensesRead)?;
    Ok(WithEtag(get(&app.table, id, &ctx).await?))
}

/// Returns a license key with its number of used seats.
pub async fn get(table: &Table, id: LicenseId, ctx: &RequestContext) -> Result<LicenseResource, Problem> {
    let license = table.license(id).await?.ok_or_else(Problem::not_found)?;
    let seats_used = table.seats_used(&license).await?;
    Ok(LicenseResource::new(&license, Some(seats_used), ctx.now))
}
