//! Moves a license key to another pricing tier, or gives it other limits.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{
        Actor, Catalog, Code, EventType, FieldError, License, LicenseId, Scope, TierId, ValidationErrors,
        catalog::check_seats, license::StateConflict,
    },
    http::{
        PathId, Problem, RequestContext, StrictJson, WithEtag,
        extractors::nullable,
        resources::LicenseResource,
        responses::{Authenticated, Authorized, JsonBody, PathLookup, ServerErrors},
    },
    store::{Table, license_writes::Transition},
};
use utoipa::ToSchema;

use crate::transition::{Decision, apply};

/// To what: either or both.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangeRequest)]
pub struct Request {
    /// A tier of the same product.
    pub tier_id: Option<TierId>,
    /// Seats: null, no limit; left out, the new tier's, or as it was where the tier stays.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000, example = 10)]
    pub max_users: Option<Option<u32>>,
}

shared::problems! {
    /// Errors specific to this endpoint.
    Errors: StateConflict TierOfOtherProduct;
}

/// Changes a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/change",
    tag = "license keys",
    summary = "Move a license key to another tier or limit",
    description = "Features follow at the next heartbeat. Fewer seats than are held are refused.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body(
        content = Request,
        examples(
            ("seats" = (summary = "More seats", value = json!({"max_users": 10}))),
            ("tier" = (summary = "Another tier, with its limits", value = json!({"tier_id": "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB"}))),
        ),
    ),
    responses(
        (status = 200, description = "The license key", body = LicenseResource, headers(("ETag" = String))),
        Errors,
        Authenticated,
        Authorized,
        PathLookup,
        JsonBody,
        ServerErrors,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<WithEtag<LicenseResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    Ok(WithEtag(change(&app.table, id, &request, &caller.actor(), &ctx).await?))
}

/// Changes tier, limits or both.
pub async fn change(
    table: &Table,
    id: LicenseId,
    request: &Request,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<LicenseResource, Problem> {
    check(request)?;
    let catalog = table.catalog().await?.catalog;
    let read = table.license(id).await?.ok_or_else(Problem::not_found)?;
    enough_seats(table, &read, changed(&catalog, request, read.clone())?.max_users).await?;
    apply(table, id, EventType::Changed, (actor, ctx), |read| {
        let from = serde_json::json!({ "tier_id": read.tier_id, "max_users": read.max_users });
        let next = changed(&catalog, request, read)?;
        let data = serde_json::json!({ "from": from, "tier_id": next.tier_id, "max_users": next.max_users });
        Ok(Decision { next, transition: Transition::Change, data })
    })
    .await
}

fn check(request: &Request) -> Result<(), ValidationErrors> {
    let mut invalid = ValidationErrors::default();
    check_seats(&mut invalid, request.max_users.flatten());
    let says = request.tier_id.is_some() || request.max_users.is_some();
    invalid.check(says, "/tier_id", "give tier_id, max_users or both");
    invalid.into_result()
}

fn changed(catalog: &Catalog, request: &Request, read: License) -> Result<License, Problem> {
    let Some(id) = request.tier_id else {
        let (tier_id, max_tenants) = (read.tier_id, read.max_tenants);
        let max_users = request.max_users.unwrap_or(read.max_users);
        return Ok(read.change(tier_id, max_users, max_tenants)?);
    };
    let at = |code, detail| Problem::from(FieldError::at("/tier_id", code, detail));
    let tier = catalog.tiers.get(&id).ok_or_else(|| at(Code::InvalidValue, "there is no such pricing tier"))?;
    if tier.product_id != read.product_id {
        return Err(at(Code::TierOfOtherProduct, "this tier belongs to another product"));
    }
    Ok(read.change(id, request.max_users.unwrap_or(tier.max_users), tier.max_tenants)?)
}

/// A courtesy to the operator, who may free seats first. What guards the limit is that a seat above it no longer
/// counts, whatever is written here.
async fn enough_seats(table: &Table, read: &License, max_users: Option<u32>) -> Result<(), Problem> {
    let Some(wanted) = max_users else { return Ok(()) };
    if read.max_users.is_some_and(|seats| seats <= wanted) {
        return Ok(());
    }
    let used = table.seats_used(read).await?;
    if used <= wanted as usize {
        return Ok(());
    }
    Err(StateConflict(format!("{used} seats are held: free some before the limit becomes {wanted}")).into())
}
