//! Makes what a test needs to sell something, with codes that no other test has.

use serde_json::{Value, json};

use crate::Client;

/// A license key, and all that it took to sell it. The values are the bodies of the answers.
#[derive(Debug, Clone)]
pub struct IssuedLicense {
    /// The product.
    pub product: Value,
    /// A feature of the tier.
    pub feature: Value,
    /// The tier.
    pub tier: Value,
    /// Who bought.
    pub customer: Value,
    /// What issuing answered: `license_key`, `license`, `token`.
    pub issued: Value,
    /// `lic_…`
    pub license_id: String,
    /// What a person types.
    pub license_key: String,
}

/// A word that nobody else has: letters and digits, as a code may have them.
pub fn random_word(prefix: &str) -> String {
    format!("{prefix}-{:012x}", rand::random::<u64>() >> 16)
}

/// The fields of `base`, those of `changes` in their place or besides them.
pub fn merged(mut base: Value, changes: &Value) -> Value {
    let fields = base.as_object_mut().expect("an object");
    fields.extend(changes.as_object().expect("an object").clone());
    base
}

/// A value that is a text.
#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

impl Client {
    /// Makes a product.
    pub async fn product(&self) -> Value {
        self.product_with(&json!({})).await
    }

    /// Makes a product with these fields.
    pub async fn product_with(&self, fields: &Value) -> Value {
        let body = merged(json!({"code": random_word("p"), "name": "Atlas"}), fields);
        self.post("products", body).await.expect(201)
    }

    /// Makes a feature of a product.
    pub async fn feature(&self, product: &Value, key: &str) -> Value {
        let body = json!({"product_id": product["id"], "key": key, "name": key});
        self.post("product-features", body).await.expect(201)
    }

    /// Makes a tier of five seats, with these fields in place of its own.
    pub async fn tier_with(&self, product: &Value, fields: &Value) -> Value {
        let own = json!({
            "product_id": product["id"], "code": random_word("t"), "name": "Pro", "monthly_price": 1900,
            "annual_price": 19000, "currency": "EUR", "billing_period": "annual", "max_users": 5,
        });
        self.post("pricing-tiers", merged(own, fields)).await.expect(201)
    }

    /// Replaces a resource of the catalog, or a customer, by itself with these fields; the answer may be a refusal.
    pub async fn replace(&self, list: &str, resource: &Value, fields: &Value) -> crate::TestResponse {
        let mut own = resource.clone();
        let writable = own.as_object_mut().expect("an object");
        writable
            .retain(|name, _| !["id", "created_at", "updated_at", "feature_keys", "subject"].contains(&name.as_str()));
        self.put(&format!("{list}/{}", text(&resource["id"])), merged(own, fields)).await
    }

    /// Makes a customer.
    pub async fn customer(&self) -> Value {
        let email = format!("{}@example.com", random_word("ada"));
        let body = json!({"name": "Ada Lovelace", "email": email, "company": "Analytical Engines"});
        self.post("customers", body).await.expect(201)
    }

    /// Issues a license key: `license_key`, `license`, `token`.
    pub async fn issue(&self, customer: &Value, tier: &Value, fields: &Value) -> Value {
        let body = merged(json!({"customer_id": customer["id"], "tier_id": tier["id"]}), fields);
        self.post("license-keys", body).await.expect(201)
    }

    /// Sells a license key of so many seats to a new customer, in a new product with one tier and one feature.
    pub async fn sell(&self, seats: u32) -> IssuedLicense {
        self.sell_with(&json!({"max_users": seats})).await
    }

    /// The same, with these fields of the tier in place of its own.
    pub async fn sell_with(&self, tier: &Value) -> IssuedLicense {
        let product = self.product().await;
        let feature = self.feature(&product, "export.pdf").await;
        let tier = self.tier_with(&product, &merged(json!({"feature_ids": [feature["id"]]}), tier)).await;
        let customer = self.customer().await;
        let issued = self.issue(&customer, &tier, &json!({})).await;
        let (license_id, license_key) =
            (text(&issued["license"]["id"]).to_owned(), text(&issued["license_key"]).to_owned());
        IssuedLicense { product, feature, tier, customer, issued, license_id, license_key }
    }

    /// Asks for a seat with a license key; the answer may be a refusal.
    pub async fn activate(&self, license_key: &str, machine_id: &str) -> crate::TestResponse {
        let body = json!({"license_key": license_key, "machine_id": machine_id});
        self.post("license-activations/activate", body).await
    }

    /// Sends a heartbeat.
    pub async fn heartbeat(&self, token: &str, machine_id: &str) -> crate::TestResponse {
        self.post("license-keys/heartbeat", json!({"token": token, "machine_id": machine_id})).await
    }
}
