//! A customer takes a license key of a tier that may be claimed. Once: while it is active, again gives the same key.

use axum::{
    extract::State,
    response::{IntoResponse, Response as HttpResponse},
};
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    Services,
    auth::{SignedIn, User},
    domain::{
        Actor, ActorKind, Catalog, Code, Customer, CustomerId, EventType, Ids, KeyString, License, LicenseId, Product,
        State as LicenseState, Status, Tier, TierId,
    },
    http::{
        Body, Call, Created, Metric, Problem, Tagged,
        documented::{Always, Known, Scoped, WithBody},
        resources::{IssuedResource, LicenseResource},
    },
    keymaking::{make_key, open_key, token_again},
    store::{
        Race,
        license_writes::{Issue, Issued, Superseding},
        licenses::LicenseFilter,
        listing::{ListError, Paging},
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
    /// What this alone refuses.
    Refused: TierNotClaimable AlreadyClaimed CustomerNotRegistered AlreadyLicensed;
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
        Refused,
        Known,
        Scoped,
        WithBody,
        Always,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    SignedIn(user): SignedIn,
    call: Call,
    body: Result<Body<Request>, Problem>,
) -> Result<HttpResponse, Problem> {
    let Body(request) = body?;
    let (is_new, body) = claim(&services, &user, request.tier_id, &call).await?;
    Ok(if is_new { Created { location: body.path(), body }.into_response() } else { Tagged(body).into_response() })
}

/// The key of a claim, and whether it is new. Two claims at once give one key.
pub async fn claim(
    services: &Services,
    user: &User,
    tier_id: TierId,
    call: &Call,
) -> Result<(bool, IssuedResource), Problem> {
    let customer = services.table.customer_by_subject(&user.key()).await?.map(|found| found.customer);
    let customer =
        customer.ok_or_else(|| Problem::new(Code::CustomerNotRegistered, "register first: POST /register"))?;
    let catalog = services.table.catalog().await?.catalog;
    let mut race = Race::default();
    loop {
        if let Some(found) = claim_as_read(services, &customer, user, (&catalog, tier_id), call).await? {
            return Ok(found);
        }
        race.lost().await?;
    }
}

/// None where something moved meanwhile: look again.
async fn claim_as_read(
    services: &Services,
    customer: &Customer,
    user: &User,
    (catalog, tier_id): (&Catalog, TierId),
    call: &Call,
) -> Result<Option<(bool, IssuedResource)>, Problem> {
    if let Some(license) = services.table.claimed_license(customer.id, tier_id).await? {
        return Ok(again(services, catalog, license, call).await?.map(|issued| (false, issued)));
    }
    let (product, tier) = claimable(catalog, tier_id)?;
    match (Claim { services, customer, user, sold: (catalog, product, tier), call }).issue().await {
        Ok(Some(issued)) => {
            call.noted.count(Metric::Issued);
            Ok(Some((true, issued)))
        }
        Ok(None) => Ok(None),
        // What stands in the way may be what another claim of this tier has just made: then that is the answer.
        Err(problem) if problem.code == Code::AlreadyLicensed => {
            let made = services.table.claimed_license(customer.id, tier_id).await?;
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
    services: &Services,
    catalog: &Catalog,
    id: LicenseId,
    call: &Call,
) -> Result<Option<IssuedResource>, Problem> {
    let already = || Problem::new(Code::AlreadyClaimed, "this tier was claimed before");
    let license = services.table.license(id).await?.ok_or_else(already)?;
    let (product, tier) = catalog.sold(&license).ok_or_else(already)?;
    if license.refusal(product.is_active, license.generation, call.now).is_some() {
        return Err(already());
    }
    let sealed = services.table.sealed(id).await?.ok_or_else(already)?;
    let (key, kept) = open_key(services, id, &sealed).await?;
    let token = token_again(services, &license, (catalog, product, tier), (&sealed, kept), call).await?;
    let shown = LicenseResource::new(&license, None, call.now);
    Ok(token.map(|(token, claims)| IssuedResource::new(key.expose(), shown, &token, &claims)))
}

struct Claim<'a> {
    services: &'a Services,
    customer: &'a Customer,
    user: &'a User,
    sold: (&'a Catalog, &'a Product, &'a Tier),
    call: &'a Call,
}

impl Claim<'_> {
    /// None where the customer's keys moved meanwhile: look again.
    async fn issue(&self) -> Result<Option<IssuedResource>, Problem> {
        let (_, product, tier) = self.sold;
        let (services, call) = (self.services, self.call);
        let current = services.table.current_license(self.customer.id, product.id).await?;
        let expired = self.to_supersede(current).await?;
        if holds_another(services, self.customer.id, product, call.now).await? {
            return Err(already_licensed());
        }
        let mut ids = Ids::new(call.now);
        let key = KeyString::draw(&product.code, &mut rand::rng());
        let license = License::issued(ids.make(), self.customer.id, tier, key.hint(), call.now);
        let made = make_key(services, &license, self.sold, key, &mut ids, call).await?;
        let actor = Actor { kind: ActorKind::User, id: self.user.subject.clone() };
        let data = serde_json::json!({ "tier": tier.code, "customer_id": license.customer_id, "claimed": true });
        let event = call.event(&mut ids, EventType::Issued, license.id, &actor, data);
        let superseded = expired.map(|(old, end)| {
            let data = serde_json::json!({ "superseded_by": license.id });
            (old, end, call.event(&mut ids, EventType::Superseded, old, &actor, data))
        });
        let shown = LicenseResource::new(&license, None, call.now);
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
            done: call.once.created(answer.path(), &answer).await?,
        };
        Ok((services.table.issue(&issue).await? == Issued::Done).then_some(answer))
    }

    /// The expired key that the claim replaces, and when it ended. One that is active or suspended stands in its way.
    async fn to_supersede(&self, current: Option<LicenseId>) -> Result<Option<(LicenseId, Timestamp)>, Problem> {
        let Some(id) = current else { return Ok(None) };
        let Some(old) = self.services.table.license(id).await? else { return Ok(None) };
        match (&old.state, old.expires_at.filter(|end| *end <= self.call.now)) {
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
    services: &Services,
    customer: CustomerId,
    product: &Product,
    now: Timestamp,
) -> Result<bool, Problem> {
    for status in [Status::Active, Status::Suspended] {
        if any(services, customer, product, status, now).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn any(
    services: &Services,
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
    let mut paging = Paging { limit: 1, cursor: None, key: services.cursor_key() };
    loop {
        let page = services.table.licenses(&filter, now, &paging).await?;
        if !page.items.is_empty() {
            return Ok(true);
        }
        if page.next.is_none() {
            return Ok(false);
        }
        paging.cursor = page.next;
    }
}
