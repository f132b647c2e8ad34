//! The periodic request of an app: extends the lease of its seat and renews its license token. Usually costs one
//! parallel round trip to DynamoDB and at most one signature.

use activations::borrow::{BorrowNotAllowedError, BorrowRequest};
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::{
    auth::{AppAuthenticator, AppCredentialError},
    domain::{
        Activation, ActivationId, Actor, ActorKind, Catalog, Claims, IdGenerator, License, LicenseId,
        NotInCatalogError, Refusal, ReportedFacts, SeatStatus, Secret, Tier, TierId, TokenTimes, ValidationErrors,
        claims::ActivationClaim,
        seat::{lease_end, whole_second},
    },
    http::{
        Code, Metric, Problem, RequestContext, StrictJson,
        extractors::optional_time,
        responses::{LicenseTokenErrors, ThrottlingErrors, UnusableLicenseErrors},
    },
    store::{
        Backoff, StoreError, Table,
        catalog::CatalogCache,
        renewals::{RenewOutcome, Renewal},
    },
    tokens::{EncodedToken, EncryptError, InvalidTokenError, TokenError, Tokens},
};
use utoipa::ToSchema;

/// Why a heartbeat renewed nothing.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatError {
    /// The token was not accepted.
    #[error(transparent)]
    Credential(#[from] AppCredentialError),
    /// The token names no license key and activation that exist.
    #[error(transparent)]
    InvalidToken(#[from] InvalidTokenError),
    /// The request has invalid values.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The seat cannot be borrowed.
    #[error(transparent)]
    Borrow(#[from] BorrowNotAllowedError),
    /// The token belongs to another machine.
    #[error("the token belongs to another machine")]
    MachineMismatch,
    /// The machine holds no seat.
    #[error("this machine holds no seat: activate it")]
    NotActivated,
    /// The license key cannot be used.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The tier of the license key is not in the catalog.
    #[error(transparent)]
    NotInCatalog(#[from] NotInCatalogError),
    /// The new token could not be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token could not be encrypted.
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<HeartbeatError> for Problem {
    fn from(error: HeartbeatError) -> Self {
        match error {
            HeartbeatError::Credential(error) => error.into(),
            HeartbeatError::InvalidToken(error) => error.into(),
            HeartbeatError::Invalid(errors) => errors.into(),
            HeartbeatError::Borrow(error) => error.into(),
            HeartbeatError::MachineMismatch => Self::new(Code::MachineMismatch, error.to_string()),
            HeartbeatError::NotActivated => Self::new(Code::NotActivated, error.to_string()),
            HeartbeatError::Refused(refusal) => refusal.into(),
            HeartbeatError::NotInCatalog(error) => error.into(),
            HeartbeatError::Token(error) => error.into(),
            HeartbeatError::Encrypt(error) => error.into(),
            HeartbeatError::Store(error) => error.into(),
        }
    }
}

/// Request to send a heartbeat.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = HeartbeatRequest)]
pub struct Request {
    /// The last license token, which may be expired.
    #[schema(value_type = String, example = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl")]
    pub token: Secret,
    /// Identifier of the machine, as in the activation.
    #[schema(example = "machine-1")]
    pub machine_id: String,
    /// Identifier of the process, as in the activation. Required if the token has it, and else not allowed.
    #[schema(example = "4711-1", min_length = 1, max_length = 64)]
    pub instance_id: Option<String>,
    /// Borrows the seat until then, or longer than before; see activating a machine.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-01-22T12:00:00Z")]
    #[serde(default, deserialize_with = "optional_time")]
    pub borrow_until: Option<Timestamp>,
    /// Version of the app: 1 to 32 bytes, no control or invisible characters. If omitted, the last one stays.
    #[schema(example = "4.2.1", min_length = 1, max_length = 32)]
    pub app_version: Option<String>,
    /// Operating system: 1 to 64 bytes, no control or invisible characters. If omitted, the last one stays.
    #[schema(example = "Windows 11", min_length = 1, max_length = 64)]
    pub os: Option<String>,
    /// Name of the machine in its network: 1 to 64 bytes, no control or invisible characters. If omitted, the last one stays.
    #[schema(example = "build-07.example.com", min_length = 1, max_length = 64)]
    pub hostname: Option<String>,
}

impl Request {
    /// Returns what the app reports about itself and its machine, after validating it.
    fn reported_facts(&self) -> Result<ReportedFacts<'_>, ValidationErrors> {
        let facts = ReportedFacts::new([&self.app_version, &self.os, &self.hostname].map(Option::as_deref));
        let mut errors = ValidationErrors::default();
        facts.check(&mut errors);
        errors.into_result().map(|()| facts)
    }
}

/// The license token to use until the next heartbeat.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeartbeatResponse)]
pub struct Response {
    /// A new license token, or the one in the request if that is recent enough. Encrypted if the app sent a public key
    /// when it activated.
    #[schema(
        example = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl"
    )]
    pub token: String,
    /// `JWT`, or `JWE` for an encrypted token. The app decrypts a JWE and sends the nested JWT in later requests.
    #[schema(example = "JWT")]
    pub token_type: &'static str,
    /// When the token expires (its `exp` claim).
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T13:15:00Z")]
    pub token_expires_at: Timestamp,
    /// When to send the next heartbeat.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T12:30:00Z")]
    pub next_heartbeat_at: Timestamp,
    /// Whether the token is new. If false, it is the one in the request.
    #[schema(example = true)]
    pub renewed: bool,
    /// Whether the license key is past its expiry and still honoured.
    #[schema(example = false)]
    pub in_grace: bool,
    /// When a license key that is in grace stops being honoured; null if it is not in grace.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub grace_ends_at: Option<Timestamp>,
}

impl From<Heartbeat> for Response {
    fn from(heartbeat: Heartbeat) -> Self {
        Self {
            token: heartbeat.token.token.expose().to_owned(),
            token_type: heartbeat.token.token_type,
            token_expires_at: heartbeat.token_expires_at,
            next_heartbeat_at: heartbeat.next_heartbeat_at,
            renewed: heartbeat.is_renewed,
            in_grace: heartbeat.grace_ends_at.is_some(),
            grace_ends_at: heartbeat.grace_ends_at,
        }
    }
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: NotActivated MachineMismatch BorrowNotAllowed;
}

/// Extends a lease and renews a license token.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/heartbeat",
    operation_id = "send_heartbeat",
    tag = "apps",
    summary = "Send a heartbeat",
    description = "Extends the lease of the machine's seat and renews its license token. Reports a revoked, suspended or expired \
        license key as an error.",
    request_body(
        content = Request,
        example = json!({"token": "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl", "machine_id": "machine-1"}),
    ),
    responses(
        (status = 200, description = "The license token to use until the next heartbeat", body = Response),
        Errors,
        LicenseTokenErrors,
        UnusableLicenseErrors,
        ThrottlingErrors,
    ),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    State(tokens): State<Tokens>,
    State(authenticator): State<AppAuthenticator>,
    ctx: RequestContext,
    StrictJson(request): StrictJson<Request>,
) -> Result<axum::Json<Response>, Problem> {
    let heartbeat = heartbeat(&table, &catalog, &tokens, &authenticator, &request, &ctx).await?;
    ctx.metrics.count(Metric::Heartbeats);
    Ok(axum::Json(heartbeat.into()))
}

/// The license token to use until the next heartbeat.
#[derive(Debug)]
pub struct Heartbeat {
    /// The token, encrypted if the app has a public key.
    pub token: EncodedToken,
    /// When the token expires.
    pub token_expires_at: Timestamp,
    /// When to send the next heartbeat.
    pub next_heartbeat_at: Timestamp,
    /// Whether the token is new. If false, it is the one in the request.
    pub is_renewed: bool,
    /// When the license key stops being honoured, if it has expired.
    pub grace_ends_at: Option<Timestamp>,
}

/// Extends the lease and renews the token of a live activation.
pub async fn heartbeat(
    table: &Table,
    catalog: &CatalogCache,
    tokens: &Tokens,
    authenticator: &AppAuthenticator,
    request: &Request,
    ctx: &RequestContext,
) -> Result<Heartbeat, HeartbeatError> {
    let now = ctx.now;
    let reported = request.reported_facts()?;
    let claims = authenticator.verify(&request.token, ctx).await?;
    let (license_id, activation_id) = activation_of(&claims, request)?;
    if let Some(until) = request.borrow_until {
        borrow(table, catalog, (&claims, activation_id), until, ctx).await?;
    }
    let cached_catalog = catalog.read(table, now).await?;
    let renewal = Renewal {
        id: activation_id,
        generation: claims.generation,
        lease_expires_at: estimate_lease_end(&cached_catalog, &claims, now),
        at: now,
        ip: &ctx.ip,
        public_key: None,
        // Without a seat limit, the activation has no seat.
        is_seatless_process: request.instance_id.is_some() && claims.limits.max_users.is_none(),
        offline_file_until: None,
    };
    // In parallel: if the license key turns out to be unusable, the update has only extended a lease, which is
    // harmless.
    let (license, renewed) = tokio::join!(table.license(license_id), table.renew(&renewal));
    let license = license?.ok_or(InvalidTokenError)?;

    let catalog = catalog.read_containing(table, now, |catalog| catalog.covers(&license)).await?;
    let (product, tier) = catalog.product_and_tier(&license).ok_or(NotInCatalogError(license_id))?;
    if let Some(refusal) = license.refusal(product.is_active, claims.generation, now) {
        return Err(refusal.into());
    }
    let RenewOutcome::Done(activation) = renewed? else { return Err(HeartbeatError::NotActivated) };
    if activation.seat_status(&license) != SeatStatus::Live {
        return Err(HeartbeatError::NotActivated);
    }
    table.record_facts(&activation, None, reported).await?;

    let (jti, product_and_tier) = (IdGenerator::new(now).text(), (&*catalog, product, tier));
    let new_claims = Claims::new(tokens.issuer(), jti, &license, product_and_tier, Some(&activation), now);
    let heartbeat = |token: &Secret, claims: &Claims, is_renewed| {
        Ok(Heartbeat {
            token: EncodedToken::new(activation.public_key.as_ref(), token)?,
            token_expires_at: claims.expires_at(),
            next_heartbeat_at: tier.next_heartbeat_at(now),
            is_renewed,
            grace_ends_at: license.grace_ends_at(now),
        })
    };
    let borrowed_until = activation.borrow.map(|borrow| borrow.until);
    if is_reusable(&claims, &new_claims, (tier, &license, borrowed_until), now) {
        return heartbeat(&request.token, &claims, false);
    }
    cover_new_token(table, renewal, &activation, new_claims.times()).await?;
    heartbeat(&ctx.sign(tokens, &new_claims).await?, &new_claims, true)
}

/// Returns the license and the activation that a token names, after checking that it names this machine. Does no I/O.
fn activation_of(claims: &Claims, request: &Request) -> Result<(LicenseId, ActivationId), HeartbeatError> {
    let Some(activation) = &claims.activation else { return Err(HeartbeatError::NotActivated) };
    check_instance_id(activation, request.instance_id.as_deref())?;
    if activation.machine_id != request.machine_id || activation.instance_id != request.instance_id {
        return Err(HeartbeatError::MachineMismatch);
    }
    match (claims.sub.parse(), activation.id.parse::<ActivationId>()) {
        (Ok(license), Ok(id)) if id.license == license => Ok((license, id)),
        _ => Err(InvalidTokenError.into()),
    }
}

/// Rejects a request without the id of the process if the token is that of a process, and one with it if it is not.
pub(crate) fn check_instance_id(token: &ActivationClaim, instance_id: Option<&str>) -> Result<(), ValidationErrors> {
    let mut errors = ValidationErrors::default();
    let detail = match token.instance_id {
        Some(_) => "is required: the token belongs to a process",
        None => "must be omitted: the token belongs to a machine",
    };
    errors.check(token.instance_id.is_some() == instance_id.is_some(), "/instance_id", detail);
    errors.into_result()
}

/// Starts or extends the borrow of a live activation. Reads the license key first, and writes on condition that it is unchanged: a
/// lease that is extended for a refused license key would block a seat for up to a year. Does nothing if the activation is borrowed
/// as long.
async fn borrow(
    table: &Table,
    catalog: &CatalogCache,
    (claims, id): (&Claims, ActivationId),
    until: Timestamp,
    ctx: &RequestContext,
) -> Result<(), HeartbeatError> {
    let request = BorrowRequest { pointer: "/borrow_until", until, is_for_license_file: false };
    let mut errors = ValidationErrors::default();
    request.check_time(&mut errors, ctx.now);
    errors.into_result()?;
    let mut backoff = Backoff::default();
    loop {
        let (license, found) = tokio::try_join!(table.license(id.license), table.activation(id.license, id.machine))?;
        let license = license.ok_or(InvalidTokenError)?;
        let has_tier = |catalog: &Catalog| catalog.product_and_tier(&license).is_some();
        let catalog = catalog.read_containing(table, ctx.now, has_tier).await?;
        let (product, tier) = catalog.product_and_tier(&license).ok_or(NotInCatalogError(license.id))?;
        if let Some(refusal) = license.refusal(product.is_active, claims.generation, ctx.now) {
            return Err(refusal.into());
        }
        let is_live = |found: &Activation| found.id == id && found.seat_status(&license) == SeatStatus::Live;
        let activation = found.filter(is_live).ok_or(HeartbeatError::NotActivated)?;
        if !request.extends(&activation) {
            return Ok(());
        }
        request.check(tier, &license, Some(&activation), ctx.now)?;
        let actor = Actor { kind: ActorKind::App, id: id.to_string() };
        if request.borrow(table, (&license, tier), &activation, (&actor, ctx)).await?.is_some() {
            return Ok(());
        }
        backoff.retry().await?;
    }
}

/// Estimates the end of the lease that the next token needs, from the last token and the cached catalog. It is not before the end
/// of the last token, which the lease covers already.
fn estimate_lease_end(catalog: &Catalog, claims: &Claims, now: Timestamp) -> Timestamp {
    let tier = claims.tier.id.parse::<TierId>().ok().and_then(|id| catalog.tiers.get(&id));
    let covered = claims.times().lease();
    tier.map_or(covered, |tier| lease_end(now, tier).max(covered))
}

/// Extends the lease if it ends before a new token: a token is signed only if the written lease covers it. The estimated
/// lease is too short if the tier has changed since the last token was signed.
async fn cover_new_token(
    table: &Table,
    renewal: Renewal<'_>,
    activation: &Activation,
    token: TokenTimes,
) -> Result<(), HeartbeatError> {
    let required = token.lease();
    if activation.lease_expires_at >= required {
        return Ok(());
    }
    match table.renew(&Renewal { lease_expires_at: required, ..renewal }).await? {
        RenewOutcome::Done(_) => Ok(()),
        RenewOutcome::NotLive => Err(HeartbeatError::NotActivated),
    }
}

/// Returns whether the sent token can be reused: it is recent, and a new one would not differ otherwise.
fn is_reusable(
    sent: &Claims,
    new: &Claims,
    (tier, license, borrowed_until): (&Tier, &License, Option<Timestamp>),
    now: Timestamp,
) -> bool {
    let age = whole_second(now) - sent.iat;
    age < i64::from(tier.renew_after())
        && whole_second(now) < sent.exp
        && sent.is_current(new, tier, license, borrowed_until)
}
