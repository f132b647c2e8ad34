//! Claims a license key that belongs to no customer, such as one that a reseller sold. The user who sends its key string becomes
//! its customer.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::{AppAuthenticator, AppCredentialError, AuthenticatedUser, User},
    domain::{
        Actor, ActorKind, Customer, EventData, IdGenerator, License, NotInCatalogError, Product, Refusal, Secret,
        Subject,
        event::payload::{LicenseClaimed, LicenseSuperseded},
        license::StateConflict,
    },
    http::{
        Code, CompletionError, Problem, Replay, RequestContext, StoredResponse, StrictJson,
        resources::LicenseResource,
        responses::{ThrottlingErrors, UnusableLicenseErrors},
    },
    store::{Backoff, StoreError, Table, license_writes::UpdateLicenseOutcome},
};
use utoipa::ToSchema;

use licenses::assign::{Assignment, assign};

/// Why a license key was not claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimKeyError {
    /// The user is not a customer.
    #[error("the user is not registered as a customer: send POST /register first")]
    NotRegistered,
    /// The license key does not exist, or belongs to another customer.
    #[error("license key not found")]
    NotFound,
    /// The key string could not be read.
    #[error(transparent)]
    Credential(#[from] AppCredentialError),
    /// The license key can't be used.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A license key in this state can't be given to a customer.
    #[error(transparent)]
    State(#[from] StateConflict),
    /// The product or the tier is not in the catalog.
    #[error(transparent)]
    NotInCatalog(#[from] NotInCatalogError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
}

impl From<ClaimKeyError> for Problem {
    fn from(error: ClaimKeyError) -> Self {
        match error {
            ClaimKeyError::NotRegistered => Self::new(Code::CustomerNotRegistered, error.to_string()),
            ClaimKeyError::NotFound => Self::not_found(),
            ClaimKeyError::Credential(error) => error.into(),
            ClaimKeyError::Refused(refusal) => refusal.into(),
            ClaimKeyError::State(error) => error.into(),
            ClaimKeyError::NotInCatalog(error) => error.into(),
            ClaimKeyError::Store(error) => error.into(),
            ClaimKeyError::Completion(error) => error.into(),
        }
    }
}

/// Request to claim a license key by its key string.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ClaimKeyRequest)]
pub struct Request {
    /// The key string.
    #[schema(value_type = String, example = "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT")]
    pub license_key: Secret,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: NotFound CustomerNotRegistered;
}

/// Claims a license key by its key string.
#[utoipa::path(
    post,
    path = "/api/v1.0/user/claim-key",
    operation_id = "claim_license_key",
    tag = "users",
    summary = "Claim a license key by its key string",
    description = "Gives a license key that belongs to no customer, such as one of a batch, to the signed-in customer. If the product has \
        `one_key_per_customer`, the customer's current license key for the product is superseded. A repeat returns the same \
        license key; one of another customer is not found.",
    request_body = Request,
    responses(
        (status = 200, description = "The license key", body = LicenseResource, headers(("ETag" = String))),
        Errors,
        UnusableLicenseErrors,
        ThrottlingErrors,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(authenticator): State<AppAuthenticator>,
    AuthenticatedUser(user): AuthenticatedUser,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    let StrictJson(request) = body?;
    let replay = ctx
        .idempotency
        .replay(|license| StoredResponse::ok(&LicenseResource::new(license, None, ctx.now).without_operator_data()));
    replay.response(&claim_key(&table, &authenticator, &user, &request.license_key, &ctx, &replay).await?)
}

/// Claims a license key by its key string. Of concurrent claims by several customers, one succeeds.
pub async fn claim_key(
    table: &Table,
    authenticator: &AppAuthenticator,
    user: &User,
    key: &Secret,
    ctx: &RequestContext,
    replay: &Replay<'_, License>,
) -> Result<License, ClaimKeyError> {
    let customer = table.customer_by_subject(&user.key()).await?.ok_or(ClaimKeyError::NotRegistered)?.customer;
    let credential = authenticator.authenticate(Some(key), None, ctx).await?;
    let actor = Actor { kind: ActorKind::User, id: user.subject.clone() };
    ctx.metrics.set_actor(actor.clone());
    let catalog = table.catalog().await?.catalog;
    let mut backoff = Backoff::default();
    loop {
        let read = table.license_with_metadata(credential.license_id).await?.ok_or(ClaimKeyError::NotFound)?;
        match read.customer_id {
            Some(owner) if owner == customer.id => return Ok(read),
            Some(_) => return Err(ClaimKeyError::NotFound),
            None => {}
        }
        let (product, _) = catalog.product_and_tier(&read).ok_or(NotInCatalogError(read.id))?;
        if let Some(refusal) = read.refusal(product.is_active, credential.generation, ctx.now) {
            return Err(refusal.into());
        }
        let next = read.clone().assign(customer.id, ctx.now)?;
        let attempt = Attempt { table, read: &read, product, customer: &customer, actor: &actor, ctx };
        if attempt.write(&next, replay).await? {
            return Ok(next);
        }
        backoff.retry().await?;
    }
}

/// What an attempt to claim a license key is based on.
struct Attempt<'a> {
    table: &'a Table,
    read: &'a License,
    product: &'a Product,
    customer: &'a Customer,
    actor: &'a Actor,
    ctx: &'a RequestContext,
}

impl Attempt<'_> {
    /// Writes the license key with its customer. Returns whether it was still as it was read.
    async fn write(&self, next: &License, replay: &Replay<'_, License>) -> Result<bool, ClaimKeyError> {
        let (ctx, id, customer) = (self.ctx, self.read.id, self.customer.id);
        let mut ids = IdGenerator::new(ctx.now);
        let data = EventData::LicenseClaimed(LicenseClaimed { customer_id: customer });
        let event = ctx.event(&mut ids, self.actor, Subject::License(id), data);
        let data = EventData::LicenseSuperseded(LicenseSuperseded { superseded_by: id });
        let superseded = |old| ctx.event(&mut ids, self.actor, Subject::License(old), data);
        let completion = replay.completion(next).await?;
        let assignment = Assignment { read: self.read, next, customer, product: self.product };
        match assign(self.table, assignment, &event, superseded, completion.as_ref()).await? {
            UpdateLicenseOutcome::Done => Ok(true),
            UpdateLicenseOutcome::CustomerErased => Err(ClaimKeyError::NotRegistered),
            UpdateLicenseOutcome::Conflict | UpdateLicenseOutcome::ExternalIdTaken => Ok(false),
        }
    }
}
