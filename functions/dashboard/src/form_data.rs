//! Submitted form data.

use std::convert::Infallible;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, header::CONTENT_TYPE},
};
use futures_util::stream;
use multer::Multipart;
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

/// The name of the button that returns from a preview to the form.
pub(crate) const BACK_BUTTON: &str = "back";

/// The fields of a submitted form, in their order, and its uploaded files. A name may occur several times. Not
/// `axum::Form`, because the session middleware reads forms too, before any extractor runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormData {
    fields: Vec<(String, String)>,
    files: Vec<(String, Bytes)>,
}

impl FormData {
    /// Reads a body of `multipart/form-data`, or otherwise of `application/x-www-form-urlencoded`. An invalid body has no
    /// fields.
    pub(crate) async fn read(headers: &HeaderMap, body: &Bytes) -> Self {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match multer::parse_boundary(content_type) {
            Ok(boundary) => Self::read_multipart(body.clone(), boundary).await.unwrap_or_default(),
            Err(_) => Self::parse(body),
        }
    }

    /// Parses a body of `application/x-www-form-urlencoded`. An invalid body has no fields.
    pub(crate) fn parse(body: &[u8]) -> Self {
        Self { fields: serde_urlencoded::from_bytes(body).unwrap_or_default(), files: Vec::new() }
    }

    async fn read_multipart(body: Bytes, boundary: String) -> Result<Self, multer::Error> {
        let mut multipart = Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
        let mut form = Self::default();
        while let Some(part) = multipart.next_field().await? {
            let name = part.name().unwrap_or_default().to_owned();
            // Browsers send an empty file for an input in which none was chosen.
            if part.file_name().is_some() {
                form.files.push((name, part.bytes().await?));
            } else {
                form.fields.push((name, part.text().await?));
            }
        }
        Ok(form)
    }

    /// A form that edits the resource with this `ETag`.
    pub(crate) fn with_version(version: &str) -> Self {
        Self { fields: vec![(VERSION_FIELD.to_owned(), version.to_owned())], files: Vec::new() }
    }

    /// The first value of a field, trimmed; empty if the field is absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// The content of an uploaded file, unless it is absent or empty.
    pub(crate) fn file(&self, name: &str) -> Option<&Bytes> {
        self.files.iter().find(|(own, bytes)| own == name && !bytes.is_empty()).map(|(_, bytes)| bytes)
    }

    /// All values of a field, trimmed.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.trim())
    }

    /// Every field, unchanged.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn idempotency_key(&self) -> Option<&str> {
        Some(self.get(IDEMPOTENCY_KEY_FIELD)).filter(|key| !key.is_empty())
    }

    /// The `ETag` of the resource when the form was rendered.
    pub(crate) fn version(&self) -> Option<&str> {
        Some(self.get(VERSION_FIELD)).filter(|version| !version.is_empty())
    }

    /// Whether the form was submitted to edit it again.
    pub(crate) fn is_back(&self) -> bool {
        !self.get(BACK_BUTTON).is_empty()
    }

    pub(crate) fn has_csrf_token(&self, token: &str) -> bool {
        verify_slices_are_equal(self.get(CSRF_TOKEN_FIELD).as_bytes(), token.as_bytes()).is_ok()
    }
}

impl<S: Send + Sync> FromRequest<S> for FormData {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = Bytes::from_request(request, state).await;
        Ok(Self::read(&headers, &bytes.map_err(|error| Problem::internal(error.to_string()))?).await)
    }
}
