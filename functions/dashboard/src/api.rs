//! The API, called as the signed-in user. Forms submit to it, so that its checks, limits, events and idempotency apply
//! to them as to any other client.

use axum::{
    Router,
    extract::FromRequestParts,
    http::{HeaderName, Method, header::IF_MATCH, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::{
    AppState,
    app::{InProcessClient, RequestIdentity},
    auth::Caller,
    domain::EventSource,
    http::{Problem, RequestContext},
};

use crate::form_data::FormData;

/// The explanation for users when the response to a request that has taken effect can't be read.
const UNREADABLE_RESPONSE: &str =
    "the change was made, but its result can't be shown. Don't submit the form again, and contact support";

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Creates a client for the routes of the API that the dashboard uses.
pub(crate) fn client(app: &AppState) -> InProcessClient {
    let routes = access::routes()
        .merge(activations::routes())
        .merge(catalog::routes())
        .merge(customers::routes())
        .merge(licenses::routes())
        .merge(registration::routes())
        .merge(webhooks::routes());
    InProcessClient::new(Router::from(routes), app)
}

/// The API, with the identity of the signed-in user.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) client: InProcessClient,
    pub(crate) caller: Caller,
    pub(crate) ctx: RequestContext,
}

impl Api {
    /// Returns the source of the events of this request, for changes that the API has no operation for.
    pub(crate) fn event_source(&self) -> EventSource {
        self.ctx.event_source(self.caller.actor())
    }

    /// Sends a POST request with the form's idempotency key, so that submitting a form twice has one effect. `T` is the
    /// type of the response; [`IgnoredAny`](serde::de::IgnoredAny) if the page does not use it.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &FormData,
        body: &Value,
    ) -> Result<T, Problem> {
        let idempotency_key = form.idempotency_key().map(|key| (IDEMPOTENCY_KEY, key));
        read_response(self.send((Method::POST, path), idempotency_key.as_slice(), body).await?)
    }

    /// Sends a PUT request with the form's `ETag` in `If-Match`. Fails with `version_conflict` if the resource has
    /// changed since the form was rendered.
    pub(crate) async fn put(&self, path: &str, form: &FormData, body: &Value) -> Result<(), Problem> {
        let version = form.version().map(|version| (IF_MATCH, version));
        self.send((Method::PUT, path), version.as_slice(), body).await.map(drop)
    }

    /// Sends a PATCH request with the form's `ETag` in `If-Match`, as [`put`](Self::put) does.
    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &FormData,
        body: &Value,
    ) -> Result<T, Problem> {
        let version = form.version().map(|version| (IF_MATCH, version));
        read_response(self.send((Method::PATCH, path), version.as_slice(), body).await?)
    }

    /// Sends a DELETE request.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Problem> {
        self.send((Method::DELETE, path), &[], &json!({})).await.map(drop)
    }

    async fn send(
        &self,
        target: (Method, &str),
        headers: &[(HeaderName, &str)],
        body: &Value,
    ) -> Result<Value, Problem> {
        let identity = RequestIdentity { caller: &self.caller, ctx: &self.ctx };
        self.client.send(identity, target, headers, body).await
    }
}

/// Reads the response to a request that has taken effect. A page must not show an empty value instead of, for example,
/// the only copy of a secret.
fn read_response<T: DeserializeOwned>(response: Value) -> Result<T, Problem> {
    serde_json::from_value(response).map_err(|error| {
        let mut problem = Problem::internal(format!("a page cannot read the API's response: {error}"));
        problem.detail = UNREADABLE_RESPONSE.into();
        problem
    })
}

impl<S: Send + Sync> FromRequestParts<S> for Api {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::internal("the session middleware is missing on a page"))
    }
}

#[cfg(test)]
mod tests {
    use access::create_api_key;
    use shared::http::Code;

    use super::*;

    #[test]
    fn responses_without_a_field_are_errors_instead_of_empty_values() {
        let mut created = json!({
            "api_key": "signet_key_1",
            "id": "key_01JD8W0V5XK6Q3R7T2N4M8P9ZB",
            "name": "ci",
            "scopes": ["licenses:read"],
            "created_at": "2026-01-15T12:00:00Z",
            "expires_at": null,
            "last_used_at": null,
        });
        assert_eq!(read_response::<create_api_key::Response>(created.clone()).unwrap().api_key, "signet_key_1");
        let key = created.as_object_mut().unwrap().remove("api_key").unwrap();
        created["secret"] = key;
        let problem = read_response::<create_api_key::Response>(created).unwrap_err();
        assert_eq!(problem.code, Code::InternalError);
        assert_eq!(problem.detail, UNREADABLE_RESPONSE);
    }
}
