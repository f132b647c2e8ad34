//! The life of a license, event by event, each in the function that serves it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use signet_tests::{Function, Value, events, json, text};

use crate::installation::{Installation, event};

const DOCUMENT: &str = include_str!("../../../functions/discovery/openapi.json");

/// How often, and after what pause, something is asked for again that is not due yet: ten seconds in all.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);

/// What has been told so far.
struct Story {
    installation: Installation,
    document: Value,
    functions: BTreeMap<&'static str, Function>,
    /// What the placeholders stand for.
    filling: BTreeMap<&'static str, String>,
    /// The events that were answered well.
    told: BTreeSet<String>,
}

impl Story {
    async fn begin() -> Self {
        let installation = Installation::start().await;
        let filling = BTreeMap::from([
            ("API_KEY", installation.local.operator_api_key.expose().to_owned()),
            ("BEARER_TOKEN", installation.bearer_token("grace@example.com").await),
        ]);
        let document = serde_json::from_str(DOCUMENT).unwrap();
        Self { installation, document, functions: BTreeMap::new(), filling, told: BTreeSet::new() }
    }

    /// Has the function that serves an event answer it as the document says; gives the body.
    async fn tell(&mut self, name: &str) -> Value {
        let answer = self.ask(name).await;
        self.is_as_documented(name, &answer);
        self.told.insert(name.to_owned());
        body(&answer)
    }

    fn is_as_documented(&self, name: &str, answer: &Value) {
        let operation = self.operation(name);
        let responses = operation["responses"].as_object().unwrap();
        // Of several, the one for what was not there before.
        let success = responses.keys().filter(|status| status.starts_with('2')).max().unwrap();
        assert_eq!(&answer["statusCode"].to_string(), success, "{name}: {answer}");
        let media_types = responses[success]["content"].as_object();
        let said = answer["headers"]["content-type"].as_str();
        for (media_type, content) in media_types.into_iter().flatten() {
            assert_eq!(said.and_then(|said| said.split(';').next()), Some(media_type.as_str()), "{name}: {answer}");
            if media_type == "application/json" {
                self.has_its_fields(name, &content["schema"], &body(answer));
            }
        }
    }

    /// Has an event refused, with this status and code.
    async fn refused(&mut self, name: &str, status: u16, code: &str) {
        let answer = self.ask(name).await;
        let said = (&answer["statusCode"], &body(&answer)["code"]);
        assert_eq!(said, (&json!(status), &json!(code)), "{name}: {answer}");
    }

    async fn ask(&mut self, name: &str) -> Value {
        let event = event(name, &self.filling);
        let function = serving(text(&event["rawPath"]));
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

    /// Checks that what the document requires is there.
    fn has_its_fields(&self, name: &str, schema: &Value, body: &Value) {
        let schema = match schema["$ref"].as_str() {
            Some(at) => self.document.pointer(at.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        for field in schema["required"].as_array().into_iter().flatten() {
            assert!(body.get(text(field)).is_some(), "{name} answers no {field}: {body}");
        }
    }

    fn fill(&mut self, placeholder: &'static str, value: &Value) {
        self.filling.insert(placeholder, text(value).to_owned());
    }

    /// What an app is told of its license key.
    async fn validity(&mut self) -> String {
        text(&self.tell("post_license_keys_validate").await["code"]).to_owned()
    }
}

/// The function that serves a path, as `events/README.md` has it.
fn serving(path: &str) -> &'static str {
    let first = path.trim_start_matches("/api/v1.0/").split('/').next().unwrap();
    match first {
        "products" | "pricing-tiers" | "product-features" => "catalog",
        "customers" => "customers",
        "license-keys" | "events" => "licenses",
        "license-activations" => "activations",
        "register" | "user" => "registration",
        "api-keys" | "signing-keys" => "access",
        _ => "discovery",
    }
}

/// The body of an HTTP answer, as JSON; null where it is none.
fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default()
}

fn length(list: &Value) -> usize {
    list["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/functions.sh runs it"]
async fn every_event_is_answered_by_its_function_in_the_order_of_a_license_s_life() {
    let mut story = Story::begin().await;
    documents(&mut story).await;
    catalog(&mut story).await;
    sale(&mut story).await;
    seat(&mut story).await;
    changes(&mut story).await;
    end(&mut story).await;
    customer_alone(&mut story).await;
    api_keys(&mut story).await;
    signing_keys(&mut story).await;
    dashboard(&mut story).await;
    statistics(&mut story).await;

    let all: BTreeSet<_> = events().into_keys().collect();
    assert_eq!(story.told, all, "each event has its place in the story");
}

async fn documents(story: &mut Story) {
    assert_eq!(story.tell("get_health").await["status"], "ok");
    let configuration = story.tell("get_well_known_license_configuration").await;
    assert_eq!(configuration["issuer"], story.installation.local.app.issuer());
    assert!(!story.tell("get_well_known_jwks_json").await["keys"].as_array().unwrap().is_empty());
    story.tell("get_well_known_jwks_jwt").await;
    assert_eq!(story.tell("get_openapi_json").await["openapi"], story.document["openapi"]);
    for page in ["get_docs", "get_docs_file", "get_problems", "get_problems_code"] {
        story.tell(page).await;
    }
}

async fn catalog(story: &mut Story) {
    let product = story.tell("post_products").await;
    story.fill("PRODUCT_ID", &product["id"]);
    assert_eq!(story.tell("put_products_id").await["description"], "A map of all there is");
    assert_eq!(story.tell("get_products_id").await["description"], "A map of all there is");
    assert_eq!(length(&story.tell("get_products").await), 1);
    let feature = story.tell("post_product_features").await;
    story.fill("FEATURE_ID", &feature["id"]);
    assert_eq!(story.tell("put_product_features_id").await["sort_order"], 1);
    assert_eq!(story.tell("get_product_features_id").await["sort_order"], 1);
    assert_eq!(length(&story.tell("get_product_features").await), 1);
    let tier = story.tell("post_pricing_tiers").await;
    story.fill("TIER_ID", &tier["id"]);
    assert_eq!(story.tell("put_pricing_tiers_id").await["feature_keys"], json!(["export"]));
    assert_eq!(story.tell("get_pricing_tiers_id").await["code"], "pro");
    assert_eq!(length(&story.tell("get_pricing_tiers").await), 1);
    assert!(story.tell("get_products_catalog").await.to_string().contains("Atlas"));
}

async fn sale(story: &mut Story) {
    let customer = story.tell("post_customers").await;
    story.fill("CUSTOMER_ID", &customer["id"]);
    assert_eq!(story.tell("put_customers_id").await["name"], "Ada Lovelace");
    assert_eq!(story.tell("get_customers_id").await["name"], "Ada Lovelace");
    assert_eq!(length(&story.tell("get_customers").await), 1);
    let issued = story.tell("post_license_keys").await;
    story.fill("LICENSE_ID", &issued["license"]["id"]);
    story.fill("LICENSE_KEY", &issued["license_key"]);
    assert_eq!(story.tell("get_license_keys_id").await["status"], "active");
    assert_eq!(length(&story.tell("get_license_keys").await), 1);
}

/// A key that one function issued opens a seat in another, whose token beats in the first.
async fn seat(story: &mut Story) {
    let activated = story.tell("post_license_activations_activate").await;
    story.fill("ACTIVATION_ID", &activated["activation"]["id"]);
    story.fill("LICENSE_TOKEN", &activated["token"]);
    assert_eq!(story.tell("get_license_activations_id").await["status"], "active");
    assert_eq!(length(&story.tell("get_license_activations").await), 1);
    let beat = story.tell("post_license_keys_heartbeat").await;
    assert_eq!((&beat["token"], &beat["renewed"]), (&activated["token"], &json!(false)), "it is young");
    assert_eq!(story.validity().await, "valid");
}

async fn changes(story: &mut Story) {
    story.tell("post_license_keys_id_suspend").await;
    assert_eq!(story.validity().await, "suspended");
    story.refused("post_license_keys_heartbeat", 403, "suspended").await;
    story.tell("post_license_keys_id_reinstate").await;
    assert_eq!(story.validity().await, "valid");
    assert_eq!(story.tell("post_license_keys_id_change").await["max_users"], 7);
    assert_eq!(story.tell("post_license_keys_id_renew").await["expires_at"], "2099-01-01T00:00:00Z");
    let audit = story.tell("post_license_keys_id_audit").await;
    assert_eq!(audit["ok"], true, "{audit}");
}

async fn end(story: &mut Story) {
    assert_eq!(story.tell("post_license_activations_id_deactivate").await["status"], "deactivated");
    assert_eq!(length(&story.tell("get_license_activations").await), 0);
    assert_eq!(story.validity().await, "not_activated");
    let regenerated = story.tell("post_license_keys_id_regenerate").await;
    story.refused("post_license_activations_activate", 403, "generation_outdated").await;
    story.fill("LICENSE_KEY", &regenerated["license_key"]);
    story.tell("post_license_activations_activate").await;
    assert_eq!(story.validity().await, "valid");
    assert_eq!(story.tell("post_license_keys_id_revoke").await["status"], "revoked");
    assert_eq!(story.validity().await, "revoked");
    let of_license = story.tell("get_license_keys_id_events").await;
    assert_eq!(of_license["items"][0]["type"], "revoked");
    // What the whole history answers first depends on which of two functions' clocks ran ahead.
    assert_eq!(length(&story.tell("get_events").await), length(&of_license));
}

async fn customer_alone(story: &mut Story) {
    story.tell("post_register").await;
    let claimed = story.tell("post_user_claim_license").await;
    let own = story.tell("get_user_licenses").await;
    assert_eq!((length(&own), &own["items"][0]["license"]["id"]), (1, &claimed["license"]["id"]));
}

async fn api_keys(story: &mut Story) {
    let made = story.tell("post_api_keys").await;
    story.fill("API_KEY_ID", &made["id"]);
    assert_eq!(story.tell("get_api_keys_id").await["scopes"], json!(["licenses:read"]));
    assert_eq!(length(&story.tell("get_api_keys").await), 2);
    let operator = story.filling["API_KEY"].clone();
    story.fill("API_KEY", &made["api_key"]);
    assert_eq!(length(&story.tell("get_license_keys").await), 2);
    story.refused("get_customers", 403, "forbidden").await;
    story.fill("API_KEY", &json!(operator));
    story.tell("delete_api_keys_id").await;
    story.fill("API_KEY", &made["api_key"]);
    story.refused("get_license_keys", 401, "unauthenticated").await;
    story.fill("API_KEY", &json!(operator));
}

async fn signing_keys(story: &mut Story) {
    let of_state = |list: &Value, state: &str| {
        let found = list["items"].as_array().unwrap().iter().find(|key| key["state"] == state);
        found.map(|key| text(&key["kid"]).to_owned())
    };
    let before = story.tell("get_signing_keys").await;
    // The next key may sign when it has been published for a while, which it tells by a conflict.
    let mut turned = story.ask("post_signing_keys_rotate").await;
    for _ in 0..TRIES {
        if turned["statusCode"] != 409 {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        turned = story.ask("post_signing_keys_rotate").await;
    }
    story.is_as_documented("post_signing_keys_rotate", &turned);
    story.told.insert("post_signing_keys_rotate".to_owned());
    let list = story.tell("get_signing_keys").await;
    assert_eq!(of_state(&list, "current"), of_state(&before, "next"));
    assert_eq!(of_state(&list, "previous"), of_state(&before, "current"));
    story.fill("KID", &json!(of_state(&list, "previous")));
    let list = story.tell("post_signing_keys_kid_condemn").await;
    assert_eq!(of_state(&list, "condemned").as_ref(), story.filling.get("KID"));
    rotation(story).await;
}

/// Whoever is not signed in is led to where people sign in.
async fn dashboard(story: &mut Story) {
    let function = story.installation.function("dashboard").await;
    let answer = function.invoke(event("dashboard", &story.filling)).await.unwrap();
    story.told.insert("dashboard".to_owned());
    let led = (&answer["statusCode"], &answer["headers"]["location"]);
    assert_eq!(led, (&json!(303), &json!("/dashboard/sign-in?return_to=%2Fdashboard")), "{answer}");
}

/// What the other schedule invokes counts the license keys that there are.
async fn statistics(story: &mut Story) {
    let function = story.installation.function("statistics").await;
    let made = function.invoke(event("statistics", &story.filling)).await.unwrap();
    story.told.insert("statistics".to_owned());
    assert_eq!((&made["license_keys"]["active"], &made["license_keys"]["revoked"]), (&json!(1), &json!(1)), "{made}");
}

/// What the schedule invokes tells which keys are published, which are those of the operator's list.
async fn rotation(story: &mut Story) {
    let function = story.installation.function("rotation").await;
    let kept = function.invoke(event("rotation", &story.filling)).await.unwrap();
    story.told.insert("rotation".to_owned());
    assert!(kept["next_rotation_at"].is_string(), "{kept}");
    let list = story.tell("get_signing_keys").await;
    let published = |key: &&Value| ["next", "current", "previous"].contains(&text(&key["state"]));
    let all = list["items"].as_array().unwrap().iter();
    let named: BTreeSet<_> = all.filter(published).map(|key| text(&key["kid"])).collect();
    let told: BTreeSet<_> = kept["published"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(told, named);
}
