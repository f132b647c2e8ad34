//! Honours a suspended license key again.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
    domain::{Actor, EventType, Invalid, LicenseId, Scope},
    http::{
        Body, Call, PathId, Problem, Tagged,
        documented::{Always, ById, Known, Scoped, WithBody},
        resources::LicenseResource,
    },
    store::{Table, license_writes::Step},
};
use utoipa::ToSchema;

use crate::step::{Decided, take};

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ReinstateRequest)]
pub struct Request {
    /// In the operator's words.
    #[schema(max_length = 500, example = "paid")]
    pub reason: Option<String>,
}

shared::problems! {
    /// What this alone refuses.
    Refused: StateConflict;
}

/// Reinstates a suspended license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/reinstate",
    tag = "license keys",
    summary = "Reinstate a suspended license key",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body = Request,
    responses(
        (status = 200, description = "The license key", body = LicenseResource, headers(("ETag" = String))),
        Refused,
        Known,
        Scoped,
        ById,
        WithBody,
        Always,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    PathId(id): PathId<LicenseId>,
    body: Result<Body<Request>, Problem>,
) -> Result<Tagged<LicenseResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let Body(request) = body?;
    Ok(Tagged(reinstate(&services.table, id, &request, &caller.actor(), &call).await?))
}

/// Reinstates a suspended license key.
pub async fn reinstate(
    table: &Table,
    id: LicenseId,
    request: &Request,
    actor: &Actor,
    call: &Call,
) -> Result<LicenseResource, Problem> {
    let mut invalid = Invalid::default();
    invalid.text("/reason", request.reason.as_deref(), 500);
    invalid.finish()?;
    take(table, id, EventType::Reinstated, (actor, call), |read| {
        let data = serde_json::json!({ "reason": request.reason });
        Ok(Decided { next: read.reinstate()?, step: Step::Reinstate, data })
    })
    .await
}
