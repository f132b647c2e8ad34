//! Lists the events of license keys.

use axum::extract::State;
use shared::{
    AppState,
    auth::Caller,
    domain::{Event, LicenseId, Scope},
    http::{ListQuery, ListResponse, NoFilter, PaginationParams, PathId, Problem, RequestContext},
    store::{Table, pagination::PageRequest},
};

/// Lists the events of a license key.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-keys/{id}/events",
    tag = "license keys",
    summary = "List the events of a license key",
    description = "Newest first.",
    params(("id" = LicenseId, Path, description = "`lic_…`"), PaginationParams),
    responses((status = 200, description = "A page of events", body = ListResponse<Event>)),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn of_license(
    State(app): State<AppState>,
    caller: Caller,
    PathId(id): PathId<LicenseId>,
    list: Result<ListQuery<NoFilter>, Problem>,
) -> Result<ListResponse<Event>, Problem> {
    caller.require(Scope::LicensesRead)?;
    events_of(&app.table, id, &list?.paging).await
}

/// Lists the events of all license keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/events",
    tag = "license keys",
    summary = "List events",
    description = "The events of all license keys, newest first. A page can be empty and still have a `next_cursor`.",
    params(PaginationParams),
    responses((status = 200, description = "A page of events", body = ListResponse<Event>)),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn of_all(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    list: Result<ListQuery<NoFilter>, Problem>,
) -> Result<ListResponse<Event>, Problem> {
    caller.require(Scope::LicensesRead)?;
    all_events(&app.table, &list?.paging, &ctx).await
}

/// Returns a page of the events of a license key, newest first.
pub async fn events_of(table: &Table, id: LicenseId, paging: &PageRequest) -> Result<ListResponse<Event>, Problem> {
    table.license(id).await?.ok_or_else(Problem::not_found)?;
    Ok(table.events_of(id, paging).await?.into())
}

/// Returns a page of the events of all license keys, newest first. A page can have fewer items than the limit, or none,
/// and still have a cursor: each request reads a limited number of days.
pub async fn all_events(
    table: &Table,
    paging: &PageRequest,
    ctx: &RequestContext,
) -> Result<ListResponse<Event>, Problem> {
    Ok(table.all_events(paging, ctx.now).await?.into())
}
