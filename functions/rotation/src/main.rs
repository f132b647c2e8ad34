//! Binary of the `rotation` Lambda function. A schedule invokes it every few minutes to perform the due steps of
//! signing key rotation. It is the only function that can create KMS keys and sign with the root key.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::{AppState, app::lambda::start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start(serve).await
}

async fn serve(app: AppState) -> Result<(), Error> {
    if app.key_rotator.is_none() {
        return Err("SIGNET_ROOT_KEYS is not set: the rotation function needs the root keys".into());
    }
    let app = &app;
    lambda_runtime::run(service_fn(|_: LambdaEvent<Value>| async { rotate(app).await })).await
}

/// Performs the due steps. Returns the published keys and the time of the next rotation. After a failure, the next
/// invocation performs the remaining steps.
async fn rotate(app: &AppState) -> Result<Value, Error> {
    app.maintain_key_ring().await.inspect_err(|error| tracing::error!(%error, "key ring maintenance failed"))?;
    let ring = app.table.ring().await?;
    let kids: Vec<_> = ring.published().map(|key| &key.kid).collect();
    Ok(json!({ "published": kids, "next_rotation_at": ring.next_rotation_at(app.settings.rotation_policy) }))
}
