//! Writing answers.

use axum::{
    Json,
    extract::FromRequestParts,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, ETAG, IF_MATCH, LOCATION},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use crate::{
    domain::{Code, secret::sha256},
    store::listing::Listed,
};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = List)]
pub struct ListBody<T> {
    /// The rows.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; null on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> From<Listed<T>> for ListBody<T> {
    fn from(page: Listed<T>) -> Self {
        Self { items: page.items, next_cursor: page.next }
    }
}

impl<T: Serialize> IntoResponse for ListBody<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// A single resource, with its `ETag`.
#[derive(Debug)]
pub struct Tagged<T>(pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => {
                let tag = etag(&bytes);
                ([(CONTENT_TYPE, HeaderValue::from_static("application/json")), (ETAG, tag)], bytes).into_response()
            }
            Err(error) => Problem::fault(error.to_string()).into_response(),
        }
    }
}

/// A strong validator of what is served (RFC 9110 §8.8.3).
pub fn etag(bytes: &[u8]) -> HeaderValue {
    let text = format!("\"{}\"", HEXLOWER.encode(&sha256(bytes)[..16]));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// 201, where the new resource lies, and the resource.
#[derive(Debug)]
pub struct Created<T> {
    /// Its path.
    pub location: String,
    /// Its body.
    pub body: T,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = Tagged(self.body).into_response();
        *response.status_mut() = StatusCode::CREATED;
        match HeaderValue::from_str(&self.location) {
            Ok(location) => {
                response.headers_mut().insert(LOCATION, location);
                response
            }
            Err(error) => Problem::fault(error.to_string()).into_response(),
        }
    }
}

/// The `If-Match` of a request: a PUT that must not undo what it has not seen. The default is none.
#[derive(Debug, Clone, Default)]
pub struct IfMatch(Option<String>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = Vec::new();
        for value in parts.headers.get_all(IF_MATCH) {
            // A value of other bytes matches nothing, and must not be taken for none.
            values.push(value.to_str().unwrap_or("?"));
        }
        Ok(Self((!values.is_empty()).then(|| values.join(","))))
    }
}

impl IfMatch {
    /// Whether the resource, as it is now, is one that the caller has seen.
    pub fn check(&self, current: &impl Serialize) -> Result<(), Problem> {
        let Some(wanted) = &self.0 else { return Ok(()) };
        let bytes = serde_json::to_vec(current).map_err(|error| Problem::fault(error.to_string()))?;
        let tag = etag(&bytes);
        let holds = wanted.split(',').map(str::trim).any(|one| one == "*" || one.as_bytes() == tag.as_bytes());
        if holds {
            return Ok(());
        }
        Err(Problem::new(Code::VersionConflict, "it is no longer what If-Match names: read it again"))
    }
}
