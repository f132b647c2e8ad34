//! A function's `main`.

use std::{env, io, process::ExitCode};

use axum::Router;
use lambda_http::Error;
use utoipa_axum::router::OpenApiRouter;

use super::{
    log::{self, Format},
    middleware::with_middleware,
};
use crate::{AppState, Configuration};

/// Serves a function's routes on Lambda.
pub async fn run(routes: OpenApiRouter<AppState>) -> ExitCode {
    let (router, _) = routes.split_for_parts();
    run_with(|_| router).await
}

/// The same with routes that are made of what they may touch.
pub async fn run_with(routes: impl FnOnce(&AppState) -> Router<AppState>) -> ExitCode {
    begin(async |app| lambda_http::run(with_middleware(routes(&app), &app)).await).await
}

/// What every function begins with, whatever calls it: its log, as CloudWatch Logs Insights reads it, and all that can be
/// done once, before the first request. Why it can't begin, or go on, is one line of the log.
pub async fn begin(serve: impl AsyncFnOnce(AppState) -> Result<(), Error>) -> ExitCode {
    log::begin(Format::Json, "info", io::stdout);
    let ended = async { serve(app().await?).await };
    match ended.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "not running");
            ExitCode::FAILURE
        }
    }
}

async fn app() -> Result<AppState, Error> {
    let configuration = Configuration::from_environment()?;
    check_runtime()?;
    Ok(AppState::start(configuration).await?)
}

/// What Lambda sets, and the runtime's library would panic without.
const RUNTIME: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];
/// What Lambda sets of the function's role. The SDK would say that DynamoDB can't be reached.
const CREDENTIALS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

fn check_runtime() -> Result<(), Error> {
    let absent = |names: &[&str]| {
        let absent: Vec<_> = names.iter().copied().filter(|name| env::var_os(name).is_none()).collect();
        absent.join(", ")
    };
    let (runtime, credentials) = (absent(&RUNTIME), absent(&CREDENTIALS));
    if !runtime.is_empty() {
        let fix = "run the function on Lambda, or by cargo lambda watch; cargo run starts all of Signet without either";
        return Err(format!("not set, as Lambda sets it: {runtime}; {fix}").into());
    }
    if !credentials.is_empty() {
        return Err(format!("not set, as Lambda sets it from the function's role: {credentials}").into());
    }
    Ok(())
}
