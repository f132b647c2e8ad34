//! OpenAPI links from a response to the operations that use its values.

use serde_json::{Value, json};
use shared::http::API_BASE_PATH;

use super::{
    document::{each_operation, fields},
    operations::operation_id,
};

/// A response: method, path below the API's base path, status.
type ResponseRef = (&'static str, &'static str, &'static str);

/// Responses that carry the id of a resource: the response, the JSON pointer of the id, and the collection. Each is
/// linked to every operation on a resource of the collection.
const RESOURCE_IDS: [(ResponseRef, &str, &str); 8] = [
    (("post", "products", "201"), "/id", "products"),
    (("post", "product-features", "201"), "/id", "product-features"),
    (("post", "pricing-tiers", "201"), "/id", "pricing-tiers"),
    (("post", "customers", "201"), "/id", "customers"),
    (("post", "license-keys", "201"), "/license/id", "license-keys"),
    (("post", "license-activations/activate", "201"), "/activation/id", "license-activations"),
    (("post", "license-activations/activate", "200"), "/activation/id", "license-activations"),
    (("post", "api-keys", "201"), "/id", "api-keys"),
];

/// Returns the links that pass other values: from a response, to an operation, with parameters or a body. `$…` is a
/// runtime expression (OpenAPI 3.1 §4.8.20.4).
fn value_links() -> Vec<(ResponseRef, (&'static str, &'static str), Value)> {
    let (product, tier, customer) =
        (("post", "products", "201"), ("post", "pricing-tiers", "201"), ("post", "customers", "201"));
    let (issued, claimed) = (("post", "license-keys", "201"), ("post", "user/claim-license", "201"));
    let activated = ("post", "license-activations/activate", "201");
    let (id, token) = ("$response.body#/id", "$response.body#/token");
    let with = |body: Value| json!({ "requestBody": body });
    let with_product = with(json!({ "product_id": id }));
    let with_key = with(json!({ "license_key": "$response.body#/license_key" }));
    let with_token = with(json!({ "token": token, "machine_id": "$request.body#/machine_id" }));
    let of_license = json!({ "parameters": { "license_id": "$response.body#/license/id" } });
    let by_app = json!({ "parameters": { "id": "$response.body#/activation/id" }, "requestBody": { "token": token } });
    vec![
        (product, ("post", "product-features"), with_product.clone()),
        (product, ("post", "pricing-tiers"), with_product),
        (tier, ("post", "license-keys"), with(json!({ "tier_id": id }))),
        (tier, ("post", "user/claim-license"), with(json!({ "tier_id": id }))),
        (customer, ("post", "license-keys"), with(json!({ "customer_id": id }))),
        (issued, ("get", "license-activations"), of_license.clone()),
        (issued, ("post", "license-activations/activate"), with_key.clone()),
        (issued, ("post", "license-keys/validate"), with_key.clone()),
        (claimed, ("get", "license-activations"), of_license),
        (claimed, ("post", "license-activations/activate"), with_key),
        (activated, ("post", "license-keys/heartbeat"), with_token.clone()),
        (activated, ("post", "license-keys/validate"), with_token),
        (activated, ("post", "license-activations/{id}/deactivate"), by_app),
    ]
}

/// Adds all links.
pub(super) fn add_links(document: &mut Value) {
    let mut operations = Vec::new();
    each_operation(document, |method, path, _| operations.push((method.to_owned(), path.to_owned())));
    for (from, at, collection) in RESOURCE_IDS {
        let one = format!("{API_BASE_PATH}/{collection}/{{id}}");
        let below = format!("{one}/");
        for (method, path) in operations.iter().filter(|(_, path)| *path == one || path.starts_with(&below)) {
            let to = operation_id(method, path);
            let id = format!("$response.body#{at}");
            insert(document, from, &to, json!({ "parameters": { "id": id } }));
        }
    }
    for (from, (method, path), link) in value_links() {
        insert(document, from, &operation_id(method, path), link);
    }
}

fn insert(document: &mut Value, (method, path, status): ResponseRef, to: &str, mut link: Value) {
    let path = format!("{API_BASE_PATH}/{path}");
    let response = document["paths"].get_mut(&path).and_then(|item| item[method]["responses"].get_mut(status));
    if let Some(response) = response {
        link["operationId"] = to.into();
        fields(&mut response["links"]).insert(to.to_owned(), link);
    }
}
