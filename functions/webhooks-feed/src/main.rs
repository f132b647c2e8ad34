//! Binary of the `webhooks-feed` Lambda function. The table's stream invokes it with new events and pending deliveries, and a
//! schedule every minute.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{AppState, app::lambda::start_with_queue, queue::WebhookQueue};
use webhooks_feed::Invocations;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start_with_queue(serve).await
}

async fn serve(app: AppState, queue: WebhookQueue) -> Result<(), Error> {
    let invocations = &Invocations::new(app.table, queue, app.clock);
    let handle = |event: LambdaEvent<Value>| async move {
        let handled = Box::pin(invocations.handle(event.payload)).await;
        handled.inspect_err(|error| tracing::error!(%error, "the schedule of webhooks failed")).map_err(Error::from)
    };
    lambda_runtime::run(service_fn(handle)).await
}
