//! Lists the events of license keys.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Event, LicenseId, Scope},
    http::{ListQuery, ListResponse, NoFilter, PaginationParams, PathId, Problem, RequestContext},
    store::{
        Table,
        pagination::{ListError, Page, PageRequest},
    },
};

/// Lists the events of a license key.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-keys/{id}/events",
    operation_id = "list_license_key_events",
    tag = "licenses",
    summary = "List the events of a license key",
    description = "Newest first.",
    params(("id" = LicenseId, Path, description = "`lic_…`"), PaginationParams),
    responses((status = 200, description = "A page of events", body = ListResponse<Event>)),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn of_license(
    State(table): State<Table>,
    caller: Caller,
    PathId(id): PathId<LicenseId>,
    list: Result<ListQuery<NoFilter>, Problem>,
) -> Result<ListResponse<Event>, Problem> {
    caller.require(Scope::LicensesRead)?;
    Ok(events_of(&table, id, &list?.paging).await?.ok_or_else(Problem::not_found)?.into())
}

/// Lists the events of all license keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/events",
    operation_id = "list_events",
    tag = "licenses",
    summary = "List events",
    description = "The events of all license keys, newest first. A page can be empty and still have a `next_cursor`.",
    params(PaginationParams),
    responses((status = 200, description = "A page of events", body = ListResponse<Event>)),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn of_all(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    list: Result<ListQuery<NoFilter>, Problem>,
) -> Result<ListResponse<Event>, Problem> {
    caller.require(Scope::LicensesRead)?;
    Ok(table.all_events(&list?.paging, ctx.now).await?.into())
}

/// Returns a page of the events of a license key, newest first; `None` if the license key does not exist.
pub async fn events_of(table: &Table, id: LicenseId, paging: &PageRequest) -> Result<Option<Page<Event>>, ListError> {
    if table.license(id).await?.is_none() {
        return Ok(None);
    }
    table.events_of(id, paging).await.map(Some)
}
