//! The periodic request of an app: extends the lease of its seat and renews its license token. Usually costs one
//! parallel round trip to DynamoDB and at most one signature.

use axum::extract::{FromRef, State};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::AppAuthenticator,
    domain::{
        ActivationId, Catalog, Claims, IdGenerator, LicenseId, SeatStatus, Secret, Tier, TierId,
        seat::{lease_end, whole_second},
    },
    http::{
        Code, Metric, Problem, RequestContext, StrictJson,
        problem::not_in_catalog,
        resources::numeric_date,
        responses::{LicenseTokenErrors, ThrottlingErrors, UnusableLicenseErrors},
    },
    store::activations::{RenewOutcome, Renewal},
    tokens::{EncodedToken, InvalidTokenError},
};
use utoipa::ToSchema;

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
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: NotActivated MachineMismatch;
}

/// Extends a lease and renews a license token.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/heartbeat",
    tag = "consuming apps",
    summary = "Send a heartbeat",
    description = "Extends the lease of the machine's seat and renews its license token. Reports a revoked, suspended or expired \
        license key as an error.",
    request_body = Request,
    responses(
        (status = 200, description = "The license token to use until the next heartbeat", body = Response),
        Errors,
        LicenseTokenErrors,
        UnusableLicenseErrors,
        ThrottlingErrors,
    ),
)]
pub async fn handler(
    State(app): State<AppState>,
    ctx: RequestContext,
    StrictJson(request): StrictJson<Request>,
) -> Result<axum::Json<Response>, Problem> {
    let response = heartbeat(&app, &request, &ctx).await?;
    ctx.metrics.count(Metric::Heartbeats);
    Ok(axum::Json(response))
}

/// Extends the lease and renews the token of a live activation.
///
/// # Errors
///
/// `token_invalid`, `machine_mismatch`, `not_activated`, or the reason why the license key cannot be used.
pub async fn heartbeat(app: &AppState, request: &Request, ctx: &RequestContext) -> Result<Response, Problem> {
    let now = ctx.now;
    let claims = AppAuthenticator::from_ref(app).verify(&request.token, ctx).await?;
    let (license_id, activation_id) = activation_of(&claims, &request.machine_id)?;
    let cached_catalog = app.catalog.read(&app.table, now).await?;
    let renewal = Renewal {
        id: activation_id,
        generation: claims.generation,
        lease_expires_at: estimate_lease_end(&cached_catalog, &claims, now),
        at: now,
        ip: &ctx.ip,
        machine_name: None,
        public_key: None,
    };
    // In parallel: if the license key turns out to be unusable, the update has only extended a lease, which is
    // harmless.
    let (license, renewed) = tokio::join!(app.table.license(license_id), app.table.renew(&renewal));
    let license = license?.ok_or(InvalidTokenError)?;

    let catalog =
        app.catalog.read_containing(&app.table, now, |catalog| catalog.product_and_tier(&license).is_some()).await?;
    let (product, tier) = catalog.product_and_tier(&license).ok_or_else(|| not_in_catalog(&license))?;
    if let Some(refusal) = license.refusal(product.is_active, claims.generation, now) {
        return Err(refusal.into());
    }
    let RenewOutcome::Done(activation) = renewed? else { return Err(not_activated()) };
    if activation.seat_status(&license) != SeatStatus::Live {
        return Err(not_activated());
    }

    let machine = Some((&activation_id, request.machine_id.as_str()));
    let new_claims =
        Claims::new(app.issuer(), IdGenerator::new(now).text(), &license, (&catalog, product, tier), machine, now);
    if is_reusable(&claims, &new_claims, tier, now) {
        let encoded = EncodedToken::new(activation.public_key.as_ref(), &request.token)?;
        return Ok(response(&encoded, &claims, tier, now, false));
    }
    // A token is signed only if the written lease covers it. The estimated lease is too short if the tier has changed
    // since the last token was signed.
    let required = lease_end(now, tier.token_ttl_seconds, tier.grace_period_seconds);
    if activation.lease_expires_at < required {
        let extension = Renewal { lease_expires_at: required, ..renewal };
        if app.table.renew(&extension).await? == RenewOutcome::NotLive {
            return Err(not_activated());
        }
    }
    let token = ctx.sign(&app.tokens, &new_claims).await?;
    let encoded = EncodedToken::new(activation.public_key.as_ref(), &token)?;
    Ok(response(&encoded, &new_claims, tier, now, true))
}

/// Returns the license and the activation that a token names, after checking that it names this machine. Does no I/O.
fn activation_of(claims: &Claims, machine_id: &str) -> Result<(LicenseId, ActivationId), Problem> {
    let Some(activation) = &claims.activation else { return Err(not_activated()) };
    if activation.machine_id != machine_id {
        return Err(Problem::new(Code::MachineMismatch, "the token belongs to another machine"));
    }
    match (claims.sub.parse(), activation.id.parse::<ActivationId>()) {
        (Ok(license), Ok(id)) if id.license == license => Ok((license, id)),
        _ => Err(InvalidTokenError.into()),
    }
}

fn not_activated() -> Problem {
    Problem::new(Code::NotActivated, "this machine holds no seat: activate it")
}

/// Estimates the end of the lease that the next token needs, from the last token and the cached catalog.
fn estimate_lease_end(catalog: &Catalog, claims: &Claims, now: Timestamp) -> Timestamp {
    let tier = claims.tier.id.parse::<TierId>().ok().and_then(|id| catalog.tiers.get(&id));
    match tier {
        Some(tier) => lease_end(now, tier.token_ttl_seconds, tier.grace_period_seconds),
        None => lease_end(now, 0, claims.enforcement.grace_period_seconds),
    }
}

/// Returns whether the sent token can be reused: it is recent, and a new one would have the same content.
fn is_reusable(sent: &Claims, new: &Claims, tier: &Tier, now: Timestamp) -> bool {
    let age = whole_second(now) - sent.iat;
    age < i64::from(tier.renew_after()) && whole_second(now) < sent.exp && sent.has_same_content(new)
}

fn response(encoded: &EncodedToken, claims: &Claims, tier: &Tier, now: Timestamp, renewed: bool) -> Response {
    let interval = SignedDuration::from_secs(i64::from(tier.heartbeat_interval_seconds));
    Response {
        token: encoded.token.expose().to_owned(),
        token_type: encoded.token_type,
        token_expires_at: numeric_date(claims.exp),
        next_heartbeat_at: now.checked_add(interval).unwrap_or(Timestamp::MAX),
        renewed,
    }
}
