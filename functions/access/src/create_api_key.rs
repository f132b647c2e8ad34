//! Creates an API key. Only this response contains its secret.

use std::collections::BTreeSet;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::Caller,
    domain::{
        ApiKey, ApiKeySecret, FieldErrorCode, IdGenerator, Scope, Scopes, Timestamp, ValidationErrors,
        api_key::ParseScopeError,
    },
    http::{Created, Problem, RequestContext, StrictJson, extractors::optional_time},
};
use utoipa::ToSchema;

use crate::resources::ApiKeyResource;

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
    /// When the key expires; null or omitted means never.
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

/// Creates an API key.
#[utoipa::path(
    post,
    path = "/api/v1.0/api-keys",
    tag = "access",
    summary = "Create an API key",
    description = "Only this response contains the secret. A caller can grant only scopes that it has itself.",
    request_body = Request,
    responses(
        (status = 201, description = "The API key and its secret", body = Response, headers(("Location" = String), ("ETag" = String))),
    ),
    security(("api_key" = ["access:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<Created<Response>, Problem> {
    caller.require(Scope::AccessWrite)?;
    let StrictJson(request) = body?;
    let body = create_api_key(&app, request, &caller, &ctx).await?;
    Ok(Created { location: path_of(&body), body })
}

/// Creates an API key with at most the scopes of the caller.
pub async fn create_api_key(
    app: &AppState,
    request: Request,
    caller: &Caller,
    ctx: &RequestContext,
) -> Result<Response, Problem> {
    let scopes = check(&request, ctx.now)?;
    caller.require_all(&scopes)?;
    let secret = ApiKeySecret::generate(IdGenerator::new(ctx.now).generate(), &mut rand::rng());
    let key = ApiKey {
        id: secret.id,
        name: request.name,
        scopes,
        created_at: ctx.now,
        expires_at: request.expires_at,
        last_used_at: None,
    };
    let response = Response { api_key: secret.expose().to_owned(), key: key.clone().into() };
    let completion = ctx.idempotency.created(path_of(&response), &response).await?;
    app.table.add_api_key(&key, &secret, completion.as_ref()).await?;
    Ok(response)
}

fn path_of(created: &Response) -> String {
    format!("/api/v1.0/api-keys/{}", created.key.id)
}

fn check(request: &Request, now: Timestamp) -> Result<Scopes, ValidationErrors> {
    let mut errors = ValidationErrors::default();
    errors.check_name("/name", &request.name, 100);
    errors.check(!request.scopes.is_empty(), "/scopes", "must have at least one scope");
    errors.check(request.expires_at.is_none_or(|end| end > now), "/expires_at", "must be in the future");
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
