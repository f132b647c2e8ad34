//! Audits a license key: checks that its seats, stored token, signing key, tier, customer pointer and expiry are
//! consistent.

use axum::extract::{FromRef, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::Caller,
    domain::{
        Actor, Catalog, EventType, IdGenerator, KeyString, License, LicenseId, Scope, State as LicenseState,
        key_ring::KeyState,
    },
    http::{Metric, PathId, Problem, RequestContext, StrictJson, resources::LicenseResource},
    store::audit::Inconsistencies,
    tokens::{KeyStrings, RefreshOutcome, UnverifiedToken, VerifyError},
};
use utoipa::ToSchema;

/// Request to audit a license key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AuditRequest)]
pub struct Request {
    /// Whether to repair what can be repaired: free seats without an activation, end activations without their seat,
    /// and re-sign the stored token if its signing key was condemned.
    #[serde(default)]
    #[schema(default = false)]
    pub repair: bool,
}

/// The result of an audit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditResponse)]
pub struct Response {
    /// The license, with its used seats counted.
    pub license: LicenseResource,
    /// One finding per check.
    pub findings: Vec<Finding>,
    /// Whether all findings are `ok`.
    #[schema(example = true)]
    pub ok: bool,
    /// When the audit ran.
    #[schema(value_type = String, format = DateTime)]
    pub audited_at: Timestamp,
}

/// The result of one check.
#[derive(Debug, Serialize, ToSchema)]
pub struct Finding {
    /// The check: `seats`, `stored_token`, `signing_key`, `tier`, `customer_pointer` or `expiry`.
    #[schema(example = "seats")]
    pub code: &'static str,
    /// Whether the check passed.
    #[schema(example = true)]
    pub ok: bool,
    /// Human-readable result.
    #[schema(example = "every seat has an activation, and every activation has its seat")]
    pub detail: String,
}

/// Audits a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/audit",
    tag = "license keys",
    summary = "Audit a license key",
    description = "Checks the stored data of a license key for inconsistencies and, with `repair`, repairs them.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body = Request,
    responses((status = 200, description = "The findings", body = Response)),
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

/// Audits a license key and records an `audited` event.
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
    let mut stored = check_stored_token(app, &license, ctx.now).await?;
    if repair && !stored.1.ok && resign_stored_token(app, &catalog, &license, ctx).await? {
        stored = check_stored_token(app, &license, ctx.now).await?;
    }
    let findings = vec![
        check_seats(app, &license, repair, (actor, ctx), &mut ids).await?,
        stored.0,
        stored.1,
        check_tier(&catalog, &license),
        check_customer_pointer(app, &catalog, &license).await?,
        check_expiry(&license, ctx.now),
    ];
    let seats_used = app.table.seats_used(&license).await?;
    let ok = findings.iter().all(|finding| finding.ok);
    let license = LicenseResource::new(&license, Some(seats_used), ctx.now);
    let response = Response { license, findings, ok, audited_at: ctx.now };
    let data = serde_json::json!({ "ok": ok, "repair": repair });
    let event = ctx.event(&mut ids, EventType::Audited, id, actor, data);
    let completion = ctx.idempotency.ok_without_etag(&response).await?;
    app.table.record_audit(&event, completion.as_ref()).await?;
    Ok(response)
}

fn finding(code: &'static str, ok: bool, detail: impl Into<String>) -> Finding {
    Finding { code, ok, detail: detail.into() }
}

async fn check_seats(
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
            app.table.end_seatless_activation(activation, &event).await?;
        }
        inconsistencies = app.table.inconsistencies(license).await?;
    }
    let Inconsistencies { seats, activations } = &inconsistencies;
    Ok(match (seats.len(), activations.len()) {
        (0, 0) => finding("seats", true, "every seat has an activation, and every activation has its seat"),
        (seats, activations) => finding(
            "seats",
            false,
            format!("{seats} seats without an activation, {activations} activations without their seat"),
        ),
    })
}

/// Checks the sealed key string and token: that they can be decrypted, belong to this license and its generation, and
/// that the signing key was not condemned. Returns the findings `stored_token` and `signing_key`.
async fn check_stored_token(app: &AppState, license: &License, now: Timestamp) -> Result<(Finding, Finding), Problem> {
    let stored = |ok, detail: &str| finding("stored_token", ok, detail);
    let unknown_key = || finding("signing_key", false, "unknown, because there is no readable stored token");
    let Some(sealed) = app.table.sealed(license.id).await? else {
        return Ok((stored(false, "there is no stored token"), unknown_key()));
    };
    let Ok((key, token)) = KeyStrings::from_ref(app).open(license.id, &sealed).await else {
        return Ok((stored(false, "the stored token cannot be decrypted"), unknown_key()));
    };
    let kid = UnverifiedToken::parse(token.expose()).map(|token| token.kid().to_owned()).unwrap_or_default();
    let signing_key = match app.tokens.ring().find(&kid, now).await? {
        None => finding("signing_key", false, "the key that signed the stored token is not in the key ring"),
        Some(key) if key.state == KeyState::Condemned => {
            finding("signing_key", false, "the key that signed the stored token was condemned")
        }
        Some(_) => finding("signing_key", true, format!("the stored token is signed by {kid}")),
    };
    let pointer = match KeyString::parse(key.expose()) {
        Ok(key) => app.table.key_pointer(&key).await?,
        Err(_) => None,
    };
    let matches = pointer.is_some_and(|to| to.license_id == license.id && to.generation == license.generation);
    if !matches {
        return Ok((stored(false, "the stored key string belongs to another license key or generation"), signing_key));
    }
    let stored_token = match app.tokens.verify(&token, now).await {
        Ok(claims) if claims.sub == license.id.to_string() && claims.generation == license.generation => {
            stored(true, "the stored token and key string belong to this license key")
        }
        Ok(_) => stored(false, "the stored token belongs to another license key or generation"),
        Err(VerifyError::Invalid(_)) => stored(false, "the signature of the stored token is invalid"),
        // The finding `signing_key` reports the condemned key.
        Err(VerifyError::Condemned) => stored(true, "the signature of the stored token is valid"),
        Err(VerifyError::Store(error)) => return Err(error.into()),
    };
    Ok((stored_token, signing_key))
}

/// Replaces a stored token whose signing key was condemned; the key string does not change. Returns whether the token
/// was replaced: it is not if the license key cannot be used or the stored values cannot be decrypted.
async fn resign_stored_token(
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
    let Ok((_, token)) = KeyStrings::from_ref(app).open(license.id, &sealed).await else { return Ok(false) };
    let key_strings = KeyStrings::from_ref(app);
    let refreshed = key_strings.refresh(license, (catalog, product, tier), (&sealed, token), ctx.now).await?;
    if !matches!(refreshed, RefreshOutcome::Unchanged(..)) {
        ctx.metrics.count(Metric::Signatures);
    }
    Ok(!matches!(refreshed, RefreshOutcome::Regenerated))
}

fn check_tier(catalog: &Catalog, license: &License) -> Finding {
    let code = "tier";
    let Some(product) = catalog.products.get(&license.product_id) else {
        return finding(code, false, "the product is not in the catalog");
    };
    match catalog.tiers.get(&license.tier_id) {
        None => finding(code, false, "the pricing tier is not in the catalog"),
        Some(tier) if tier.product_id != product.id => {
            finding(code, false, "the pricing tier belongs to another product")
        }
        Some(_) if !product.is_active => finding(code, false, "the product is not active"),
        Some(tier) => finding(code, true, format!("{} {}", product.name, tier.name)),
    }
}

/// Checks that the customer's pointer to the current license key names this key or one that was issued later.
async fn check_customer_pointer(app: &AppState, catalog: &Catalog, license: &License) -> Result<Finding, Problem> {
    let code = "customer_pointer";
    let product = license.product_id;
    let Some(current) = app.table.current_license(license.customer_id, product).await? else {
        return Ok(finding(code, false, "the customer has no current license key for this product"));
    };
    if current == license.id {
        return Ok(finding(code, true, "this is the customer's current license key for the product"));
    }
    let Some(other) = app.table.license(current).await? else {
        return Ok(finding(code, false, "the customer's current license key does not exist"));
    };
    let is_sibling = other.customer_id == license.customer_id && other.product_id == product;
    if !is_sibling || other.issued_at < license.issued_at {
        return Ok(finding(code, false, "the customer's current license key was not issued after this one"));
    }
    let both_active = [license, &other].iter().all(|license| license.state == LicenseState::Active);
    let one_key = catalog.products.get(&product).is_some_and(|product| product.one_key_per_customer);
    let detail = match (both_active, one_key) {
        (true, true) => {
            "a later license key is current; both are active because the product allowed several when they were issued"
        }
        _ => "the customer's current license key is a later one",
    };
    Ok(finding(code, true, detail))
}

fn check_expiry(license: &License, now: Timestamp) -> Finding {
    match license.expires_at {
        None => finding("expiry", true, "never expires"),
        Some(end) if end <= now => finding("expiry", false, format!("expired at {end}")),
        Some(end) => finding("expiry", true, format!("expires at {end}")),
    }
}
