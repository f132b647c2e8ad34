//! What a command needs of `Idempotency-Key`: a POST that is repeated with the same key returns the same response and
//! has no further effect.
//!
//! The middleware reserves the key before the handler runs. The handler says once how the result of its command becomes
//! a response ([`Idempotency::replay`]). The command writes the sealed response in the same transaction as its effect,
//! so that neither is ever written without the other, and the handler returns the same response.

use std::future::ready;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    body::Bytes,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, ETAG, LOCATION},
    },
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use futures_util::{FutureExt, future::BoxFuture};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
};

use super::{Problem, conditional::etag, log::LoggedError};
use crate::{
    domain::{SealingContext, Secret},
    store::idempotency::{Completion, Reservation},
    tokens::{SealError, Sealer},
};

/// Header of a response that is that of an earlier request with the same key.
pub(crate) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A JSON response in the form in which it is stored for replays.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredResponse {
    status: u16,
    content_type: String,
    location: Option<String>,
    #[serde(rename = "tagged")]
    has_etag: bool,
    /// The body; stored in base64.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    body: Vec<u8>,
    /// The problem code of an error response, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text.as_bytes()).map_err(D::Error::custom)
}

impl StoredResponse {
    /// Creates a 201 response with the new resource, its `Location` and its `ETag`.
    pub fn created(location: String, body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { status: StatusCode::CREATED.as_u16(), location: Some(location), ..Self::ok(body)? })
    }

    /// Creates a 200 response with a resource and its `ETag`.
    pub fn ok(body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self {
            status: StatusCode::OK.as_u16(),
            content_type: "application/json".to_owned(),
            location: None,
            has_etag: true,
            body: serde_json::to_vec(body)?,
            code: None,
        })
    }

    /// Creates a 201 response with several new resources, without `Location` and `ETag`.
    pub fn created_list(body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { status: StatusCode::CREATED.as_u16(), ..Self::ok_without_etag(body)? })
    }

    /// Returns whether the request succeeded.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Deserializes the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// Creates a 200 response without an `ETag`, for a body that is not a resource.
    pub fn ok_without_etag(body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { has_etag: false, ..Self::ok(body)? })
    }

    /// Returns a response that a handler has already composed, such as a problem, in stored form.
    pub(crate) fn from_parts(response: &axum::http::response::Parts, body: &Bytes) -> Self {
        let text = |name| response.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        Self {
            status: response.status.as_u16(),
            content_type: text(CONTENT_TYPE).unwrap_or_default().to_owned(),
            location: text(LOCATION).map(str::to_owned),
            has_etag: response.headers.contains_key(ETAG),
            body: body.to_vec(),
            code: response.extensions.get::<LoggedError>().map(|error| error.code.clone().into_owned()),
        }
    }
}

impl IntoResponse for StoredResponse {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        if let Ok(content_type) = HeaderValue::from_str(&self.content_type) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        if let Some(location) = self.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
            headers.insert(LOCATION, location);
        }
        if self.has_etag {
            headers.insert(ETAG, etag(&self.body));
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, headers, self.body).into_response();
        if let Some(code) = self.code {
            response.extensions_mut().insert(LoggedError { code: code.into(), cause: None });
        }
        response
    }
}

/// The state of a request's `Idempotency-Key`.
#[derive(Debug, Clone, Default)]
pub enum Idempotency {
    /// The request has none.
    #[default]
    None,
    /// The key is reserved for this request.
    Reserved(ReservedKey),
    /// A request with the key has stored this response before its changes, and may not have made all of them.
    Stored(Arc<StoredResponse>),
}

impl Idempotency {
    /// Returns the response of an earlier request with the key whose changes this request must complete, if any.
    pub fn stored_response(&self) -> Option<&StoredResponse> {
        match self {
            Self::Stored(response) => Some(response),
            Self::None | Self::Reserved(_) => None,
        }
    }

    /// Describes how the result of a command becomes the response, both the one that is returned and the one that is
    /// stored for replays.
    pub fn replay<'a, T>(
        &'a self,
        compose: impl Fn(&T) -> Result<StoredResponse, serde_json::Error> + Send + Sync + 'a,
    ) -> Replay<'a, T> {
        let key = match self {
            Self::Reserved(key) => Some(key),
            Self::None | Self::Stored(_) => None,
        };
        Replay { key, compose: Box::new(compose) }
    }
}

/// How the result of a command becomes a response.
type Compose<'a, T> = dyn Fn(&T) -> Result<StoredResponse, serde_json::Error> + Send + Sync + 'a;

/// Composes the response to a command's result `T`, and its stored form.
pub struct Replay<'a, T> {
    key: Option<&'a ReservedKey>,
    compose: Box<Compose<'a, T>>,
}

/// The response to a command could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum CompletionError {
    /// The response could not be serialized.
    #[error(transparent)]
    Serialize(#[from] serde_json::Error),
    /// The response could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl From<CompletionError> for Problem {
    fn from(error: CompletionError) -> Self {
        match error {
            CompletionError::Serialize(error) => Self::internal(error.to_string()),
            CompletionError::Seal(error) => error.into(),
        }
    }
}

impl<'a, T> Replay<'a, T> {
    /// Creates the replay of a command whose result is not the response to a request.
    pub fn none() -> Self {
        Self { key: None, compose: Box::new(|_| StoredResponse::ok(&())) }
    }

    /// Seals the response. The transaction of the command's effect must write the returned completion; `None` if the
    /// request has no idempotency key.
    pub fn completion(&self, result: &T) -> BoxFuture<'a, Result<Option<Completion>, CompletionError>> {
        let Some(key) = self.key else { return ready(Ok(None)).boxed() };
        let response = (self.compose)(result);
        async move { key.completion(&response?).await.map(Some) }.boxed()
    }

    /// Returns the response.
    pub fn response(&self, result: &T) -> Result<StoredResponse, Problem> {
        (self.compose)(result).map_err(|error| Problem::internal(error.to_string()))
    }
}

/// An idempotency key that the middleware has reserved for this request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReservedKey {
    pub(crate) reservation: Reservation,
    context: SealingContext,
    sealer: Arc<dyn Sealer>,
    /// Whether the transaction of the effect has stored the response.
    stored: Arc<AtomicBool>,
}

impl ReservedKey {
    pub(crate) fn new(reservation: Reservation, context: SealingContext, sealer: Arc<dyn Sealer>) -> Self {
        Self { reservation, context, sealer, stored: Arc::default() }
    }

    /// Returns whether the transaction of the effect has stored the response.
    pub(crate) fn is_stored(&self) -> bool {
        self.stored.load(Ordering::SeqCst)
    }

    pub(crate) async fn completion(&self, response: &StoredResponse) -> Result<Completion, CompletionError> {
        let text = Secret::new(serde_json::to_string(response)?);
        let sealed = self.sealer.seal(&self.context, &text).await?;
        Ok(self.reservation.completion(sealed, Arc::clone(&self.stored)))
    }
}
