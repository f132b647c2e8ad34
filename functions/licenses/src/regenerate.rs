//! Gives a license key a new key string. The one before, its tokens and its seats no longer count: every machine must
//! activate again with the new string.

use axum::extract::State;
use shared::{
    AppState,
    auth::Caller,
    domain::{Actor, EventType, IdGenerator, KeyString, LicenseId, Scope},
    http::{
        NoBody, PathId, Problem, RequestContext, WithEtag,
        problem::not_in_catalog,
        resources::{IssuedResource, LicenseResource},
        responses::{Authenticated, Authorized, EmptyBody, PathLookup, ServerErrors},
    },
    key_issuance::make_key,
    store::{
        Backoff,
        license_writes::{Regeneration, TransitionOutcome},
    },
};

shared::problems! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Regenerates a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/regenerate",
    tag = "license keys",
    summary = "Give a license key a new key string",
    description = "The key string before, its tokens and its seats no longer count.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    responses(
        (status = 200, description = "The license key, its new key string and a token", body = IssuedResource, headers(("ETag" = String))),
        Errors,
        Authenticated,
        Authorized,
        PathLookup,
        EmptyBody,
        ServerErrors,
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

/// Draws, signs and seals a new key string, then moves the license to its next generation.
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
        let made = make_key(app, &license, (&catalog, product, tier), key, &mut ids, ctx).await?;
        let data = serde_json::json!({ "generation": license.generation });
        let event = ctx.event(&mut ids, EventType::Regenerated, id, actor, data);
        let shown = LicenseResource::new(&license, None, ctx.now);
        let answer = IssuedResource::new(made.key.expose(), shown, &made.token, &made.claims);
        let regeneration = Regeneration {
            license: &license,
            key: &made.key,
            sealed: made.sealed,
            event: &event,
            now: ctx.now,
            done: ctx.idempotency.ok(&answer).await?,
        };
        if app.table.regenerate(&regeneration).await? == TransitionOutcome::Done {
            return Ok(answer);
        }
        backoff.retry().await?;
    }
}
