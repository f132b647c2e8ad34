//! Every operation of the OpenAPI document, each with what it takes to be asked well: so a test of all of them has a new
//! one in it from its first day.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::{Answer, Client, Stack, merged, random_word, text};

const PERSON: &str = "openid email profile";

/// One operation, on things of its own that are there; but for a signing key's end, as all need the only one that signs.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path, as the document has it.
    pub template: String,
    /// Its path, filled in.
    pub path: String,
    /// A body that it takes, where it reads one.
    pub body: Option<Value>,
    /// What the document says of it.
    pub documented: Value,
    /// Somebody who may.
    pub caller: Client,
}

impl Operation {
    /// As it should be asked.
    pub async fn ask_well(&self) -> Answer {
        match &self.body {
            Some(body) => self.ask(body).await,
            None => self.ask_bytes(None, Vec::new()).await,
        }
    }

    /// With another body.
    pub async fn ask(&self, body: &Value) -> Answer {
        self.ask_json(body.to_string()).await
    }

    /// With these bytes for JSON.
    pub async fn ask_json(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.ask_bytes(Some("application/json"), body.into()).await
    }

    /// With these bytes.
    pub async fn ask_bytes(&self, media_type: Option<&str>, body: Vec<u8>) -> Answer {
        self.ask_at(&self.path, media_type, body).await
    }

    /// At another path.
    pub async fn ask_at(&self, path: &str, media_type: Option<&str>, body: Vec<u8>) -> Answer {
        let with = |request: reqwest::RequestBuilder| match media_type {
            Some(media_type) => request.header(CONTENT_TYPE, media_type).body(body),
            None => request.body(body),
        };
        self.caller.send(self.method.clone(), path, with).await
    }

    /// The same, asked by someone else.
    pub fn by(&self, caller: &Client) -> Self {
        Self { caller: caller.clone(), ..self.clone() }
    }

    /// Whether its path names one thing.
    pub fn has_id(&self) -> bool {
        self.template.contains('{')
    }

    /// Whether it is one of the API's, and not a document or a page beside it.
    pub fn is_api(&self) -> bool {
        self.template.starts_with("/api/")
    }

    /// Whether whoever shows no credential may ask.
    pub fn is_open(&self) -> bool {
        let ways = self.documented["security"].as_array();
        ways.is_none_or(|ways| ways.iter().any(|way| *way == json!({})))
    }

    /// Whether its body may be left out.
    pub fn takes_no_body(&self) -> bool {
        self.template.ends_with("/regenerate")
    }

    /// The parameters of its query.
    pub fn parameters(&self) -> Vec<&str> {
        let all = self.documented["parameters"].as_array().into_iter().flatten();
        all.filter(|one| one["in"] == "query").map(|one| text(&one["name"])).collect()
    }
}

impl Stack {
    /// All operations. None touches what another needs.
    pub async fn operations(&self) -> Vec<Operation> {
        let document = self.anonymous.get("/openapi.json").await.expect(200);
        let mut found = Vec::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, documented) in item.as_object().expect("operations") {
                let method: Method = method.to_uppercase().parse().expect("a method");
                found.push(self.operation(method, path, documented.clone()).await);
            }
        }
        assert!(found.len() >= 45, "{found:#?}");
        found
    }

    async fn operation(&self, method: Method, template: &str, documented: Value) -> Operation {
        let below = template.strip_prefix("/api/v1.0/").unwrap_or(template);
        let sold = self.operator.sell_with(&json!({"max_users": 5, "is_claimable": true})).await;
        let activated = self.anonymous.activate(&sold.license_key, "one").await.expect(201);
        let fresh = |word: &str| random_word(word);
        let email = |word: &str| format!("{}@example.com", random_word(word));
        let writable = |resource: &Value| {
            let mut own = resource.clone();
            own.as_object_mut().expect("an object").retain(|name, _| {
                !["id", "created_at", "updated_at", "feature_keys", "subject"].contains(&name.as_str())
            });
            own
        };
        let key = if below.starts_with("api-keys/") {
            let body = json!({"name": "ci", "scopes": ["licenses:read"]});
            self.operator.post("api-keys", body).await.expect(201)
        } else {
            Value::Null
        };
        let mut caller = self.operator.clone();
        if matches!(below, "register" | "user/claim-license" | "user/licenses") {
            caller = self.signed_in(&email("ada"), PERSON).await;
            if below != "register" {
                caller.post("register", json!({})).await.expect(201);
            }
        } else if matches!(below, "license-keys/heartbeat" | "license-keys/validate" | "license-activations/activate") {
            caller = self.anonymous.clone();
        }
        if below.ends_with("/reinstate") {
            let path = format!("license-keys/{}/suspend", sold.license_id);
            self.operator.post(&path, json!({})).await.expect(200);
        }
        let id = match below.split('/').next().unwrap_or_default() {
            "products" => text(&sold.product["id"]),
            "product-features" => text(&sold.feature["id"]),
            "pricing-tiers" => text(&sold.tier["id"]),
            "customers" => text(&sold.customer["id"]),
            "license-activations" => text(&activated["activation"]["id"]),
            "api-keys" => key["id"].as_str().unwrap_or_default(),
            _ if below.starts_with("/problems/") => "not_found",
            _ => &sold.license_id,
        };
        let path = match template.split_once('{') {
            Some((before, rest)) => format!("{before}{id}{}", rest.split_once('}').expect("a parameter").1),
            None if below == "license-activations" => format!("{template}?license_id={}", sold.license_id),
            None => template.to_owned(),
        };
        let body = documented.get("requestBody").map(|_| match (method.as_str(), below) {
            ("POST", "products") => json!({"code": fresh("p"), "name": "Atlas", "description": "A map", "sort_order": 1}),
            ("PUT", "products/{id}") => writable(&sold.product),
            ("POST", "product-features") => {
                json!({"product_id": sold.product["id"], "key": fresh("f"), "name": "Export", "description": "To a file"})
            }
            ("PUT", "product-features/{id}") => writable(&sold.feature),
            ("POST", "pricing-tiers") => merged(writable(&sold.tier), &json!({"code": fresh("t"), "description": "x"})),
            ("PUT", "pricing-tiers/{id}") => writable(&sold.tier),
            ("POST", "customers") => json!({"name": "Ada", "email": email("ada"), "company": "Engines"}),
            ("PUT", "customers/{id}") => writable(&sold.customer),
            ("POST", "api-keys") => {
                json!({"name": "ci", "scopes": ["licenses:read"], "expires_at": "2030-01-01T00:00:00Z"})
            }
            ("POST", "license-keys") => json!({
                "customer_id": sold.customer["id"], "tier_id": sold.tier["id"], "max_users": 2,
                "expires_at": "2030-01-01T00:00:00Z",
            }),
            ("POST", "license-keys/validate") => {
                json!({"license_key": sold.license_key, "machine_id": "one", "product": sold.product["code"]})
            }
            ("POST", "license-keys/heartbeat") => json!({"token": activated["token"], "machine_id": "one"}),
            ("POST", "license-activations/activate") => {
                json!({"license_key": sold.license_key, "machine_id": "two", "machine_name": "build-07"})
            }
            ("POST", "license-activations/{id}/deactivate") => json!({"token": activated["token"]}),
            ("POST", "license-keys/{id}/audit") => json!({"repair": true}),
            ("POST", "license-keys/{id}/change") => json!({"tier_id": sold.tier["id"], "max_users": 7}),
            ("POST", "license-keys/{id}/renew") => json!({"expires_at": "2030-01-01T00:00:00Z"}),
            ("POST", "user/claim-license") => json!({"tier_id": sold.tier["id"]}),
            ("POST", "register") => json!({"name": "Ada", "company": "Engines"}),
            ("POST", at) if at.starts_with("license-keys/{id}/") => json!({"reason": "as asked"}),
            _ => json!({}),
        });
        Operation { method, template: template.to_owned(), path, body, documented, caller }
    }
}
