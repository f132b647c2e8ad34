//! Stops honouring a license key until it is reinstated.

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
#[schema(as = SuspendRequest)]
pub struct Request {
    /// In the operator's words.
    #[schema(max_length = 500, example = "unpaid")]
    pub reason: Option<String>,
}

shared::problems! {
    /// What this alone refuses.
    Refused: StateConflict;
}

/// Suspends an active license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/suspend",
    tag = "license keys",
    summary = "Suspend an active license key",
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
    Ok(Tagged(suspend(&services.table, id, &request, &caller.actor(), &call).await?))
}

/// Suspends an active license key.
pub async fn suspend(
    table: &Table,
    id: LicenseId,
    request: &Request,
    actor: &Actor,
    call: &Call,
) -> Result<LicenseResource, Problem> {
    let mut invalid = Invalid::default();
    invalid.text("/reason", request.reason.as_deref(), 500);
    invalid.finish()?;
    take(table, id, EventType::Suspended, (actor, call), |read| {
        let data = serde_json::json!({ "reason": request.reason });
        Ok(Decided { next: read.suspend()?, step: Step::Suspend, data })
    })
    .await
}
