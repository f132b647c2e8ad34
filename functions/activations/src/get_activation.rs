//! One activation.

use axum::extract::State;
use shared::{
    Services,
    auth::{Caller, Reach},
    domain::{ActivationId, Scope},
    http::{
        Call, PathId, Problem, Tagged,
        documented::{Always, ById, Known, Scoped},
        resources::ActivationResource,
    },
};

/// Reads an activation.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-activations/{id}",
    tag = "activations",
    summary = "Get an activation",
    params(("id" = ActivationId, Path, description = "`act_…`")),
    responses(
        (status = 200, description = "The activation", body = ActivationResource, headers(("ETag" = String))),
        Known,
        Scoped,
        ById,
        Always,
    ),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    PathId(id): PathId<ActivationId>,
) -> Result<Tagged<ActivationResource>, Problem> {
    let reach = caller.reach(&services.table, Scope::LicensesRead).await?;
    Ok(Tagged(get(&services, reach, &id, &call).await?))
}

/// An activation, dead or alive; an earlier life of the machine is not there any more.
pub async fn get(
    services: &Services,
    reach: Reach,
    id: &ActivationId,
    call: &Call,
) -> Result<ActivationResource, Problem> {
    let (license, activation) =
        tokio::try_join!(services.table.license(id.license), services.table.activation(id.license, id.machine))?;
    let license = reach.check(license)?;
    let activation = activation.filter(|activation| activation.id == *id).ok_or_else(Problem::not_found)?;
    Ok(ActivationResource::new(&activation, &license, services.settings.clock_margin, call.now))
}
