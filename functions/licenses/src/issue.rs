//! Issues a license key. Only this response shows the key string and the token to the operator.

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{
        Actor, Catalog, CustomerId, Event, EventData, FieldError, FieldErrorCode, IdGenerator, KeyString, License,
        LicenseId, Metadata, Product, Scope, State as LicenseState, Subject, Tier, TierId, ValidationErrors,
        catalog::check_seats,
        event::payload::{LicenseIssued, LicenseSuperseded},
    },
    http::{
        CompletionError, Metric, Problem, Replay, RequestContext, StoredResponse, StrictJson,
        extractors::{nullable, nullable_time},
        resources::IssuedResource,
    },
    store::{
        Backoff, StoreError, Table,
        license_writes::{IssueOutcome, NewCurrent, NewLicense, SupersededLicense},
    },
    tokens::{IssuedLicense, KeyStringError, KeyStrings, NewKeyString},
};
use utoipa::ToSchema;

use crate::labels::{check_labels, external_id_taken};

/// Why a license key was not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request has invalid values.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// Another license key has the external id.
    #[error("already used by another license key")]
    ExternalIdTaken,
    /// The key string could not be signed or sealed.
    #[error(transparent)]
    KeyString(#[from] KeyStringError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Invalid(errors) => errors.into(),
            IssueError::ExternalIdTaken => external_id_taken(&error).into(),
            IssueError::KeyString(error) => error.into(),
            IssueError::Store(error) => error.into(),
            IssueError::Completion(error) => error.into(),
        }
    }
}

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
    /// Display name, of at most 200 bytes in UTF-8.
    #[schema(example = "Berlin office", min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// The id in another system, 1 to 255 printable ASCII characters; unique among license keys.
    #[schema(example = "order-4711", min_length = 1, max_length = 255, pattern = "^[ -~]{1,255}$")]
    pub external_id: Option<String>,
    /// Values that your programs store with the license key.
    #[schema(value_type = Option<Metadata>)]
    pub metadata: Option<Metadata>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: ExternalIdTaken;
}

/// Issues a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys",
    operation_id = "issue_license_key",
    tag = "licenses",
    summary = "Issue a license key",
    description = "Only this response contains the key string. If the product has `one_key_per_customer`, the customer's current \
        license key for the product is superseded.",
    request_body = Request,
    responses(
        (status = 201, description = "The license key, its key string and a token", body = IssuedResource, headers(("Location" = String), ("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(key_strings): State<KeyStrings>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    let replay = ctx.idempotency.replay(|issued| {
        let body = IssuedResource::new(issued, ctx.now);
        StoredResponse::created(body.path(), &body)
    });
    replay.response(&issue(&table, &key_strings, &request, &caller.actor(), &ctx, &replay).await?)
}

/// Issues a license key and supersedes the one that it replaces, in one transaction.
pub async fn issue(
    table: &Table,
    key_strings: &KeyStrings,
    request: &Request,
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, IssuedLicense>,
) -> Result<IssuedLicense, IssueError> {
    check(request, ctx.now)?;
    let catalog = table.catalog().await?.catalog;
    let (product, tier) = check_references(table, &catalog, request).await?;

    let mut ids = IdGenerator::new(ctx.now);
    let key = KeyString::generate(&product.code, &mut rand::rng());
    let defaults = License::issued(ids.generate(), Some(request.customer_id), tier, key.hint(), ctx.now);
    let license = License {
        name: request.name.clone(),
        external_id: request.external_id.clone(),
        metadata: Some(request.metadata.clone().unwrap_or_default()),
        ..defaults.with_terms(request.max_users, request.expires_at)
    };
    let new_key = key_strings.issue(&license, (&catalog, product, tier), key, &mut ids, ctx.now).await?;
    ctx.metrics.count(Metric::Signatures);
    let issued = IssuedLicense::new(license, &new_key);
    let id = issued.license.id;
    let data = EventData::LicenseIssued(LicenseIssued::new(&tier.code, issued.license.customer_id));
    let event = ctx.event(&mut ids, actor, Subject::License(id), data);
    let superseded = |old| {
        let data = EventData::LicenseSuperseded(LicenseSuperseded { superseded_by: id });
        ctx.event(&mut ids, actor, Subject::License(old), data)
    };
    let issued = write(table, (product, request.customer_id), (issued, &new_key), &event, superseded, replay).await?;
    ctx.metrics.count(Metric::Issued);
    Ok(issued)
}

/// What a request would issue.
#[derive(Debug)]
pub struct IssuePreview {
    /// The number of seats; `None` means no limit.
    pub max_users: Option<u32>,
    /// When the license key would expire; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// The license key that it would supersede.
    pub superseded: Option<License>,
}

/// Checks a request as [`issue`] does, and returns what it would issue now.
///
/// # Errors
///
/// Those of [`issue`] that do not depend on the write.
pub async fn preview(table: &Table, request: &Request, now: Timestamp) -> Result<IssuePreview, IssueError> {
    check(request, now)?;
    let catalog = table.catalog().await?.catalog;
    let (product, tier) = check_references(table, &catalog, request).await?;
    let id = IdGenerator::new(now).generate();
    let license =
        License::issued(id, Some(request.customer_id), tier, "", now).with_terms(request.max_users, request.expires_at);
    let current = table.current_license(request.customer_id, product.id).await?;
    let superseded = find_superseded(table, product, current).await?;
    Ok(IssuePreview { max_users: license.max_users, expires_at: license.expires_at, superseded })
}

fn check(request: &Request, now: Timestamp) -> Result<(), ValidationErrors> {
    let mut errors = ValidationErrors::default();
    let is_in_future = request.expires_at.flatten().is_none_or(|end| end > now);
    errors.check(is_in_future, "/expires_at", "must be in the future");
    check_seats(&mut errors, request.max_users.flatten());
    check_labels(&mut errors, request.name.as_deref(), request.external_id.as_deref(), request.metadata.as_ref());
    errors.into_result()
}

fn missing(pointer: &str, what: &str) -> FieldError {
    FieldError::at(pointer, FieldErrorCode::InvalidValue, format!("{what} not found"))
}

/// Returns the product and the tier, after checking that they and the customer exist.
async fn check_references<'a>(
    table: &Table,
    catalog: &'a Catalog,
    request: &Request,
) -> Result<(&'a Product, &'a Tier), IssueError> {
    let mut errors = ValidationErrors::default();
    if table.customer(request.customer_id).await?.is_none_or(|found| found.customer.erased_at.is_some()) {
        errors.0.push(missing("/customer_id", "customer"));
    }
    let Some(tier) = catalog.tiers.get(&request.tier_id) else {
        errors.0.push(missing("/tier_id", "pricing tier"));
        return Err(errors.into());
    };
    errors.into_result()?;
    let product = catalog.products.get(&tier.product_id);
    let product = product.ok_or_else(|| ValidationErrors::from(missing("/tier_id", "product")))?;
    Ok((product, tier))
}

/// Writes the license key, and supersedes the customer's current one if the product allows only one. `superseded`
/// creates the event of the superseded license key, which is returned with the new one.
async fn write(
    table: &Table,
    (product, customer): (&Product, CustomerId),
    (mut issued, new_key): (IssuedLicense, &NewKeyString),
    event: &Event,
    mut superseded: impl FnMut(LicenseId) -> Event,
    replay: &Replay<'_, IssuedLicense>,
) -> Result<IssuedLicense, IssueError> {
    let mut backoff = Backoff::default();
    loop {
        let read = table.current_license(customer, product.id).await?;
        issued.superseded = find_superseded(table, product, read).await?;
        let superseded = issued.superseded.as_ref().map(|old| (old.id, superseded(old.id)));
        let new = NewLicense {
            license: &issued.license,
            key: &new_key.key,
            sealed: new_key.sealed.clone(),
            event,
            current: Some(NewCurrent { read, supersedes: superseded.as_ref().map(supersede) }),
            claims_tier: false,
            completion: replay.completion(&issued).await?,
        };
        match table.issue(&new).await? {
            IssueOutcome::Done => return Ok(issued),
            IssueOutcome::ExternalIdTaken => return Err(IssueError::ExternalIdTaken),
            IssueOutcome::CustomerErased => {
                return Err(ValidationErrors::from(missing("/customer_id", "customer")).into());
            }
            IssueOutcome::Conflict => backoff.retry().await?,
        }
    }
}

/// Returns the license key to supersede: the customer's current one if the product allows only one and it is active,
/// suspended or expired. A revoked license key stays revoked.
pub(crate) async fn find_superseded(
    table: &Table,
    product: &Product,
    current: Option<LicenseId>,
) -> Result<Option<License>, StoreError> {
    let Some(id) = current.filter(|_| product.one_key_per_customer) else { return Ok(None) };
    let old = table.license(id).await?;
    Ok(old.filter(|old| matches!(old.state, LicenseState::Active | LicenseState::Suspended)))
}

/// Supersedes a license key in any state but revoked, with the event of that.
pub(crate) fn supersede((license, event): &(LicenseId, Event)) -> SupersededLicense<'_> {
    SupersededLicense { license: *license, event, only_if_expired: None }
}
