//! Claims a license key of a claimable tier. A customer can claim each tier once; while the claimed license key is
//! active, a repeated claim returns it.

use axum::{
    extract::{FromRef, State},
    response::{IntoResponse, Response as HttpResponse},
};
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    AppState,
    auth::{AuthenticatedUser, User},
    domain::{
        Actor, ActorKind, Catalog, Customer, CustomerId, EventType, IdGenerator, KeyString, License, LicenseId,
        Product, State as LicenseState, Status, Tier, TierId,
    },
    http::{
        Code, Created, Metric, Problem, RequestContext, StrictJson, WithEtag,
        resources::{IssuedResource, LicenseResource},
    },
    store::{
        Backoff,
        license_writes::{IssueOutcome, NewLicense, SupersededLicense},
        licenses::LicenseFilter,
        pagination::{ListError, PageRequest},
    },
    tokens::{KeyStrings, RefreshOutcome},
};
use utoipa::ToSchema;

/// Request to claim a license key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ClaimRequest)]
pub struct Request {
    /// The pricing tier, which must be claimable.
    pub tier_id: TierId,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: TierNotClaimable AlreadyClaimed CustomerNotRegistered AlreadyLicensed;
}

/// Claims a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/user/claim-license",
    tag = "users",
    summary = "Claim a license key",
    description = "Issues a license key of a claimable tier to the signed-in customer, once per tier. The customer must not have an \
        active or suspended license key for the product; an expired one is superseded.",
    request_body = Request,
    responses(
        (status = 200, description = "The license key that the customer claimed before, if it is active", body = IssuedResource, headers(("ETag" = String))),
        (status = 201, description = "The license key, its key string and a token", body = IssuedResource, headers(("Location" = String), ("ETag" = String))),
        Errors,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    AuthenticatedUser(user): AuthenticatedUser,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<HttpResponse, Problem> {
    let StrictJson(request) = body?;
    let (is_new, body) = claim(&app, &user, request.tier_id, &ctx).await?;
    Ok(if is_new { Created { location: body.path(), body }.into_response() } else { WithEtag(body).into_response() })
}

/// Claims a license key. Returns whether it is new, and the license key. Concurrent claims return the same license key.
///
/// # Errors
///
/// `customer_not_registered`, `tier_not_claimable`, `already_claimed` or `already_licensed`.
pub async fn claim(
    app: &AppState,
    user: &User,
    tier_id: TierId,
    ctx: &RequestContext,
) -> Result<(bool, IssuedResource), Problem> {
    let customer = app.table.customer_by_subject(&user.key()).await?.map(|found| found.customer);
    let customer = customer.ok_or_else(|| {
        Problem::new(Code::CustomerNotRegistered, "the user is not registered as a customer: send POST /register first")
    })?;
    let catalog = app.table.catalog().await?.catalog;
    let mut backoff = Backoff::default();
    loop {
        if let Some(found) = try_claim(app, &customer, user, (&catalog, tier_id), ctx).await? {
            return Ok(found);
        }
        backoff.retry().await?;
    }
}

/// Makes one attempt to claim a license key. Returns `None` if the attempt must be repeated because of a concurrent
/// change.
async fn try_claim(
    app: &AppState,
    customer: &Customer,
    user: &User,
    (catalog, tier_id): (&Catalog, TierId),
    ctx: &RequestContext,
) -> Result<Option<(bool, IssuedResource)>, Problem> {
    if let Some(license) = app.table.claimed_license(customer.id, tier_id).await? {
        return Ok(claimed_before(app, catalog, license, ctx).await?.map(|issued| (false, issued)));
    }
    let (product, tier) = find_claimable(catalog, tier_id)?;
    match (ClaimAttempt { app, customer, user, product_and_tier: (catalog, product, tier), ctx }).issue().await {
        Ok(Some(issued)) => {
            ctx.metrics.count(Metric::Issued);
            Ok(Some((true, issued)))
        }
        Ok(None) => Ok(None),
        // The conflicting license key may come from a concurrent claim of the same tier: the next attempt returns it.
        Err(problem) if problem.code == Code::AlreadyLicensed => {
            let claimed = app.table.claimed_license(customer.id, tier_id).await?;
            claimed.map_or(Err(problem), |_| Ok(None))
        }
        Err(problem) => Err(problem),
    }
}

fn find_claimable(catalog: &Catalog, id: TierId) -> Result<(&Product, &Tier), Problem> {
    let tier = catalog.tiers.get(&id).filter(|tier| tier.is_claimable && tier.is_active);
    let found = tier.and_then(|tier| Some((catalog.products.get(&tier.product_id)?, tier)));
    found
        .filter(|(product, _)| product.is_active)
        .ok_or_else(|| Problem::new(Code::TierNotClaimable, "this pricing tier cannot be claimed"))
}

/// Returns the license key that was claimed before, if it is active. A tier can be claimed only once, so a suspended or
/// ended license key is an error. Returns `None` if the key was regenerated concurrently and must be read again.
async fn claimed_before(
    app: &AppState,
    catalog: &Catalog,
    id: LicenseId,
    ctx: &RequestContext,
) -> Result<Option<IssuedResource>, Problem> {
    let already = || Problem::new(Code::AlreadyClaimed, "this pricing tier was already claimed");
    let license = app.table.license(id).await?.ok_or_else(already)?;
    let (product, tier) = catalog.product_and_tier(&license).ok_or_else(already)?;
    if license.refusal(product.is_active, license.generation, ctx.now).is_some() {
        return Err(already());
    }
    let sealed = app.table.sealed(id).await?.ok_or_else(already)?;
    let key_strings = KeyStrings::from_ref(app);
    let (key, stored_token) = key_strings.open(id, &sealed).await?;
    let refreshed = key_strings.refresh(&license, (catalog, product, tier), (&sealed, stored_token), ctx.now).await?;
    if !matches!(refreshed, RefreshOutcome::Unchanged(..)) {
        ctx.metrics.count(Metric::Signatures);
    }
    let token = match refreshed {
        RefreshOutcome::Unchanged(token, claims) | RefreshOutcome::Signed(token, claims) => Some((token, claims)),
        RefreshOutcome::Regenerated => None,
    };
    let resource = LicenseResource::new(&license, None, ctx.now);
    Ok(token.map(|(token, claims)| IssuedResource::new(key.expose(), resource, &token, &claims)))
}

struct ClaimAttempt<'a> {
    app: &'a AppState,
    customer: &'a Customer,
    user: &'a User,
    product_and_tier: (&'a Catalog, &'a Product, &'a Tier),
    ctx: &'a RequestContext,
}

impl ClaimAttempt<'_> {
    /// Issues the license key. Returns `None` if the customer's license keys were changed concurrently.
    async fn issue(&self) -> Result<Option<IssuedResource>, Problem> {
        let (_, product, tier) = self.product_and_tier;
        let (app, ctx) = (self.app, self.ctx);
        let current = app.table.current_license(self.customer.id, product.id).await?;
        let expired = self.find_superseded(current).await?;
        if has_other_license(app, self.customer.id, product, ctx.now).await? {
            return Err(already_licensed());
        }
        let mut ids = IdGenerator::new(ctx.now);
        let key = KeyString::generate(&product.code, &mut rand::rng());
        let license = License::issued(ids.generate(), self.customer.id, tier, key.hint(), ctx.now);
        let new_key = KeyStrings::from_ref(app).issue(&license, self.product_and_tier, key, &mut ids, ctx.now).await?;
        ctx.metrics.count(Metric::Signatures);
        let actor = Actor { kind: ActorKind::User, id: self.user.subject.clone() };
        let data = serde_json::json!({ "tier": tier.code, "customer_id": license.customer_id, "claimed": true });
        let event = ctx.event(&mut ids, EventType::Issued, license.id, &actor, data);
        let superseded = expired.map(|(old, end)| {
            let data = serde_json::json!({ "superseded_by": license.id });
            (old, end, ctx.event(&mut ids, EventType::Superseded, old, &actor, data))
        });
        let resource = LicenseResource::new(&license, None, ctx.now);
        let response = IssuedResource::new(new_key.key.expose(), resource, &new_key.token, &new_key.claims);
        let issue = NewLicense {
            license: &license,
            key: &new_key.key,
            sealed: new_key.sealed,
            event: &event,
            current,
            supersedes: superseded.as_ref().map(|(old, end, event)| SupersededLicense {
                license: *old,
                event,
                only_if_expired_at: Some(*end),
            }),
            claims_tier: true,
            completion: ctx.idempotency.created(response.path(), &response).await?,
        };
        Ok((app.table.issue(&issue).await? == IssueOutcome::Done).then_some(response))
    }

    /// Returns the expired license key to supersede and its expiry. An active or suspended license key is an error.
    async fn find_superseded(&self, current: Option<LicenseId>) -> Result<Option<(LicenseId, Timestamp)>, Problem> {
        let Some(id) = current else { return Ok(None) };
        let Some(old) = self.app.table.license(id).await? else { return Ok(None) };
        match (&old.state, old.expires_at.filter(|end| *end <= self.ctx.now)) {
            (LicenseState::Active, Some(end)) => Ok(self.product_and_tier.1.one_key_per_customer.then_some((id, end))),
            (LicenseState::Active, None) | (LicenseState::Suspended, _) => Err(already_licensed()),
            (LicenseState::Superseded { .. } | LicenseState::Revoked { .. }, _) => Ok(None),
        }
    }
}

fn already_licensed() -> Problem {
    Problem::new(Code::AlreadyLicensed, "the customer already has a license key for this product")
}

/// Returns whether the customer has an active or suspended license key for the product besides the current one, which
/// is possible if the product allows several.
async fn has_other_license(
    app: &AppState,
    customer: CustomerId,
    product: &Product,
    now: Timestamp,
) -> Result<bool, Problem> {
    for status in [Status::Active, Status::Suspended] {
        if has_license_with_status(app, customer, product, status, now).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn has_license_with_status(
    app: &AppState,
    customer: CustomerId,
    product: &Product,
    status: Status,
    now: Timestamp,
) -> Result<bool, ListError> {
    let filter = LicenseFilter {
        customer_id: Some(customer),
        product_id: Some(product.id),
        status: Some(status),
        ..LicenseFilter::default()
    };
    let mut paging = PageRequest { limit: 1, cursor: None, key: app.secrets.cached().cursor_key() };
    loop {
        let page = app.table.licenses(&filter, now, &paging).await?;
        if !page.items.is_empty() {
            return Ok(true);
        }
        if page.next.is_none() {
            return Ok(false);
        }
        paging.cursor = page.next;
    }
}
