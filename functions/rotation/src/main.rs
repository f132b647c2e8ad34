//! Binary of the `rotation` Lambda function. A schedule invokes it every few minutes to perform the due steps of
//! signing key rotation. It is the only function that can create KMS keys and sign with the root key.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::{AppState, Clock, app::lambda::start, domain::key_ring::RotationPolicy, store::Table, tokens::KeyRotator};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start(serve).await
}

async fn serve(app: AppState) -> Result<(), Error> {
    let AppState { table, key_rotator, clock, settings, .. } = &app;
    let missing = "SIGNET_ROOT_KEYS is not set: the rotation function needs the root keys";
    let key_rotator = key_rotator.as_ref().ok_or(missing)?;
    let rotate = |_: LambdaEvent<Value>| rotate(key_rotator, table, settings.rotation_policy, clock);
    lambda_runtime::run(service_fn(rotate)).await
}

/// Performs the due steps. Returns the published keys and the time of the next rotation. After a failure, the next
/// invocation performs the remaining steps.
async fn rotate(
    key_rotator: &KeyRotator,
    table: &Table,
    policy: RotationPolicy,
    clock: &Clock,
) -> Result<Value, Error> {
    let result = key_rotator.run_due_steps(clock.now()).await;
    result.inspect_err(|error| tracing::error!(%error, "key ring maintenance failed"))?;
    let ring = table.ring().await?;
    let kids: Vec<_> = ring.published().map(|key| &key.kid).collect();
    Ok(json!({ "published": kids, "next_rotation_at": ring.next_rotation_at(policy) }))
}
