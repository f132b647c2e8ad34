//! Deactivates a machine: ends its activation and frees its seat. Idempotent.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::{AppAuthenticator, Caller, LicenseAccess},
    domain::{Activation, ActivationId, Actor, ActorKind, Claims, EventType, IdGenerator, Scope, Secret},
    http::{
        Code, PathId, Problem, RequestContext, StrictJson,
        resources::{ActivationResource, ActivationStatus},
        responses::LicenseTokenErrors,
    },
    store::{StoreError, Table, activations::DeactivateOutcome},
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
    operation_id = "deactivate_activation",
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
pub(crate) async fn handler(
    State(table): State<Table>,
    State(authenticator): State<AppAuthenticator>,
    caller: Option<Caller>,
    ctx: RequestContext,
    PathId(id): PathId<ActivationId>,
    StrictJson(request): StrictJson<Request>,
) -> Result<axum::Json<ActivationResource>, Problem> {
    let resource = if let Some(token) = &request.token {
        let claims = authenticator.verify(token, &ctx).await?;
        by_app(&table, &id, &claims, &ctx).await?.map(ActivationResource::from)
    } else {
        let caller = caller.ok_or_else(|| {
            Problem::new(
                Code::Unauthenticated,
                "send the license token of the activation, or authenticate with an API key or a bearer token",
            )
        })?;
        let access = caller.license_access(&table, Scope::LicensesWrite).await?;
        let ended = by_manager(&table, access, &id, &caller.actor(), &ctx).await?;
        ended.map(|ended| ActivationResource::ended(&ended))
    };
    resource.map(axum::Json).ok_or_else(Problem::not_found)
}

/// An activation that an app has ended.
#[derive(Debug)]
pub enum EndedByApp {
    /// Its record exists.
    Recorded(Box<Activation>),
    /// Its record has been deleted or replaced by a later activation of the machine.
    Deleted {
        /// The id of the activation.
        id: ActivationId,
        /// The id of its machine, from the token.
        machine_id: String,
    },
}

impl From<EndedByApp> for ActivationResource {
    fn from(ended: EndedByApp) -> Self {
        match ended {
            EndedByApp::Recorded(activation) => Self::ended(&activation),
            EndedByApp::Deleted { id, machine_id } => Self {
                id: id.to_string(),
                license_id: id.license,
                machine_id,
                machine_name: None,
                ip: None,
                last_ip: None,
                activated_at: None,
                last_heartbeat_at: None,
                lease_expires_at: None,
                status: ActivationStatus::Deactivated,
            },
        }
    }
}

/// Deactivates a machine on behalf of its app. The token proves that the activation existed, so the call also succeeds
/// if its record has been deleted. Returns `None` if the token does not name the activation.
pub async fn by_app(
    table: &Table,
    id: &ActivationId,
    claims: &Claims,
    ctx: &RequestContext,
) -> Result<Option<EndedByApp>, StoreError> {
    let is_of_license = claims.sub == id.license.to_string();
    let named = claims.activation.as_ref().filter(|named| is_of_license && named.id == id.to_string());
    let Some(named) = named else { return Ok(None) };
    let actor = Actor { kind: ActorKind::App, id: named.id.clone() };
    Ok(Some(match deactivate(table, id, &actor, ctx).await? {
        Some(ended) => EndedByApp::Recorded(ended),
        None => EndedByApp::Deleted { id: *id, machine_id: named.machine_id.clone() },
    }))
}

/// Deactivates a machine on behalf of an operator or the customer that owns the license key. Returns `None` if there is
/// no such activation that they may access.
pub async fn by_manager(
    table: &Table,
    access: LicenseAccess,
    id: &ActivationId,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<Option<Box<Activation>>, StoreError> {
    if access != LicenseAccess::All && !table.license(id.license).await?.is_some_and(|own| access.includes(&own)) {
        return Ok(None);
    }
    deactivate(table, id, actor, ctx).await
}

/// Returns the ended activation, whether this call or an earlier one ended it. Returns `None` if its record has been
/// deleted or replaced by a later activation of the machine.
async fn deactivate(
    table: &Table,
    id: &ActivationId,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<Option<Box<Activation>>, StoreError> {
    let found = table.activation(id.license, id.machine).await?.filter(|found| found.id == *id);
    let Some(activation) = found else { return Ok(None) };
    if activation.ended_at.is_some() {
        return Ok(Some(Box::new(activation)));
    }
    let data = serde_json::json!({ "activation_id": id.to_string(), "machine_id": activation.machine_id });
    let event = ctx.event(&mut IdGenerator::new(ctx.now), EventType::Deactivated, id.license, actor, data);
    Ok(match table.deactivate(&activation, &event).await? {
        DeactivateOutcome::Done(ended) => Some(ended),
        DeactivateOutcome::NotFound => None,
    })
}
