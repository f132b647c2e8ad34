use serde_json::json;

use crate::jwt::encode_json;

/// Returns the text with which an operator or the customer creates a license file for this machine.
pub(crate) fn encode(product: &str, machine_id: &str, machine_name: Option<&str>) -> String {
    let mut request = json!({"product": product, "machine_id": machine_id});
    if let Some(name) = machine_name {
        request["machine_name"] = json!(name);
    }
    format!("signet-request/1:{}", encode_json(&request))
}
