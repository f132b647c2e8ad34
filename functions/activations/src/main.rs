//! Binary of the `activations` Lambda function.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shared::http::lambda::run(activations::routes()).await
}
