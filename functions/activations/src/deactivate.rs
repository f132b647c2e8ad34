//! Deactivates a machine: ends its activation and frees its seat. Idempotent.

use axum::extract::{FromRef, State};
use serde::Deserialize;
use shared::{
    AppState,
    auth::{AppAuthenticator, Caller, LicenseAccess},
    domain::{Activation, ActivationId, Actor, ActorKind, Claims, EventType, IdGenerator, Scope, Secret},
    http::{
        Code, PathId, Problem, RequestContext, StrictJson,
        resources::{ActivationResource, ActivationStatus},
        responses::LicenseTokenErrors,
    },
    store::{Table, activations::DeactivateOutcome},
};
use utoipa::ToSchema;

/// Request to deactivate a machine. Operators and customers send an empty object and authenticate with a header.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DeactivateRequest)]
pub struct Request {
    /// License token of the activation, which may be expired. Required if the request has no credential in a header.
    #[schema(value_type = Option<String>)]
    pub token: Option<Secret>,
}

/// Deactivates a machine.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-activations/{id}/deactivate",
    tag = "activations",
    summary = "Deactivate a machine",
    description = "Ends the activation and frees its seat. Idempotent: a repeated request returns the same response.",
    params(("id" = ActivationId, Path, description = "`act_…`")),
    request_body(
        content = Request,
        examples(
            ("as_operator_or_customer" = (summary = "As an operator or customer, with a credential in a header", value = json!({}))),
            ("as_app" = (summary = "As the app, with the license token", value = json!({"token": "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl"}))),
        ),
    ),
    responses(
        (status = 200, description = "The deactivated activation", body = ActivationResource),
        LicenseTokenErrors,
    ),
    security((), ("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub async fn handler(
    State(app): State<AppState>,
    caller: Option<Caller>,
    ctx: RequestContext,
    PathId(id): PathId<ActivationId>,
    StrictJson(request): StrictJson<Request>,
) -> Result<axum::Json<ActivationResource>, Problem> {
    let ended = if let Some(token) = &request.token {
        let claims = AppAuthenticator::from_ref(&app).verify(token, &ctx).await?;
        by_app(&app.table, &id, &claims, &ctx).await?
    } else {
        let caller = caller.ok_or_else(|| {
            Problem::new(
                Code::Unauthenticated,
                "send the license token of the activation, or authenticate with an API key or a bearer token",
            )
        })?;
        let access = caller.license_access(&app.table, Scope::LicensesWrite).await?;
        by_manager(&app.table, access, &id, &caller.actor(), &ctx).await?
    };
    Ok(axum::Json(ended))
}

/// Deactivates a machine on behalf of its app. The token proves that the activation existed, so the call also succeeds
/// if its record has been deleted.
pub async fn by_app(
    table: &Table,
    id: &ActivationId,
    claims: &Claims,
    ctx: &RequestContext,
) -> Result<ActivationResource, Problem> {
    let is_of_license = claims.sub == id.license.to_string();
    let named = claims.activation.as_ref().filter(|named| is_of_license && named.id == id.to_string());
    let named = named.ok_or_else(Problem::not_found)?;
    let actor = Actor { kind: ActorKind::App, id: named.id.clone() };
    let ended = deactivate(table, id, &actor, ctx).await?;
    Ok(ended.map_or_else(|| deleted_activation(id, &named.machine_id), |ended| ActivationResource::ended(&ended)))
}

/// Deactivates a machine on behalf of an operator or the customer that owns the license key.
pub async fn by_manager(
    table: &Table,
    access: LicenseAccess,
    id: &ActivationId,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<ActivationResource, Problem> {
    if access != LicenseAccess::All {
        access.check(table.license(id.license).await?)?;
    }
    let ended = deactivate(table, id, actor, ctx).await?;
    ended.map(|ended| ActivationResource::ended(&ended)).ok_or_else(Problem::not_found)
}

/// Returns the ended activation, whether this call or an earlier one ended it. Returns `None` if its record has been
/// deleted or replaced by a later activation of the machine.
async fn deactivate(
    table: &Table,
    id: &ActivationId,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<Option<Activation>, Problem> {
    let found = table.activation(id.license, id.machine).await?.filter(|found| found.id == *id);
    let Some(activation) = found else { return Ok(None) };
    if activation.ended_at.is_some() {
        return Ok(Some(activation));
    }
    let data = serde_json::json!({ "activation_id": id.to_string(), "machine_id": activation.machine_id });
    let event = ctx.event(&mut IdGenerator::new(ctx.now), EventType::Deactivated, id.license, actor, data);
    Ok(match table.deactivate(&activation, &event).await? {
        DeactivateOutcome::Done(ended) => Some(*ended),
        DeactivateOutcome::NotFound => None,
    })
}

/// Returns the response for an activation whose record has been deleted.
fn deleted_activation(id: &ActivationId, machine_id: &str) -> ActivationResource {
    ActivationResource {
        id: id.to_string(),
        license_id: id.license,
        machine_id: machine_id.to_owned(),
        machine_name: None,
        ip: None,
        last_ip: None,
        activated_at: None,
        last_heartbeat_at: None,
        lease_expires_at: None,
        status: ActivationStatus::Deactivated,
    }
}
