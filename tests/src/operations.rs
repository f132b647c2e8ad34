//! Every operation of the OpenAPI document with a valid request, so that tests that iterate over all operations cover
//! new ones automatically.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};
use shared::domain::EventType;

use crate::{
    Client, Fixtures, Stack, TestResponse,
    access::{Access, Row},
    random_word, text,
};

const DOCUMENT: &str = include_str!("../../functions/discovery/openapi.json");
const JSON: &str = "application/json";
const USER_SCOPES: &str = "openid email profile";

/// An operation with existing resources. The exception is the key of `condemn`, which is unknown, because the other
/// operations need the only signing key.
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
    /// The callers that the operation accepts.
    pub access: Access,
    /// A client with a credential that the operation accepts.
    pub caller: Client,
    /// The types of the events that a valid request records, one or more of each.
    pub records: &'static [EventType],
    /// The types of the events that other requests record in addition or instead.
    pub can_record: &'static [EventType],
}

impl Operation {
    /// Sends a valid request.
    pub async fn send_valid(&self) -> TestResponse {
        match &self.body {
            Some(body) => self.send_bytes(Some(self.media_type()), body.to_string().into_bytes()).await,
            None => self.send_bytes(None, Vec::new()).await,
        }
    }

    /// Returns whether the body is a JSON object, as opposed to lines of JSON.
    pub fn has_json_body(&self) -> bool {
        self.media_type() == JSON
    }

    /// Returns the media type of the body: JSON if the operation accepts it.
    fn media_type(&self) -> &str {
        let content = self.spec["requestBody"]["content"].as_object();
        let other = content.filter(|content| !content.contains_key(JSON)).and_then(|content| content.keys().next());
        other.map_or(JSON, String::as_str)
    }

    /// Sends another body.
    pub async fn send_json(&self, body: &Value) -> TestResponse {
        self.send_json_text(body.to_string()).await
    }

    /// Sends these bytes as `application/json`.
    pub async fn send_json_text(&self, body: impl Into<Vec<u8>>) -> TestResponse {
        self.send_bytes(Some(JSON), body.into()).await
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

    /// Returns the path with another value of its parameter.
    ///
    /// # Panics
    ///
    /// Panics if the path has no parameter.
    pub fn path_with_id(&self, id: &str) -> String {
        let (before, rest) = self.template.split_once('{').expect("a parameter");
        format!("{before}{id}{}", rest.split_once('}').expect("a closing brace").1)
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
        security.is_none_or(|security| security.is_empty() || security.contains(&json!({})))
    }

    /// Returns whether the body may be omitted.
    pub fn has_optional_body(&self) -> bool {
        self.method == Method::POST && self.body.is_none()
    }

    /// Returns the names of the query parameters.
    pub fn query_parameters(&self) -> Vec<&str> {
        let all = self.spec["parameters"].as_array().into_iter().flatten();
        all.filter(|one| one["in"] == "query").map(|one| text(&one["name"])).collect()
    }
}

/// Returns every operation of the OpenAPI document: its method, its path template and its Operation Object.
pub(crate) fn documented_operations() -> impl Iterator<Item = (Method, String, Value)> {
    let mut document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
    let Value::Object(paths) = document["paths"].take() else { panic!("no paths") };
    paths.into_iter().flat_map(|(path, mut item)| {
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let found = methods.map(|method| (item[method.as_str().to_lowercase()].take(), method));
        found.into_iter().filter(|(spec, _)| spec.is_object()).map(move |(spec, method)| (method, path.clone(), spec))
    })
}

impl Stack {
    /// Returns all operations, for requests without effect. They share their resources, apart from a suspended license
    /// key for `reinstate`.
    pub async fn operations(&self) -> Vec<Operation> {
        let shared = Fixtures::create(self, self.operator.create_customer().await).await;
        self.operations_with(&shared, |_| false).await
    }

    /// Returns all operations. Those that change something have their own resources, so that none modifies those of
    /// another.
    pub async fn operations_with_own_resources(&self) -> Vec<Operation> {
        let shared = Fixtures::create(self, self.operator.create_customer().await).await;
        self.operations_with(&shared, |method| method != Method::GET).await
    }

    async fn operations_with(&self, shared: &Fixtures, has_own: impl Fn(&Method) -> bool) -> Vec<Operation> {
        let mut found = Vec::new();
        for (method, template, spec) in documented_operations() {
            let fixtures = if has_own(&method) || template.ends_with("/reinstate") {
                Fixtures::create(self, self.operator.create_customer().await).await
            } else {
                shared.clone()
            };
            found.push(self.operation(method, template, spec, &fixtures).await);
        }
        found
    }

    async fn operation(&self, method: Method, template: String, spec: Value, fixtures: &Fixtures) -> Operation {
        let Row { access, body, records, can_record, .. } = *Row::find(&method, &template);
        let caller = match access {
            Access::Public => self.anonymous.clone(),
            Access::AnyKey
            | Access::Scope(_)
            | Access::ScopeOfQuery(..)
            | Access::AllScopes
            | Access::ScopeOrOwner(_) => self.operator.clone(),
            Access::AnyUser => self.sign_in(&format!("{}@example.com", random_word("ada")), USER_SCOPES).await,
        };
        if access == Access::AnyUser && !template.ends_with("/register") {
            caller.post("register", json!({})).await.expect_status(201);
        }
        if template.ends_with("/reinstate") {
            let path = format!("license-keys/{}/suspend", fixtures.license_id);
            self.operator.post(&path, json!({})).await.expect_status(200);
        }
        let (path, mut body) = (fixtures.path(&template), body.map(|body| body(fixtures)));
        let path = if method == Method::DELETE && template.ends_with("/customers/{id}") {
            // A customer without a license key.
            template.replace("{id}", text(&self.operator.create_customer().await["id"]))
        } else if method == Method::DELETE && template.ends_with("/webhook-endpoints/{id}") {
            // Not that of the other operations.
            let endpoint = self.operator.create_webhook_endpoint("https://example.com/deleted").await;
            template.replace("{id}", text(&endpoint["id"]))
        } else {
            path
        };
        if template.ends_with("/claim-key") || template.ends_with("/batch/revoke") {
            let tag = random_word("tag");
            let batch = json!({"tier_id": fixtures.tier["id"], "count": 1, "tag": tag});
            let batch = self.operator.post("license-keys/batch", batch).await.expect_status(201);
            let key = &batch["items"][0]["license_key"];
            // Lists show the newest first, so no two license keys have the same time.
            self.advance(1);
            let is_claim = template.ends_with("/claim-key");
            body = Some(if is_claim { json!({"license_key": key}) } else { json!({"tag": tag}) });
        }
        Operation { method, template, path, body, spec, access, caller, records, can_record }
    }
}
