//! The resources that the requests of all operations refer to.

use serde_json::{Value, json};
use shared::{
    domain::{Event, EventData, EventSource, IdGenerator, LicenseId, Subject, event::payload::Reason},
    http::API_BASE_PATH,
};

use crate::{Client, START, Stack, random_word, text};

/// Existing resources, among them a license key and an activation.
#[derive(Debug, Clone)]
pub struct Fixtures {
    /// A product, as the API returns it.
    pub product: Value,
    /// A feature of the product.
    pub feature: Value,
    /// A tier of the product that has the feature.
    pub tier: Value,
    /// The customer that owns the license.
    pub customer: Value,
    /// `lic_…`
    pub license_id: String,
    /// The key string.
    pub license_key: String,
    /// The license token of the activated machine.
    pub token: String,
    /// `act_…`, of the activated machine.
    pub activation_id: String,
    /// The `machine_id` of the activated machine.
    pub machine: String,
    /// The `machine_id` of a machine to activate.
    pub new_machine: String,
    /// A time until which a seat can be borrowed.
    pub soon: String,
    /// `key_…`
    pub api_key_id: String,
    /// `whe_…`. All fixtures of a stack have the same endpoint, because their number is limited.
    pub webhook_endpoint_id: String,
    /// `whd_…`, of a test event.
    pub webhook_delivery_id: String,
    /// The `kid` of a signing key.
    pub kid: String,
    /// Turns a word into a unique code or name for a new resource.
    pub unique: fn(&str) -> String,
}

/// Returns an event of a license key, for direct calls of the store.
pub fn license_event(id: LicenseId) -> Event {
    let data = EventData::LicenseSuspended(Reason { reason: None });
    EventSource::system("test", START).event(&mut IdGenerator::new(START), Subject::License(id), data)
}

impl Fixtures {
    /// Creates the resources, with a license key of this customer. All exist except the signing key, because other
    /// operations need the only one.
    pub async fn create(stack: &Stack, customer: Value) -> Self {
        let operator = &stack.operator;
        let product = operator.create_product().await;
        let feature = operator.create_feature(&product, "export.pdf").await;
        let tier = json!({"feature_ids": [feature["id"]], "is_claimable": true, "max_borrow_seconds": 86_400});
        let tier = operator.create_tier(&product, &tier).await;
        let issued = operator.issue(&customer, &tier, &json!({})).await;
        // Lists show the newest first, so no two events have the same time.
        stack.advance(1);
        let activated = stack.anonymous.activate(text(&issued["license_key"]), "one").await.expect_status(201);
        let api_key = json!({"name": "ci", "scopes": ["access:write"]});
        let api_key = operator.post("api-keys", api_key).await.expect_status(201);
        let webhook_endpoint_id = webhook_endpoint(operator).await;
        let path = format!("webhook-endpoints/{webhook_endpoint_id}/test");
        let delivery = operator.post(&path, json!({})).await.expect_status(200);
        Self {
            product,
            feature,
            tier,
            customer,
            license_id: text(&issued["license"]["id"]).to_owned(),
            license_key: text(&issued["license_key"]).to_owned(),
            token: text(&activated["token"]).to_owned(),
            activation_id: text(&activated["activation"]["id"]).to_owned(),
            machine: "one".to_owned(),
            new_machine: "two".to_owned(),
            soon: (stack.clock.now() + jiff::SignedDuration::from_hours(1)).to_string(),
            api_key_id: text(&api_key["id"]).to_owned(),
            webhook_endpoint_id,
            webhook_delivery_id: text(&delivery["id"]).to_owned(),
            kid: "unknown".to_owned(),
            unique: random_word,
        }
    }

    /// Returns the path of an operation, with its parameter filled in, and its query.
    pub fn path(&self, template: &str) -> String {
        match template.split_once('{') {
            Some((before, rest)) => {
                let after = rest.split_once('}').expect("a closing brace").1;
                format!("{before}{}{after}", self.id(before.trim_start_matches(API_BASE_PATH)))
            }
            None if template.ends_with("/exports") => format!("{template}?type=customers"),
            None if template.ends_with("/license-activations") => format!("{template}?license_id={}", self.license_id),
            None => template.to_owned(),
        }
    }

    fn id(&self, collection: &str) -> &str {
        match collection {
            "/products/" => text(&self.product["id"]),
            "/product-features/" => text(&self.feature["id"]),
            "/pricing-tiers/" => text(&self.tier["id"]),
            "/customers/" => text(&self.customer["id"]),
            "/license-keys/" => &self.license_id,
            "/license-activations/" => &self.activation_id,
            "/api-keys/" => &self.api_key_id,
            "/webhook-endpoints/" => &self.webhook_endpoint_id,
            "/webhook-deliveries/" => &self.webhook_delivery_id,
            "/signing-keys/" => &self.kid,
            "/problems/" => "not_found",
            "/docs/" => "swagger-ui.css",
            other => panic!("tests/src/fixtures.rs has no resource for {other}"),
        }
    }
}

/// Returns the id of the first webhook endpoint, and creates one if there is none.
async fn webhook_endpoint(operator: &Client) -> String {
    let first = operator.get("webhook-endpoints?limit=1").await.expect_status(200)["items"][0].clone();
    if first.is_object() {
        return text(&first["id"]).to_owned();
    }
    text(&operator.create_webhook_endpoint("https://example.com/webhooks").await["id"]).to_owned()
}
