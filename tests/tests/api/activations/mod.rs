//! Activations: activate, refused heartbeats, list, get and deactivate.

mod activate;
mod borrow;
mod deactivate;
mod encryption;
mod heartbeat;
mod large_licenses;
mod license_file;
mod list_and_get;
mod machine_facts;
mod processes;
mod seats;
mod time;

use signet_tests::{IssuedLicense, Stack, Value, text};

/// Returns the path of an activation and of its `deactivate` endpoint.
fn paths(activated: &Value) -> [String; 2] {
    let path = format!("license-activations/{}", text(&activated["activation"]["id"]));
    [path.clone(), format!("{path}/deactivate")]
}

async fn seats_used(stack: &Stack, license: &IssuedLicense) -> Value {
    stack.operator.get(&format!("license-keys/{}", license.license_id)).await.expect_status(200)["seats_used"].clone()
}
