//! Asking the API from within the process: the dashboard's forms end where a program's requests do, so what the API
//! refuses, counts, keeps or repeats is the same for both.

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

use super::{Problem, RequestContext, idempotency, log::LoggedError};
use crate::{
    AppState,
    auth::Caller,
    domain::{Code, FieldError},
};

/// Far above any answer of the API.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Routes that are asked within the process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct InProcessClient(Router);

/// Who asks, and as part of which request.
#[derive(Debug, Clone, Copy)]
pub struct RequestIdentity<'a> {
    /// Let in already.
    pub caller: &'a Caller,
    /// The request that this is a part of.
    pub ctx: &'a RequestContext,
}

/// What is read of a problem's body.
#[derive(Deserialize)]
struct Told {
    code: Code,
    detail: String,
    #[serde(default)]
    errors: Vec<FieldError>,
}

impl InProcessClient {
    /// Of a function's routes, or of several functions'.
    pub fn new(routes: Router<AppState>, app: &AppState) -> Self {
        Self(routes.layer(from_fn_with_state(app.clone(), idempotency::pass)).with_state(app.clone()))
    }

    /// Asks, with headers such as `Idempotency-Key`. What the API answers with is null where it has nothing to say.
    pub async fn ask(
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
        let answered = self.0.clone().oneshot(request).await;
        read(answered.unwrap_or_else(|never| match never {})).await
    }
}

async fn read(mut response: Response) -> Result<Value, Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Err(problem);
    }
    let status = response.status();
    let cause = response.extensions_mut().remove::<LoggedError>().and_then(|refusal| refusal.cause);
    let retry_after =
        response.headers().get(RETRY_AFTER).and_then(|value: &HeaderValue| value.to_str().ok()?.parse().ok());
    let bytes = to_bytes(response.into_body(), MAX_ANSWER_BYTES).await;
    let bytes = bytes.map_err(|error| Problem::internal(error.to_string()))?;
    if status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let fault = |error: serde_json::Error| Problem::internal(format!("an answer of our own can't be read: {error}"));
    if status.is_success() {
        return serde_json::from_slice(&bytes).map_err(fault);
    }
    // A refusal that was kept, and is told again.
    let Told { code, detail, errors } = serde_json::from_slice(&bytes).map_err(fault)?;
    Err(Problem { code, detail, errors, retry_after_seconds: retry_after, cause })
}
