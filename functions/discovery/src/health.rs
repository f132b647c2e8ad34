//! The health check: checks the dependencies of Signet, for monitoring and load balancers.

use std::{convert::Infallible, fmt::Display, sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::{FromRef, State},
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::{
    AppState, Clock,
    auth::oidc::Oidc,
    http::RequestContext,
    store::Table,
    tokens::{KeyRingCache, Tokens},
    ttl_cache::TtlCache,
};
use tokio::time::timeout;
use utoipa::ToSchema;

/// How long a result is reused. Limits how often the dependencies are checked, regardless of the number of requests.
const CACHE_DURATION: SignedDuration = SignedDuration::from_secs(5);
/// The maximum age of the signed key set.
const MAX_SIGNED_SET_AGE: SignedDuration = SignedDuration::from_hours(48);
/// The timeout of each check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The health status, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = HealthStatus)]
pub enum Health {
    /// All checks pass.
    Ok,
    /// Some requests fail.
    Degraded,
    /// All or nearly all requests fail.
    Down,
}

/// The check of one dependency.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HealthCheck)]
pub struct CheckResource {
    /// `dynamodb`, `signing` (there is a current signing key and KMS can sign with it), `signed_keys` (the signed key
    /// set is less than two days old) or `oidc` (the keys of the identity provider are available).
    #[schema(example = "dynamodb")]
    name: &'static str,
    /// The status of the dependency.
    status: Health,
    /// Duration of the check, in milliseconds.
    #[schema(example = 3)]
    latency_ms: u64,
}

/// The health of the installation.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HealthReport, example = json!({
    "status": "ok", "version": "0.1.0",
    "checks": [
        {"name": "dynamodb", "status": "ok", "latency_ms": 3},
        {"name": "signing", "status": "ok", "latency_ms": 4},
        {"name": "signed_keys", "status": "ok", "latency_ms": 0},
        {"name": "oidc", "status": "ok", "latency_ms": 0},
    ],
}))]
pub struct HealthResource {
    /// The worst status of the checks.
    status: Health,
    /// The checks of all dependencies.
    checks: Vec<CheckResource>,
    /// Version of Signet.
    version: &'static str,
}

/// The last result.
pub(crate) type HealthCache = Arc<TtlCache<HealthResource>>;

/// The dependencies that the health check examines.
#[derive(Debug, Clone)]
pub(crate) struct Dependencies {
    table: Table,
    tokens: Tokens,
    oidc: Option<Oidc>,
    clock: Clock,
}

impl FromRef<AppState> for Dependencies {
    fn from_ref(AppState { table, tokens, oidc, clock, .. }: &AppState) -> Self {
        Self { table: table.clone(), tokens: tokens.clone(), oidc: oidc.clone(), clock: clock.clone() }
    }
}

/// Returns the health of the installation.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "get_health",
    tag = "discovery",
    summary = "Check the health",
    description = "Checks DynamoDB, the signing keys and the identity provider. The result is cached for five seconds.",
    responses(
        (status = 200, description = "The status is `ok` or `degraded`", body = HealthResource),
        (status = 503, description = "The status is `down`", body = HealthResource, headers(("Retry-After" = String)), example = json!({
            "status": "down", "checks": [{"name": "dynamodb", "status": "down", "latency_ms": 2000}], "version": "0.1.0",
        })),
    ),
)]
pub(crate) async fn handler(
    State(dependencies): State<Dependencies>,
    Extension(cache): Extension<HealthCache>,
    ctx: RequestContext,
) -> Response {
    let probe = async { Ok(Box::pin(probe(&dependencies, ctx.now)).await) };
    let Ok::<_, Infallible>(health) = cache.get_or_read(CACHE_DURATION, ctx.now, probe).await;
    if health.status == Health::Down {
        let retry_after = [(RETRY_AFTER, CACHE_DURATION.as_secs().to_string())];
        return (StatusCode::SERVICE_UNAVAILABLE, retry_after, Json(health)).into_response();
    }
    Json(health).into_response()
}

/// Runs all checks concurrently.
async fn probe(dependencies: &Dependencies, now: Timestamp) -> HealthResource {
    let Dependencies { table, tokens, oidc, clock } = dependencies;
    let identity_provider = async {
        let oidc = oidc.as_ref()?;
        Some(check(clock, "oidc", Health::Degraded, async { oidc.discovery(now).await.map(drop) }).await)
    };
    let (dynamodb, signing, signed_keys, oidc) = tokio::join!(
        check(clock, "dynamodb", Health::Down, table.probe()),
        check(clock, "signing", Health::Down, tokens.check_signer(now)),
        check(clock, "signed_keys", Health::Degraded, check_signed_set(tokens.ring(), now)),
        identity_provider,
    );
    let checks: Vec<CheckResource> = [dynamodb, signing, signed_keys].into_iter().chain(oidc).collect();
    let status = checks.iter().map(|check| check.status).max().unwrap_or(Health::Ok);
    HealthResource { status, checks, version: env!("CARGO_PKG_VERSION") }
}

/// Runs one check. The cause of a failure is logged, not returned.
async fn check<E: Display>(
    clock: &Clock,
    name: &'static str,
    status_on_failure: Health,
    probe: impl Future<Output = Result<(), E>>,
) -> CheckResource {
    let started = clock.now();
    let cause = match timeout(CHECK_TIMEOUT, probe).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("timed out".to_owned()),
    };
    if let Some(cause) = &cause {
        tracing::warn!(check = name, cause, "a health check failed");
    }
    let status = if cause.is_some() { status_on_failure } else { Health::Ok };
    let latency_ms = u64::try_from(clock.now().duration_since(started).as_millis()).unwrap_or(0);
    CheckResource { name, status, latency_ms }
}

/// Checks that the signed key set is recent. The rotation function signs it every day. If it is old, rotation does not
/// run: signing keys are not rotated, and apps will have no valid signed key set after some days.
async fn check_signed_set(ring: &KeyRingCache, now: Timestamp) -> Result<(), String> {
    let ring = ring.read(now).await.map_err(|error| error.to_string())?;
    match &ring.signed_set {
        Some(set) if now.duration_since(set.issued_at) < MAX_SIGNED_SET_AGE => Ok(()),
        Some(set) => Err(format!("the signed key set is out of date: it was signed at {}", set.issued_at)),
        None => Err("there is no signed key set".to_owned()),
    }
}
