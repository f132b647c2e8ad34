//! OpenAPI links from a response to the operations that use its values.

use serde_json::{Value, json};
use shared::http::API_BASE_PATH;

use super::document::{each_operation, fields};

/// A response: method, path below the API's base path, status.
type ResponseRef = (&'static str, &'static str, &'static str);

/// Responses that carry the id of a resource: the response, the JSON pointer of the id, and the collection. Each is
/// linked to every operation on a resource of the collection.
const RESOURCE_IDS: [(ResponseRef, &str, &str); 10] = [
    (("post", "products", "201"), "/id", "products"),
    (("post", "product-features", "201"), "/id", "product-features"),
    (("post", "pricing-tiers", "201"), "/id", "pricing-tiers"),
    (("post", "customers", "201"), "/id", "customers"),
    (("post", "license-keys", "201"), "/license/id", "license-keys"),
    (("post", "license-activations/activate", "201"), "/activation/id", "license-activations"),
    (("post", "license-activations/activate", "200"), "/activation/id", "license-activations"),
    (("post", "api-keys", "201"), "/id", "api-keys"),
    (("post", "webhook-endpoints", "201"), "/id", "webhook-endpoints"),
    (("post", "webhook-endpoints/{id}/test", "200"), "/id", "webhook-deliveries"),
];

/// Links that pass an id as a query parameter: the response, the operation, the parameter and its value, which is a
/// runtime expression (OpenAPI 3.1 §4.8.20.4). No link has a body: generators reject objects in `requestBody`.
const FILTERS: [(ResponseRef, &str, &str, &str); 2] = [
    (("post", "license-keys", "201"), "list_activations", "license_id", "$response.body#/license/id"),
    (("post", "user/claim-license", "201"), "list_activations", "license_id", "$response.body#/license/id"),
];

/// Adds all links.
pub(super) fn add_links(document: &mut Value) {
    let mut operations = Vec::new();
    each_operation(document, |_, path, operation| {
        operations.extend(operation["operationId"].as_str().map(|id| (path.to_owned(), id.to_owned())));
    });
    for (from, at, collection) in RESOURCE_IDS {
        let one = format!("{API_BASE_PATH}/{collection}/{{id}}");
        let below = format!("{one}/");
        for (_, id) in operations.iter().filter(|(path, _)| *path == one || path.starts_with(&below)) {
            insert(document, from, id, "id", &format!("$response.body#{at}"));
        }
    }
    for (from, to, parameter, value) in FILTERS {
        insert(document, from, to, parameter, value);
    }
}

/// Adds a link to the operation with the id `to`.
fn insert(document: &mut Value, (method, path, status): ResponseRef, to: &str, parameter: &str, value: &str) {
    let path = format!("{API_BASE_PATH}/{path}");
    let response = document["paths"].get_mut(&path).and_then(|item| item[method]["responses"].get_mut(status));
    if let Some(response) = response {
        let link = json!({ "operationId": to, "parameters": { parameter: value } });
        fields(&mut response["links"]).insert(to.to_owned(), link);
    }
}
