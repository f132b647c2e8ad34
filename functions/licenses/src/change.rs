//! Changes the pricing tier or the seat limit of a license key, or previews the change.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::{
    auth::Caller,
    domain::{
        Actor, Catalog, EventData, FieldError, FieldErrorCode, IdGenerator, License, LicenseId, NotInCatalogError,
        Scope, SeatUnit, Subject, TierId, Timestamp, ValidationErrors, catalog::check_seats,
        entitlements::feature_claims, event::payload::LicenseChanged, license::StateConflict,
    },
    http::{
        PathId, Problem, Replay, RequestContext, StoredResponse, StrictJson, StrictQuery,
        extractors::{Flag, nullable},
        resources::LicenseResource,
    },
    store::{
        Backoff, Table,
        license_writes::{Transition, TransitionOutcome},
    },
};
use utoipa::{IntoParams, ToSchema};

use crate::transition::TransitionError;

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

/// The query of a change.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangeQuery {
    /// Whether the change is only previewed. Nothing is changed then.
    #[param(value_type = Option<bool>)]
    dry_run: Option<Flag>,
}

/// What a license key grants: the terms that a change of its tier or of its seats can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LicenseTerms {
    /// The pricing tier.
    pub tier_id: TierId,
    /// The number of seats; null means no limit.
    #[schema(required, example = 5)]
    pub max_users: Option<u32>,
    /// The number of tenants; null means no limit.
    #[schema(required, format = Int64)]
    pub max_tenants: Option<u32>,
    /// What holds a seat. Existing activations keep theirs.
    pub seat_unit: SeatUnit,
    /// How long a machine may borrow a seat, in seconds.
    #[schema(example = 0)]
    pub max_borrow_seconds: u32,
    /// How long the license key is honoured after its expiry, in seconds.
    #[schema(example = 0)]
    pub expiry_grace_seconds: u32,
    /// When the license key stops being honoured; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2027-01-15T12:00:00Z")]
    pub honoured_until: Option<Timestamp>,
    /// The keys of the features that are on, with the overrides of the license key.
    #[schema(example = json!(["export.pdf"]))]
    pub features: Vec<String>,
    /// The limits by feature key, with the overrides of the license key; null means unlimited.
    #[schema(value_type = BTreeMap<String, Option<u64>>, example = json!({"export.rows": 1000}))]
    pub feature_limits: BTreeMap<String, Option<u64>>,
}

/// A changed license key, and what the change means.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangedLicense {
    /// The license key after the change.
    #[serde(flatten)]
    pub license: LicenseResource,
    /// The terms before the change.
    pub from: LicenseTerms,
    /// The terms after the change.
    pub to: LicenseTerms,
    /// The number of machines or processes that lose their seat, because its number is at or above the new limit or because they
    /// have none: they activate again with their next heartbeat.
    #[schema(example = 0)]
    pub activations_without_seat: usize,
}

impl LicenseTerms {
    fn new(catalog: &Catalog, license: &License, now: Timestamp) -> Result<Self, NotInCatalogError> {
        let (_, tier) = catalog.product_and_tier(license).ok_or(NotInCatalogError(license.id))?;
        let (features, feature_limits) = feature_claims(&catalog.entitlements(tier, &license.overrides, now, None));
        Ok(Self {
            tier_id: tier.id,
            max_users: license.max_users,
            max_tenants: license.max_tenants,
            seat_unit: tier.seat_unit,
            max_borrow_seconds: tier.max_borrow_seconds,
            expiry_grace_seconds: license.expiry_grace_seconds,
            honoured_until: license.honoured_until(),
            features,
            feature_limits,
        })
    }
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
        seats in use. Overrides of the license key stay. With `dry_run=true`, nothing is changed: the response, or the error, is that \
        of the change.",
    params(("id" = LicenseId, Path, description = "`lic_…`"), ChangeQuery),
    request_body(
        content = Request,
        examples(
            ("seats" = (summary = "Change the number of seats", value = json!({"max_users": 10}))),
            ("tier" = (summary = "Change the tier, with its limits", value = json!({"tier_id": "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB"}))),
        ),
    ),
    responses(
        (
            status = 200, body = ChangedLicense, headers(("ETag" = String)),
            description = "The license key, its terms before and after, and the effect on its machines",
        ),
        Errors,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    query: Result<StrictQuery<ChangeQuery>, Problem>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictQuery(query) = query?;
    let StrictJson(request) = body?;
    let is_dry_run = query.dry_run == Some(Flag::True);
    let replay = ctx.idempotency.replay(|changed: &ChangedLicense| StoredResponse::ok(changed));
    replay.response(&change(&table, id, (&request, is_dry_run), &caller.actor(), &ctx, &replay).await?)
}

/// Changes the tier, the seat limit or both, or only checks the change in a dry run.
///
/// # Errors
///
/// [`TransitionError::Invalid`] if the new tier does not exist or belongs to another product; [`TransitionError::State`]
/// if the license key is revoked or superseded, or if more seats are in use than the new limit allows.
pub async fn change(
    table: &Table,
    id: LicenseId,
    (request, is_dry_run): (&Request, bool),
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, ChangedLicense>,
) -> Result<ChangedLicense, TransitionError> {
    check(request)?;
    let catalog = table.catalog().await?.catalog;
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = table.license_with_metadata(id).await?.ok_or(TransitionError::NotFound)?;
        let next = apply_change(&catalog, request, read.clone())?;
        check_seats_in_use(table, &read, next.max_users).await?;
        check_borrowed_seats(table, &read, next.max_users, ctx.now).await?;
        let changed = ChangedLicense {
            license: LicenseResource::new(&next, None, ctx.now),
            from: LicenseTerms::new(&catalog, &read, ctx.now)?,
            to: LicenseTerms::new(&catalog, &next, ctx.now)?,
            activations_without_seat: activations_without_seat(table, &read, next.max_users).await?,
        };
        if is_dry_run {
            return Ok(changed);
        }
        let data = EventData::LicenseChanged(LicenseChanged::between(&read, &next));
        let event = ctx.event(&mut ids, actor, Subject::License(id), data);
        let completion = replay.completion(&changed).await?;
        let states = (&read, &next);
        if table.transition(Transition::Change, states, &event, completion.as_ref()).await? == TransitionOutcome::Done {
            return Ok(changed);
        }
        backoff.retry().await?;
    }
}

/// Counts the activations that are live now and would not be with another limit.
async fn activations_without_seat(
    table: &Table,
    read: &License,
    max_users: Option<u32>,
) -> Result<usize, TransitionError> {
    let Some(limit) = max_users.filter(|limit| read.max_users.is_none_or(|seats| seats > *limit)) else { return Ok(0) };
    Ok(table.activations_outside(read, limit).await?)
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
