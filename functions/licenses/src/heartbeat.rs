//! A consuming app's periodic call: extends the lease and hands out a fresh token. One round of DynamoDB, at most one
//! signature.

use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::app_credential,
    domain::{
        ActivationId, Catalog, Claims, Code, IdGenerator, LicenseId, SeatStatus, Secret, Tier, TierId,
        seat::{lease, whole_second},
    },
    http::{
        Metric, Problem, RequestContext, StrictJson,
        problem::not_in_catalog,
        resources::seconds,
        responses::{JsonBody, LicenseToken, LicenseUsable, ServerErrors, Throttled},
    },
    store::activations::{RenewOutcome, Renewal},
    tokens::{EncodedToken, TokenInvalid},
};
use utoipa::ToSchema;

/// A token, and the machine that it is for.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = HeartbeatRequest)]
pub struct Request {
    /// The last token; it may be past its `exp`.
    #[schema(value_type = String, example = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl")]
    pub token: Secret,
    /// What the app calls the machine.
    #[schema(example = "machine-1")]
    pub machine_id: String,
}

/// A token to go on with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeartbeatResponse)]
pub struct Response {
    /// A fresh token, or the one that was sent while that is young; encrypted, if the app gave a public key when it
    /// activated.
    #[schema(
        example = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl"
    )]
    pub token: String,
    /// `JWT`, or `JWE` for one that is encrypted: the app decrypts it, and sends the token that is in it.
    #[schema(example = "JWT")]
    pub token_type: &'static str,
    /// The token's `exp`.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T13:15:00Z")]
    pub token_expires_at: Timestamp,
    /// When to call again.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T12:30:00Z")]
    pub next_heartbeat_at: Timestamp,
    /// Whether the token is a fresh one.
    #[schema(example = true)]
    pub renewed: bool,
}

shared::problems! {
    /// Errors specific to this endpoint.
    Errors: NotActivated MachineMismatch;
}

/// Renews a license token.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/heartbeat",
    tag = "consuming apps",
    summary = "Extend the lease of a machine and renew its token",
    request_body = Request,
    responses(
        (status = 200, description = "A token to go on with", body = Response),
        Errors,
        LicenseToken,
        LicenseUsable,
        Throttled,
        JsonBody,
        ServerErrors,
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

/// Renews the token of an activation that is live.
pub async fn heartbeat(app: &AppState, request: &Request, ctx: &RequestContext) -> Result<Response, Problem> {
    let now = ctx.now;
    let claims = app_credential::verify(app, &request.token, ctx).await?;
    let (license_id, activation_id) = named_by(&claims, &request.machine_id)?;
    let assumed = app.catalog.read(&app.table, now).await?;
    let renewal = Renewal {
        id: activation_id,
        generation: claims.generation,
        lease_expires_at: assumed_lease(&assumed, &claims, now),
        at: now,
        ip: &ctx.ip,
        machine_name: None,
        public_key: None,
    };
    // Both at once: an update under a license that is then refused extends a lease, and that is harmless.
    let (license, renewed) = tokio::join!(app.table.license(license_id), app.table.renew(&renewal));
    let license = license?.ok_or(TokenInvalid)?;

    let catalog =
        app.catalog.read_with(&app.table, now, |catalog| catalog.product_and_tier(&license).is_some()).await?;
    let (product, tier) = catalog.product_and_tier(&license).ok_or_else(|| not_in_catalog(&license))?;
    if let Some(refusal) = license.refusal(product.is_active, claims.generation, now) {
        return Err(refusal.into());
    }
    let RenewOutcome::Done(activation) = renewed? else { return Err(not_activated()) };
    if activation.seat_status(&license) != SeatStatus::Live {
        return Err(not_activated());
    }

    let machine = Some((&activation_id, request.machine_id.as_str()));
    let fresh =
        Claims::new(app.issuer(), IdGenerator::new(now).text(), &license, (&catalog, product, tier), machine, now);
    if is_young(&claims, &fresh, tier, now) {
        let handed = EncodedToken::to(activation.public_key.as_ref(), &request.token)?;
        return Ok(response(&handed, &claims, tier, now, false));
    }
    // Only what the written lease covers is signed: the tier may have changed since the token was.
    let covering = lease(now, tier.token_ttl_seconds, tier.grace_period_seconds);
    if activation.lease_expires_at < covering {
        let further = Renewal { lease_expires_at: covering, ..renewal };
        if app.table.renew(&further).await? == RenewOutcome::NotLive {
            return Err(not_activated());
        }
    }
    let token = ctx.sign(&app.tokens, &fresh).await?;
    let handed = EncodedToken::to(activation.public_key.as_ref(), &token)?;
    Ok(response(&handed, &fresh, tier, now, true))
}

/// The license and the activation that a token names, if it names this machine. No I/O.
fn named_by(claims: &Claims, machine_id: &str) -> Result<(LicenseId, ActivationId), Problem> {
    let Some(activation) = &claims.activation else { return Err(not_activated()) };
    if activation.machine_id != machine_id {
        return Err(Problem::new(Code::MachineMismatch, "this token was made for another machine"));
    }
    match (claims.sub.parse(), activation.id.parse::<ActivationId>()) {
        (Ok(license), Ok(id)) if id.license == license => Ok((license, id)),
        _ => Err(TokenInvalid.into()),
    }
}

fn not_activated() -> Problem {
    Problem::new(Code::NotActivated, "this machine holds no seat: activate it")
}

/// The lease that the next token will need, as far as the last one and the catalog at hand tell.
fn assumed_lease(catalog: &Catalog, claims: &Claims, now: Timestamp) -> Timestamp {
    let tier = claims.tier.id.parse::<TierId>().ok().and_then(|id| catalog.tiers.get(&id));
    match tier {
        Some(tier) => lease(now, tier.token_ttl_seconds, tier.grace_period_seconds),
        None => lease(now, 0, claims.enforcement.grace_period_seconds),
    }
}

/// Whether the token that was sent will do: it is young, and a fresh one would say the same.
fn is_young(sent: &Claims, fresh: &Claims, tier: &Tier, now: Timestamp) -> bool {
    let age = whole_second(now) - sent.iat;
    age < i64::from(tier.renew_after()) && whole_second(now) < sent.exp && sent.has_same_content(fresh)
}

fn response(handed: &EncodedToken, claims: &Claims, tier: &Tier, now: Timestamp, renewed: bool) -> Response {
    let interval = SignedDuration::from_secs(i64::from(tier.heartbeat_interval_seconds));
    Response {
        token: handed.token.expose().to_owned(),
        token_type: handed.token_type,
        token_expires_at: seconds(claims.exp),
        next_heartbeat_at: now.checked_add(interval).unwrap_or(Timestamp::MAX),
        renewed,
    }
}
