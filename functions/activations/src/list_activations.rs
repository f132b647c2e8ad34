//! Lists the activations of a license key.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use shared::{
    app::Settings,
    auth::{Caller, LicenseAccess},
    domain::{Activation, License, LicenseId, Scope},
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
pub struct ListActivationsFilter {
    /// License key whose activations to list. Required.
    #[param(value_type = LicenseId)]
    license_id: Option<LicenseId>,
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
    summary = "List the activations of a license key",
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
    let missing = || InputError::parameter("license_id", Code::InvalidValue, "required parameter is missing");
    let license_id = filter.license_id.ok_or_else(missing)?;
    let (license, page) = list(&table, access, license_id, &paging).await?.ok_or_else(Problem::not_found)?;
    let margin = settings.clock_margin;
    Ok(page.map(|activation| ActivationResource::new(&activation, &license, margin, ctx.now)).into())
}

/// Returns a license key and a page of its activations, without those that have ended. Returns `None` if the license key
/// does not exist or the caller may not access it.
pub async fn list(
    table: &Table,
    access: LicenseAccess,
    license_id: LicenseId,
    paging: &PageRequest,
) -> Result<Option<(License, Page<Activation>)>, ListError> {
    let license = table.license(license_id).await?.filter(|license| access.includes(license));
    let Some(license) = license else { return Ok(None) };
    let page = table.activations(&license, paging).await?;
    Ok(Some((license, page)))
}
