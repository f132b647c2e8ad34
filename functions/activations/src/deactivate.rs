//! Deactivates a machine: ends its activation and frees its seat. Idempotent.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::{AppAuthenticator, Caller, LicenseAccess},
    domain::{
        Activation, ActivationId, Actor, ActorKind, Claims, DescribedActivation, EventData, IdGenerator, Scope, Secret,
        Subject, Timestamp,
        borrow_return::{BorrowReturnLimitError, ReturnWindow},
        claims::ActivationClaim,
        event::payload::ActivationDeactivated,
    },
    http::{
        Code, PathId, Problem, RequestContext, StrictJson,
        resources::{ActivationResource, ActivationStatus},
        responses::LicenseTokenErrors,
    },
    store::{Backoff, StoreError, Table, borrows::CountedReturn, deactivations::DeactivateOutcome},
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

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: SeatBorrowed BorrowReturnLimit OfflineActivation;
}

/// Why an activation was not ended.
#[derive(Debug, thiserror::Error)]
pub enum DeactivateError {
    /// The seat is borrowed, and the caller is a customer without the token.
    #[error("the seat is borrowed until {0}: only the app on its machine or an operator can return it before")]
    SeatBorrowed(Timestamp),
    /// Too many borrowed seats were returned early.
    #[error(transparent)]
    BorrowReturnLimit(#[from] BorrowReturnLimitError),
    /// A license file of the machine can be used.
    #[error("a license file of this machine can be used until {0}: only an operator can deactivate it before")]
    OfflineActivation(Timestamp),
    /// The store failed, or concurrent changes exhausted all attempts.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DeactivateError> for Problem {
    fn from(error: DeactivateError) -> Self {
        let code = match error {
            DeactivateError::SeatBorrowed(_) => Code::SeatBorrowed,
            DeactivateError::BorrowReturnLimit(_) => Code::BorrowReturnLimit,
            DeactivateError::OfflineActivation(_) => Code::OfflineActivation,
            DeactivateError::Store(error) => return error.into(),
        };
        Self::new(code, error.to_string())
    }
}

/// Deactivates a machine.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-activations/{id}/deactivate",
    operation_id = "deactivate_activation",
    tag = "activations",
    summary = "Deactivate a machine",
    description = "Ends the activation and frees its seat. Idempotent: a repeated request returns the same response. The app can \
        return a borrowed seat before its time, a limited number of times; the customer cannot. While a license file of the \
        machine can be used, only an operator can deactivate it.",
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
        Errors,
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
    let ended = if let Some(token) = &request.token {
        let claims = authenticator.verify(token, &ctx).await?;
        by_app(&table, &id, &claims, &ctx).await?.map(|ended| ended.resource(ctx.now))
    } else {
        let caller = caller.ok_or_else(|| {
            Problem::new(
                Code::Unauthenticated,
                "send the license token of the activation, or authenticate with an API key or a bearer token",
            )
        })?;
        let access = caller.license_access(&table, Scope::LicensesWrite).await?;
        let ended = by_manager(&table, access, &id, &caller.actor(), &ctx).await?;
        ended.map(|ended| ActivationResource::ended(&ended, ctx.now))
    };
    ended.map(axum::Json).ok_or_else(Problem::not_found)
}

/// An activation that an app has ended.
#[derive(Debug)]
pub enum EndedByApp {
    /// Its record exists.
    Recorded(Box<DescribedActivation>),
    /// Its record has been deleted or replaced by a later activation of the machine.
    Deleted {
        /// The id of the activation.
        id: ActivationId,
        /// What the token says about it.
        claim: ActivationClaim,
    },
}

impl EndedByApp {
    fn resource(self, now: Timestamp) -> ActivationResource {
        match self {
            Self::Recorded(activation) => ActivationResource::ended(&activation, now),
            Self::Deleted { id, claim } => ActivationResource {
                id: id.to_string(),
                license_id: id.license,
                machine_id: claim.machine_id,
                instance_id: claim.instance_id,
                machine_name: None,
                app_version: None,
                os: None,
                hostname: None,
                ip: None,
                last_ip: None,
                activated_at: None,
                last_heartbeat_at: None,
                lease_expires_at: None,
                borrowed_until: None,
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
) -> Result<Option<EndedByApp>, DeactivateError> {
    let is_of_license = claims.sub == id.license.to_string();
    let named = claims.activation.as_ref().filter(|named| is_of_license && named.id == id.to_string());
    let Some(named) = named else { return Ok(None) };
    let actor = Actor { kind: ActorKind::App, id: named.id.clone() };
    Ok(Some(match deactivate(table, id, EndedBy::App, (&actor, ctx)).await? {
        Some(ended) => EndedByApp::Recorded(ended),
        None => EndedByApp::Deleted { id: *id, claim: named.clone() },
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
) -> Result<Option<Box<DescribedActivation>>, DeactivateError> {
    if access != LicenseAccess::All && !table.license(id.license).await?.is_some_and(|own| access.includes(&own)) {
        return Ok(None);
    }
    let by = if access == LicenseAccess::All { EndedBy::Operator } else { EndedBy::Customer };
    deactivate(table, id, by, (actor, ctx)).await
}

/// Who ends an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndedBy {
    App,
    Customer,
    Operator,
}

/// Returns the ended activation, whether this call or an earlier one ended it. Returns `None` if its record has been
/// deleted or replaced by a later activation of the machine.
async fn deactivate(
    table: &Table,
    id: &ActivationId,
    by: EndedBy,
    (actor, ctx): (&Actor, &RequestContext),
) -> Result<Option<Box<DescribedActivation>>, DeactivateError> {
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let Some(found) = table.activation_with_id(id).await? else { return Ok(None) };
        let activation = &found.activation;
        if activation.ended_at.is_some() {
            return Ok(Some(Box::new(found)));
        }
        check_allowed(activation, by, ctx.now)?;
        let returned = match by {
            EndedBy::App => count_return(table, activation, ctx.now).await?,
            EndedBy::Customer | EndedBy::Operator => None,
        };
        let data = EventData::ActivationDeactivated(ActivationDeactivated {
            borrowed_until: activation.borrowed_until(ctx.now),
            ..ActivationDeactivated::new(*id, &activation.machine_id)
        });
        let event = ctx.event(&mut ids, actor, Subject::Activation(*id), data);
        match table.deactivate(&found, &event, returned.as_ref()).await? {
            DeactivateOutcome::Done(ended) => {
                return Ok(Some(Box::new(DescribedActivation { activation: *ended, facts: found.facts })));
            }
            DeactivateOutcome::NotFound => return Ok(None),
            DeactivateOutcome::Conflict => backoff.retry().await?,
        }
    }
}

/// Checks that the caller may end the activation now. An operator always may.
fn check_allowed(activation: &Activation, by: EndedBy, now: Timestamp) -> Result<(), DeactivateError> {
    if by == EndedBy::Operator {
        return Ok(());
    }
    if let Some(until) = activation.license_file_until(now) {
        return Err(DeactivateError::OfflineActivation(until));
    }
    match activation.borrowed_until(now) {
        Some(until) if by == EndedBy::Customer => Err(DeactivateError::SeatBorrowed(until)),
        _ => Ok(()),
    }
}

/// Counts the return of a seat before its borrow ends. Returns are not counted if the license key has no seat limit.
async fn count_return(
    table: &Table,
    activation: &Activation,
    now: Timestamp,
) -> Result<Option<CountedReturn>, DeactivateError> {
    let (Some(borrow), Some(_)) = (activation.borrow, activation.borrowed_until(now)) else { return Ok(None) };
    let license_id = activation.id.license;
    let (license, read) = tokio::try_join!(table.license(license_id), table.return_window(license_id))?;
    let Some(max_users) = license.and_then(|license| license.max_users) else { return Ok(None) };
    let next = ReturnWindow::count(read, borrow, max_users, now)?;
    Ok(Some(CountedReturn { read, next }))
}
