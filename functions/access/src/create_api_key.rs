//! Creates an API key. Only this response contains its secret.

use std::collections::BTreeSet;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::{
    auth::Caller,
    domain::{
        ApiKey, ApiKeySecret, EventData, EventSource, FieldErrorCode, IdGenerator, Scope, Scopes, Subject, Timestamp,
        ValidationErrors, api_key::ParseScopeError, event::payload::ApiKeyData,
    },
    http::{CompletionError, Problem, Replay, RequestContext, StoredResponse, StrictJson, extractors::optional_time},
    store::{StoreError, Table},
};
use utoipa::ToSchema;

use crate::resources::ApiKeyResource;

/// Why an API key was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateApiKeyError {
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CreateApiKeyError> for Problem {
    fn from(error: CreateApiKeyError) -> Self {
        match error {
            CreateApiKeyError::Completion(error) => error.into(),
            CreateApiKeyError::Store(error) => error.into(),
        }
    }
}

/// Request to create an API key.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateApiKeyRequest)]
pub struct Request {
    /// Display name, for example the purpose of the key.
    #[schema(example = "ci", min_length = 1, max_length = 100)]
    pub name: String,
    /// Scopes to grant: at least one, and only scopes that the caller has. `*` grants all scopes, including those that
    /// later versions add.
    #[schema(value_type = Scopes)]
    pub scopes: Vec<String>,
    /// When the key expires; null or omitted means never. If the caller is an API key that expires, this is required,
    /// and the new key must not expire later than the caller's.
    #[serde(default, deserialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// A new API key with its secret, which no other response contains.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = CreatedApiKey)]
pub struct Response {
    /// The secret. Send it in the `X-Api-Key` header.
    #[schema(
        example = "signet_key_01JD8W0V5XK6Q3R7T2N4M8P9ZB_3f5a0c9d7e1b2846f0a9c8b7d6e5f4a39281706f5e4d3c2b1a09f8e7d6c5b4a3"
    )]
    pub api_key: String,
    /// Metadata of the key.
    #[serde(flatten)]
    pub key: ApiKeyResource,
}

impl Response {
    fn new(created: &CreatedApiKey) -> Self {
        Self { api_key: created.secret.expose().to_owned(), key: created.key.clone().into() }
    }
}

/// Creates an API key.
#[utoipa::path(
    post,
    path = "/api/v1.0/api-keys",
    operation_id = "create_api_key",
    tag = "access",
    summary = "Create an API key",
    description = "Only this response contains the secret. A caller can grant only scopes that it has itself, and an \
        API key that expires can only create API keys that expire no later.",
    request_body = Request,
    responses(
        (status = 201, description = "The API key and its secret", body = Response, headers(("Location" = String), ("ETag" = String))),
    ),
    security(("api_key" = ["access:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::AccessWrite)?;
    let StrictJson(request) = body?;
    let scopes = check(&request, caller.latest_api_key_expiry(), ctx.now)?;
    caller.require_all(&scopes)?;
    let replay = ctx.idempotency.replay(|created: &CreatedApiKey| {
        StoredResponse::created(format!("/api/v1.0/api-keys/{}", created.key.id), &Response::new(created))
    });
    let input = ApiKeyInput { name: request.name, scopes, expires_at: request.expires_at };
    let created = create_api_key(&table, input, &ctx.event_source(caller.actor()), &replay).await?;
    replay.response(&created)
}

/// The valid input of an API key.
#[derive(Debug)]
pub struct ApiKeyInput {
    /// Display name.
    pub name: String,
    /// Scopes to grant.
    pub scopes: Scopes,
    /// When the key expires; `None` means never.
    pub expires_at: Option<Timestamp>,
}

/// A new API key and its secret.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// The key.
    pub key: ApiKey,
    /// The secret, which is not stored.
    pub secret: ApiKeySecret,
}

/// Creates an API key. The caller must have all scopes of the key.
pub async fn create_api_key(
    table: &Table,
    ApiKeyInput { name, scopes, expires_at }: ApiKeyInput,
    source: &EventSource,
    replay: &Replay<'_, CreatedApiKey>,
) -> Result<CreatedApiKey, CreateApiKeyError> {
    let mut ids = IdGenerator::new(source.at);
    let secret = ApiKeySecret::generate(ids.generate(), &mut rand::rng());
    let key = ApiKey { id: secret.id, name, scopes, created_at: source.at, expires_at, last_used_at: None };
    let event = source.event(&mut ids, Subject::ApiKey(key.id), EventData::ApiKeyCreated(ApiKeyData::new(&key)));
    let created = CreatedApiKey { key, secret };
    let completion = replay.completion(&created).await?;
    table.add_api_key(&created.key, &created.secret, &event, completion.as_ref()).await?;
    Ok(created)
}

/// Checks a request and returns its scopes. The key must expire by `latest_expiry`, if there is one.
fn check(request: &Request, latest_expiry: Option<Timestamp>, now: Timestamp) -> Result<Scopes, ValidationErrors> {
    let mut errors = ValidationErrors::default();
    errors.check_name("/name", &request.name, 100);
    errors.check(!request.scopes.is_empty(), "/scopes", "must have at least one scope");
    errors.check(request.expires_at.is_none_or(|end| end > now), "/expires_at", "must be in the future");
    if let Some(latest) = latest_expiry {
        let is_covered = request.expires_at.is_some_and(|end| end <= latest);
        let detail = format!("must be at most {latest}, when the API key that creates this one expires");
        errors.check(is_covered, "/expires_at", &detail);
    }
    let mut scopes = BTreeSet::new();
    for (index, text) in request.scopes.iter().enumerate().filter(|(_, text)| *text != "*") {
        match text.parse() {
            Ok(scope) => _ = scopes.insert(scope),
            Err(ParseScopeError) => {
                errors.push(&format!("/scopes/{index}"), FieldErrorCode::InvalidValue, ParseScopeError.to_string());
            }
        }
    }
    errors.into_result()?;
    let all = request.scopes.iter().any(|text| text == "*");
    Ok(if all { Scopes::All } else { Scopes::Some(scopes) })
}
