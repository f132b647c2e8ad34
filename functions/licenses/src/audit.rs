//! Looks a license key over: whether its seats, its sealed parts, its tier and its customer's pointer fit together.

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::{
    Services,
    auth::Caller,
    domain::{
        Actor, Catalog, EventType, Ids, KeyString, License, LicenseId, Scope, State as LicenseState, ring::KeyState,
    },
    http::{
        Body, Call, PathId, Problem,
        documented::{Always, ById, Known, Scoped, WithBody},
        resources::LicenseResource,
    },
    keymaking::{open_key, token_again},
    store::audit::Misfits,
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
        Known,
        Scoped,
        ById,
        WithBody,
        Always,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    PathId(id): PathId<LicenseId>,
    body: Result<Body<Request>, Problem>,
) -> Result<axum::Json<Response>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let Body(request) = body?;
    Box::pin(audit(&services, id, request.repair, &caller.actor(), &call)).await.map(axum::Json)
}

/// Looks a license key over and notes that it did.
pub async fn audit(
    services: &Services,
    id: LicenseId,
    repair: bool,
    actor: &Actor,
    call: &Call,
) -> Result<Response, Problem> {
    let license = services.table.license(id).await?.ok_or_else(Problem::not_found)?;
    let catalog = services.table.catalog().await?.catalog;
    let mut ids = Ids::new(call.now);
    let mut stored = stored_token(services, &license, call.now).await?;
    if repair && !stored.1.ok && sign_again(services, &catalog, &license, call).await? {
        stored = stored_token(services, &license, call.now).await?;
    }
    let findings = vec![
        seats(services, &license, repair, (actor, call), &mut ids).await?,
        stored.0,
        stored.1,
        tier(&catalog, &license),
        customer_pointer(services, &catalog, &license).await?,
        expiry(&license, call.now),
    ];
    let seats_used = services.table.seats_used(&license).await?;
    let ok = findings.iter().all(|finding| finding.ok);
    let license_shown = LicenseResource::new(&license, Some(seats_used), call.now);
    let response = Response { license: license_shown, findings, ok, audited_at: call.now };
    let data = serde_json::json!({ "ok": ok, "repair": repair });
    let event = call.event(&mut ids, EventType::Audited, id, actor, data);
    let done = call.once.untagged(&response).await?;
    services.table.note_audit(&event, done.as_ref()).await?;
    Ok(response)
}

fn finding(code: &'static str, ok: bool, detail: impl Into<String>) -> Finding {
    Finding { code, ok, detail: detail.into() }
}

async fn seats(
    services: &Services,
    license: &License,
    repair: bool,
    (actor, call): (&Actor, &Call),
    ids: &mut Ids,
) -> Result<Finding, Problem> {
    let mut misfits = services.table.misfits(license).await?;
    if repair && !misfits.is_empty() {
        for seat in &misfits.seats {
            services.table.free_seat(seat).await?;
        }
        for activation in &misfits.activations {
            let data = serde_json::json!({ "activation_id": activation.id.to_string(), "repair": true });
            let event = call.event(ids, EventType::Deactivated, license.id, actor, data);
            services.table.end_without_seat(activation, &event).await?;
        }
        misfits = services.table.misfits(license).await?;
    }
    let Misfits { seats, activations } = &misfits;
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
async fn stored_token(services: &Services, license: &License, now: Timestamp) -> Result<(Finding, Finding), Problem> {
    let stored = |ok, detail: &str| finding("stored_token", ok, detail);
    let unknown_key = || finding("signing_key", false, "there is no stored token to tell the signing key by");
    let Some(sealed) = services.table.sealed(license.id).await? else {
        return Ok((stored(false, "nothing is stored"), unknown_key()));
    };
    let Ok((key, token)) = open_key(services, license.id, &sealed).await else {
        return Ok((stored(false, "what is stored does not open"), unknown_key()));
    };
    let kid = UnverifiedToken::parse(token.expose()).map(|token| token.kid().to_owned()).unwrap_or_default();
    let signing_key = match services.tokens.ring().find(&kid, now).await? {
        None => finding("signing_key", false, "the ring does not know the key that signed the stored token"),
        Some(key) if key.state == KeyState::Condemned => {
            finding("signing_key", false, "the key that signed the stored token was condemned")
        }
        Some(_) => finding("signing_key", true, format!("the stored token is signed by {kid}")),
    };
    let pointer = match KeyString::parse(key.expose()) {
        Ok(key) => services.table.key_pointer(&key).await?,
        Err(_) => None,
    };
    let here = pointer.is_some_and(|to| to.license_id == license.id && to.generation == license.generation);
    if !here {
        return Ok((stored(false, "the stored key string does not lead to this license key"), signing_key));
    }
    let told = match services.tokens.verify(&token, now).await {
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
async fn sign_again(services: &Services, catalog: &Catalog, license: &License, call: &Call) -> Result<bool, Problem> {
    let Some((product, tier)) = catalog.sold(license) else { return Ok(false) };
    if license.refusal(product.is_active, license.generation, call.now).is_some() {
        return Ok(false);
    }
    let Some(sealed) = services.table.sealed(license.id).await? else { return Ok(false) };
    let Ok((_, kept)) = open_key(services, license.id, &sealed).await else { return Ok(false) };
    let again = token_again(services, license, (catalog, product, tier), (&sealed, kept), call).await?;
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
async fn customer_pointer(services: &Services, catalog: &Catalog, license: &License) -> Result<Finding, Problem> {
    let code = "customer_pointer";
    let product = license.product_id;
    let Some(current) = services.table.current_license(license.customer_id, product).await? else {
        return Ok(finding(code, false, "the customer has no pointer to a current key of this product"));
    };
    if current == license.id {
        return Ok(finding(code, true, "the customer's current key of this product is this one"));
    }
    let Some(other) = services.table.license(current).await? else {
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
