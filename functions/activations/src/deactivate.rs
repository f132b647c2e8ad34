//! Ends an activation and frees its seat. Again gives the same answer.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::{Caller, LicenseAccess, app_credential},
    domain::{Activation, ActivationId, Actor, ActorKind, Claims, Code, EventType, IdGenerator, Scope, Secret},
    http::{
        PathId, Problem, RequestContext, StrictJson,
        resources::{ActivationResource, ActivationStatus},
        responses::{Authenticated, Authorized, JsonBody, LicenseToken, PathLookup, ServerErrors},
    },
    store::{Table, activations::DeactivateOutcome},
};
use utoipa::ToSchema;

/// An app's credential; an operator sends none here.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DeactivateRequest)]
pub struct Request {
    /// The activation's token; it may be past its `exp`.
    #[schema(value_type = Option<String>)]
    pub token: Option<Secret>,
}

/// Deactivates a machine.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-activations/{id}/deactivate",
    tag = "activations",
    summary = "Free the seat of a machine; again gives the same answer",
    params(("id" = ActivationId, Path, description = "`act_…`")),
    request_body(
        content = Request,
        examples(
            ("by_operator_or_customer" = (summary = "With a credential in the header", value = json!({}))),
            ("by_the_app" = (summary = "With the token of the activation", value = json!({"token": "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl"}))),
        ),
    ),
    responses(
        (status = 200, description = "The activation, ended", body = ActivationResource),
        Authenticated,
        LicenseToken,
        Authorized,
        PathLookup,
        JsonBody,
        ServerErrors,
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
        let claims = app_credential::verify(&app, token, &ctx).await?;
        by_app(&app.table, &id, &claims, &ctx).await?
    } else {
        let caller =
            caller.ok_or_else(|| Problem::new(Code::Unauthenticated, "send the activation's token, or an API key"))?;
        let reach = caller.reach(&app.table, Scope::LicensesWrite).await?;
        by_manager(&app.table, reach, &id, &caller.actor(), &ctx).await?
    };
    Ok(axum::Json(ended))
}

/// By the app itself. Its token proves that the activation existed, so it has ended also where nothing is left of it.
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
    Ok(ended.map_or_else(|| nothing_left(id, &named.machine_id), |ended| ActivationResource::ended(&ended)))
}

/// By an operator, or the customer whose license it is.
pub async fn by_manager(
    table: &Table,
    reach: LicenseAccess,
    id: &ActivationId,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<ActivationResource, Problem> {
    if reach != LicenseAccess::All {
        reach.check(table.license(id.license).await?)?;
    }
    let ended = deactivate(table, id, actor, ctx).await?;
    ended.map(|ended| ActivationResource::ended(&ended)).ok_or_else(Problem::not_found)
}

/// The activation as it ended, now or before; none where a later life of the machine has its place, or nothing has.
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
        DeactivateOutcome::Gone => None,
    })
}

fn nothing_left(id: &ActivationId, machine_id: &str) -> ActivationResource {
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
