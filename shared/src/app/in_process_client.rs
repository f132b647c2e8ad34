//! Calls the API within the process. The forms of the dashboard use it, so that the API's checks, limits, events and
//! idempotency apply to them as to any other client.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{
        HeaderName, HeaderValue, Method, Request, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    middleware::from_fn_with_state,
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;

use super::{AppState, idempotency};
use crate::{
    auth::Caller,
    domain::Timestamp,
    http::{Code, InputError, Problem, RequestContext, log::LoggedError},
};

/// The maximum size of a response, in bytes, far above that of any API response.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// A client for routes of the same process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct InProcessClient(Router);

/// The caller on whose behalf a request is sent, and the request that it is part of.
#[derive(Debug, Clone, Copy)]
pub struct RequestIdentity<'a> {
    /// The caller, already authenticated.
    pub caller: &'a Caller,
    /// The context of the outer request.
    pub ctx: &'a RequestContext,
}

/// The fields of a [`ProblemBody`](crate::http::problem::ProblemBody) that are not derived from its code.
#[derive(Deserialize)]
struct ProblemFields {
    code: Code,
    detail: String,
    #[serde(default)]
    errors: Vec<InputError>,
    #[serde(default)]
    retry_at: Option<Timestamp>,
}

impl InProcessClient {
    /// Creates a client for the routes of one or more functions.
    pub fn new(routes: Router<AppState>, app: &AppState) -> Self {
        let idempotency = from_fn_with_state(app.clone(), idempotency::handle_idempotency_key);
        Self(routes.layer(idempotency).with_state(app.clone()))
    }

    /// Sends a request with additional headers such as `Idempotency-Key`. Returns the JSON body of the response, or
    /// null for 204.
    pub async fn send(
        &self,
        RequestIdentity { caller, ctx }: RequestIdentity<'_>,
        (method, path): (Method, &str),
        headers: &[(HeaderName, &str)],
        body: &Value,
    ) -> Result<Value, Problem> {
        let mut request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let mut request =
            request.body(Body::from(body.to_string())).map_err(|error| Problem::internal(error.to_string()))?;
        request.extensions_mut().insert(caller.clone());
        request.extensions_mut().insert(ctx.clone());
        let response = self.0.clone().oneshot(request).await;
        read_response(response.unwrap_or_else(|never| match never {})).await
    }
}

async fn read_response(mut response: Response) -> Result<Value, Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Err(problem);
    }
    let status = response.status();
    let cause = response.extensions_mut().remove::<LoggedError>().and_then(|error| error.cause);
    let retry_after =
        response.headers().get(RETRY_AFTER).and_then(|value: &HeaderValue| value.to_str().ok()?.parse().ok());
    let bytes = to_bytes(response.into_body(), MAX_RESPONSE_BYTES).await;
    let bytes = bytes.map_err(|error| Problem::internal(error.to_string()))?;
    if status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let unreadable =
        |error: serde_json::Error| Problem::internal(format!("the in-process response is not readable: {error}"));
    if status.is_success() {
        return serde_json::from_slice(&bytes).map_err(unreadable);
    }
    // The idempotency middleware has already written the body of this problem, or replayed a stored one.
    let ProblemFields { code, detail, errors, retry_at } = serde_json::from_slice(&bytes).map_err(unreadable)?;
    Err(Problem { code, detail, errors, retry_at, retry_after_seconds: retry_after, cause })
}
