//! Every operation of the OpenAPI document, each with what it takes to be asked well: so a test of all of them has a new
//! one in it from its first day.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::{
    Client, Stack, TestResponse,
    fixtures::{Fixtures, below},
    random_word, text,
};

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
    pub responses: Value,
    /// Somebody who may.
    pub caller: Client,
}

impl Operation {
    /// As it should be asked.
    pub async fn ask_well(&self) -> TestResponse {
        match &self.body {
            Some(body) => self.ask(body).await,
            None => self.ask_bytes(None, Vec::new()).await,
        }
    }

    /// With another body.
    pub async fn ask(&self, body: &Value) -> TestResponse {
        self.ask_json(body.to_string()).await
    }

    /// With these bytes for JSON.
    pub async fn ask_json(&self, body: impl Into<Vec<u8>>) -> TestResponse {
        self.ask_bytes(Some("application/json"), body.into()).await
    }

    /// With these bytes.
    pub async fn ask_bytes(&self, media_type: Option<&str>, body: Vec<u8>) -> TestResponse {
        self.ask_at(&self.path, media_type, body).await
    }

    /// At another path.
    pub async fn ask_at(&self, path: &str, media_type: Option<&str>, body: Vec<u8>) -> TestResponse {
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
        let ways = self.responses["security"].as_array();
        ways.is_none_or(|ways| ways.iter().any(|way| *way == json!({})))
    }

    /// Whether its body may be left out.
    pub fn takes_no_body(&self) -> bool {
        self.template.ends_with("/regenerate")
    }

    /// The parameters of its query.
    pub fn parameters(&self) -> Vec<&str> {
        let all = self.responses["parameters"].as_array().into_iter().flatten();
        all.filter(|one| one["in"] == "query").map(|one| text(&one["name"])).collect()
    }
}

impl Stack {
    /// All operations. None touches what another needs.
    pub async fn operations(&self) -> Vec<Operation> {
        let document = self.anonymous.get("/openapi.json").await.expect(200);
        let mut found = Vec::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, responses) in item.as_object().expect("operations") {
                let method: Method = method.to_uppercase().parse().expect("a method");
                found.push(self.operation(method, path, responses.clone()).await);
            }
        }
        assert!(found.len() >= 45, "{found:#?}");
        found
    }

    async fn operation(&self, method: Method, template: &str, responses: Value) -> Operation {
        let below = below(template);
        let sold = self.operator.sell_with(&json!({"max_users": 5, "is_claimable": true})).await;
        let activated = self.anonymous.activate(&sold.license_key, "one").await.expect(201);
        let api_key_id = if below.starts_with("api-keys/") {
            let body = json!({"name": "ci", "scopes": ["licenses:read"]});
            text(&self.operator.post("api-keys", body).await.expect(201)["id"]).to_owned()
        } else {
            String::new()
        };
        let mut caller = self.operator.clone();
        if matches!(below, "register" | "user/claim-license" | "user/licenses") {
            caller = self.signed_in(&format!("{}@example.com", random_word("ada")), PERSON).await;
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
        let fixtures = Fixtures {
            product: sold.product,
            feature: sold.feature,
            tier: sold.tier,
            customer: sold.customer,
            license_key: sold.license_key,
            token: text(&activated["token"]).to_owned(),
            activation_id: text(&activated["activation"]["id"]).to_owned(),
            machine: "one".to_owned(),
            newcomer: "two".to_owned(),
            api_key_id,
            kid: sold.license_id.clone(),
            license_id: sold.license_id,
            fresh: random_word,
        };
        let body = responses.get("requestBody").map(|_| fixtures.body(method.as_str(), template));
        Operation { method, template: template.to_owned(), path: fixtures.path(template), body, responses, caller }
    }
}
