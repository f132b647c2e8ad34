//! Submitted form data.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{FromRequest, Request};
use serde::Serialize;
use shared::http::{Problem, conditional::etag};

/// The hidden field with the idempotency key, which is new for each rendering of a form.
pub(crate) const IDEMPOTENCY_KEY_FIELD: &str = "idempotency_key";
/// The hidden field with the session's CSRF token.
pub(crate) const CSRF_TOKEN_FIELD: &str = "csrf_token";
/// The hidden field with the `ETag` of the resource that the form edits.
pub(crate) const VERSION_FIELD: &str = "version";

/// The `ETag` of a resource.
pub(crate) fn version_of(resource: &impl Serialize) -> String {
    let tag = serde_json::to_vec(resource).map(|bytes| etag(&bytes)).ok();
    tag.as_ref().and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned()
}

/// The fields of a submitted form, in their order. A name may occur several times. Not `axum::Form`, because the session
/// middleware reads forms too, before any extractor runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormData(Vec<(String, String)>);

impl FormData {
    /// Parses a body of `application/x-www-form-urlencoded`. An invalid body has no fields.
    pub(crate) fn parse(body: &[u8]) -> Self {
        Self(serde_urlencoded::from_bytes(body).unwrap_or_default())
    }

    /// A form that edits the resource with this `ETag`.
    pub(crate) fn with_version(version: &str) -> Self {
        Self(vec![(VERSION_FIELD.to_owned(), version.to_owned())])
    }

    /// The first value of a field, trimmed; empty if the field is absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// All values of a field, trimmed.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.trim())
    }

    /// Every field, unchanged.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn idempotency_key(&self) -> Option<&str> {
        Some(self.get(IDEMPOTENCY_KEY_FIELD)).filter(|key| !key.is_empty())
    }

    /// The `ETag` of the resource when the form was rendered.
    pub(crate) fn version(&self) -> Option<&str> {
        Some(self.get(VERSION_FIELD)).filter(|version| !version.is_empty())
    }

    pub(crate) fn has_csrf_token(&self, token: &str) -> bool {
        verify_slices_are_equal(self.get(CSRF_TOKEN_FIELD).as_bytes(), token.as_bytes()).is_ok()
    }
}

impl<S: Send + Sync> FromRequest<S> for FormData {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = axum::body::Bytes::from_request(request, state).await;
        Ok(Self::parse(&bytes.map_err(|error| Problem::internal(error.to_string()))?))
    }
}
