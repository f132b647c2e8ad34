//! Issues license keys without a customer, such as those that a reseller sells. A customer claims one with its key string.

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::{
    auth::Caller,
    domain::{
        Actor, Catalog, EventData, FieldError, FieldErrorCode, IdGenerator, KeyString, License, Product, Scope,
        Subject, Tier, TierId, ValidationErrors, catalog::check_seats, event::payload::LicenseIssued,
        license::check_tag,
    },
    http::{
        CompletionError, Metric, Problem, Replay, RequestContext, StoredResponse, StrictJson,
        extractors::{nullable, nullable_time},
        resources::LicenseResource,
    },
    store::{StoreError, Table, license_writes::BatchLicense},
    tokens::{KeyStrings, SealError},
};
use utoipa::ToSchema;

/// The maximum number of license keys in a batch.
const MAX_COUNT: usize = 100;

/// Why a batch was not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueBatchError {
    /// The request has invalid values.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// A key string could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
    /// The stored response is not that of a batch.
    #[error("the stored response of a batch is invalid")]
    StoredResponse,
}

impl From<IssueBatchError> for Problem {
    fn from(error: IssueBatchError) -> Self {
        match error {
            IssueBatchError::Invalid(errors) => errors.into(),
            IssueBatchError::Seal(error) => error.into(),
            IssueBatchError::Store(error) => error.into(),
            IssueBatchError::Completion(error) => error.into(),
            IssueBatchError::StoredResponse => Self::internal(error.to_string()),
        }
    }
}

/// Request to issue license keys without a customer.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = IssueBatchRequest)]
pub struct Request {
    /// The pricing tier of the license keys.
    pub tier_id: TierId,
    /// The number of license keys.
    #[schema(minimum = 1, maximum = 100, example = 20)]
    pub count: usize,
    /// A text by which the license keys can be revoked together, 1 to 255 printable ASCII characters. Several batches can
    /// have the same.
    #[schema(example = "reseller-7", min_length = 1, max_length = 255, pattern = "^[ -~]{1,255}$")]
    pub tag: String,
    /// When the license keys expire; null means never. If omitted, they expire one billing period of the tier from now.
    #[serde(default, deserialize_with = "nullable_time")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-15T12:00:00Z")]
    pub expires_at: Option<Option<Timestamp>>,
    /// Number of seats of each license key; null means no limit. If omitted, the limit of the tier applies.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000, example = 5)]
    pub max_users: Option<Option<u32>>,
}

/// The license keys of a batch with their key strings, which no other response contains.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseBatch)]
pub struct BatchResource {
    /// The license keys.
    pub items: Vec<BatchItem>,
}

/// A license key of a batch with its key string.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseBatchItem)]
pub struct BatchItem {
    /// The key string: the secret that a user enters in the app.
    #[schema(example = "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT")]
    pub license_key: String,
    /// The license.
    pub license: LicenseResource,
}

/// Issues license keys without a customer.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/batch",
    operation_id = "issue_license_key_batch",
    tag = "licenses",
    summary = "Issue a batch of license keys",
    description = "Issues license keys that belong to no customer: apps can use them at once, and a customer claims one with its key \
        string. Only this response contains the key strings, and no token is signed. Send an `Idempotency-Key`: a repeat with \
        it issues what a failed request has left out, and returns the same key strings.",
    request_body = Request,
    responses((status = 201, description = "The license keys and their key strings", body = BatchResource)),
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
    let replay = ctx.idempotency.replay(|batch: &Vec<NewKey>| {
        let items = batch.iter().map(|new| new.resource(ctx.now)).collect();
        StoredResponse::created_list(&BatchResource { items })
    });
    let batch = issue_batch(&table, &key_strings, &request, &caller.actor(), &ctx, &replay).await?;
    match ctx.idempotency.stored_response() {
        Some(stored) => Ok(stored.clone()),
        None => replay.response(&batch),
    }
}

/// A license key of a batch with its key string.
#[derive(Debug)]
pub struct NewKey {
    /// The license key.
    pub license: License,
    /// The key string.
    pub key: KeyString,
}

impl NewKey {
    fn resource(&self, now: Timestamp) -> BatchItem {
        BatchItem { license_key: self.key.expose().to_owned(), license: LicenseResource::new(&self.license, None, now) }
    }
}

/// Issues the license keys of a batch. The response, with all key strings, is stored before the first license key is
/// written, so that a repeat of the request writes those that are missing and no key string is lost.
pub async fn issue_batch(
    table: &Table,
    key_strings: &KeyStrings,
    request: &Request,
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, Vec<NewKey>>,
) -> Result<Vec<NewKey>, IssueBatchError> {
    let mut ids = IdGenerator::new(ctx.now);
    let catalog = table.catalog().await?.catalog;
    // A repeat completes a batch that was valid, even if its license keys have expired since.
    let stored = ctx.idempotency.stored_response();
    let (product, tier) = check(request, &catalog, ctx.now, stored.is_some())?;
    let batch = if let Some(stored) = stored {
        read_batch(stored, request, tier)?
    } else {
        let batch = new_batch(request, (product, tier), &mut ids, ctx.now);
        if let Some(completion) = replay.completion(&batch).await? {
            table.store_response(&completion).await?;
        }
        batch
    };
    let mut writes = Vec::with_capacity(batch.len());
    for NewKey { license, key } in &batch {
        let data = LicenseIssued { tag: license.tag.clone(), ..LicenseIssued::new(&tier.code, None) };
        let event = ctx.event(&mut ids, actor, Subject::License(license.id), EventData::LicenseIssued(data));
        let sealed = key_strings.seal(license.id, key).await?;
        writes.push(BatchLicense { license, key, sealed, event });
    }
    table.issue_batch(&writes).await?;
    if stored.is_none() {
        for _ in &batch {
            ctx.metrics.count(Metric::Issued);
        }
    }
    Ok(batch)
}

/// Validates a request and returns the product and the tier.
fn check<'a>(
    request: &Request,
    catalog: &'a Catalog,
    now: Timestamp,
    is_repeat: bool,
) -> Result<(&'a Product, &'a Tier), ValidationErrors> {
    let mut errors = ValidationErrors::default();
    errors.check((1..=MAX_COUNT).contains(&request.count), "/count", "must be between 1 and 100");
    check_tag(&mut errors, Some(&request.tag));
    let is_in_future = request.expires_at.flatten().is_none_or(|end| end > now);
    errors.check(is_in_future || is_repeat, "/expires_at", "must be in the future");
    check_seats(&mut errors, request.max_users.flatten());
    let tier = catalog.tiers.get(&request.tier_id);
    let found = tier.and_then(|tier| Some((catalog.products.get(&tier.product_id)?, tier)));
    let missing = || FieldError::at("/tier_id", FieldErrorCode::InvalidValue, "pricing tier not found".to_owned());
    let Some(found) = found else {
        errors.0.push(missing());
        return Err(errors);
    };
    errors.into_result().map(|()| found)
}

fn new_batch(
    request: &Request,
    (product, tier): (&Product, &Tier),
    ids: &mut IdGenerator,
    now: Timestamp,
) -> Vec<NewKey> {
    let new = |_| {
        let key = KeyString::generate(&product.code, &mut rand::rng());
        let license = License::issued(ids.generate(), None, tier, key.hint(), now);
        let license = license.with_terms(request.max_users, request.expires_at);
        let license = License { tag: Some(request.tag.clone()), ..license };
        NewKey { license, key }
    };
    (0..request.count).map(new).collect()
}

/// Reads the license keys of a batch from the stored response, as they were before the tier was changed, if it was.
fn read_batch(stored: &StoredResponse, request: &Request, tier: &Tier) -> Result<Vec<NewKey>, IssueBatchError> {
    let BatchResource { items } = stored.json().map_err(|_| IssueBatchError::StoredResponse)?;
    let read = |BatchItem { license_key, license: answered }: BatchItem| {
        let key = KeyString::parse(&license_key).map_err(|_| IssueBatchError::StoredResponse)?;
        let license = License::issued(answered.id, None, tier, &answered.key_hint, answered.issued_at);
        let license = License {
            tag: Some(request.tag.clone()),
            max_users: answered.max_users,
            max_tenants: answered.max_tenants,
            ..license
        };
        let license = match request.expires_at {
            Some(expires_at) => license.with_expiry(expires_at),
            None => license.with_first_period_until(answered.expires_at),
        };
        Ok(NewKey { license, key })
    };
    items.into_iter().map(read).collect()
}
