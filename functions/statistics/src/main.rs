//! The statistics function on Lambda, which a schedule calls every hour: makes the figures of the dashboard's overview, so
//! that no page has to count and no command has to keep count.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::{AppState, http::lambda::begin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    begin(serve).await
}

async fn serve(app: AppState) -> Result<(), Error> {
    let app = &app;
    lambda_runtime::run(service_fn(|_: LambdaEvent<Value>| async { make(app).await })).await
}

/// When they were made, and how many license keys there are. What failed is done by the next call.
async fn make(app: &AppState) -> Result<Value, Error> {
    let made = app
        .table
        .make_statistics(app.clock.now())
        .await
        .inspect_err(|error| tracing::error!(%error, "the figures of the overview were not made"))?;
    Ok(json!({ "made_at": made.made_at, "license_keys": made.statuses }))
}
