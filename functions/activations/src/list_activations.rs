//! The machines that hold the seats of a license.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::{Caller, LicenseAccess},
    domain::{Code, FieldError, LicenseId, Scope},
    http::{
        ListQuery, ListResponse, PaginationParams, Problem, RequestContext,
        resources::ActivationResource,
        responses::{Authenticated, Authorized, Paginated, PathLookup, ServerErrors},
    },
    store::pagination::PageRequest,
};
use utoipa::IntoParams;

/// Of which license.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// `lic_…`
    #[param(value_type = LicenseId)]
    license_id: Option<LicenseId>,
}

/// Lists activations.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-activations",
    tag = "activations",
    summary = "List the machines that hold the seats of a license",
    params(Filter, PaginationParams),
    responses(
        (status = 200, description = "A page of activations", body = ListResponse<ActivationResource>),
        Authenticated,
        Authorized,
        PathLookup,
        Paginated,
        ServerErrors,
    ),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    list_of: Result<ListQuery<Filter>, Problem>,
) -> Result<ListResponse<ActivationResource>, Problem> {
    let reach = caller.reach(&app.table, Scope::LicensesRead).await?;
    let ListQuery { filter, paging } = list_of?;
    let missing = || FieldError::parameter("license_id", Code::InvalidValue, "this parameter is required");
    let license_id = filter.license_id.ok_or_else(missing)?;
    list(&app, reach, license_id, &paging, &ctx).await
}

/// A page of the activations of a license; those that have ended are left out.
pub async fn list(
    app: &AppState,
    reach: LicenseAccess,
    license_id: LicenseId,
    paging: &PageRequest,
    ctx: &RequestContext,
) -> Result<ListResponse<ActivationResource>, Problem> {
    let license = reach.check(app.table.license(license_id).await?)?;
    let page = app.table.activations(&license, paging).await?;
    let margin = app.settings.clock_margin;
    Ok(page.map(|activation| ActivationResource::new(&activation, &license, margin, ctx.now)).into())
}
