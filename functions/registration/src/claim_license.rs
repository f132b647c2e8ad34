//! Claims a license key of a claimable tier. A customer can claim each tier once; while the claimed license key is
//! active, a repeated claim returns it.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::{AuthenticatedUser, User},
    domain::{
        Actor, ActorKind, Catalog, Customer, EventData, IdGenerator, KeyString, License, LicenseId, Product, Status,
        Subject, Tier, TierId,
        event::payload::{LicenseIssued, LicenseSuperseded},
    },
    http::{
        Code, CompletionError, Metric, Problem, Replay, RequestContext, StoredResponse, StrictJson,
        resources::IssuedResource,
    },
    store::{
        Backoff, StoreError, Table,
        license_writes::{IssueOutcome, NewCurrent, NewLicense, SupersededLicense},
        licenses::LicenseFilter,
    },
    tokens::{IssuedLicense, KeyStringError, KeyStrings, RefreshOutcome},
};
use utoipa::ToSchema;

/// Why a license key was not claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The user is not a customer.
    #[error("the user is not registered as a customer: send POST /register first")]
    NotRegistered,
    /// The tier does not exist or is not claimable.
    #[error("this pricing tier cannot be claimed")]
    TierNotClaimable,
    /// The customer claimed the tier before, and the license key is no longer active.
    #[error("this pricing tier was already claimed")]
    AlreadyClaimed,
    /// The customer has an active or suspended license key for the product.
    #[error("the customer already has a license key for this product")]
    AlreadyLicensed,
    /// The key string could not be signed, sealed or opened.
    #[error(transparent)]
    KeyString(#[from] KeyStringError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
}

impl From<ClaimError> for Problem {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::NotRegistered => Self::new(Code::CustomerNotRegistered, error.to_string()),
            ClaimError::TierNotClaimable => Self::new(Code::TierNotClaimable, error.to_string()),
            ClaimError::AlreadyClaimed => Self::new(Code::AlreadyClaimed, error.to_string()),
            ClaimError::AlreadyLicensed => Self::new(Code::AlreadyLicensed, error.to_string()),
            ClaimError::KeyString(error) => error.into(),
            ClaimError::Store(error) => error.into(),
            ClaimError::Completion(error) => error.into(),
        }
    }
}

/// Request to claim a license key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ClaimRequest)]
pub struct Request {
    /// The pricing tier, which must be claimable.
    pub tier_id: TierId,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: TierNotClaimable AlreadyClaimed CustomerNotRegistered AlreadyLicensed KeyNotStored;
}

/// Claims a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/user/claim-license",
    operation_id = "claim_license",
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
    State(table): State<Table>,
    State(key_strings): State<KeyStrings>,
    AuthenticatedUser(user): AuthenticatedUser,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    let StrictJson(request) = body?;
    let replay = ctx.idempotency.replay(|Claim { issued, is_new }| {
        let body = IssuedResource::new(issued, ctx.now);
        if *is_new { StoredResponse::created(body.path(), &body) } else { StoredResponse::ok(&body) }
    });
    // Boxed, because the future is large.
    let claimed = Box::pin(claim(&table, &key_strings, &user, request.tier_id, &ctx, &replay)).await?;
    replay.response(&claimed)
}

/// A claimed license key.
#[derive(Debug)]
pub struct Claim {
    /// The license key.
    pub issued: IssuedLicense,
    /// Whether it is new. If false, the customer claimed it before.
    pub is_new: bool,
}

/// Claims a license key. Concurrent claims return the same license key.
pub async fn claim(
    table: &Table,
    key_strings: &KeyStrings,
    user: &User,
    tier_id: TierId,
    ctx: &RequestContext,
    replay: &Replay<'_, Claim>,
) -> Result<Claim, ClaimError> {
    let found = table.customer_by_subject(&user.key()).await?.ok_or(ClaimError::NotRegistered)?;
    let catalog = table.catalog().await?.catalog;
    let attempt = Attempt { table, key_strings, catalog, customer: found.customer, user, ctx, replay };
    let mut backoff = Backoff::default();
    loop {
        if let Some(claim) = attempt.run(tier_id).await? {
            return Ok(claim);
        }
        backoff.retry().await?;
    }
}

/// What each attempt to claim a license key uses.
struct Attempt<'a> {
    table: &'a Table,
    key_strings: &'a KeyStrings,
    catalog: Catalog,
    customer: Customer,
    user: &'a User,
    ctx: &'a RequestContext,
    replay: &'a Replay<'a, Claim>,
}

impl Attempt<'_> {
    /// Makes one attempt. Returns `None` if it must be repeated because of a concurrent change.
    async fn run(&self, tier_id: TierId) -> Result<Option<Claim>, ClaimError> {
        if let Some(license) = self.table.claimed_license(self.customer.id, tier_id).await? {
            return self.claimed_before(license).await;
        }
        let (product, tier) = find_claimable(&self.catalog, tier_id)?;
        match self.issue(product, tier).await {
            // The conflicting license key may come from a concurrent claim of the same tier: the next attempt returns
            // it.
            Err(ClaimError::AlreadyLicensed) => match self.table.claimed_license(self.customer.id, tier_id).await? {
                Some(_) => Ok(None),
                None => Err(ClaimError::AlreadyLicensed),
            },
            issued => issued,
        }
    }

    /// Returns the license key that was claimed before, if it is active. A tier can be claimed only once, so a suspended
    /// or ended license key is an error. Returns `None` if the key was regenerated concurrently and must be read again.
    async fn claimed_before(&self, id: LicenseId) -> Result<Option<Claim>, ClaimError> {
        let license = self.table.license(id).await?.ok_or(ClaimError::AlreadyClaimed)?;
        let (product, tier) = self.catalog.product_and_tier(&license).ok_or(ClaimError::AlreadyClaimed)?;
        if license.refusal(product.is_active, license.generation, self.ctx.now).is_some() {
            return Err(ClaimError::AlreadyClaimed);
        }
        let sealed = self.table.sealed(id).await?;
        if sealed.is_none() && self.table.is_key_imported_as_hash(id).await? {
            return Err(KeyStringError::NotStored.into());
        }
        let sealed = sealed.ok_or(ClaimError::AlreadyClaimed)?;
        let (key, stored) = self.key_strings.open(id, &sealed).await.map_err(KeyStringError::from)?;
        let product_and_tier = (&self.catalog, product, tier);
        let refreshed = self.key_strings.refresh(&license, product_and_tier, (&sealed, stored), self.ctx.now).await?;
        if !matches!(refreshed, RefreshOutcome::Unchanged(..)) {
            self.ctx.metrics.count(Metric::Signatures);
        }
        Ok(match refreshed {
            RefreshOutcome::Unchanged(token, claims) | RefreshOutcome::Signed(token, claims) => {
                Some(Claim { issued: IssuedLicense { license, key, token, claims, superseded: None }, is_new: false })
            }
            RefreshOutcome::Regenerated => None,
        })
    }

    /// Issues the license key. Returns `None` if the customer's license keys were changed concurrently.
    async fn issue(&self, product: &Product, tier: &Tier) -> Result<Option<Claim>, ClaimError> {
        let ctx = self.ctx;
        let current = self.table.current_license(self.customer.id, product.id).await?;
        let expired = self.find_superseded(current, product).await?;
        if self.has_other_license(product).await? {
            return Err(ClaimError::AlreadyLicensed);
        }
        let mut ids = IdGenerator::new(ctx.now);
        let key = KeyString::generate(&product.code, &mut rand::rng());
        let license = License::issued(ids.generate(), Some(self.customer.id), tier, key.hint(), ctx.now);
        let product_and_tier = (&self.catalog, product, tier);
        let new_key = self.key_strings.issue(&license, product_and_tier, key, &mut ids, ctx.now).await?;
        ctx.metrics.count(Metric::Signatures);
        let actor = Actor { kind: ActorKind::User, id: self.user.subject.clone() };
        let data = LicenseIssued { claimed: Some(true), ..LicenseIssued::new(&tier.code, license.customer_id) };
        let event = ctx.event(&mut ids, &actor, Subject::License(license.id), EventData::LicenseIssued(data));
        let issued = IssuedLicense { superseded: expired.clone(), ..IssuedLicense::new(license, &new_key) };
        let license = &issued.license;
        let superseded = expired.map(|old| {
            let data = EventData::LicenseSuperseded(LicenseSuperseded { superseded_by: license.id });
            let event = ctx.event(&mut ids, &actor, Subject::License(old.id), data);
            (old, event)
        });
        let claim = Claim { issued, is_new: true };
        let new = NewLicense {
            license: &claim.issued.license,
            key: &new_key.key,
            sealed: new_key.sealed,
            event: &event,
            current: Some(NewCurrent {
                read: current,
                supersedes: superseded.as_ref().map(|(old, event)| SupersededLicense {
                    license: old.id,
                    event,
                    only_if_expired: Some(old),
                }),
            }),
            claims_tier: true,
            completion: self.replay.completion(&claim).await?,
        };
        match self.table.issue(&new).await? {
            IssueOutcome::Done => {}
            IssueOutcome::CustomerErased => return Err(ClaimError::NotRegistered),
            IssueOutcome::Conflict | IssueOutcome::ExternalIdTaken => return Ok(None),
        }
        ctx.metrics.count(Metric::Issued);
        Ok(Some(claim))
    }

    /// Returns the expired license key to supersede. An active or suspended license key is an error.
    async fn find_superseded(
        &self,
        current: Option<LicenseId>,
        product: &Product,
    ) -> Result<Option<License>, ClaimError> {
        let Some(id) = current else { return Ok(None) };
        let Some(old) = self.table.license(id).await? else { return Ok(None) };
        match old.status(self.ctx.now) {
            Status::Expired => Ok(product.one_key_per_customer.then_some(old)),
            Status::Active | Status::Suspended => Err(ClaimError::AlreadyLicensed),
            Status::Superseded | Status::Revoked => Ok(None),
        }
    }

    /// Returns whether the customer has an active or suspended license key for the product besides the current one,
    /// which is possible if the product allows several.
    async fn has_other_license(&self, product: &Product) -> Result<bool, StoreError> {
        let of_product = LicenseFilter { product_id: Some(product.id), ..LicenseFilter::default() };
        let licenses = self.table.licenses_of(self.customer.id, of_product, self.ctx.now).await?;
        let is_usable = |license: &License| matches!(license.status(self.ctx.now), Status::Active | Status::Suspended);
        Ok(licenses.iter().any(is_usable))
    }
}

fn find_claimable(catalog: &Catalog, id: TierId) -> Result<(&Product, &Tier), ClaimError> {
    let tier = catalog.tiers.get(&id).filter(|tier| tier.is_claimable && tier.is_active);
    let found = tier.and_then(|tier| Some((catalog.products.get(&tier.product_id)?, tier)));
    found.filter(|(product, _)| product.is_active).ok_or(ClaimError::TierNotClaimable)
}
