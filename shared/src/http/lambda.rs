//! A function's `main`.

use std::io;

use utoipa_axum::router::OpenApiRouter;

use super::{
    edge::with_edge,
    log::{self, Format},
};
use crate::Services;

/// Serves a function's routes on Lambda: everything that can be done once is done here, before the first request.
pub async fn run(routes: OpenApiRouter<Services>) -> Result<(), lambda_http::Error> {
    let services = start().await?;
    let (router, _) = routes.split_for_parts();
    lambda_http::run(with_edge(router, &services)).await
}

/// What every function begins with, whatever calls it: its log, as CloudWatch Logs Insights reads it, and all that can be
/// done once.
pub async fn start() -> Result<Services, lambda_http::Error> {
    log::begin(Format::Json, "info", io::stdout);
    Ok(Services::from_environment().await.inspect_err(|error| tracing::error!(%error, "not started"))?)
}
