//! The machines that hold the seats of a license.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Services,
    auth::{Caller, Reach},
    domain::{Code, FieldError, LicenseId, Scope},
    http::{
        Call, List, ListBody, Page, Problem,
        documented::{Always, ById, Known, Queried, Scoped},
        resources::ActivationResource,
    },
    store::listing::Paging,
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
    params(Filter, Page),
    responses(
        (status = 200, description = "A page of activations", body = ListBody<ActivationResource>),
        Known,
        Scoped,
        ById,
        Queried,
        Always,
    ),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    list_of: Result<List<Filter>, Problem>,
) -> Result<ListBody<ActivationResource>, Problem> {
    let reach = caller.reach(&services.table, Scope::LicensesRead).await?;
    let List { filter, paging } = list_of?;
    let missing = || FieldError::parameter("license_id", Code::InvalidValue, "this parameter is required");
    let license_id = filter.license_id.ok_or_else(missing)?;
    list(&services, reach, license_id, &paging, &call).await
}

/// A page of the activations of a license; those that have ended are left out.
pub async fn list(
    services: &Services,
    reach: Reach,
    license_id: LicenseId,
    paging: &Paging,
    call: &Call,
) -> Result<ListBody<ActivationResource>, Problem> {
    let license = reach.check(services.table.license(license_id).await?)?;
    let page = services.table.activations(&license, paging).await?;
    let margin = services.settings.clock_margin;
    Ok(page.map(|activation| ActivationResource::new(&activation, &license, margin, call.now)).into())
}
