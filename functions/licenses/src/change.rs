//! Changes the pricing tier or the seat limit of a license key.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{
        Actor, Catalog, EventType, FieldError, FieldErrorCode, IdGenerator, License, LicenseId, Scope, TierId,
        Timestamp, ValidationErrors, catalog::check_seats, license::StateConflict,
    },
    http::{
        PathId, Problem, Replay, RequestContext, StoredResponse, StrictJson, extractors::nullable,
        resources::LicenseResource,
    },
    store::{Backoff, Table, license_writes::Transition},
};
use utoipa::ToSchema;

use crate::transition::{Decision, TransitionError, license_replay, write};

/// Request to change a license key. Requires at least one of the fields.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangeRequest)]
pub struct Request {
    /// The new tier, which must belong to the same product.
    pub tier_id: Option<TierId>,
    /// The new number of seats; null means no limit. If omitted, the limit of the new tier applies; if the tier does
    /// not change either, the limit stays the same.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000, example = 10)]
    pub max_users: Option<Option<u32>>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict SeatsBorrowed TierOfOtherProduct;
}

/// Changes a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/change",
    operation_id = "change_license_key",
    tag = "licenses",
    summary = "Change the tier or seat limit of a license key",
    description = "Apps receive the new features with the next heartbeat. The seat limit cannot be lower than the number of \
        seats in use.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body(
        content = Request,
        examples(
            ("seats" = (summary = "Change the number of seats", value = json!({"max_users": 10}))),
            ("tier" = (summary = "Change the tier, with its limits", value = json!({"tier_id": "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB"}))),
        ),
    ),
    responses(
        (status = 200, description = "The license key", body = LicenseResource, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    let replay = license_replay(&ctx);
    replay.response(&change(&table, id, &request, &caller.actor(), &ctx, &replay).await?)
}

/// Changes the tier, the seat limit or both.
///
/// # Errors
///
/// [`TransitionError::Invalid`] if the new tier does not exist or belongs to another product; [`TransitionError::State`]
/// if the license key is revoked or superseded, or if more seats are in use than the new limit allows.
pub async fn change(
    table: &Table,
    id: LicenseId,
    request: &Request,
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, License>,
) -> Result<License, TransitionError> {
    check(request)?;
    let catalog = table.catalog().await?.catalog;
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = table.license_with_metadata(id).await?.ok_or(TransitionError::NotFound)?;
        let next = apply_change(&catalog, request, read.clone())?;
        check_seats_in_use(table, &read, next.max_users).await?;
        check_borrowed_seats(table, &read, next.max_users, ctx.now).await?;
        let from = serde_json::json!({ "tier_id": read.tier_id, "max_users": read.max_users });
        let data = serde_json::json!({ "from": from, "tier_id": next.tier_id, "max_users": next.max_users });
        let event = ctx.event(&mut ids, EventType::Changed, id, actor, data.clone());
        let decision = Decision { next, transition: Transition::Change, data };
        if let Some(next) = write(table, &read, decision, &event, replay).await? {
            return Ok(next);
        }
        backoff.retry().await?;
    }
}

fn check(request: &Request) -> Result<(), ValidationErrors> {
    let mut errors = ValidationErrors::default();
    check_seats(&mut errors, request.max_users.flatten());
    let has_change = request.tier_id.is_some() || request.max_users.is_some();
    errors.check(has_change, "/tier_id", "a new tier or number of seats is required");
    errors.into_result()
}

fn apply_change(catalog: &Catalog, request: &Request, read: License) -> Result<License, TransitionError> {
    let Some(id) = request.tier_id else {
        let max_users = request.max_users.unwrap_or(read.max_users);
        return Ok(read.change_seats(max_users)?);
    };
    let at = |code, detail| ValidationErrors::from(FieldError::at("/tier_id", code, detail));
    let tier = catalog.tiers.get(&id).ok_or_else(|| at(FieldErrorCode::InvalidValue, "pricing tier not found"))?;
    if tier.product_id != read.product_id {
        return Err(at(FieldErrorCode::TierOfOtherProduct, "tier belongs to another product").into());
    }
    Ok(read.change_tier(tier, request.max_users.unwrap_or(tier.max_users))?)
}

/// Rejects a limit that a borrowed seat would be outside of: its token works offline until the borrow ends, in addition to those of
/// the seats within the limit. The change is written on condition that no seat was borrowed since the license key was read.
async fn check_borrowed_seats(
    table: &Table,
    read: &License,
    max_users: Option<u32>,
    now: Timestamp,
) -> Result<(), TransitionError> {
    let Some(wanted) = max_users else { return Ok(()) };
    match table.borrowed_seats_outside(read, wanted, now).await? {
        0 => Ok(()),
        count => Err(TransitionError::SeatsBorrowed(count)),
    }
}

/// Rejects a limit below the number of seats in use, so that the operator can deactivate machines first. The check is
/// advisory, because seats can be taken concurrently: what enforces the limit is that a seat numbered at or above it
/// does not count.
async fn check_seats_in_use(table: &Table, read: &License, max_users: Option<u32>) -> Result<(), TransitionError> {
    let Some(wanted) = max_users else { return Ok(()) };
    if read.max_users.is_some_and(|seats| seats <= wanted) {
        return Ok(());
    }
    let used = table.seats_used(read).await?;
    if used <= wanted as usize {
        return Ok(());
    }
    Err(StateConflict(format!("{used} seats are in use: deactivate machines before reducing the limit to {wanted}"))
        .into())
}
