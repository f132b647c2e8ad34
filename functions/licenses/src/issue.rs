//! Issues a license key: the key string and the token are shown in this answer, and nowhere else to an operator.

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
    domain::{
        Actor, Code, CustomerId, EventType, FieldError, Ids, Invalid, KeyString, License, LicenseId, Product, Scope,
        State as LicenseState, Tier, TierId, catalog::check_seats,
    },
    http::{
        Body, Call, Created, Metric, Problem,
        documented::{Always, Known, Scoped, WithBody},
        extract::{nullable, nullable_time},
        resources::{IssuedResource, LicenseResource},
    },
    keymaking::{MadeKey, make_key},
    store::{
        Race, StoreError, Table,
        license_writes::{Issue, Issued, Superseding},
    },
};
use utoipa::ToSchema;

/// What was bought, and by whom.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = IssueRequest)]
pub struct Request {
    /// Who.
    pub customer_id: CustomerId,
    /// What.
    pub tier_id: TierId,
    /// When it ends: left out, one billing period of the tier from now; null, never.
    #[serde(default, deserialize_with = "nullable_time")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-15T12:00:00Z")]
    pub expires_at: Option<Option<Timestamp>>,
    /// Seats: left out, the tier's; null, no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000, example = 5)]
    pub max_users: Option<Option<u32>>,
}

/// Issues a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys",
    tag = "license keys",
    summary = "Issue a license key",
    description = "Where the product gives a customer one key, the key that the customer had is superseded.",
    request_body = Request,
    responses(
        (status = 201, description = "The license key, its key string and a token", body = IssuedResource, headers(("Location" = String), ("ETag" = String))),
        Known,
        Scoped,
        WithBody,
        Always,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    body: Result<Body<Request>, Problem>,
) -> Result<Created<IssuedResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let Body(request) = body?;
    let body = issue(&services, &request, &caller.actor(), &call).await?;
    Ok(Created { location: body.path(), body })
}

/// Issues a license key and, in the same transaction, ends the one that it replaces.
pub async fn issue(
    services: &Services,
    request: &Request,
    actor: &Actor,
    call: &Call,
) -> Result<IssuedResource, Problem> {
    check(request, call.now)?;
    let read = services.table.catalog().await?;
    let missing =
        |pointer: &str, what: &str| FieldError::at(pointer, Code::InvalidValue, format!("there is no such {what}"));
    let mut invalid = Invalid::default();
    if services.table.customer(request.customer_id).await?.is_none() {
        invalid.0.push(missing("/customer_id", "customer"));
    }
    let Some(tier) = read.catalog.tiers.get(&request.tier_id) else {
        invalid.0.push(missing("/tier_id", "pricing tier"));
        return Err(invalid.into());
    };
    invalid.finish()?;
    let product = read.catalog.products.get(&tier.product_id).ok_or_else(|| missing("/tier_id", "product"))?;

    let mut ids = Ids::new(call.now);
    let key = KeyString::draw(&product.code, &mut rand::rng());
    let as_usual = License::issued(ids.make(), request.customer_id, tier, key.hint(), call.now);
    let license = License {
        max_users: request.max_users.unwrap_or(as_usual.max_users),
        expires_at: request.expires_at.unwrap_or(as_usual.expires_at),
        ..as_usual
    };
    let made = make_key(services, &license, (&read.catalog, product, tier), key, &mut ids, call).await?;
    let shown = IssuedResource::new(
        made.key.expose(),
        LicenseResource::new(&license, None, call.now),
        &made.token,
        &made.claims,
    );
    write(services, product, tier, &license, &made, &shown, &mut ids, actor, call).await?;
    call.noted.count(Metric::Issued);
    Ok(shown)
}

fn check(request: &Request, now: Timestamp) -> Result<(), Invalid> {
    let mut invalid = Invalid::default();
    let ends_later = request.expires_at.flatten().is_none_or(|end| end > now);
    invalid.check(ends_later, "/expires_at", "a time to come");
    check_seats(&mut invalid, request.max_users.flatten());
    invalid.finish()
}

#[expect(clippy::too_many_arguments, reason = "all of it goes into one transaction")]
async fn write(
    services: &Services,
    product: &Product,
    tier: &Tier,
    license: &License,
    made: &MadeKey,
    shown: &IssuedResource,
    ids: &mut Ids,
    actor: &Actor,
    call: &Call,
) -> Result<(), Problem> {
    let data = serde_json::json!({ "tier": tier.code, "customer_id": license.customer_id });
    let event = call.event(ids, EventType::Issued, license.id, actor, data);
    let done = call.once.created(shown.path(), shown).await?;
    let mut race = Race::default();
    loop {
        let current = services.table.current_license(license.customer_id, product.id).await?;
        let old = if product.one_key_per_customer { to_supersede(&services.table, current).await? } else { None };
        let superseded = old.map(|old| {
            let data = serde_json::json!({ "superseded_by": license.id });
            (old, call.event(ids, EventType::Superseded, old, actor, data))
        });
        let issue = Issue {
            license,
            key: &made.key,
            sealed: made.sealed.clone(),
            event: &event,
            current,
            supersedes: superseded.as_ref().map(|(old, event)| Superseding {
                license: *old,
                event,
                only_if_expired_at: None,
            }),
            claims_tier: false,
            done: done.clone(),
        };
        if services.table.issue(&issue).await? == Issued::Done {
            return Ok(());
        }
        race.lost().await?;
    }
}

/// The key that the new one replaces: active, suspended or expired. A revoked one stays revoked.
async fn to_supersede(table: &Table, current: Option<LicenseId>) -> Result<Option<LicenseId>, StoreError> {
    let Some(id) = current else { return Ok(None) };
    let old = table.license(id).await?;
    let stands = old.is_some_and(|old| matches!(old.state, LicenseState::Active | LicenseState::Suspended));
    Ok(stands.then_some(id))
}
