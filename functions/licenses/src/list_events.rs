//! What happened to license keys, newest first.

use axum::extract::State;
use shared::{
    AppState,
    auth::Caller,
    domain::{Event, LicenseId, Scope},
    http::{
        ListQuery, ListResponse, NoFilter, PaginationParams, PathId, Problem, RequestContext,
        responses::{Authenticated, Authorized, Paginated, PathLookup, ServerErrors},
    },
    store::{Table, pagination::PageRequest},
};

/// Lists the events of a license key.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-keys/{id}/events",
    tag = "license keys",
    summary = "List what happened to a license key, newest first",
    params(("id" = LicenseId, Path, description = "`lic_…`"), PaginationParams),
    responses(
        (status = 200, description = "A page of events", body = ListResponse<Event>),
        Authenticated,
        Authorized,
        PathLookup,
        Paginated,
        ServerErrors,
    ),
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
    summary = "List what happened to all license keys, newest first",
    params(PaginationParams),
    responses(
        (status = 200, description = "A page of events", body = ListResponse<Event>),
        Authenticated,
        Authorized,
        Paginated,
        ServerErrors,
    ),
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

/// A page of the events of a license key.
pub async fn events_of(table: &Table, id: LicenseId, paging: &PageRequest) -> Result<ListResponse<Event>, Problem> {
    table.license(id).await?.ok_or_else(Problem::not_found)?;
    Ok(table.events_of(id, paging).await?.into())
}

/// A page of the events of all license keys. It may hold fewer than were asked for, and even none, where there is a
/// cursor to go on with: a long stretch of days was quiet.
pub async fn all_events(
    table: &Table,
    paging: &PageRequest,
    ctx: &RequestContext,
) -> Result<ListResponse<Event>, Problem> {
    Ok(table.all_events(paging, ctx.now).await?.into())
}
