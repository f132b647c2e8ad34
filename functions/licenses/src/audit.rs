//! Audits a license key: checks that its seats, stored token, signing key, tier, customer pointer and expiry are
//! consistent.

use std::borrow::Cow;

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::{
    auth::Caller,
    domain::{
        Actor, Catalog, EventData, IdGenerator, License, LicenseId, Scope, Secret, State as LicenseState, Subject,
        event::payload::{ActivationDeactivated, LicenseAudited},
        key_ring::KeyState,
    },
    http::{
        CompletionError, Metric, PathId, Problem, Replay, RequestContext, StoredResponse, StrictJson,
        resources::LicenseResource,
    },
    store::{Backoff, StoreError, Table, audit::Inconsistencies},
    tokens::{KeyStringError, KeyStrings, RefreshOutcome, Tokens, UnverifiedToken, VerifyError},
};
use utoipa::ToSchema;

/// Why a license key was not audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The license key does not exist.
    #[error("license key not found")]
    NotFound,
    /// The stored token could not be signed again.
    #[error(transparent)]
    KeyString(#[from] KeyStringError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::NotFound => Self::not_found(),
            AuditError::KeyString(error) => error.into(),
            AuditError::Store(error) => error.into(),
            AuditError::Completion(error) => error.into(),
        }
    }
}

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
#[derive(Debug, Serialize, Deserialize, ToSchema)]
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

impl Response {
    fn new(audit: &Audit, now: Timestamp) -> Self {
        Self {
            license: LicenseResource::new(&audit.license, Some(audit.seats_used), now),
            findings: audit.findings.clone(),
            ok: audit.is_ok(),
            audited_at: now,
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditFinding)]
pub struct Finding {
    /// The check: `seats`, `stored_token`, `signing_key`, `tier`, `customer_pointer` or `expiry`.
    #[schema(value_type = String, example = "seats")]
    pub code: Cow<'static, str>,
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
    operation_id = "audit_license_key",
    tag = "licenses",
    summary = "Audit a license key",
    description = "Checks the stored data of a license key for inconsistencies and, with `repair`, repairs them.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body = Request,
    responses((status = 200, description = "The findings", body = Response)),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(tokens): State<Tokens>,
    State(key_strings): State<KeyStrings>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    let actor = caller.actor();
    let replay = ctx.idempotency.replay(|audit| StoredResponse::ok_without_etag(&Response::new(audit, ctx.now)));
    let audit = audit(&table, &tokens, &key_strings, id, request.repair, (&actor, &ctx), &replay);
    replay.response(&Box::pin(audit).await?)
}

/// The result of an audit.
#[derive(Debug)]
pub struct Audit {
    /// The license key.
    pub license: License,
    /// The number of its used seats.
    pub seats_used: usize,
    /// One finding per check.
    pub findings: Vec<Finding>,
}

impl Audit {
    /// Returns whether all checks passed.
    pub fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.ok)
    }
}

/// Audits a license key and records that in an event.
pub async fn audit(
    table: &Table,
    tokens: &Tokens,
    key_strings: &KeyStrings,
    id: LicenseId,
    repair: bool,
    (actor, ctx): (&Actor, &RequestContext),
    replay: &Replay<'_, Audit>,
) -> Result<Audit, AuditError> {
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    let (license, findings) = loop {
        let license = table.license_with_metadata(id).await?.ok_or(AuditError::NotFound)?;
        let findings = check_all(table, tokens, key_strings, &license, repair, (actor, ctx), &mut ids).await?;
        // The reads are not a snapshot: a license key that was changed between them looks inconsistent.
        if findings.iter().all(|finding| finding.ok)
            || table.license_with_metadata(id).await?.as_ref() == Some(&license)
        {
            break (license, findings);
        }
        backoff.retry().await?;
    };
    let seats_used = table.seats_used(&license).await?;
    let audit = Audit { license, seats_used, findings };
    let data = EventData::LicenseAudited(LicenseAudited { ok: audit.is_ok(), repair });
    let event = ctx.event(&mut ids, actor, Subject::License(id), data);
    let completion = replay.completion(&audit).await?;
    table.record_audit(&event, completion.as_ref()).await?;
    Ok(audit)
}

/// Performs all checks of a license key.
async fn check_all(
    table: &Table,
    tokens: &Tokens,
    key_strings: &KeyStrings,
    license: &License,
    repair: bool,
    (actor, ctx): (&Actor, &RequestContext),
    ids: &mut IdGenerator,
) -> Result<Vec<Finding>, AuditError> {
    let catalog = table.catalog().await?.catalog;
    let stored = StoredToken { table, key_strings, license };
    let mut token_findings = stored.check(tokens, ctx.now).await?;
    if repair && !token_findings.1.ok && stored.resign(&catalog, ctx).await? {
        token_findings = stored.check(tokens, ctx.now).await?;
    }
    Ok(vec![
        check_seats(table, license, repair, (actor, ctx), ids).await?,
        token_findings.0,
        token_findings.1,
        check_tier(&catalog, license),
        check_customer_pointer(table, &catalog, license).await?,
        check_expiry(license, ctx.now),
    ])
}

fn finding(code: &'static str, ok: bool, detail: impl Into<String>) -> Finding {
    Finding { code: code.into(), ok, detail: detail.into() }
}

async fn check_seats(
    table: &Table,
    license: &License,
    repair: bool,
    (actor, ctx): (&Actor, &RequestContext),
    ids: &mut IdGenerator,
) -> Result<Finding, StoreError> {
    let mut inconsistencies = table.inconsistencies(license).await?;
    if repair && !inconsistencies.is_empty() {
        for seat in &inconsistencies.seats {
            table.free_seat(seat).await?;
        }
        for activation in &inconsistencies.activations {
            let id = activation.id;
            let data =
                ActivationDeactivated { repair: Some(true), ..ActivationDeactivated::new(id, &activation.machine_id) };
            let event = ctx.event(ids, actor, Subject::Activation(id), EventData::ActivationDeactivated(data));
            table.end_seatless_activation(activation, &event).await?;
        }
        inconsistencies = table.inconsistencies(license).await?;
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

/// The sealed key string and token of a license key.
struct StoredToken<'a> {
    table: &'a Table,
    key_strings: &'a KeyStrings,
    license: &'a License,
}

impl StoredToken<'_> {
    /// Checks that the key string and the token can be decrypted, belong to this license and its generation, and that
    /// the signing key was not condemned. Returns the findings `stored_token` and `signing_key`.
    async fn check(&self, tokens: &Tokens, now: Timestamp) -> Result<(Finding, Finding), StoreError> {
        let license = self.license;
        let stored = |ok, detail: &str| finding("stored_token", ok, detail);
        let unknown_key = || finding("signing_key", false, "unknown, because there is no readable stored token");
        let no_token = || finding("signing_key", true, "no token is stored");
        let Some(sealed) = self.table.sealed(license.id).await? else {
            if self.table.is_key_imported_as_hash(license.id).await? {
                return Ok((stored(true, "the key string was imported as a hash and is not stored"), no_token()));
            }
            return Ok((stored(false, "there is no stored token"), unknown_key()));
        };
        let Ok((key, token)) = self.key_strings.open(license.id, &sealed).await else {
            return Ok((stored(false, "the stored token cannot be decrypted"), unknown_key()));
        };
        let signing_key = match &token {
            Some(token) => check_signing_key(tokens, token, now).await?,
            None => no_token(),
        };
        let pointer = self.table.key_pointer_of_text(key.expose()).await?;
        let matches = pointer.is_some_and(|to| to.license_id == license.id && to.generation == license.generation);
        if !matches {
            let detail = "the stored key string belongs to another license key or generation";
            return Ok((stored(false, detail), signing_key));
        }
        let Some(token) = token else {
            return Ok((stored(true, "the stored key string belongs to this license key"), signing_key));
        };
        let stored_token = match tokens.verify(&token, now).await {
            Ok(claims) if claims.sub == license.id.to_string() && claims.generation == license.generation => {
                stored(true, "the stored token and key string belong to this license key")
            }
            Ok(_) => stored(false, "the stored token belongs to another license key or generation"),
            Err(VerifyError::Invalid(_)) => stored(false, "the signature of the stored token is invalid"),
            // The finding `signing_key` reports the condemned key.
            Err(VerifyError::Condemned) => stored(true, "the signature of the stored token is valid"),
            Err(VerifyError::Store(error)) => return Err(error),
        };
        Ok((stored_token, signing_key))
    }

    /// Replaces a stored token whose signing key was condemned; the key string does not change. Returns whether the
    /// token was replaced: it is not if the license key cannot be used or the stored values cannot be decrypted.
    async fn resign(&self, catalog: &Catalog, ctx: &RequestContext) -> Result<bool, KeyStringError> {
        let license = self.license;
        let Some((product, tier)) = catalog.product_and_tier(license) else { return Ok(false) };
        if license.refusal(product.is_active, license.generation, ctx.now).is_some() {
            return Ok(false);
        }
        let Some(sealed) = self.table.sealed(license.id).await? else { return Ok(false) };
        let Ok((_, Some(token))) = self.key_strings.open(license.id, &sealed).await else { return Ok(false) };
        let refreshed =
            self.key_strings.refresh(license, (catalog, product, tier), (&sealed, Some(token)), ctx.now).await?;
        if !matches!(refreshed, RefreshOutcome::Unchanged(..)) {
            ctx.metrics.count(Metric::Signatures);
        }
        Ok(!matches!(refreshed, RefreshOutcome::Regenerated))
    }
}

/// Checks that the key that signed a token is in the key ring and was not condemned.
async fn check_signing_key(tokens: &Tokens, token: &Secret, now: Timestamp) -> Result<Finding, StoreError> {
    let kid = UnverifiedToken::parse(token.expose()).map(|token| token.kid().to_owned()).unwrap_or_default();
    Ok(match tokens.ring().find(&kid, now).await? {
        None => finding("signing_key", false, "the key that signed the stored token is not in the key ring"),
        Some(key) if key.state == KeyState::Condemned => {
            finding("signing_key", false, "the key that signed the stored token was condemned")
        }
        Some(_) => finding("signing_key", true, format!("the stored token is signed by {kid}")),
    })
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

/// Checks that the customer's pointer to the current license key names this key or one that was created later. Its id has the
/// time of the creation; an imported license key can have been issued long before.
async fn check_customer_pointer(table: &Table, catalog: &Catalog, license: &License) -> Result<Finding, StoreError> {
    let code = "customer_pointer";
    let product = license.product_id;
    let Some(customer) = license.customer_id else {
        return Ok(finding(code, true, "the license key belongs to no customer"));
    };
    let Some(current) = table.current_license(customer, product).await? else {
        return Ok(finding(code, false, "the customer has no current license key for this product"));
    };
    if current == license.id {
        return Ok(finding(code, true, "this is the customer's current license key for the product"));
    }
    let Some(other) = table.license(current).await? else {
        return Ok(finding(code, false, "the customer's current license key does not exist"));
    };
    if other.customer_id != license.customer_id || other.product_id != product {
        return Ok(finding(code, false, "the customer's current license key belongs to another customer or product"));
    }
    // A license key that the customer claimed or got later can have been created before.
    if other.tag.is_none() && other.id.ulid().timestamp_ms() < license.id.ulid().timestamp_ms() {
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
    match (license.expires_at, license.grace_ends_at(now)) {
        (None, _) => finding("expiry", true, "never expires"),
        (Some(end), _) if license.is_expired(now) => finding("expiry", false, format!("expired at {end}")),
        (Some(end), Some(until)) => finding("expiry", true, format!("expired at {end}, and is honoured until {until}")),
        (Some(end), None) => finding("expiry", true, format!("expires at {end}")),
    }
}
