//! Regenerates the key string of a license key. The previous key string, its tokens and its seats become invalid: every
//! machine must activate again with the new key string.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{
        Actor, EventData, IdGenerator, KeyString, LicenseId, NotInCatalogError, Scope, Subject,
        event::payload::LicenseRegenerated, license::StateConflict,
    },
    http::{
        CompletionError, Metric, NoBody, PathId, Problem, Replay, RequestContext, StoredResponse,
        resources::IssuedResource,
    },
    store::{
        Backoff, StoreError, Table,
        license_writes::{Regeneration, TransitionOutcome},
    },
    tokens::{IssuedLicense, KeyStringError, KeyStrings},
};

/// Why a key string was not regenerated.
#[derive(Debug, thiserror::Error)]
pub enum RegenerateError {
    /// The license key does not exist.
    #[error("license key not found")]
    NotFound,
    /// The state of the license key does not allow it.
    #[error(transparent)]
    State(#[from] StateConflict),
    /// The tier of the license key is not in the catalog.
    #[error(transparent)]
    NotInCatalog(#[from] NotInCatalogError),
    /// The new key string could not be signed or sealed.
    #[error(transparent)]
    KeyString(#[from] KeyStringError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
}

impl From<RegenerateError> for Problem {
    fn from(error: RegenerateError) -> Self {
        match error {
            RegenerateError::NotFound => Self::not_found(),
            RegenerateError::State(conflict) => conflict.into(),
            RegenerateError::NotInCatalog(error) => error.into(),
            RegenerateError::KeyString(error) => error.into(),
            RegenerateError::Store(error) => error.into(),
            RegenerateError::Completion(error) => error.into(),
        }
    }
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Regenerates the key string of a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/regenerate",
    operation_id = "regenerate_license_key",
    tag = "licenses",
    summary = "Regenerate the key string of a license key",
    description = "Invalidates the previous key string, its tokens and its seats. Every machine must activate again with the new \
        key string, which only this response contains.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    responses(
        (status = 200, description = "The license key, its new key string and a token", body = IssuedResource, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(key_strings): State<KeyStrings>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<NoBody, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::LicensesWrite)?;
    body?;
    let replay = ctx.idempotency.replay(|issued| StoredResponse::ok(&IssuedResource::new(issued, ctx.now)));
    replay.response(&regenerate(&table, &key_strings, id, &caller.actor(), &ctx, &replay).await?)
}

/// Generates a new key string, signs and seals its token, and increments the generation of the license.
///
/// # Errors
///
/// [`RegenerateError::State`] unless the license key is active and unexpired.
pub async fn regenerate(
    table: &Table,
    key_strings: &KeyStrings,
    id: LicenseId,
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, IssuedLicense>,
) -> Result<IssuedLicense, RegenerateError> {
    let catalog = table.catalog().await?.catalog;
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = table.license_with_metadata(id).await?.ok_or(RegenerateError::NotFound)?;
        let (product, tier) = catalog.product_and_tier(&read).ok_or(NotInCatalogError(id))?;
        let key = KeyString::generate(&product.code, &mut rand::rng());
        let license = read.regenerate(key.hint().to_owned(), ctx.now)?;
        let new_key = key_strings.issue(&license, (&catalog, product, tier), key, &mut ids, ctx.now).await?;
        ctx.metrics.count(Metric::Signatures);
        let data = EventData::LicenseRegenerated(LicenseRegenerated { generation: license.generation });
        let event = ctx.event(&mut ids, actor, Subject::License(id), data);
        let issued = IssuedLicense::new(license, &new_key);
        let regeneration = Regeneration {
            license: &issued.license,
            key: &new_key.key,
            sealed: new_key.sealed,
            event: &event,
            now: ctx.now,
            completion: replay.completion(&issued).await?,
        };
        if table.regenerate(&regeneration).await? == TransitionOutcome::Done {
            return Ok(issued);
        }
        backoff.retry().await?;
    }
}
