//! The entry point of the Lambda functions.

use std::{env, io, process::ExitCode};

use axum::Router;
use lambda_http::Error;
use utoipa_axum::router::OpenApiRouter;

use super::{AppState, Configuration, with_middleware};
use crate::{
    http::log::{self, Format},
    queue::WebhookQueue,
};

/// Serves the routes of a function on Lambda.
pub async fn run(routes: OpenApiRouter<AppState>) -> ExitCode {
    let (router, _) = routes.split_for_parts();
    run_with(|_| router).await
}

/// Serves routes that are built from the application state, so that a function can restrict what its handlers access.
pub async fn run_with(routes: impl FnOnce(&AppState) -> Router<AppState>) -> ExitCode {
    start(async |app| lambda_http::run(with_middleware(routes(&app), &app)).await).await
}

/// Initializes the JSON log, reads the configuration, starts the application state and runs `serve`.
///
/// All of it happens in Lambda's INIT phase. Logs one error line if the process cannot start or `serve` fails.
pub async fn start(serve: impl AsyncFnOnce(AppState) -> Result<(), Error>) -> ExitCode {
    run_logged(async {
        let configuration = configuration()?;
        let app = AppState::start(configuration).await?;
        // Boxed, because the compiler limits how deeply futures nest.
        Box::pin(serve(app)).await
    })
    .await
}

/// Like [`start`], with the queue that wakes the function `webhooks-sender`.
pub async fn start_with_queue(serve: impl AsyncFnOnce(AppState, WebhookQueue) -> Result<(), Error>) -> ExitCode {
    run_logged(async {
        let configuration = configuration()?;
        let url = configuration.webhook_queue.as_ref().ok_or("SIGNET_WEBHOOK_QUEUE is not set")?;
        let aws = configuration.aws()?;
        let queue = WebhookQueue::connect(&aws, url, configuration.endpoints.sqs.clone());
        let app = AppState::start_with(configuration, &aws).await?;
        Box::pin(serve(app, queue)).await
    })
    .await
}

/// Runs a function, and logs why it cannot run.
async fn run_logged(function: impl Future<Output = Result<(), Error>>) -> ExitCode {
    log::init(Format::Json, "info", io::stdout);
    match Box::pin(function).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function cannot run");
            ExitCode::FAILURE
        }
    }
}

fn configuration() -> Result<Configuration, Error> {
    let configuration = Configuration::from_environment()?;
    check_runtime()?;
    Ok(configuration)
}

/// Variables that the Lambda runtime sets. `lambda_runtime` panics if one is missing.
const RUNTIME_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];
/// Variables that Lambda sets from the function's role. Without them, the SDK reports only that DynamoDB is
/// unreachable.
const CREDENTIAL_VARIABLES: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

fn check_runtime() -> Result<(), Error> {
    let missing = |names: &[&str]| {
        let missing: Vec<_> = names.iter().copied().filter(|name| env::var_os(name).is_none()).collect();
        missing.join(", ")
    };
    let (runtime, credentials) = (missing(&RUNTIME_VARIABLES), missing(&CREDENTIAL_VARIABLES));
    if !runtime.is_empty() {
        let help = "run the function on Lambda or with `cargo lambda watch`; `cargo run` starts all of Signet locally";
        return Err(format!("missing variables of the Lambda runtime: {runtime}; {help}").into());
    }
    if !credentials.is_empty() {
        return Err(format!("missing variables of the function's role: {credentials}").into());
    }
    Ok(())
}
