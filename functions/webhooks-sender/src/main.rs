//! Binary of the `webhooks-sender` Lambda function. A queue invokes it with endpoints that have deliveries due.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{AppState, app::lambda::start_with_queue, queue::WebhookQueue};
use webhooks_sender::{ClientSettings, Invocations, Sender, WebhookClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start_with_queue(serve).await
}

async fn serve(app: AppState, queue: WebhookQueue) -> Result<(), Error> {
    let client = WebhookClient::new(ClientSettings::new(app.settings.webhook_addresses));
    let invocations = &Invocations::new(Sender::new(app.table, app.sealer, client, app.clock), queue);
    let handle =
        |event: LambdaEvent<Value>| async move { Ok::<_, Error>(Box::pin(invocations.handle(event.payload)).await?) };
    lambda_runtime::run(service_fn(handle)).await
}
