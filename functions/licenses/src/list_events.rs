//! Lists events: those of a license key, and those of all resources.

use axum::extract::State;
use serde::{Deserialize, Deserializer, de::Error};
use shared::{
    auth::Caller,
    domain::{Event, LicenseId, Scope, Subject, Timestamp, event::EventTypePattern},
    http::{
        ListQuery, ListResponse, NoFilter, PaginationParams, PathId, Problem, RequestContext, extractors::optional_time,
    },
    store::{
        Table,
        events::EventFilter,
        pagination::{ListError, Page, PageRequest},
    },
};
use utoipa::IntoParams;

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

/// Filter of the list of events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListEventsFilter {
    /// Return only events of this type, such as `license.renewed`, or of all types of a resource, such as `license.*`.
    #[param(inline)]
    r#type: Option<EventTypePattern>,
    /// Return only events about the resource with this id, such as `lic_…`, `cus_…` or the `kid` of a signing key. Those of the
    /// machines of a license key are about their activations.
    #[serde(default, deserialize_with = "subject")]
    #[param(value_type = Option<String>)]
    subject_id: Option<Subject>,
    /// Return only events at this time or later.
    #[serde(default, deserialize_with = "optional_time")]
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Return only events at this time or earlier.
    #[serde(default, deserialize_with = "optional_time")]
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Deserializes the id of a resource.
fn subject<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Subject>, D::Error> {
    let id = Option::<String>::deserialize(deserializer)?;
    id.map(|id| Subject::with_id(&id).map_err(D::Error::custom)).transpose()
}

impl From<ListEventsFilter> for EventFilter {
    fn from(filter: ListEventsFilter) -> Self {
        let ListEventsFilter { r#type, subject_id, since, until } = filter;
        Self { event_type: r#type, subject: subject_id, since, until }
    }
}

/// Lists events.
#[utoipa::path(
    get,
    path = "/api/v1.0/events",
    operation_id = "list_events",
    tag = "licenses",
    summary = "List events",
    description = "The events of all resources, newest first. Filters can be combined. A page can be shorter than `limit`, or empty, \
        and still have a `next_cursor`.",
    params(ListEventsFilter, PaginationParams),
    responses((status = 200, description = "A page of events", body = ListResponse<Event>)),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn of_all(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    query: Result<ListQuery<ListEventsFilter>, Problem>,
) -> Result<ListResponse<Event>, Problem> {
    caller.require(Scope::LicensesRead)?;
    let ListQuery { filter, paging } = query?;
    Ok(table.events(&filter.into(), &paging, ctx.now).await?.into())
}

/// Returns a page of the events of a license key, newest first; `None` if the license key does not exist.
pub async fn events_of(table: &Table, id: LicenseId, paging: &PageRequest) -> Result<Option<Page<Event>>, ListError> {
    if table.license(id).await?.is_none() {
        return Ok(None);
    }
    table.events_of(id, paging).await.map(Some)
}
