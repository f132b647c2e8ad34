//! A valid path and body for every operation, for the tests and for the events in `events/`.

use serde_json::{Value, json};

use crate::{merged, text};

/// Existing resources that the operations refer to.
#[derive(Debug, Clone)]
pub(crate) struct Fixtures {
    /// A product, as the API returns it.
    pub(crate) product: Value,
    /// A feature of the product.
    pub(crate) feature: Value,
    /// A tier of the product that has the feature.
    pub(crate) tier: Value,
    /// The customer that owns the license.
    pub(crate) customer: Value,
    /// `lic_…`
    pub(crate) license_id: String,
    /// The key string.
    pub(crate) license_key: String,
    /// The license token of the activated machine.
    pub(crate) token: String,
    /// `act_…`, of the activated machine.
    pub(crate) activation_id: String,
    /// The `machine_id` of the activated machine.
    pub(crate) machine: String,
    /// The `machine_id` of a machine to activate.
    pub(crate) new_machine: String,
    /// `key_…`
    pub(crate) api_key_id: String,
    /// The `kid` of a signing key.
    pub(crate) kid: String,
    /// Turns a word into a unique code or name for a new resource.
    pub(crate) unique: fn(&str) -> String,
}

impl Fixtures {
    /// Returns the path of an operation, with its parameter filled in, and its query.
    pub(crate) fn path(&self, template: &str) -> String {
        let path = relative_path(template);
        match template.split_once('{') {
            Some((before, rest)) => {
                let after = rest.split_once('}').expect("a closing brace").1;
                format!("{before}{}{after}", self.id(path))
            }
            None if path == "license-activations" => format!("{template}?license_id={}", self.license_id),
            None => template.to_owned(),
        }
    }

    fn id(&self, relative_path: &str) -> &str {
        match relative_path.split('/').next().unwrap_or_default() {
            "products" => text(&self.product["id"]),
            "product-features" => text(&self.feature["id"]),
            "pricing-tiers" => text(&self.tier["id"]),
            "customers" => text(&self.customer["id"]),
            "license-activations" => &self.activation_id,
            "api-keys" => &self.api_key_id,
            "signing-keys" => &self.kid,
            _ if relative_path.starts_with("/problems/") => "not_found",
            _ if relative_path.starts_with("/docs/") => "swagger-ui.css",
            _ => &self.license_id,
        }
    }

    /// Returns a valid body for an operation.
    pub(crate) fn body(&self, method: &str, template: &str) -> Value {
        let Self { product, feature, tier, customer, license_key, token, machine, unique, .. } = self;
        match (method, relative_path(template)) {
            ("POST", "products") => {
                json!({"code": unique("atlas"), "name": "Atlas", "description": "A map", "sort_order": 1})
            }
            ("PUT", "products/{id}") => writable(product),
            ("POST", "product-features") => {
                json!({"product_id": product["id"], "key": unique("export"), "name": "Export", "description": "To a file"})
            }
            ("PUT", "product-features/{id}") => writable(feature),
            ("POST", "pricing-tiers") => {
                merged(writable(tier), &json!({"code": unique("pro"), "description": "For a team"}))
            }
            ("PUT", "pricing-tiers/{id}") => writable(tier),
            ("POST", "customers") => {
                json!({"name": "Ada", "email": format!("{}@example.com", unique("ada")), "company": "Engines"})
            }
            ("PUT", "customers/{id}") => writable(customer),
            ("POST", "api-keys") => {
                json!({"name": "ci", "scopes": ["licenses:read"], "expires_at": "2099-01-01T00:00:00Z"})
            }
            ("POST", "license-keys") => json!({
                "customer_id": customer["id"], "tier_id": tier["id"], "max_users": 2,
                "expires_at": "2099-01-01T00:00:00Z",
            }),
            ("POST", "license-keys/validate") => {
                json!({"license_key": license_key, "machine_id": machine, "product": product["code"]})
            }
            ("POST", "license-keys/heartbeat") => json!({"token": token, "machine_id": machine}),
            ("POST", "license-activations/activate") => {
                json!({"license_key": license_key, "machine_id": self.new_machine, "machine_name": "build-07"})
            }
            ("POST", "license-activations/{id}/deactivate") => json!({"token": token}),
            ("POST", "license-keys/{id}/audit") => json!({"repair": true}),
            ("POST", "license-keys/{id}/change") => json!({"tier_id": tier["id"], "max_users": 7}),
            ("POST", "license-keys/{id}/renew") => json!({"expires_at": "2099-01-01T00:00:00Z"}),
            ("POST", "user/claim-license") => json!({"tier_id": tier["id"]}),
            ("POST", "register") => json!({"name": "Ada", "company": "Engines"}),
            ("POST", "signing-keys/{kid}/condemn") => json!({"reason": "requested by the customer"}),
            ("POST", at) if at.starts_with("license-keys/{id}/") => json!({"reason": "requested by the customer"}),
            _ => json!({}),
        }
    }
}

/// Returns an operation's path relative to the API's base path.
pub(crate) fn relative_path(template: &str) -> &str {
    template.strip_prefix("/api/v1.0/").unwrap_or(template)
}

/// Returns the fields of a resource that a PUT accepts.
fn writable(resource: &Value) -> Value {
    let mut fields = resource.clone();
    fields
        .as_object_mut()
        .expect("an object")
        .retain(|name, _| !["id", "created_at", "updated_at", "feature_keys", "subject"].contains(&name.as_str()));
    fields
}
