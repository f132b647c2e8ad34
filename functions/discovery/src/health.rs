//! Whether what we need answers: for whoever watches Signet, and for what sends it requests.

use std::{fmt::Display, sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::{AppState, Clock, http::RequestContext, tokens::KeyRingCache};
use tokio::{sync::Mutex, time::timeout};
use utoipa::ToSchema;

/// How long an answer is given again: however many ask, what we need is asked this often.
const REUSED_FOR: SignedDuration = SignedDuration::from_secs(5);
/// How old the signed set of keys may be.
const SIGNED_WITHIN: SignedDuration = SignedDuration::from_hours(48);
/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How well it goes, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// All is well.
    Ok,
    /// Some callers are not answered as they should be.
    Degraded,
    /// Nobody is.
    Down,
}

/// One thing that we need.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HealthCheck)]
pub struct CheckResource {
    /// `dynamodb`, `signing` (is there a key to sign with, and does KMS have it ready?), `signed_keys` (is the set that a
    /// root key signed younger than two days?) or `oidc` (are there keys of the issuer of bearer tokens?)
    #[schema(example = "dynamodb")]
    name: &'static str,
    /// How well it goes.
    status: Health,
    /// How long the check took.
    #[schema(example = 3)]
    latency_ms: u64,
}

/// All that we need.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HealthOfAll, example = json!({
    "status": "ok", "version": "0.1.0",
    "checks": [
        {"name": "dynamodb", "status": "ok", "latency_ms": 3},
        {"name": "signing", "status": "ok", "latency_ms": 4},
        {"name": "signed_keys", "status": "ok", "latency_ms": 0},
        {"name": "oidc", "status": "ok", "latency_ms": 0},
    ],
}))]
pub struct HealthResource {
    /// As the worst of the checks.
    status: Health,
    /// Each thing that is needed here.
    checks: Vec<CheckResource>,
    /// Signet's.
    version: &'static str,
}

/// The last answer, and when it was found out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Last(Arc<Mutex<Option<(Timestamp, HealthResource)>>>);

impl Last {
    /// The last answer while it is fresh, or a new one. Those who come while it is found out wait for it.
    async fn or_probe(&self, app: &AppState, now: Timestamp) -> HealthResource {
        let mut last = self.0.lock().await;
        if let Some((at, health)) = last.as_ref()
            && now.duration_since(*at).abs() < REUSED_FOR
        {
            return health.clone();
        }
        let health = Box::pin(probe(app, now)).await;
        *last = Some((now, health.clone()));
        health
    }
}

/// Tells how well it goes.
#[utoipa::path(
    get,
    path = "/health",
    tag = "discovery",
    summary = "Ask whether all that is needed answers",
    description = "An answer is given again for five seconds.",
    responses(
        (status = 200, description = "It answers, `degraded` or `ok`", body = HealthResource),
        (status = 503, description = "It is `down`", body = HealthResource, headers(("Retry-After" = String)), example = json!({
            "status": "down", "checks": [{"name": "dynamodb", "status": "down", "latency_ms": 2000}], "version": "0.1.0",
        })),
    ),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    Extension(last): Extension<Last>,
    ctx: RequestContext,
) -> Response {
    let health = last.or_probe(&app, ctx.now).await;
    if health.status == Health::Down {
        let again = [(RETRY_AFTER, REUSED_FOR.as_secs().to_string())];
        return (StatusCode::SERVICE_UNAVAILABLE, again, Json(health)).into_response();
    }
    Json(health).into_response()
}

/// Asks everything at once.
async fn probe(app: &AppState, now: Timestamp) -> HealthResource {
    let clock = &app.clock;
    let issuer = async {
        let oidc = app.oidc.as_ref()?;
        Some(check(clock, "oidc", Health::Degraded, async { oidc.discovery(now).await.map(drop) }).await)
    };
    let ring = app.tokens.ring();
    let (dynamodb, signing, signed_keys, oidc) = tokio::join!(
        check(clock, "dynamodb", Health::Down, app.table.probe()),
        check(clock, "signing", Health::Down, app.tokens.check_signer(now)),
        check(clock, "signed_keys", Health::Degraded, signed_lately(ring, now)),
        issuer,
    );
    let checks: Vec<CheckResource> = [dynamodb, signing, signed_keys].into_iter().chain(oidc).collect();
    let status = checks.iter().map(|check| check.status).max().unwrap_or(Health::Ok);
    HealthResource { status, checks, version: env!("CARGO_PKG_VERSION") }
}

/// Runs one check. Why it failed is for the log alone.
async fn check<E: Display>(
    clock: &Clock,
    name: &'static str,
    if_it_fails: Health,
    probe: impl Future<Output = Result<(), E>>,
) -> CheckResource {
    let begun = clock.now();
    let cause = match timeout(PATIENCE, probe).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer in time".to_owned()),
    };
    if let Some(cause) = &cause {
        tracing::warn!(check = name, cause, "a health check failed");
    }
    let status = if cause.is_some() { if_it_fails } else { Health::Ok };
    let latency_ms = u64::try_from(clock.now().duration_since(begun).as_millis()).unwrap_or(0);
    CheckResource { name, status, latency_ms }
}

/// The set of keys is signed anew each day. If it is not, nobody looks after the keys: apps get no new set in some days,
/// and no key takes its turn.
async fn signed_lately(ring: &KeyRingCache, now: Timestamp) -> Result<(), String> {
    let ring = ring.read(now).await.map_err(|error| error.to_string())?;
    match &ring.signed_set {
        Some(set) if now.duration_since(set.issued_at) < SIGNED_WITHIN => Ok(()),
        Some(set) => Err(format!("the set of signing keys was signed at {}, and not since", set.issued_at)),
        None => Err("no root key has signed the set of signing keys".to_owned()),
    }
}
