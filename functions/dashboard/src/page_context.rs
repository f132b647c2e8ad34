//! Extractors of page handlers: the signed-in user, access to the API, and path parameters.

use std::str::FromStr;

use axum::{
    Router,
    extract::{FromRequestParts, Path},
    http::{HeaderName, Method, header::IF_MATCH, request::Parts},
};
use serde_json::Value;
use shared::{
    AppState,
    app::{InProcessClient, RequestIdentity},
    auth::Caller,
    http::{Code, Problem, RequestContext},
};

use crate::{form_data::FormData, session::Session, ui::Theme};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The API's routes, called within the process. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ApiClient(InProcessClient);

impl ApiClient {
    pub(crate) fn new(app: &AppState) -> Self {
        let routes = access::routes()
            .merge(activations::routes())
            .merge(catalog::routes())
            .merge(customers::routes())
            .merge(licenses::routes())
            .merge(registration::routes());
        Self(InProcessClient::new(Router::from(routes), app))
    }
}

/// The context of a signed-in user's request.
#[derive(Debug, Clone)]
pub(crate) struct PageContext {
    pub(crate) app: AppState,
    pub(crate) session: Session,
    pub(crate) caller: Caller,
    pub(crate) ctx: RequestContext,
    pub(crate) theme: Theme,
    pub(crate) api: ApiClient,
}

impl PageContext {
    /// Calls the API as the signed-in user.
    pub(crate) async fn call_api(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: &Value,
    ) -> Result<Value, Problem> {
        let identity = RequestIdentity { caller: &self.caller, ctx: &self.ctx };
        self.api.0.send(identity, (method, path), headers, body).await
    }

    /// Sends a POST request with the form's idempotency key, so that submitting a form twice has one effect.
    pub(crate) async fn post(&self, path: &str, form: &FormData, body: &Value) -> Result<Value, Problem> {
        let idempotency_key = form.idempotency_key().map(|key| (IDEMPOTENCY_KEY, key));
        self.call_api(Method::POST, path, idempotency_key.as_slice(), body).await
    }

    /// Sends a PUT request with the form's `ETag` in `If-Match`. Fails with [`Code::VersionConflict`] if the resource
    /// has changed since the form was rendered.
    pub(crate) async fn put(&self, path: &str, form: &FormData, body: &Value) -> Result<Value, Problem> {
        let version = form.version().map(|version| (IF_MATCH, version));
        self.call_api(Method::PUT, path, version.as_slice(), body).await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::internal("the session middleware is missing on a page"))
    }
}

/// The context of an operator's request. Rejects other users with [`Code::Forbidden`].
#[derive(Debug, Clone)]
pub(crate) struct OperatorContext(pub(crate) PageContext);

impl<S: Send + Sync> FromRequestParts<S> for OperatorContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let page = PageContext::from_request_parts(parts, state).await?;
        if !page.session.is_operator {
            return Err(Problem::new(Code::Forbidden, "this page requires the operator role"));
        }
        Ok(Self(page))
    }
}

/// Two ids in a path. A path with an invalid id is rejected with `not_found`.
#[derive(Debug)]
pub(crate) struct PathIds<A, B>(pub(crate) A, pub(crate) B);

impl<S: Send + Sync, A: FromStr, B: FromStr> FromRequestParts<S> for PathIds<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await.ok();
        let ids = path.and_then(|Path((a, b))| Some(Self(a.parse().ok()?, b.parse().ok()?)));
        ids.ok_or_else(Problem::not_found)
    }
}
