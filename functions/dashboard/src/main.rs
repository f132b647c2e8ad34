//! The dashboard function on Lambda.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shared::http::lambda::run_with(dashboard::routes).await
}
