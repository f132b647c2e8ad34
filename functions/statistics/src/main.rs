//! Binary of the `statistics` Lambda function. A schedule invokes it every hour to compute the statistics of the
//! dashboard overview, so that pages do not count items and requests do not maintain counters.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::{
    AppState, Clock,
    app::lambda::start,
    store::{Table, statistics::UpdateLimits},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start(serve).await
}

async fn serve(app: AppState) -> Result<(), Error> {
    let AppState { table, clock, .. } = &app;
    lambda_runtime::run(service_fn(|_: LambdaEvent<Value>| update(table, clock))).await
}

/// Updates the statistics. Returns their time and the number of license keys by status. The next invocation retries
/// after a failure.
async fn update(table: &Table, clock: &Clock) -> Result<Value, Error> {
    let statistics = table
        .update_statistics(clock.now(), UpdateLimits::default())
        .await
        .inspect_err(|error| tracing::error!(%error, "updating the statistics failed"))?;
    Ok(json!({ "made_at": statistics.made_at, "license_keys": statistics.statuses }))
}
