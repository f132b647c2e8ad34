//! Issues a license key. Only this response shows the key string and the token to the operator.

use axum::extract::{FromRef, State};
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{
        Actor, CustomerId, EventType, FieldError, FieldErrorCode, IdGenerator, KeyString, License, LicenseId, Product,
        Scope, State as LicenseState, Tier, TierId, ValidationErrors, catalog::check_seats,
    },
    http::{
        Created, Metric, Problem, RequestContext, StrictJson,
        extractors::{nullable, nullable_time},
        resources::{IssuedResource, LicenseResource},
    },
    store::{
        Backoff, StoreError, Table,
        license_writes::{IssueOutcome, NewLicense, SupersededLicense},
    },
    tokens::{KeyStrings, NewKeyString},
};
use utoipa::ToSchema;

/// Request to issue a license key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = IssueRequest)]
pub struct Request {
    /// The customer that receives the license key.
    pub customer_id: CustomerId,
    /// The pricing tier of the license key.
    pub tier_id: TierId,
    /// When the license key expires; null means never. If omitted, it expires one billing period of the tier from now.
    #[serde(default, deserialize_with = "nullable_time")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-15T12:00:00Z")]
    pub expires_at: Option<Option<Timestamp>>,
    /// Number of seats; null means no limit. If omitted, the limit of the tier applies.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000, example = 5)]
    pub max_users: Option<Option<u32>>,
}

/// Issues a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys",
    tag = "license keys",
    summary = "Issue a license key",
    description = "Only this response contains the key string. If the product has `one_key_per_customer`, the customer's current \
        license key for the product is superseded.",
    request_body = Request,
    responses(
        (status = 201, description = "The license key, its key string and a token", body = IssuedResource, headers(("Location" = String), ("ETag" = String))),
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<Created<IssuedResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    let body = issue(&app, &request, &caller.actor(), &ctx).await?;
    Ok(Created { location: body.path(), body })
}

/// Issues a license key and supersedes the one that it replaces, in one transaction.
pub async fn issue(
    app: &AppState,
    request: &Request,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<IssuedResource, Problem> {
    check(request, ctx.now)?;
    let read = app.table.catalog().await?;
    let missing =
        |pointer: &str, what: &str| FieldError::at(pointer, FieldErrorCode::InvalidValue, format!("{what} not found"));
    let mut errors = ValidationErrors::default();
    if app.table.customer(request.customer_id).await?.is_none() {
        errors.0.push(missing("/customer_id", "customer"));
    }
    let Some(tier) = read.catalog.tiers.get(&request.tier_id) else {
        errors.0.push(missing("/tier_id", "pricing tier"));
        return Err(errors.into());
    };
    errors.into_result()?;
    let product = read.catalog.products.get(&tier.product_id).ok_or_else(|| missing("/tier_id", "product"))?;

    let mut ids = IdGenerator::new(ctx.now);
    let key = KeyString::generate(&product.code, &mut rand::rng());
    let defaults = License::issued(ids.generate(), request.customer_id, tier, key.hint(), ctx.now);
    let license = License {
        max_users: request.max_users.unwrap_or(defaults.max_users),
        expires_at: request.expires_at.unwrap_or(defaults.expires_at),
        ..defaults
    };
    let new_key =
        KeyStrings::from_ref(app).issue(&license, (&read.catalog, product, tier), key, &mut ids, ctx.now).await?;
    ctx.metrics.count(Metric::Signatures);
    let response = IssuedResource::new(
        new_key.key.expose(),
        LicenseResource::new(&license, None, ctx.now),
        &new_key.token,
        &new_key.claims,
    );
    write(app, product, tier, &license, &new_key, &response, &mut ids, actor, ctx).await?;
    ctx.metrics.count(Metric::Issued);
    Ok(response)
}

fn check(request: &Request, now: Timestamp) -> Result<(), ValidationErrors> {
    let mut errors = ValidationErrors::default();
    let is_in_future = request.expires_at.flatten().is_none_or(|end| end > now);
    errors.check(is_in_future, "/expires_at", "must be in the future");
    check_seats(&mut errors, request.max_users.flatten());
    errors.into_result()
}

#[expect(clippy::too_many_arguments, reason = "all arguments are part of one transaction")]
async fn write(
    app: &AppState,
    product: &Product,
    tier: &Tier,
    license: &License,
    new_key: &NewKeyString,
    response: &IssuedResource,
    ids: &mut IdGenerator,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<(), Problem> {
    let data = serde_json::json!({ "tier": tier.code, "customer_id": license.customer_id });
    let event = ctx.event(ids, EventType::Issued, license.id, actor, data);
    let completion = ctx.idempotency.created(response.path(), response).await?;
    let mut backoff = Backoff::default();
    loop {
        let current = app.table.current_license(license.customer_id, product.id).await?;
        let old = if product.one_key_per_customer { find_superseded(&app.table, current).await? } else { None };
        let superseded = old.map(|old| {
            let data = serde_json::json!({ "superseded_by": license.id });
            (old, ctx.event(ids, EventType::Superseded, old, actor, data))
        });
        let issue = NewLicense {
            license,
            key: &new_key.key,
            sealed: new_key.sealed.clone(),
            event: &event,
            current,
            supersedes: superseded.as_ref().map(|(old, event)| SupersededLicense {
                license: *old,
                event,
                only_if_expired_at: None,
            }),
            claims_tier: false,
            completion: completion.clone(),
        };
        if app.table.issue(&issue).await? == IssueOutcome::Done {
            return Ok(());
        }
        backoff.retry().await?;
    }
}

/// Returns the license key to supersede if it is active, suspended or expired. A revoked license key stays revoked.
async fn find_superseded(table: &Table, current: Option<LicenseId>) -> Result<Option<LicenseId>, StoreError> {
    let Some(id) = current else { return Ok(None) };
    let old = table.license(id).await?;
    let is_replaceable = old.is_some_and(|old| matches!(old.state, LicenseState::Active | LicenseState::Suspended));
    Ok(is_replaceable.then_some(id))
}
