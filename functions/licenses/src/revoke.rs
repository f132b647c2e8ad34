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
    store::{Race, Table, license_writes::Revoked},
};
use utoipa::ToSchema;

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RevokeRequest)]
pub struct Request {
    /// In the operator's words; the customer sees them.
    #[schema(example = "refund", example = "refund", max_length = 500)]
    pub reason: Option<String>,
}

/// Revokes a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/revoke",
    tag = "license keys",
    summary = "Revoke a license key for good; again gives the same answer",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body = Request,
    responses(
        (status = 200, description = "The license key, revoked", body = LicenseResource, headers(("ETag" = String))),
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
    let mut ids = Ids::new(call.now);
    let mut race = Race::default();
    loop {
        let read = table.license(id).await?.ok_or_else(Problem::not_found)?;
        if matches!(read.state, LicenseState::Revoked { .. }) {
            return Ok(LicenseResource::new(&read, None, call.now));
        }
        let event = call.event(&mut ids, EventType::Revoked, id, actor, serde_json::json!({ "reason": reason }));
        let ended = read.clone().revoke(call.now, reason.map(str::to_owned));
        let answer = LicenseResource::new(&ended, None, call.now);
        let done = call.once.ok(&answer).await?;
        match table.revoke(&read, call.now, reason, &event, done.as_ref()).await? {
            Revoked::Done => return Ok(answer),
            Revoked::Already(license) => return Ok(LicenseResource::new(&license, None, call.now)),
            Revoked::Moved => race.lost().await?,
            Revoked::Absent => return Err(Problem::not_found()),
        }
    }
}
