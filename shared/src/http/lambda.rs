//! A function's `main`.

use tracing_subscriber::EnvFilter;
use utoipa_axum::router::OpenApiRouter;

use super::edge::with_edge;
use crate::Services;

/// Serves a function's routes on Lambda: everything that can be done once is done here, before the first request.
pub async fn run(routes: OpenApiRouter<Services>) -> Result<(), lambda_http::Error> {
    let services = start().await?;
    let (router, _) = routes.split_for_parts();
    lambda_http::run(with_edge(router, &services)).await
}

/// What every function begins with, whatever calls it: its log, and all that can be done once.
pub async fn start() -> Result<Services, lambda_http::Error> {
    log_as_json();
    Ok(Services::from_environment().await.inspect_err(|error| tracing::error!(%error, "not started"))?)
}

/// One JSON object a line, as CloudWatch Logs Insights reads it; `RUST_LOG` says how much.
fn log_as_json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_target(false).with_env_filter(filter).init();
}
