//! Regenerates the key string of a license key. The previous key string, its tokens and its seats become invalid: every
//! machine must activate again with the new key string.

use axum::extract::{FromRef, State};
use shared::{
    AppState,
    auth::Caller,
    domain::{Actor, EventType, IdGenerator, KeyString, LicenseId, Scope},
    http::{
        Metric, NoBody, PathId, Problem, RequestContext, WithEtag,
        problem::not_in_catalog,
        resources::{IssuedResource, LicenseResource},
    },
    store::{
        Backoff,
        license_writes::{Regeneration, TransitionOutcome},
    },
    tokens::KeyStrings,
};

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Regenerates the key string of a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/regenerate",
    tag = "license keys",
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
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<NoBody, Problem>,
) -> Result<WithEtag<IssuedResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    body?;
    Ok(WithEtag(regenerate(&app, id, &caller.actor(), &ctx).await?))
}

/// Generates a new key string, signs and seals its token, and increments the generation of the license.
///
/// # Errors
///
/// `state_conflict` unless the license key is active and unexpired.
pub async fn regenerate(
    app: &AppState,
    id: LicenseId,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<IssuedResource, Problem> {
    let catalog = app.table.catalog().await?.catalog;
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = app.table.license(id).await?.ok_or_else(Problem::not_found)?;
        let (product, tier) = catalog.product_and_tier(&read).ok_or_else(|| not_in_catalog(&read))?;
        let key = KeyString::generate(&product.code, &mut rand::rng());
        let license = read.regenerate(key.hint().to_owned(), ctx.now)?;
        let new_key =
            KeyStrings::from_ref(app).issue(&license, (&catalog, product, tier), key, &mut ids, ctx.now).await?;
        ctx.metrics.count(Metric::Signatures);
        let data = serde_json::json!({ "generation": license.generation });
        let event = ctx.event(&mut ids, EventType::Regenerated, id, actor, data);
        let resource = LicenseResource::new(&license, None, ctx.now);
        let response = IssuedResource::new(new_key.key.expose(), resource, &new_key.token, &new_key.claims);
        let regeneration = Regeneration {
            license: &license,
            key: &new_key.key,
            sealed: new_key.sealed,
            event: &event,
            now: ctx.now,
            completion: ctx.idempotency.ok(&response).await?,
        };
        if app.table.regenerate(&regeneration).await? == TransitionOutcome::Done {
            return Ok(response);
        }
        backoff.retry().await?;
    }
}
