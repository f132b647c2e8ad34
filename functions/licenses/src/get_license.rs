//! Returns a license key with its number of used seats.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{License, LicenseId, Scope},
    http::{PathId, Problem, RequestContext, WithEtag, resources::LicenseResource},
    store::{StoreError, Table},
};

/// Returns a license key.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-keys/{id}",
    operation_id = "get_license_key",
    tag = "licenses",
    summary = "Get a license key",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    responses((status = 200, description = "The license key", body = LicenseResource, headers(("ETag" = String)))),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
) -> Result<WithEtag<LicenseResource>, Problem> {
    caller.require(Scope::LicensesRead)?;
    let (license, seats_used) = get(&table, id).await?.ok_or_else(Problem::not_found)?;
    Ok(WithEtag(LicenseResource::new(&license, Some(seats_used), ctx.now)))
}

/// Returns a license key with its metadata, and its number of used seats; `None` if it does not exist.
pub async fn get(table: &Table, id: LicenseId) -> Result<Option<(License, usize)>, StoreError> {
    let Some(license) = table.license_with_metadata(id).await? else { return Ok(None) };
    let seats_used = table.seats_used(&license).await?;
    Ok(Some((license, seats_used)))
}
