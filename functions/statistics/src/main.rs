//! Binary of the `statistics` Lambda function. A schedule invokes it every hour to announce the expiry of license keys, to continue
//! erasures of customers that a request left unfinished, to compute the statistics of the dashboard overview, so that pages do not
//! count items and requests do not maintain counters, and to add words to the search after an update.

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

/// The number of writes of erasures in one invocation.
const MAX_ERASURE_WRITES: usize = 10_000;

/// The number of customers and license keys whose words are added to the search in one invocation, after an update from a version
/// without it.
const MAX_INDEXED: usize = 50_000;

/// Announces expiries, continues erasures, updates the statistics and adds words to the search. Returns the number of announcements,
/// the number of erasures that are left, the time of the statistics and the number of license keys by status. The next invocation
/// retries after a failure.
async fn update(table: &Table, clock: &Clock) -> Result<Value, Error> {
    let announced = table.announce_expiries(clock).await;
    let announced = announced.inspect_err(|error| tracing::error!(%error, "announcing expiries failed"));
    let erasures_left = table
        .continue_erasures(clock.now(), MAX_ERASURE_WRITES)
        .await
        .inspect_err(|error| tracing::error!(%error, "continuing the erasures failed"))?;
    let statistics = table
        .update_statistics(clock.now(), UpdateLimits::default())
        .await
        .inspect_err(|error| tracing::error!(%error, "updating the statistics failed"))?;
    table
        .continue_search_backfill(clock.now(), MAX_INDEXED)
        .await
        .inspect_err(|error| tracing::error!(%error, "adding words to the search failed"))?;
    // A failure does not keep the rest from its turn, and is an error of the invocation nevertheless.
    let announced = announced?;
    Ok(
        json!({ "announced": announced, "erasures_left": erasures_left, "made_at": statistics.made_at, "license_keys": statistics.statuses }),
    )
}
