//! Conditional requests (RFC 9110 §13): the `ETag` of a response, and the precondition `If-Match`.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, header::IF_MATCH, request::Parts},
};
use data_encoding::HEXLOWER;
use serde::Serialize;
use utoipa::IntoParams;

use super::{Code, Problem};
use crate::domain::secret::sha256;

/// Computes a strong `ETag` of a response body (RFC 9110 §8.8.3).
pub fn etag(bytes: &[u8]) -> HeaderValue {
    let text = format!("\"{}\"", HEXLOWER.encode(&sha256(bytes)[..16]));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// The `If-Match` header of a request, which prevents lost updates. The default is no header.
///
/// Own code, because the crate `headers` 0.4 adds SHA-1, and asserts that a tag contains no space: a client could cause
/// a panic wherever dependencies are built with debug assertions.
#[derive(Debug, Clone, Default)]
pub struct IfMatch(Option<String>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = Vec::new();
        for value in parts.headers.get_all(IF_MATCH) {
            // A value that is not ASCII matches nothing, but must not count as an absent header.
            values.push(value.to_str().unwrap_or("?"));
        }
        Ok(Self((!values.is_empty()).then(|| values.join(","))))
    }
}

/// The header of conditional updates in the OpenAPI document. [`IfMatch`] reads it.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only documents the parameter")]
pub struct IfMatchParams {
    /// The `ETag` of the version to change. If it is not the current one, nothing is written
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// Why a resource does not fulfill the precondition of a request.
#[derive(Debug, thiserror::Error)]
pub enum PreconditionError {
    /// The current version is another one.
    #[error("the resource does not match If-Match: read it again")]
    VersionConflict,
    /// The current version could not be serialized.
    #[error(transparent)]
    Serialize(#[from] serde_json::Error),
}

impl From<PreconditionError> for Problem {
    fn from(error: PreconditionError) -> Self {
        match error {
            PreconditionError::VersionConflict => Self::new(Code::VersionConflict, error.to_string()),
            PreconditionError::Serialize(error) => Self::internal(error.to_string()),
        }
    }
}

impl IfMatch {
    /// Succeeds if there is no `If-Match` or if it matches the `ETag` of the current resource.
    pub fn check(&self, current: &impl Serialize) -> Result<(), PreconditionError> {
        let Some(if_match) = &self.0 else { return Ok(()) };
        let etag = etag(&serde_json::to_vec(current)?);
        let is_match = |candidate: &str| candidate == "*" || candidate.as_bytes() == etag.as_bytes();
        if if_match.split(',').map(str::trim).any(is_match) {
            return Ok(());
        }
        Err(PreconditionError::VersionConflict)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[Vec<u8>]) -> IfMatch {
        let mut request = Request::new(());
        for value in values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()) {
            request.headers_mut().append(IF_MATCH, value);
        }
        let (mut parts, ()) = request.into_parts();
        let read = IfMatch::from_request_parts(&mut parts, &());
        futures_util::FutureExt::now_or_never(read).unwrap().unwrap()
    }

    proptest! {
        #[test]
        fn if_match_only_matches_the_etags_it_lists(
            values in proptest::collection::vec(prop_oneof![any::<Vec<u8>>(), "[ -~]{0,40}".prop_map(String::into_bytes)], 1..4),
        ) {
            let valid: Vec<&Vec<u8>> = values.iter().filter(|value| HeaderValue::from_bytes(value).is_ok()).collect();
            let has_star =
                valid.iter().any(|value| value.split(|byte| *byte == b',').any(|tag| tag.trim_ascii() == b"*"));
            let is_match = read(&values).check(&"resource").is_ok();
            prop_assert_eq!(is_match, valid.is_empty() || has_star);
        }

        #[test]
        fn if_match_finds_the_etag_in_a_list(text in any::<String>(), others in proptest::collection::vec("\"[!#-+--~]{0,20}\"", 0..4)) {
            let tag = etag(&serde_json::to_vec(&text).unwrap()).as_bytes().to_vec();
            let all = [others.join(" , ").into_bytes(), b",".to_vec(), tag.clone()].concat();
            prop_assert!(read(&[all]).check(&text).is_ok());
            prop_assert!(read(&[others.join(",").into_bytes(), tag.clone()]).check(&text).is_ok());
            // If-Match uses the strong comparison, so a weak tag never matches (RFC 9110 §13.1.1).
            prop_assert!(read(&[[b"W/".to_vec(), tag].concat()]).check(&text).is_err());
        }
    }
}
