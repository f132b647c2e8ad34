//! Creates the resources that a test needs to issue a license, with unique codes.

use serde_json::{Value, json};

use crate::Client;

/// A license key and the resources behind it. The values are response bodies.
#[derive(Debug, Clone)]
pub struct IssuedLicense {
    /// The product of the tier.
    pub product: Value,
    /// A feature of the tier.
    pub feature: Value,
    /// The tier of the license.
    pub tier: Value,
    /// The customer that owns the license.
    pub customer: Value,
    /// The response of `POST license-keys`: `license_key`, `license`, `token`.
    pub issued: Value,
    /// `lic_…`
    pub license_id: String,
    /// The key string.
    pub license_key: String,
}

/// Returns a unique word of the characters that a code may have.
pub fn random_word(prefix: &str) -> String {
    format!("{prefix}-{:012x}", rand::random::<u64>() >> 16)
}

/// Returns the fields of `base`, overridden and extended by those of `changes`.
pub fn merged(mut base: Value, changes: &Value) -> Value {
    let fields = base.as_object_mut().expect("an object");
    fields.extend(changes.as_object().expect("an object").clone());
    base
}

/// Returns the fields of a resource that a PUT accepts.
pub(crate) fn writable(resource: &Value) -> Value {
    let mut fields = resource.clone();
    fields.as_object_mut().expect("an object").retain(|name, _| {
        !["id", "created_at", "updated_at", "erased_at", "feature_keys", "effective_limits", "subject"]
            .contains(&name.as_str())
    });
    fields
}

/// Returns a resource as lists show it.
pub fn listed(resource: &Value) -> Value {
    let mut row = resource.clone();
    let fields = row.as_object_mut().expect("an object");
    fields.retain(|name, _| !["metadata", "overrides"].contains(&name.as_str()));
    row
}

/// Returns a JSON string as `&str`.
#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}"))
}

impl Client {
    /// Creates a product.
    pub async fn create_product(&self) -> Value {
        self.create_product_with(&json!({})).await
    }

    /// Creates a product with these fields.
    pub async fn create_product_with(&self, fields: &Value) -> Value {
        let body = merged(json!({"code": random_word("p"), "name": "Atlas"}), fields);
        self.post("products", body).await.expect_status(201)
    }

    /// Creates a feature of a product.
    pub async fn create_feature(&self, product: &Value, key: &str) -> Value {
        let body = json!({"product_id": product["id"], "key": key, "name": key});
        self.post("product-features", body).await.expect_status(201)
    }

    /// Creates a limit of a product.
    pub async fn create_limit(&self, product: &Value, key: &str) -> Value {
        let body = json!({"product_id": product["id"], "key": key, "name": key, "kind": "limit", "unit": "rows"});
        self.post("product-features", body).await.expect_status(201)
    }

    /// Creates a tier with five seats, overridden by these fields.
    pub async fn create_tier(&self, product: &Value, fields: &Value) -> Value {
        let defaults = json!({
            "product_id": product["id"], "code": random_word("t"), "name": "Pro", "monthly_price": 1900,
            "annual_price": 19000, "currency": "EUR", "billing_period": "annual", "max_users": 5,
            "offline_grace_seconds": 0,
        });
        self.post("pricing-tiers", merged(defaults, fields)).await.expect_status(201)
    }

    /// Sends a PUT request for a catalog resource or a customer, with its present fields overridden by these. Returns
    /// the response, whatever its status.
    pub async fn replace(&self, list: &str, resource: &Value, fields: &Value) -> crate::TestResponse {
        self.put(&format!("{list}/{}", text(&resource["id"])), merged(writable(resource), fields)).await
    }

    /// Creates a customer.
    pub async fn create_customer(&self) -> Value {
        let email = format!("{}@example.com", random_word("ada"));
        let body = json!({"name": "Ada Lovelace", "email": email, "company": "Analytical Engines"});
        self.post("customers", body).await.expect_status(201)
    }

    /// Creates a webhook endpoint that receives the events of license keys. Returns it with its secret.
    pub async fn create_webhook_endpoint(&self, url: &str) -> Value {
        self.post("webhook-endpoints", json!({"url": url, "event_types": ["license.*"]})).await.expect_status(201)
    }

    /// Issues a license key. Returns `license_key`, `license` and `token`.
    pub async fn issue(&self, customer: &Value, tier: &Value, fields: &Value) -> Value {
        let body = merged(json!({"customer_id": customer["id"], "tier_id": tier["id"]}), fields);
        self.post("license-keys", body).await.expect_status(201)
    }

    /// Issues a license key with this many seats to a new customer, for a new product with one tier and one feature.
    pub async fn issue_new_license(&self, seats: u32) -> IssuedLicense {
        self.issue_new_license_with(&json!({"max_users": seats})).await
    }

    /// Like [`Client::issue_new_license`], with these fields of the tier.
    pub async fn issue_new_license_with(&self, tier: &Value) -> IssuedLicense {
        let product = self.create_product().await;
        let feature = self.create_feature(&product, "export.pdf").await;
        let tier = self.create_tier(&product, &merged(json!({"feature_ids": [feature["id"]]}), tier)).await;
        let customer = self.create_customer().await;
        let issued = self.issue(&customer, &tier, &json!({})).await;
        let (license_id, license_key) =
            (text(&issued["license"]["id"]).to_owned(), text(&issued["license_key"]).to_owned());
        IssuedLicense { product, feature, tier, customer, issued, license_id, license_key }
    }

    /// Activates a machine with a key string. Returns the response, whatever its status.
    pub async fn activate(&self, license_key: &str, machine_id: &str) -> crate::TestResponse {
        let body = json!({"license_key": license_key, "machine_id": machine_id});
        self.post("license-activations/activate", body).await
    }

    /// Sends a heartbeat. Returns the response, whatever its status.
    pub async fn heartbeat(&self, token: &str, machine_id: &str) -> crate::TestResponse {
        self.post("license-keys/heartbeat", json!({"token": token, "machine_id": machine_id})).await
    }
}
