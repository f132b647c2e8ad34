//! Ends a license key for good. No token is renewed by a request that begins after this was answered.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
    domain::{Actor, EventType, Ids, Invalid, LicenseId, Scope, State as LicenseState},
    http::{
        Body, Call, PathId, Problem, Tagged,
        documented::{Always, ById, Known, Scoped, WithBody},
        resources::LicenseResource,
    },
    store::{Table, licenses::Revoked},
};
use utoipa::ToSchema;

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RevokeRequest)]
pub struct Request {
    /// In the operator's words; the customer sees them.
    #[schema(example = "refund")]
    pub reason: Option<String>,
}

/// Revokes a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/revoke",
    tag = "license keys",
    summary = "Revoke a license key for good; again gives the same answer",
    params(("id" = String, Path, description = "`lic_…`")),
    request_body = Request,
    responses(
        (status = 200, description = "The license key, revoked", body = LicenseResource),
        Known,
        Scoped,
        ById,
        WithBody,
        Always,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    PathId(id): PathId<LicenseId>,
    body: Result<Body<Request>, Problem>,
) -> Result<Tagged<LicenseResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let Body(request) = body?;
    let mut invalid = Invalid::default();
    invalid.text("/reason", request.reason.as_deref(), 500);
    invalid.finish()?;
    Ok(Tagged(revoke(&services.table, id, request.reason.as_deref(), &caller.actor(), &call).await?))
}

/// Revokes a license key, whatever state it is in.
pub async fn revoke(
    table: &Table,
    id: LicenseId,
    reason: Option<&str>,
    actor: &Actor,
    call: &Call,
) -> Result<LicenseResource, Problem> {
    let license = table.license(id).await?.ok_or_else(Problem::not_found)?;
    if matches!(license.state, LicenseState::Revoked { .. }) {
        return Ok(LicenseResource::new(&license, None, call.now));
    }
    let data = serde_json::json!({ "reason": reason });
    let event = call.event(&mut Ids::new(call.now), EventType::Revoked, id, actor, data);
    let ended = LicenseResource::new(&license.revoke(call.now, reason.map(str::to_owned)), None, call.now);
    let done = call.once.ok(&ended).await?;
    match table.revoke(id, call.now, reason, &event, done.as_ref()).await? {
        Revoked::Done => Ok(ended),
        Revoked::Already(license) => Ok(LicenseResource::new(&license, None, call.now)),
        Revoked::Absent => Err(Problem::not_found()),
    }
}
