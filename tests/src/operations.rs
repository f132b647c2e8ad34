//! Every operation of the OpenAPI document with a valid request, so that tests that iterate over all operations cover
//! new ones automatically.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::{
    Client, Stack, TestResponse,
    fixtures::{Fixtures, relative_path},
    random_word, text,
};

const USER_SCOPES: &str = "openid email profile";

/// An operation with existing resources. The exception is `condemn`: its key id is unknown, because
/// the other operations need the only signing key.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The HTTP method.
    pub method: Method,
    /// The path template of the OpenAPI document.
    pub template: String,
    /// The path with its parameter filled in, and the query.
    pub path: String,
    /// A valid body, if the operation has one.
    pub body: Option<Value>,
    /// The Operation Object of the OpenAPI document.
    pub spec: Value,
    /// A client with a credential that the operation accepts.
    pub caller: Client,
}

impl Operation {
    /// Sends a valid request.
    pub async fn send_valid(&self) -> TestResponse {
        match &self.body {
            Some(body) => self.send_json(body).await,
            None => self.send_bytes(None, Vec::new()).await,
        }
    }

    /// Sends another body.
    pub async fn send_json(&self, body: &Value) -> TestResponse {
        self.send_json_text(body.to_string()).await
    }

    /// Sends these bytes as `application/json`.
    pub async fn send_json_text(&self, body: impl Into<Vec<u8>>) -> TestResponse {
        self.send_bytes(Some("application/json"), body.into()).await
    }

    /// Sends these bytes with this media type.
    pub async fn send_bytes(&self, media_type: Option<&str>, body: Vec<u8>) -> TestResponse {
        self.send_to(&self.path, media_type, body).await
    }

    /// Sends a request to another path.
    pub async fn send_to(&self, path: &str, media_type: Option<&str>, body: Vec<u8>) -> TestResponse {
        let build = |request: reqwest::RequestBuilder| match media_type {
            Some(media_type) => request.header(CONTENT_TYPE, media_type).body(body),
            None => request.body(body),
        };
        self.caller.send(self.method.clone(), path, build).await
    }

    /// Returns a copy that another client calls.
    pub fn with_caller(&self, caller: &Client) -> Self {
        Self { caller: caller.clone(), ..self.clone() }
    }

    /// Returns whether the path has a parameter.
    pub fn has_id(&self) -> bool {
        self.template.contains('{')
    }

    /// Returns whether the operation is part of the API, as opposed to a document or page outside `/api/`.
    pub fn is_api(&self) -> bool {
        self.template.starts_with("/api/")
    }

    /// Returns whether the operation accepts requests without a credential.
    pub fn is_public(&self) -> bool {
        let security = self.spec["security"].as_array();
        security.is_none_or(|security| security.iter().any(|requirement| *requirement == json!({})))
    }

    /// Returns whether the body may be omitted.
    pub fn has_optional_body(&self) -> bool {
        self.template.ends_with("/regenerate")
    }

    /// Returns the names of the query parameters.
    pub fn query_parameters(&self) -> Vec<&str> {
        let all = self.spec["parameters"].as_array().into_iter().flatten();
        all.filter(|one| one["in"] == "query").map(|one| text(&one["name"])).collect()
    }
}

impl Stack {
    /// Returns all operations, for requests without effect. They share their resources, apart from a suspended license
    /// key for `reinstate`.
    pub async fn operations(&self) -> Vec<Operation> {
        let shared = self.resources().await;
        self.operations_with(&shared, |_| false).await
    }

    /// Returns all operations. Those that change something have their own resources, so that none modifies those of
    /// another.
    pub async fn operations_with_own_resources(&self) -> Vec<Operation> {
        let shared = self.resources().await;
        self.operations_with(&shared, |method| method != Method::GET).await
    }

    async fn operations_with(&self, shared: &Fixtures, has_own: impl Fn(&Method) -> bool) -> Vec<Operation> {
        let document = self.anonymous.get("/openapi.json").await.expect_status(200);
        let mut found = Vec::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, spec) in item.as_object().expect("operations") {
                let method: Method = method.to_uppercase().parse().expect("a method");
                let has_own = has_own(&method) || path.ends_with("/reinstate");
                let fixtures = if has_own { self.resources().await } else { shared.clone() };
                found.push(self.operation(method, path, spec.clone(), &fixtures).await);
            }
        }
        assert!(found.len() >= 45, "{found:#?}");
        found
    }

    async fn operation(&self, method: Method, template: &str, spec: Value, fixtures: &Fixtures) -> Operation {
        let path = relative_path(template);
        let mut caller = self.operator.clone();
        if matches!(path, "register" | "user/claim-license" | "user/licenses") {
            caller = self.sign_in(&format!("{}@example.com", random_word("ada")), USER_SCOPES).await;
            if path != "register" {
                caller.post("register", json!({})).await.expect_status(201);
            }
        } else if matches!(path, "license-keys/heartbeat" | "license-keys/validate" | "license-activations/activate") {
            caller = self.anonymous.clone();
        }
        if path.ends_with("/reinstate") {
            let path = format!("license-keys/{}/suspend", fixtures.license_id);
            self.operator.post(&path, json!({})).await.expect_status(200);
        }
        let body = spec.get("requestBody").map(|_| fixtures.body(method.as_str(), template));
        Operation { method, template: template.to_owned(), path: fixtures.path(template), body, spec, caller }
    }

    /// Creates the resources that operations refer to.
    async fn resources(&self) -> Fixtures {
        let license = self.operator.issue_new_license_with(&json!({"max_users": 5, "is_claimable": true})).await;
        // A list shows the newest first, so nothing is as new as the activation.
        self.advance(1);
        let activated = self.anonymous.activate(&license.license_key, "one").await.expect_status(201);
        let api_key = json!({"name": "ci", "scopes": ["licenses:read"]});
        let api_key = self.operator.post("api-keys", api_key).await.expect_status(201);
        Fixtures {
            product: license.product,
            feature: license.feature,
            tier: license.tier,
            customer: license.customer,
            license_key: license.license_key,
            token: text(&activated["token"]).to_owned(),
            activation_id: text(&activated["activation"]["id"]).to_owned(),
            machine: "one".to_owned(),
            new_machine: "two".to_owned(),
            api_key_id: text(&api_key["id"]).to_owned(),
            kid: license.license_id.clone(),
            license_id: license.license_id,
            unique: random_word,
        }
    }
}
