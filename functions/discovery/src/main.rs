//! Binary of the `discovery` Lambda function.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shared::app::lambda::run(discovery::routes()).await
}
