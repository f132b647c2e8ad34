//! Lists the activations of a license key.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::{Caller, LicenseAccess},
    domain::{LicenseId, Scope},
    http::{
        Code, InputError, ListQuery, ListResponse, PaginationParams, Problem, RequestContext,
        resources::ActivationResource,
    },
    store::pagination::PageRequest,
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
    tag = "activations",
    summary = "List the activations of a license key",
    params(ListActivationsFilter, PaginationParams),
    responses((status = 200, description = "A page of activations", body = ListResponse<ActivationResource>), Errors),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    query: Result<ListQuery<ListActivationsFilter>, Problem>,
) -> Result<ListResponse<ActivationResource>, Problem> {
    let access = caller.license_access(&app.table, Scope::LicensesRead).await?;
    let ListQuery { filter, paging } = query?;
    let missing = || InputError::parameter("license_id", Code::InvalidValue, "required parameter is missing");
    let license_id = filter.license_id.ok_or_else(missing)?;
    list(&app, access, license_id, &paging, &ctx).await
}

/// Returns a page of the activations of a license key, without those that have ended.
pub async fn list(
    app: &AppState,
    access: LicenseAccess,
    license_id: LicenseId,
    paging: &PageRequest,
    ctx: &RequestContext,
) -> Result<ListResponse<ActivationResource>, Problem> {
    let license = access.check(app.table.license(license_id).await?)?;
    let page = app.table.activations(&license, paging).await?;
    let margin = app.settings.clock_margin;
    Ok(page.map(|activation| ActivationResource::new(&activation, &license, margin, ctx.now)).into())
}
