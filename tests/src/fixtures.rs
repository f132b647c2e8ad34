//! What operations are asked with: one place that has a path and a body for each, for tests and for `events/`.

use serde_json::{Value, json};

use crate::{merged, text};

/// Things that are there, by the names and credentials that operations know them by.
#[derive(Debug, Clone)]
pub(crate) struct Fixtures {
    /// As the API answers it.
    pub(crate) product: Value,
    /// A feature of the product.
    pub(crate) feature: Value,
    /// A tier of the product that has the feature.
    pub(crate) tier: Value,
    /// Who bought.
    pub(crate) customer: Value,
    /// `lic_…`
    pub(crate) license_id: String,
    /// What a person types.
    pub(crate) license_key: String,
    /// The license token of the machine that has a seat.
    pub(crate) token: String,
    /// `act_…`, of the machine that has a seat.
    pub(crate) activation_id: String,
    /// The machine that has a seat.
    pub(crate) machine: String,
    /// A machine that asks for a seat.
    pub(crate) newcomer: String,
    /// `key_…`
    pub(crate) api_key_id: String,
    /// The key that signs.
    pub(crate) kid: String,
    /// Makes a code or name of a word, as what is new must have one of its own.
    pub(crate) fresh: fn(&str) -> String,
}

impl Fixtures {
    /// The path of an operation, with its variable filled in, and its query.
    pub(crate) fn path(&self, template: &str) -> String {
        let below = below(template);
        match template.split_once('{') {
            Some((before, rest)) => {
                let after = rest.split_once('}').expect("a variable ends").1;
                format!("{before}{}{after}", self.id(below))
            }
            None if below == "license-activations" => format!("{template}?license_id={}", self.license_id),
            None => template.to_owned(),
        }
    }

    fn id(&self, below: &str) -> &str {
        match below.split('/').next().unwrap_or_default() {
            "products" => text(&self.product["id"]),
            "product-features" => text(&self.feature["id"]),
            "pricing-tiers" => text(&self.tier["id"]),
            "customers" => text(&self.customer["id"]),
            "license-activations" => &self.activation_id,
            "api-keys" => &self.api_key_id,
            "signing-keys" => &self.kid,
            _ if below.starts_with("/problems/") => "not_found",
            _ if below.starts_with("/docs/") => "swagger-ui.css",
            _ => &self.license_id,
        }
    }

    /// The body that an operation takes.
    pub(crate) fn body(&self, method: &str, template: &str) -> Value {
        let Self { product, feature, tier, customer, license_key, token, machine, fresh, .. } = self;
        match (method, below(template)) {
            ("POST", "products") => {
                json!({"code": fresh("atlas"), "name": "Atlas", "description": "A map", "sort_order": 1})
            }
            ("PUT", "products/{id}") => writable(product),
            ("POST", "product-features") => {
                json!({"product_id": product["id"], "key": fresh("export"), "name": "Export", "description": "To a file"})
            }
            ("PUT", "product-features/{id}") => writable(feature),
            ("POST", "pricing-tiers") => {
                merged(writable(tier), &json!({"code": fresh("pro"), "description": "For a team"}))
            }
            ("PUT", "pricing-tiers/{id}") => writable(tier),
            ("POST", "customers") => {
                json!({"name": "Ada", "email": format!("{}@example.com", fresh("ada")), "company": "Engines"})
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
                json!({"license_key": license_key, "machine_id": self.newcomer, "machine_name": "build-07"})
            }
            ("POST", "license-activations/{id}/deactivate") => json!({"token": token}),
            ("POST", "license-keys/{id}/audit") => json!({"repair": true}),
            ("POST", "license-keys/{id}/change") => json!({"tier_id": tier["id"], "max_users": 7}),
            ("POST", "license-keys/{id}/renew") => json!({"expires_at": "2099-01-01T00:00:00Z"}),
            ("POST", "user/claim-license") => json!({"tier_id": tier["id"]}),
            ("POST", "register") => json!({"name": "Ada", "company": "Engines"}),
            ("POST", "signing-keys/{kid}/condemn") => json!({"reason": "as asked"}),
            ("POST", at) if at.starts_with("license-keys/{id}/") => json!({"reason": "as asked"}),
            _ => json!({}),
        }
    }
}

/// An operation's path below the API's root.
pub(crate) fn below(template: &str) -> &str {
    template.strip_prefix("/api/v1.0/").unwrap_or(template)
}

/// What of a resource may be sent back to replace it.
fn writable(resource: &Value) -> Value {
    let mut own = resource.clone();
    own.as_object_mut()
        .expect("an object")
        .retain(|name, _| !["id", "created_at", "updated_at", "feature_keys", "subject"].contains(&name.as_str()));
    own
}
