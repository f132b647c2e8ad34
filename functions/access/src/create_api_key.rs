//! Makes an API key: its secret is shown in this answer, and nowhere else.

use std::collections::BTreeSet;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::Caller,
    domain::{
        ApiKey, ApiKeySecret, Code, IdGenerator, Scope, Scopes, Timestamp, ValidationErrors, api_key::ParseScopeError,
    },
    http::{
        Created, Problem, RequestContext, StrictJson,
        extractors::optional_time,
        responses::{Authenticated, Authorized, JsonBody, ServerErrors},
    },
};
use utoipa::ToSchema;

use crate::resources::ApiKeyResource;

/// The key that is to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateApiKeyRequest)]
pub struct Request {
    /// What it is for.
    #[schema(example = "ci", min_length = 1, max_length = 100)]
    pub name: String,
    /// What it may do: at least one, and none that the caller lacks. `*` is all, also what is added later.
    #[schema(value_type = Scopes)]
    pub scopes: Vec<String>,
    /// When it ends; null or left out, never.
    #[serde(default, deserialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// A key that was just made: the one answer that shows its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedApiKey)]
pub struct Response {
    /// The secret, to be sent as `X-Api-Key`.
    #[schema(
        example = "signet_key_01JD8W0V5XK6Q3R7T2N4M8P9ZB_3f5a0c9d7e1b2846f0a9c8b7d6e5f4a39281706f5e4d3c2b1a09f8e7d6c5b4a3"
    )]
    pub api_key: String,
    /// The key.
    #[serde(flatten)]
    pub key: ApiKeyResource,
}

/// Makes an API key.
#[utoipa::path(
    post,
    path = "/api/v1.0/api-keys",
    tag = "access",
    summary = "Make an API key",
    description = "The secret is in this answer and nowhere else. A caller gives only scopes that it has.",
    request_body = Request,
    responses(
        (status = 201, description = "The key and its secret", body = Response, headers(("Location" = String), ("ETag" = String))),
        Authenticated,
        Authorized,
        JsonBody,
        ServerErrors,
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

/// Makes an API key that may do no more than its maker.
pub async fn create_api_key(
    app: &AppState,
    request: Request,
    caller: &Caller,
    ctx: &RequestContext,
) -> Result<Response, Problem> {
    let scopes = check(&request, ctx.now)?;
    caller.require_all(&scopes)?;
    let secret = ApiKeySecret::generate(IdGenerator::new(ctx.now).make(), &mut rand::rng());
    let key = ApiKey {
        id: secret.id,
        name: request.name,
        scopes,
        created_at: ctx.now,
        expires_at: request.expires_at,
        last_used_at: None,
    };
    let shown = Response { api_key: secret.expose().to_owned(), key: key.clone().into() };
    let done = ctx.idempotency.created(path_of(&shown), &shown).await?;
    app.table.add_api_key(&key, &secret, done.as_ref()).await?;
    Ok(shown)
}

fn path_of(created: &Response) -> String {
    format!("/api/v1.0/api-keys/{}", created.key.id)
}

fn check(request: &Request, now: Timestamp) -> Result<Scopes, ValidationErrors> {
    let mut invalid = ValidationErrors::default();
    invalid.name("/name", &request.name, 100);
    invalid.check(!request.scopes.is_empty(), "/scopes", "at least one");
    invalid.check(request.expires_at.is_none_or(|end| end > now), "/expires_at", "a time to come, or null for never");
    let mut scopes = BTreeSet::new();
    for (index, text) in request.scopes.iter().enumerate().filter(|(_, text)| *text != "*") {
        match text.parse() {
            Ok(scope) => _ = scopes.insert(scope),
            Err(ParseScopeError) => {
                invalid.push(&format!("/scopes/{index}"), Code::InvalidValue, ParseScopeError.to_string())
            }
        }
    }
    invalid.into_result()?;
    let all = request.scopes.iter().any(|text| text == "*");
    Ok(if all { Scopes::All } else { Scopes::Some(scopes) })
}
