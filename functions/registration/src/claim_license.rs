//! A customer takes a license key of a tier that may be claimed. Once: while it is active, again gives the same key.

use axum::{
    extract::State,
    response::{IntoResponse, Response as HttpResponse},
};
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    AppState,
    auth::{AuthenticatedUser, User},
    domain::{
        Actor, ActorKind, Catalog, Code, Customer, CustomerId, EventType, IdGenerator, KeyString, License, LicenseId,
        Product, State as LicenseState, Status, Tier, TierId,
    },
    http::{
        Created, Metric, Problem, RequestContext, StrictJson, WithEtag,
        resources::{IssuedResource, LicenseResource},
        responses::{Authenticated, Authorized, JsonBody, ServerErrors},
    },
    key_issuance::{make_key, open_key, token_again},
    store::{
        Backoff,
        license_writes::{Issue, IssueOutcome, Superseding},
        licenses::LicenseFilter,
        pagination::{ListError, PageRequest},
    },
};
use utoipa::ToSchema;

/// Which tier.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ClaimRequest)]
pub struct Request {
    /// `tier_…`, one that may be claimed.
    pub tier_id: TierId,
}

shared::problems! {
    /// Errors specific to this endpoint.
    Errors: TierNotClaimable AlreadyClaimed CustomerNotRegistered AlreadyLicensed;
}

/// Claims a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/user/claim-license",
    tag = "users",
    summary = "Claim a license key of a tier that may be claimed",
    description = "A claim takes the place of an expired key and of no other.",
    request_body = Request,
    responses(
        (status = 200, description = "The key that was claimed before, while it is active", body = IssuedResource, headers(("ETag" = String))),
        (status = 201, description = "The license key, its key string and a token", body = IssuedResource, headers(("Location" = String), ("ETag" = String))),
        Errors,
        Authenticated,
        Authorized,
        JsonBody,
        ServerErrors,
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

/// The key of a claim, and whether it is new. Two claims at once give one key.
pub async fn claim(
    app: &AppState,
    user: &User,
    tier_id: TierId,
    ctx: &RequestContext,
) -> Result<(bool, IssuedResource), Problem> {
    let customer = app.table.customer_by_subject(&user.key()).await?.map(|found| found.customer);
    let customer =
        customer.ok_or_else(|| Problem::new(Code::CustomerNotRegistered, "register first: POST /register"))?;
    let catalog = app.table.catalog().await?.catalog;
    let mut backoff = Backoff::default();
    loop {
        if let Some(found) = claim_as_read(app, &customer, user, (&catalog, tier_id), ctx).await? {
            return Ok(found);
        }
        backoff.retry().await?;
    }
}

/// None where something moved meanwhile: look again.
async fn claim_as_read(
    app: &AppState,
    customer: &Customer,
    user: &User,
    (catalog, tier_id): (&Catalog, TierId),
    ctx: &RequestContext,
) -> Result<Option<(bool, IssuedResource)>, Problem> {
    if let Some(license) = app.table.claimed_license(customer.id, tier_id).await? {
        return Ok(again(app, catalog, license, ctx).await?.map(|issued| (false, issued)));
    }
    let (product, tier) = claimable(catalog, tier_id)?;
    match (Claim { app, customer, user, sold: (catalog, product, tier), ctx }).issue().await {
        Ok(Some(issued)) => {
            ctx.metrics.count(Metric::Issued);
            Ok(Some((true, issued)))
        }
        Ok(None) => Ok(None),
        // What stands in the way may be what another claim of this tier has just made: then that is the answer.
        Err(problem) if problem.code == Code::AlreadyLicensed => {
            let made = app.table.claimed_license(customer.id, tier_id).await?;
            made.map_or(Err(problem), |_| Ok(None))
        }
        Err(problem) => Err(problem),
    }
}

fn claimable(catalog: &Catalog, id: TierId) -> Result<(&Product, &Tier), Problem> {
    let tier = catalog.tiers.get(&id).filter(|tier| tier.is_claimable && tier.is_active);
    let sold = tier.and_then(|tier| Some((catalog.products.get(&tier.product_id)?, tier)));
    sold.filter(|(product, _)| product.is_active)
        .ok_or_else(|| Problem::new(Code::TierNotClaimable, "this tier is not one that may be claimed"))
}

/// The key that was claimed before, while it is active. A claim is for once: neither a key that ended nor one that is
/// suspended makes room for another. None where it got another key string meanwhile: look again.
async fn again(
    app: &AppState,
    catalog: &Catalog,
    id: LicenseId,
    ctx: &RequestContext,
) -> Result<Option<IssuedResource>, Problem> {
    let already = || Problem::new(Code::AlreadyClaimed, "this tier was claimed before");
    let license = app.table.license(id).await?.ok_or_else(already)?;
    let (product, tier) = catalog.product_and_tier(&license).ok_or_else(already)?;
    if license.refusal(product.is_active, license.generation, ctx.now).is_some() {
        return Err(already());
    }
    let sealed = app.table.sealed(id).await?.ok_or_else(already)?;
    let (key, kept) = open_key(app, id, &sealed).await?;
    let token = token_again(app, &license, (catalog, product, tier), (&sealed, kept), ctx).await?;
    let shown = LicenseResource::new(&license, None, ctx.now);
    Ok(token.map(|(token, claims)| IssuedResource::new(key.expose(), shown, &token, &claims)))
}

struct Claim<'a> {
    app: &'a AppState,
    customer: &'a Customer,
    user: &'a User,
    sold: (&'a Catalog, &'a Product, &'a Tier),
    ctx: &'a RequestContext,
}

impl Claim<'_> {
    /// None where the customer's keys moved meanwhile: look again.
    async fn issue(&self) -> Result<Option<IssuedResource>, Problem> {
        let (_, product, tier) = self.sold;
        let (app, ctx) = (self.app, self.ctx);
        let current = app.table.current_license(self.customer.id, product.id).await?;
        let expired = self.to_supersede(current).await?;
        if holds_another(app, self.customer.id, product, ctx.now).await? {
            return Err(already_licensed());
        }
        let mut ids = IdGenerator::new(ctx.now);
        let key = KeyString::generate(&product.code, &mut rand::rng());
        let license = License::issued(ids.make(), self.customer.id, tier, key.hint(), ctx.now);
        let made = make_key(app, &license, self.sold, key, &mut ids, ctx).await?;
        let actor = Actor { kind: ActorKind::User, id: self.user.subject.clone() };
        let data = serde_json::json!({ "tier": tier.code, "customer_id": license.customer_id, "claimed": true });
        let event = ctx.event(&mut ids, EventType::Issued, license.id, &actor, data);
        let superseded = expired.map(|(old, end)| {
            let data = serde_json::json!({ "superseded_by": license.id });
            (old, end, ctx.event(&mut ids, EventType::Superseded, old, &actor, data))
        });
        let shown = LicenseResource::new(&license, None, ctx.now);
        let answer = IssuedResource::new(made.key.expose(), shown, &made.token, &made.claims);
        let issue = Issue {
            license: &license,
            key: &made.key,
            sealed: made.sealed,
            event: &event,
            current,
            supersedes: superseded.as_ref().map(|(old, end, event)| Superseding {
                license: *old,
                event,
                only_if_expired_at: Some(*end),
            }),
            claims_tier: true,
            done: ctx.idempotency.created(answer.path(), &answer).await?,
        };
        Ok((app.table.issue(&issue).await? == IssueOutcome::Done).then_some(answer))
    }

    /// The expired key that the claim replaces, and when it ended. One that is active or suspended stands in its way.
    async fn to_supersede(&self, current: Option<LicenseId>) -> Result<Option<(LicenseId, Timestamp)>, Problem> {
        let Some(id) = current else { return Ok(None) };
        let Some(old) = self.app.table.license(id).await? else { return Ok(None) };
        match (&old.state, old.expires_at.filter(|end| *end <= self.ctx.now)) {
            (LicenseState::Active, Some(end)) => Ok(self.sold.1.one_key_per_customer.then_some((id, end))),
            (LicenseState::Active, None) | (LicenseState::Suspended, _) => Err(already_licensed()),
            (LicenseState::Superseded { .. } | LicenseState::Revoked { .. }, _) => Ok(None),
        }
    }
}

fn already_licensed() -> Problem {
    Problem::new(Code::AlreadyLicensed, "another license key of this product is held")
}

/// Whether the customer has an active or suspended key of the product besides the current one, as there may be where
/// a product allows several.
async fn holds_another(
    app: &AppState,
    customer: CustomerId,
    product: &Product,
    now: Timestamp,
) -> Result<bool, Problem> {
    for status in [Status::Active, Status::Suspended] {
        if any(app, customer, product, status, now).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn any(
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
    let mut paging = PageRequest { limit: 1, cursor: None, key: app.cursor_key() };
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
