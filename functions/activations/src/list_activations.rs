//! Lists the activations of a license key.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use shared::{
    app::Settings,
    auth::{Caller, LicenseAccess},
    domain::{CustomerId, DescribedActivation, License, LicenseId, MachineHash, Scope, Timestamp},
    http::{
        Code, InputError, ListQuery, ListResponse, PaginationParams, Problem, RequestContext,
        resources::ActivationResource,
    },
    store::{
        Table,
        pagination::{ListError, Page, PageRequest},
    },
};
use utoipa::IntoParams;

/// Filter of the list of activations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(clippy::struct_field_names, reason = "query parameters are named after what they identify")]
pub struct ListActivationsFilter {
    /// Return only activations of this license key.
    license_id: Option<LicenseId>,
    /// Return only activations of license keys of this customer.
    customer_id: Option<CustomerId>,
    /// Return only activations of this machine, by the app's identifier.
    machine_id: Option<String>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: NotFound;
}

/// Lists activations.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-activations",
    operation_id = "list_activations",
    tag = "activations",
    summary = "List the activations of a license key, a customer or a machine",
    description = "At least one of the filters is required. With `customer_id` or `machine_id`, a page can be shorter than `limit`, or \
        empty, and still have a `next_cursor`.",
    params(ListActivationsFilter, PaginationParams),
    responses((status = 200, description = "A page of activations", body = ListResponse<ActivationResource>), Errors),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    caller: Caller,
    ctx: RequestContext,
    query: Result<ListQuery<ListActivationsFilter>, Problem>,
) -> Result<ListResponse<ActivationResource>, Problem> {
    let access = caller.license_access(&table, Scope::LicensesRead).await?;
    let ListQuery { filter, paging } = query?;
    let page = find(&table, access, &filter, &paging, ctx.now).await?.ok_or_else(Problem::not_found)?;
    let margin = settings.clock_margin;
    Ok(page.map(|(license, activation)| ActivationResource::new(&activation, &license, margin, ctx.now)).into())
}

/// Returns a page of the activations that fulfill the filter and that the caller may access, with their license keys.
/// Returns `None` if the filter has a license key that does not exist or that the caller may not access, and a problem if the
/// filter is empty.
async fn find(
    table: &Table,
    access: LicenseAccess,
    filter: &ListActivationsFilter,
    paging: &PageRequest,
    now: Timestamp,
) -> Result<Option<Page<(License, DescribedActivation)>>, Problem> {
    let machine = filter.machine_id.as_deref().map(MachineHash::from_machine_id);
    let mut page = match (filter.license_id, machine, filter.customer_id) {
        (Some(license_id), ..) => {
            let Some((license, page)) = list(table, access, license_id, paging).await? else { return Ok(None) };
            page.map(|activation| (license.clone(), activation))
        }
        (None, Some(machine), _) => table.activations_of_machine(machine, paging).await?,
        (None, None, Some(customer)) => table.activations_of_customer(customer, now, paging).await?,
        (None, None, None) => {
            let detail = "license_id, customer_id or machine_id is required";
            return Err(InputError::parameter("license_id", Code::InvalidValue, detail).into());
        }
    };
    page.items.retain(|(license, found)| {
        access.includes(license)
            && filter.machine_id.as_ref().is_none_or(|machine_id| *machine_id == found.activation.machine_id)
            && filter.customer_id.is_none_or(|customer| license.customer_id == Some(customer))
    });
    Ok(Some(page))
}

/// Returns a license key and a page of its activations, without those that have ended. Returns `None` if the license key
/// does not exist or the caller may not access it.
pub async fn list(
    table: &Table,
    access: LicenseAccess,
    license_id: LicenseId,
    paging: &PageRequest,
) -> Result<Option<(License, Page<DescribedActivation>)>, ListError> {
    let license = table.license(license_id).await?.filter(|license| access.includes(license));
    let Some(license) = license else { return Ok(None) };
    let page = table.activations(&license, paging).await?;
    Ok(Some((license, page)))
}
