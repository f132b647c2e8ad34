//! What happened to license keys, newest first.

use axum::extract::State;
use shared::{
    Services,
    auth::Caller,
    domain::{Event, LicenseId, Scope},
    http::{
        Call, List, ListBody, NoFilter, Page, PathId, Problem,
        documented::{Always, ById, Known, Queried, Scoped},
    },
    store::{Table, listing::Paging},
};

/// Lists the events of a license key.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-keys/{id}/events",
    tag = "license keys",
    summary = "List what happened to a license key, newest first",
    params(("id" = LicenseId, Path, description = "`lic_…`"), Page),
    responses(
        (status = 200, description = "A page of events", body = ListBody<Event>),
        Known,
        Scoped,
        ById,
        Queried,
        Always,
    ),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn of_license(
    State(services): State<Services>,
    caller: Caller,
    PathId(id): PathId<LicenseId>,
    list: Result<List<NoFilter>, Problem>,
) -> Result<ListBody<Event>, Problem> {
    caller.require(Scope::LicensesRead)?;
    events_of(&services.table, id, &list?.paging).await
}

/// Lists the events of all license keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/events",
    tag = "license keys",
    summary = "List what happened to all license keys, newest first",
    params(Page),
    responses(
        (status = 200, description = "A page of events", body = ListBody<Event>),
        Known,
        Scoped,
        Queried,
        Always,
    ),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn of_all(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    list: Result<List<NoFilter>, Problem>,
) -> Result<ListBody<Event>, Problem> {
    caller.require(Scope::LicensesRead)?;
    all_events(&services.table, &list?.paging, &call).await
}

/// A page of the events of a license key.
pub async fn events_of(table: &Table, id: LicenseId, paging: &Paging) -> Result<ListBody<Event>, Problem> {
    table.license(id).await?.ok_or_else(Problem::not_found)?;
    Ok(table.events_of(id, paging).await?.into())
}

/// A page of the events of all license keys. It may hold fewer than were asked for, and even none, where there is a
/// cursor to go on with: a long stretch of days was quiet.
pub async fn all_events(table: &Table, paging: &Paging, call: &Call) -> Result<ListBody<Event>, Problem> {
    Ok(table.all_events(paging, call.now).await?.into())
}
