//! Gives a license key a new key string. The one before, its tokens and its seats no longer count: every machine must
//! activate again with the new string.

use axum::extract::State;
use shared::{
    Services,
    auth::Caller,
    domain::{Actor, EventType, Ids, KeyString, LicenseId, Scope},
    http::{
        Call, NoBody, PathId, Problem, Tagged,
        documented::{Always, ById, Known, Scoped, WithoutBody},
        problem::not_in_catalog,
        resources::{IssuedResource, LicenseResource},
    },
    keymaking::make_key,
    store::{
        Race,
        license_writes::{Regeneration, Stepped},
    },
};

shared::problems! {
    /// What this alone refuses.
    Refused: StateConflict;
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
        Refused,
        Known,
        Scoped,
        ById,
        WithoutBody,
        Always,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    PathId(id): PathId<LicenseId>,
    body: Result<NoBody, Problem>,
) -> Result<Tagged<IssuedResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    body?;
    Ok(Tagged(regenerate(&services, id, &caller.actor(), &call).await?))
}

/// Draws, signs and seals a new key string, then moves the license to its next generation.
pub async fn regenerate(
    services: &Services,
    id: LicenseId,
    actor: &Actor,
    call: &Call,
) -> Result<IssuedResource, Problem> {
    let catalog = services.table.catalog().await?.catalog;
    let mut ids = Ids::new(call.now);
    let mut race = Race::default();
    loop {
        let read = services.table.license(id).await?.ok_or_else(Problem::not_found)?;
        let (product, tier) = catalog.sold(&read).ok_or_else(|| not_in_catalog(&read))?;
        let key = KeyString::draw(&product.code, &mut rand::rng());
        let license = read.regenerate(key.hint().to_owned(), call.now)?;
        let made = make_key(services, &license, (&catalog, product, tier), key, &mut ids, call).await?;
        let data = serde_json::json!({ "generation": license.generation });
        let event = call.event(&mut ids, EventType::Regenerated, id, actor, data);
        let shown = LicenseResource::new(&license, None, call.now);
        let answer = IssuedResource::new(made.key.expose(), shown, &made.token, &made.claims);
        let regeneration = Regeneration {
            license: &license,
            key: &made.key,
            sealed: made.sealed,
            event: &event,
            now: call.now,
            done: call.once.ok(&answer).await?,
        };
        if services.table.regenerate(&regeneration).await? == Stepped::Done {
            return Ok(answer);
        }
        race.lost().await?;
    }
}
