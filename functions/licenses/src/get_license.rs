//! One license key, with its seats counted.

use axum::extract::State;
use shared::{
    Services,
    auth::Caller,
    domain::{LicenseId, Scope},
    http::{
        Call, PathId, Problem, Tagged,
        documented::{Always, ById, Known, Scoped},
        resources::LicenseResource,
    },
    store::Table,
};

/// Reads a license key.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-keys/{id}",
    tag = "license keys",
    summary = "Get a license key",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    responses(
        (status = 200, description = "The license key", body = LicenseResource, headers(("ETag" = String))),
        Known,
        Scoped,
        ById,
        Always,
    ),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    PathId(id): PathId<LicenseId>,
) -> Result<Tagged<LicenseResource>, Problem> {
    caller.require(Scope::LicensesRead)?;
    Ok(Tagged(get(&services.table, id, &call).await?))
}

/// A license key and how many of its seats are held.
pub async fn get(table: &Table, id: LicenseId, call: &Call) -> Result<LicenseResource, Problem> {
    let license = table.license(id).await?.ok_or_else(Problem::not_found)?;
    let seats_used = table.seats_used(&license).await?;
    Ok(LicenseResource::new(&license, Some(seats_used), call.now))
}
