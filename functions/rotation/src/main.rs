//! The rotation function on Lambda, which a schedule calls every few minutes: does what is due of the signing key
//! ring. It alone may make keys and sign with the root key.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::{AppState, http::lambda::begin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    begin(serve).await
}

async fn serve(app: AppState) -> Result<(), Error> {
    if app.key_rotator.is_none() {
        return Err("SIGNET_ROOT_KEYS is not set: this function looks after the signing keys".into());
    }
    let app = &app;
    lambda_runtime::run(service_fn(|_: LambdaEvent<Value>| async { keep(app).await })).await
}

/// What is due, and the time of the next turn. What failed is done by the next call.
async fn keep(app: &AppState) -> Result<Value, Error> {
    app.maintain_key_ring()
        .await
        .inspect_err(|error| tracing::error!(%error, "the signing key ring was not looked after"))?;
    let ring = app.table.ring().await?;
    let kids: Vec<_> = ring.published().map(|key| &key.kid).collect();
    Ok(json!({ "published": kids, "next_rotation_at": ring.next_rotation_at(app.settings.ring) }))
}
