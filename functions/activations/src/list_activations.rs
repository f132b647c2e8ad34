//! The machines that hold the seats of a license.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
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
    #[param(value_type = String)]
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
    security(("api_key" = ["licenses:read"])),
)]
pub async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    List { filter, paging }: List<Filter>,
) -> Result<ListBody<ActivationResource>, Problem> {
    caller.require(Scope::LicensesRead)?;
    let missing = || FieldError::parameter("license_id", Code::InvalidValue, "this parameter is required");
    let license_id = filter.license_id.ok_or_else(missing)?;
    list(&services, license_id, &paging, &call).await
}

/// A page of the activations of a license; those that have ended are left out.
pub async fn list(
    services: &Services,
    license_id: LicenseId,
    paging: &Paging,
    call: &Call,
) -> Result<ListBody<ActivationResource>, Problem> {
    let license = services.table.license(license_id).await?.ok_or_else(Problem::not_found)?;
    let page = services.table.activations(&license, paging).await?;
    let margin = services.settings.clock_margin;
    Ok(page.map(|activation| ActivationResource::new(&activation, &license, margin, call.now)).into())
}
