//! Tests of the `signet` binary and of the OpenAPI document, in one binary so that they run side by side.
#![expect(clippy::unwrap_used, reason = "an error fails the test")]

mod api_key;
mod cli;
mod import;
mod openapi;
mod process;
mod read_export;
mod secrets;
