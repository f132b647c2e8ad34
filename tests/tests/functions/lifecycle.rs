//! The lifecycle of a license: every event of `events/`, sent to the function that serves it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use signet_tests::{Function, Value, events, json, text};

use crate::installation::{Installation, event};

const DOCUMENT: &str = include_str!("../../../functions/discovery/openapi.json");

/// Retries of a request that is not due yet: 50 times 200 ms, ten seconds in total.
const MAX_RETRIES: u32 = 50;
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// The state of the scenario.
struct LifecycleScenario {
    installation: Installation,
    document: Value,
    functions: BTreeMap<&'static str, Function>,
    /// The values of the placeholders.
    placeholders: BTreeMap<&'static str, String>,
    /// The events that succeeded.
    succeeded: BTreeSet<String>,
}

impl LifecycleScenario {
    async fn start() -> Self {
        let installation = Installation::start().await;
        let placeholders = BTreeMap::from([
            ("API_KEY", installation.local.operator_api_key.expose().to_owned()),
            ("BEARER_TOKEN", installation.bearer_token("grace@example.com").await),
        ]);
        let document = serde_json::from_str(DOCUMENT).unwrap();
        Self { installation, document, functions: BTreeMap::new(), placeholders, succeeded: BTreeSet::new() }
    }

    /// Sends an event to its function, asserts that the response matches the OpenAPI document, and returns the body.
    async fn send(&mut self, name: &str) -> Value {
        let response = self.invoke(name).await;
        self.assert_documented(name, &response);
        self.succeeded.insert(name.to_owned());
        body(&response)
    }

    fn assert_documented(&self, name: &str, response: &Value) {
        let operation = self.operation(name);
        let responses = operation["responses"].as_object().unwrap();
        // With several success statuses, the highest one: 201 for a new resource.
        let success = responses.keys().filter(|status| status.starts_with('2')).max().unwrap();
        assert_eq!(&response["statusCode"].to_string(), success, "{name}: {response}");
        let media_types = responses[success]["content"].as_object();
        let found = response["headers"]["content-type"].as_str();
        for (media_type, content) in media_types.into_iter().flatten() {
            assert_eq!(
                found.and_then(|found| found.split(';').next()),
                Some(media_type.as_str()),
                "{name}: {response}"
            );
            if media_type == "application/json" {
                self.assert_required_fields(name, &content["schema"], &body(response));
            }
        }
    }

    /// Sends an event and asserts that the response is an error with this status and code.
    async fn expect_problem(&mut self, name: &str, status: u16, code: &str) {
        let response = self.invoke(name).await;
        let found = (&response["statusCode"], &body(&response)["code"]);
        assert_eq!(found, (&json!(status), &json!(code)), "{name}: {response}");
    }

    async fn invoke(&mut self, name: &str) -> Value {
        let event = event(name, &self.placeholders);
        let function = function_for(text(&event["rawPath"]));
        if !self.functions.contains_key(function) {
            self.functions.insert(function, self.installation.function(function).await);
        }
        self.functions[function].invoke(event).await.unwrap()
    }

    fn operation(&self, name: &str) -> &Value {
        let paths = self.document["paths"].as_object().unwrap();
        let mut all = paths.values().flat_map(|path| path.as_object().unwrap().values());
        all.find(|operation| operation["operationId"] == name).unwrap()
    }

    /// Asserts that the body has all required fields of the schema.
    fn assert_required_fields(&self, name: &str, schema: &Value, body: &Value) {
        let schema = match schema["$ref"].as_str() {
            Some(at) => self.document.pointer(at.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        for field in schema["required"].as_array().into_iter().flatten() {
            assert!(body.get(text(field)).is_some(), "{name}: no {field} in {body}");
        }
    }

    fn fill(&mut self, placeholder: &'static str, value: &Value) {
        self.placeholders.insert(placeholder, text(value).to_owned());
    }

    /// Validates the license key and returns the code.
    async fn validation_code(&mut self) -> String {
        text(&self.send("validate_license").await["code"]).to_owned()
    }
}

/// Returns the function that serves a path, as documented in `events/README.md`.
fn function_for(path: &str) -> &'static str {
    let first = path.trim_start_matches("/api/v1.0/").split('/').next().unwrap();
    match first {
        "products" | "pricing-tiers" | "product-features" => "catalog",
        "customers" => "customers",
        "license-keys" if path.ends_with("/offline-activations") => "activations",
        "license-keys" | "events" => "licenses",
        "license-activations" => "activations",
        "register" | "user" => "registration",
        "imports" | "exports" => "transfers",
        "webhook-endpoints" | "webhook-deliveries" => "webhooks",
        "api-keys" | "signing-keys" => "access",
        _ => "discovery",
    }
}

/// Parses the body of an HTTP response, or returns null if it is not JSON.
fn body(response: &Value) -> Value {
    serde_json::from_str(response["body"].as_str().unwrap_or_default()).unwrap_or_default()
}

fn count_items(list: &Value) -> usize {
    list["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/functions.sh"]
async fn every_event_is_served_by_its_function_over_a_license_lifecycle() {
    let mut scenario = LifecycleScenario::start().await;
    documents(&mut scenario).await;
    catalog(&mut scenario).await;
    issue(&mut scenario).await;
    activation(&mut scenario).await;
    transitions(&mut scenario).await;
    deactivation_and_revocation(&mut scenario).await;
    self_service(&mut scenario).await;
    transfers_and_erasure(&mut scenario).await;
    webhooks(&mut scenario).await;
    api_keys(&mut scenario).await;
    signing_keys(&mut scenario).await;
    dashboard(&mut scenario).await;
    statistics(&mut scenario).await;

    let all: BTreeSet<_> = events().into_keys().collect();
    let missing: Vec<_> = all.difference(&scenario.succeeded).cloned().collect();
    for name in missing.iter().filter(|name| name.starts_with("get_")) {
        scenario.send(name).await;
    }
    assert_eq!(scenario.succeeded, all, "add a step of this scenario for each event that is not a GET");
}

async fn documents(scenario: &mut LifecycleScenario) {
    assert_eq!(scenario.send("get_health").await["status"], "ok");
    let configuration = scenario.send("get_license_configuration").await;
    assert_eq!(configuration["issuer"], scenario.installation.local.app.issuer());
    assert!(!scenario.send("get_jwks").await["keys"].as_array().unwrap().is_empty());
    scenario.send("get_signed_jwks").await;
    assert_eq!(scenario.send("get_openapi_document").await["openapi"], scenario.document["openapi"]);
    assert_eq!(scenario.send("get_openapi_3_0_document").await["openapi"], "3.0.3");
    for page in ["get_llms_txt", "get_docs", "get_docs_file", "list_error_codes", "get_error_code"] {
        scenario.send(page).await;
    }
}

async fn catalog(scenario: &mut LifecycleScenario) {
    let product = scenario.send("create_product").await;
    scenario.fill("PRODUCT_ID", &product["id"]);
    assert_eq!(scenario.send("update_product").await["name"], "New name");
    assert_eq!(scenario.send("replace_product").await["description"], "A map of all there is");
    assert_eq!(scenario.send("get_product").await["description"], "A map of all there is");
    assert_eq!(count_items(&scenario.send("list_products").await), 1);
    let feature = scenario.send("create_product_feature").await;
    scenario.fill("FEATURE_ID", &feature["id"]);
    assert_eq!(scenario.send("update_product_feature").await["name"], "New name");
    assert_eq!(scenario.send("replace_product_feature").await["sort_order"], 1);
    assert_eq!(scenario.send("get_product_feature").await["sort_order"], 1);
    assert_eq!(count_items(&scenario.send("list_product_features").await), 1);
    let tier = scenario.send("create_pricing_tier").await;
    scenario.fill("TIER_ID", &tier["id"]);
    assert_eq!(scenario.send("update_pricing_tier").await["name"], "New name");
    assert_eq!(scenario.send("replace_pricing_tier").await["feature_keys"], json!(["export"]));
    assert_eq!(scenario.send("get_pricing_tier").await["code"], "pro");
    assert_eq!(count_items(&scenario.send("list_pricing_tiers").await), 1);
    assert!(scenario.send("get_public_catalog").await.to_string().contains("Atlas"));
}

async fn issue(scenario: &mut LifecycleScenario) {
    let customer = scenario.send("create_customer").await;
    scenario.fill("CUSTOMER_ID", &customer["id"]);
    assert_eq!(scenario.send("update_customer").await["metadata"]["segment"], "research");
    assert_eq!(scenario.send("replace_customer").await["name"], "Ada Lovelace");
    assert_eq!(scenario.send("get_customer").await["name"], "Ada Lovelace");
    assert_eq!(count_items(&scenario.send("list_customers").await), 1);
    let issued = scenario.send("issue_license_key").await;
    scenario.fill("LICENSE_ID", &issued["license"]["id"]);
    scenario.fill("LICENSE_KEY", &issued["license_key"]);
    assert_eq!(scenario.send("get_license_key").await["status"], "active");
    assert_eq!(scenario.send("update_license_key").await["external_id"], "order");
    assert_eq!(count_items(&scenario.send("list_license_keys").await), 1);
}

/// A license key issued by one function activates a machine in another. The first function accepts the token.
async fn activation(scenario: &mut LifecycleScenario) {
    let activated = scenario.send("activate_machine").await;
    scenario.fill("ACTIVATION_ID", &activated["activation"]["id"]);
    scenario.fill("LICENSE_TOKEN", &activated["token"]);
    assert_eq!(scenario.send("get_activation").await["status"], "active");
    assert_eq!(count_items(&scenario.send("list_activations").await), 1);
    let heartbeat = scenario.send("send_heartbeat").await;
    assert_eq!(
        (&heartbeat["token"], &heartbeat["renewed"]),
        (&activated["token"], &json!(false)),
        "the token is not due for renewal"
    );
    assert_eq!(scenario.validation_code().await, "valid");
    let tomorrow = shared::Clock::System.now() + jiff::SignedDuration::from_hours(24);
    scenario.fill("TOMORROW", &json!(tomorrow.strftime("%Y-%m-%d").to_string()));
    assert_eq!(scenario.send("create_offline_activation").await["format"], "signet-license/1");
}

async fn transitions(scenario: &mut LifecycleScenario) {
    scenario.send("suspend_license_key").await;
    assert_eq!(scenario.validation_code().await, "suspended");
    scenario.expect_problem("send_heartbeat", 403, "suspended").await;
    scenario.send("reinstate_license_key").await;
    assert_eq!(scenario.validation_code().await, "valid");
    assert_eq!(scenario.send("change_license_key").await["max_users"], 7);
    let overridden = scenario.send("replace_license_overrides").await;
    assert_eq!(overridden["overrides"][0]["note"], "Until the new contract is signed");
    assert_eq!(scenario.send("renew_license_key").await["expires_at"], "2099-01-01T00:00:00Z");
    let audit = scenario.send("audit_license_key").await;
    assert_eq!(audit["ok"], true, "{audit}");
}

async fn deactivation_and_revocation(scenario: &mut LifecycleScenario) {
    assert_eq!(scenario.send("deactivate_activation").await["status"], "deactivated");
    let remaining = scenario.send("list_activations").await;
    assert_eq!((count_items(&remaining), &remaining["items"][0]["machine_id"]), (1, &json!("press")));
    assert_eq!(scenario.validation_code().await, "not_activated");
    let regenerated = scenario.send("regenerate_license_key").await;
    scenario.expect_problem("activate_machine", 403, "generation_outdated").await;
    scenario.fill("LICENSE_KEY", &regenerated["license_key"]);
    scenario.send("activate_machine").await;
    assert_eq!(scenario.validation_code().await, "valid");
    assert_eq!(scenario.send("revoke_license_key").await["status"], "revoked");
    assert_eq!(scenario.validation_code().await, "revoked");
    let of_license = scenario.send("list_license_key_events").await;
    assert_eq!(of_license["items"][0]["type"], "license.revoked");
    // The order of all events depends on the clocks of several functions.
    let all = scenario.send("list_events").await;
    let license_id = &of_license["items"][0]["license_id"];
    let own = all["items"].as_array().unwrap().iter().filter(|event| event["license_id"] == *license_id);
    assert_eq!(own.count(), count_items(&of_license));
    assert!(all["items"].as_array().unwrap().iter().any(|event| event["type"] == "product.updated"), "{all}");
}

async fn self_service(scenario: &mut LifecycleScenario) {
    scenario.send("register_customer").await;
    let claimed = scenario.send("claim_license").await;
    let own = scenario.send("list_own_licenses").await;
    assert_eq!((count_items(&own), &own["items"][0]["license"]["id"]), (1, &claimed["license"]["id"]));
    let batch = scenario.send("issue_license_key_batch").await;
    assert_eq!(count_items(&batch), 2);
    scenario.fill("LICENSE_KEY", &batch["items"][0]["license_key"]);
    let claimed = scenario.send("claim_license_key").await;
    assert_eq!(claimed["id"], batch["items"][0]["license"]["id"]);
    assert_eq!(scenario.send("revoke_license_key_batch").await, json!({"revoked": 2, "remaining": 0}));
    assert_eq!(scenario.validation_code().await, "revoked");
}

async fn transfers_and_erasure(scenario: &mut LifecycleScenario) {
    assert_eq!(scenario.send("import_lines").await["created"], 1);
    assert_eq!(scenario.send("import_lines").await["unchanged"], 1);
    scenario.send("export_lines").await;
    // The customer's license key is revoked.
    scenario.send("erase_customer").await;
}

async fn webhooks(scenario: &mut LifecycleScenario) {
    let created = scenario.send("create_webhook_endpoint").await;
    scenario.fill("WEBHOOK_ENDPOINT_ID", &created["id"]);
    assert_eq!(scenario.send("update_webhook_endpoint").await["event_types"], json!(["*"]));
    assert_eq!(scenario.send("get_webhook_endpoint").await["is_active"], true);
    assert_eq!(count_items(&scenario.send("list_webhook_endpoints").await), 1);
    let delivery = scenario.send("test_webhook_endpoint").await;
    scenario.fill("WEBHOOK_DELIVERY_ID", &delivery["id"]);
    assert_eq!(scenario.send("retry_webhook_delivery").await["status"], "pending");
    assert!(scenario.send("replay_webhook_events").await["replayed"].as_u64().unwrap() > 0);
    assert!(count_items(&scenario.send("list_webhook_deliveries").await) > 1);
    assert_ne!(scenario.send("rotate_webhook_secret").await["secret"], created["secret"]);
    webhook_functions(scenario, &created["id"]).await;
}

/// The schedule wakes the sender for the deliveries that are due. The sender finds none, because the endpoint was deleted.
async fn webhook_functions(scenario: &mut LifecycleScenario, endpoint: &Value) {
    let feed = scenario.installation.function("webhooks-feed").await;
    let report = feed.invoke(event("webhooks-feed", &scenario.placeholders)).await.unwrap();
    assert_eq!(report, json!({"endpoints": 1}));
    let messages = scenario.installation.queue.take();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0]["MessageBody"], json!({"endpoint_id": endpoint}).to_string());
    scenario.send("delete_webhook_endpoint").await;
    let sender = scenario.installation.function("webhooks-sender").await;
    let report = sender.invoke(event("webhooks-sender", &scenario.placeholders)).await.unwrap();
    assert_eq!(report, json!({"batchItemFailures": []}));
    scenario.succeeded.extend(["webhooks-feed", "webhooks-sender"].map(str::to_owned));
}

async fn api_keys(scenario: &mut LifecycleScenario) {
    let created = scenario.send("create_api_key").await;
    scenario.fill("API_KEY_ID", &created["id"]);
    assert_eq!(scenario.send("get_api_key").await["scopes"], json!(["licenses:read"]));
    assert_eq!(count_items(&scenario.send("list_api_keys").await), 2);
    let operator = scenario.placeholders["API_KEY"].clone();
    scenario.fill("API_KEY", &created["api_key"]);
    assert_eq!(count_items(&scenario.send("list_license_keys").await), 4);
    scenario.expect_problem("list_customers", 403, "forbidden").await;
    scenario.fill("API_KEY", &json!(operator));
    scenario.send("delete_api_key").await;
    scenario.fill("API_KEY", &created["api_key"]);
    scenario.expect_problem("list_license_keys", 401, "unauthenticated").await;
    scenario.fill("API_KEY", &json!(operator));
}

async fn signing_keys(scenario: &mut LifecycleScenario) {
    let of_state = |list: &Value, state: &str| {
        let found = list["items"].as_array().unwrap().iter().find(|key| key["state"] == state);
        found.map(|key| text(&key["kid"]).to_owned())
    };
    let before = scenario.send("list_signing_keys").await;
    // Returns 409 until the next key has been published for long enough.
    let mut rotated = scenario.invoke("rotate_signing_keys").await;
    for _ in 0..MAX_RETRIES {
        if rotated["statusCode"] != 409 {
            break;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
        rotated = scenario.invoke("rotate_signing_keys").await;
    }
    scenario.assert_documented("rotate_signing_keys", &rotated);
    scenario.succeeded.insert("rotate_signing_keys".to_owned());
    let list = scenario.send("list_signing_keys").await;
    assert_eq!(of_state(&list, "current"), of_state(&before, "next"));
    assert_eq!(of_state(&list, "previous"), of_state(&before, "current"));
    scenario.fill("KID", &json!(of_state(&list, "previous")));
    let list = scenario.send("condemn_signing_key").await;
    assert_eq!(of_state(&list, "condemned").as_ref(), scenario.placeholders.get("KID"));
    rotation(scenario).await;
}

/// The dashboard redirects to the sign-in page.
async fn dashboard(scenario: &mut LifecycleScenario) {
    let function = scenario.installation.function("dashboard").await;
    let response = function.invoke(event("dashboard", &scenario.placeholders)).await.unwrap();
    scenario.succeeded.insert("dashboard".to_owned());
    let redirect = (&response["statusCode"], &response["headers"]["location"]);
    assert_eq!(redirect, (&json!(303), &json!("/dashboard/sign-in?return_to=%2Fdashboard")), "{response}");
}

/// The statistics schedule counts the license keys.
async fn statistics(scenario: &mut LifecycleScenario) {
    let function = scenario.installation.function("statistics").await;
    let counts = function.invoke(event("statistics", &scenario.placeholders)).await.unwrap();
    scenario.succeeded.insert("statistics".to_owned());
    assert_eq!(
        (&counts["license_keys"]["active"], &counts["license_keys"]["revoked"]),
        (&json!(0), &json!(3)),
        "{counts}"
    );
}

/// The rotation schedule reports the published keys, which match the list of signing keys.
async fn rotation(scenario: &mut LifecycleScenario) {
    let function = scenario.installation.function("rotation").await;
    let report = function.invoke(event("rotation", &scenario.placeholders)).await.unwrap();
    scenario.succeeded.insert("rotation".to_owned());
    assert!(report["next_rotation_at"].is_string(), "{report}");
    let list = scenario.send("list_signing_keys").await;
    let published = |key: &&Value| ["next", "current", "previous"].contains(&text(&key["state"]));
    let all = list["items"].as_array().unwrap().iter();
    let expected: BTreeSet<_> = all.filter(published).map(|key| text(&key["kid"])).collect();
    let reported: BTreeSet<_> = report["published"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(reported, expected);
}
