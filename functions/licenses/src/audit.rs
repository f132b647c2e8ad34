//! Looks a license key over: whether its seats, its sealed parts, its tier and its customer's pointer fit together.

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::Caller,
    domain::{
        Actor, Catalog, EventType, IdGenerator, KeyString, License, LicenseId, Scope, State as LicenseState,
        key_ring::KeyState,
    },
    http::{
        PathId, Problem, RequestContext, StrictJson,
        resources::LicenseResource,
        responses::{Authenticated, Authorized, JsonBody, PathLookup, ServerErrors},
    },
    key_issuance::{open_key, token_again},
    store::audit::Inconsistencies,
    tokens::{UnverifiedToken, VerifyError},
};
use utoipa::ToSchema;

/// Whether to mend what can be mended.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AuditRequest)]
pub struct Request {
    /// Frees seats that no machine has, ends activations whose seat is not theirs, and signs the stored token anew where
    /// the key that signed it was condemned.
    #[serde(default)]
    #[schema(default = false)]
    pub repair: bool,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditResponse)]
pub struct Response {
    /// The license, its seats counted.
    pub license: LicenseResource,
    /// One for each thing that was looked at.
    pub findings: Vec<Finding>,
    /// Whether all of them are.
    #[schema(example = true)]
    pub ok: bool,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub audited_at: Timestamp,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct Finding {
    /// `seats`, `stored_token`, `signing_key`, `tier`, `customer_pointer` or `expiry`.
    #[schema(example = "seats")]
    pub code: &'static str,
    /// Whether it is as it should be.
    #[schema(example = true)]
    pub ok: bool,
    /// What was found, for a person.
    #[schema(example = "every seat has its machine, and every machine its seat")]
    pub detail: String,
}

/// Audits a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/audit",
    tag = "license keys",
    summary = "Look a license key over, and mend what can be mended if asked to",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body = Request,
    responses(
        (status = 200, description = "What was found", body = Response),
        Authenticated,
        Authorized,
        PathLookup,
        JsonBody,
        ServerErrors,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<axum::Json<Response>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    Box::pin(audit(&app, id, request.repair, &caller.actor(), &ctx)).await.map(axum::Json)
}

/// Looks a license key over and notes that it did.
pub async fn audit(
    app: &AppState,
    id: LicenseId,
    repair: bool,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<Response, Problem> {
    let license = app.table.license(id).await?.ok_or_else(Problem::not_found)?;
    let catalog = app.table.catalog().await?.catalog;
    let mut ids = IdGenerator::new(ctx.now);
    let mut stored = stored_token(app, &license, ctx.now).await?;
    if repair && !stored.1.ok && sign_again(app, &catalog, &license, ctx).await? {
        stored = stored_token(app, &license, ctx.now).await?;
    }
    let findings = vec![
        seats(app, &license, repair, (actor, ctx), &mut ids).await?,
        stored.0,
        stored.1,
        tier(&catalog, &license),
        customer_pointer(app, &catalog, &license).await?,
        expiry(&license, ctx.now),
    ];
    let seats_used = app.table.seats_used(&license).await?;
    let ok = findings.iter().all(|finding| finding.ok);
    let license_shown = LicenseResource::new(&license, Some(seats_used), ctx.now);
    let response = Response { license: license_shown, findings, ok, audited_at: ctx.now };
    let data = serde_json::json!({ "ok": ok, "repair": repair });
    let event = ctx.event(&mut ids, EventType::Audited, id, actor, data);
    let done = ctx.idempotency.untagged(&response).await?;
    app.table.note_audit(&event, done.as_ref()).await?;
    Ok(response)
}

fn finding(code: &'static str, ok: bool, detail: impl Into<String>) -> Finding {
    Finding { code, ok, detail: detail.into() }
}

async fn seats(
    app: &AppState,
    license: &License,
    repair: bool,
    (actor, ctx): (&Actor, &RequestContext),
    ids: &mut IdGenerator,
) -> Result<Finding, Problem> {
    let mut inconsistencies = app.table.inconsistencies(license).await?;
    if repair && !inconsistencies.is_empty() {
        for seat in &inconsistencies.seats {
            app.table.free_seat(seat).await?;
        }
        for activation in &inconsistencies.activations {
            let data = serde_json::json!({ "activation_id": activation.id.to_string(), "repair": true });
            let event = ctx.event(ids, EventType::Deactivated, license.id, actor, data);
            app.table.end_without_seat(activation, &event).await?;
        }
        inconsistencies = app.table.inconsistencies(license).await?;
    }
    let Inconsistencies { seats, activations } = &inconsistencies;
    Ok(match (seats.len(), activations.len()) {
        (0, 0) => finding("seats", true, "every seat has its machine, and every machine its seat"),
        (seats, machines) => finding(
            "seats",
            false,
            format!("{seats} seats that no machine has, {machines} machines whose seat is not theirs"),
        ),
    })
}

/// What is sealed: that it opens, is of this license and its generation, and whose key signed it.
async fn stored_token(app: &AppState, license: &License, now: Timestamp) -> Result<(Finding, Finding), Problem> {
    let stored = |ok, detail: &str| finding("stored_token", ok, detail);
    let unknown_key = || finding("signing_key", false, "there is no stored token to tell the signing key by");
    let Some(sealed) = app.table.sealed(license.id).await? else {
        return Ok((stored(false, "nothing is stored"), unknown_key()));
    };
    let Ok((key, token)) = open_key(app, license.id, &sealed).await else {
        return Ok((stored(false, "what is stored does not open"), unknown_key()));
    };
    let kid = UnverifiedToken::parse(token.expose()).map(|token| token.kid().to_owned()).unwrap_or_default();
    let signing_key = match app.tokens.ring().find(&kid, now).await? {
        None => finding("signing_key", false, "the ring does not know the key that signed the stored token"),
        Some(key) if key.state == KeyState::Condemned => {
            finding("signing_key", false, "the key that signed the stored token was condemned")
        }
        Some(_) => finding("signing_key", true, format!("the stored token is signed by {kid}")),
    };
    let pointer = match KeyString::parse(key.expose()) {
        Ok(key) => app.table.key_pointer(&key).await?,
        Err(_) => None,
    };
    let here = pointer.is_some_and(|to| to.license_id == license.id && to.generation == license.generation);
    if !here {
        return Ok((stored(false, "the stored key string does not lead to this license key"), signing_key));
    }
    let told = match app.tokens.verify(&token, now).await {
        Ok(claims) if claims.sub == license.id.to_string() && claims.generation == license.generation => {
            stored(true, "the stored token and key string are of this license key")
        }
        Ok(_) => stored(false, "the stored token is of another license key or generation"),
        Err(VerifyError::Invalid(_)) => stored(false, "the signature of the stored token does not hold"),
        // The signing key's own finding tells.
        Err(VerifyError::Condemned) => stored(true, "the signature of the stored token holds"),
        Err(VerifyError::Store(error)) => return Err(error.into()),
    };
    Ok((told, signing_key))
}

/// Stores a new token in place of one whose signing key was condemned; the key string stays. Tells whether it did: there
/// is none for a license key that has ended, or of which nothing that is stored opens.
async fn sign_again(
    app: &AppState,
    catalog: &Catalog,
    license: &License,
    ctx: &RequestContext,
) -> Result<bool, Problem> {
    let Some((product, tier)) = catalog.product_and_tier(license) else { return Ok(false) };
    if license.refusal(product.is_active, license.generation, ctx.now).is_some() {
        return Ok(false);
    }
    let Some(sealed) = app.table.sealed(license.id).await? else { return Ok(false) };
    let Ok((_, kept)) = open_key(app, license.id, &sealed).await else { return Ok(false) };
    let again = token_again(app, license, (catalog, product, tier), (&sealed, kept), ctx).await?;
    Ok(again.is_some())
}

fn tier(catalog: &Catalog, license: &License) -> Finding {
    let code = "tier";
    let Some(product) = catalog.products.get(&license.product_id) else {
        return finding(code, false, "its product is not in the catalog");
    };
    match catalog.tiers.get(&license.tier_id) {
        None => finding(code, false, "its pricing tier is not in the catalog"),
        Some(tier) if tier.product_id != product.id => finding(code, false, "its pricing tier is of another product"),
        Some(_) if !product.is_active => finding(code, false, "its product is not active"),
        Some(tier) => finding(code, true, format!("{} {}", product.name, tier.name)),
    }
}

/// A customer's pointer names this key, or one that was issued later.
async fn customer_pointer(app: &AppState, catalog: &Catalog, license: &License) -> Result<Finding, Problem> {
    let code = "customer_pointer";
    let product = license.product_id;
    let Some(current) = app.table.current_license(license.customer_id, product).await? else {
        return Ok(finding(code, false, "the customer has no pointer to a current key of this product"));
    };
    if current == license.id {
        return Ok(finding(code, true, "the customer's current key of this product is this one"));
    }
    let Some(other) = app.table.license(current).await? else {
        return Ok(finding(code, false, "the customer's current key does not exist"));
    };
    let is_sibling = other.customer_id == license.customer_id && other.product_id == product;
    if !is_sibling || other.issued_at < license.issued_at {
        return Ok(finding(code, false, "the customer's current key is not one that was issued after this"));
    }
    let both_open = [license, &other].iter().all(|one| one.state == LicenseState::Active);
    let one_key = catalog.products.get(&product).is_some_and(|product| product.one_key_per_customer);
    let detail = match (both_open, one_key) {
        (true, true) => "a later key is current; this one is from when the product allowed several",
        _ => "a later key is the customer's current one",
    };
    Ok(finding(code, true, detail))
}

fn expiry(license: &License, now: Timestamp) -> Finding {
    match license.expires_at {
        None => finding("expiry", true, "it never ends"),
        Some(end) if end <= now => finding("expiry", false, format!("it ended at {end}")),
        Some(end) => finding("expiry", true, format!("it ends at {end}")),
    }
}
