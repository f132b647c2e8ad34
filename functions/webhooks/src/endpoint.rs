//! The input and the representation of webhook endpoints, and the errors of their commands.

use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        FieldErrorCode, Secret, Timestamp, ValidationErrors, WebhookEndpointId,
        event::payload::{WebhookDisabledReason, WebhookEndpointData},
        webhooks::{
            AddressPolicy, EndpointHealth, EventSelector, WebhookEndpoint,
            endpoint::{MAX_ENDPOINTS, MAX_EVENT_TYPES},
            parse_url,
        },
    },
    http::{Code, CompletionError, MergePatchError, PreconditionError, Problem, StoredResponse, UpdateInput},
    store::{StoreError, Table},
    tokens::SealError,
};
use utoipa::ToSchema;

/// Request to create a webhook endpoint.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateWebhookEndpointRequest)]
pub struct EndpointInput {
    /// URL that receives events with POST: https, with a host of the public internet. On an installation on one machine, http
    /// and https URLs of this machine are accepted, too. It must not contain a secret: everyone who may read endpoints or events sees it.
    #[schema(example = "https://example.com/webhooks", max_length = 2048, format = "uri")]
    pub url: String,
    /// Types of events to receive: `license.renewed` is one type, `license.*` all types of a resource, and `*` all types,
    /// including those that later versions add.
    #[schema(
        value_type = Vec<String>, example = json!(["license.*", "activation.created"]), min_items = 1, max_items = 50,
        pattern = r"^(\*|[a-z_]{1,40}\.([a-z_]{1,40}|\*))$",
    )]
    pub event_types: Vec<String>,
    /// Note, such as the purpose of the endpoint. Null means none.
    #[schema(example = "Billing", max_length = 500)]
    pub description: Option<String>,
    /// Whether the endpoint receives events. Events that happen while it is inactive are not sent when it is activated; replay
    /// them.
    #[serde(default = "default_true")]
    #[schema(default = true)]
    pub is_active: bool,
}

const fn default_true() -> bool {
    true
}

impl UpdateInput for EndpointInput {}

impl EndpointInput {
    /// Checks the fields, and returns the event types without repetitions.
    pub fn check(&self, addresses: AddressPolicy) -> Result<Vec<EventSelector>, ValidationErrors> {
        let mut errors = ValidationErrors::default();
        if let Err(error) = parse_url(&self.url, addresses) {
            errors.push("/url", FieldErrorCode::InvalidValue, error.to_string());
        }
        let is_valid = (1..=MAX_EVENT_TYPES).contains(&self.event_types.len());
        errors.check(is_valid, "/event_types", format!("must have 1 to {MAX_EVENT_TYPES} event types"));
        let mut selectors: Vec<EventSelector> = Vec::new();
        for (index, text) in self.event_types.iter().enumerate().take(MAX_EVENT_TYPES) {
            match text.parse() {
                Ok(selector) if selectors.contains(&selector) => {}
                Ok(selector) => selectors.push(selector),
                Err(error) => {
                    let pointer = format!("/event_types/{index}");
                    errors.push(&pointer, FieldErrorCode::InvalidValue, error.to_string());
                }
            }
        }
        errors.check_text("/description", self.description.as_deref(), 500);
        errors.into_result().map(|()| selectors)
    }
}

/// A webhook endpoint, without its secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub struct EndpointResource {
    /// `whe_…`
    pub id: WebhookEndpointId,
    /// URL that receives events.
    #[schema(example = "https://example.com/webhooks", format = "uri")]
    pub url: String,
    /// Types of events that it receives.
    #[schema(value_type = Vec<String>, example = json!(["license.*", "activation.created"]))]
    pub event_types: Vec<EventSelector>,
    /// Note, such as the purpose of the endpoint.
    #[schema(required, example = "Billing")]
    pub description: Option<String>,
    /// Whether the endpoint receives events.
    #[schema(example = false)]
    pub is_active: bool,
    /// Why Signet disabled the endpoint: it responded with 410 (`gone`), or every attempt of five days failed (`failing`). Null if
    /// it did not. To activate the endpoint again, set `is_active` to true.
    #[schema(required)]
    pub disabled_reason: Option<WebhookDisabledReason>,
    /// When Signet disabled the endpoint.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-15T12:00:00Z")]
    pub disabled_at: Option<Timestamp>,
    /// Since when every attempt has failed; null if the latest one succeeded.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub failing_since: Option<Timestamp>,
    /// Until when the previous secret signs as well, after a rotation.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub previous_secret_expires_at: Option<Timestamp>,
    /// When the endpoint was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When an operator last changed the endpoint.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl EndpointResource {
    /// Returns the representation of an endpoint.
    pub fn new(endpoint: &WebhookEndpoint, now: Timestamp) -> Self {
        let (disabled, failing_since) = match endpoint.health {
            EndpointHealth::Healthy => (None, None),
            EndpointHealth::Failing { since, .. } => (None, Some(since)),
            EndpointHealth::Disabled { reason, at } => (Some((reason, at)), None),
        };
        Self {
            id: endpoint.id,
            url: endpoint.url.clone(),
            event_types: endpoint.event_types.clone(),
            description: endpoint.description.clone(),
            is_active: endpoint.is_active(),
            disabled_reason: disabled.map(|(reason, _)| reason),
            disabled_at: disabled.map(|(_, at)| at),
            failing_since,
            previous_secret_expires_at: endpoint.previous_secret_expires_at.filter(|end| *end > now),
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

/// A webhook endpoint with a new secret, which no other response contains.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpointWithSecret)]
pub struct EndpointWithSecretResource {
    /// The secret with which webhooks are signed. Give it to the program that receives them.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    pub secret: String,
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: EndpointResource,
}

/// An endpoint with a new secret, as a command returns it.
#[derive(Debug)]
pub struct EndpointWithSecret {
    /// The endpoint.
    pub endpoint: WebhookEndpoint,
    /// The secret.
    pub secret: Secret,
}

impl EndpointWithSecret {
    /// Returns the response body.
    pub(crate) fn resource(&self, now: Timestamp) -> EndpointWithSecretResource {
        EndpointWithSecretResource {
            secret: self.secret.expose().to_owned(),
            endpoint: EndpointResource::new(&self.endpoint, now),
        }
    }

    /// Returns the response that the endpoint was created.
    pub(crate) fn created(&self, now: Timestamp) -> Result<StoredResponse, serde_json::Error> {
        StoredResponse::created(format!("/api/v1.0/webhook-endpoints/{}", self.endpoint.id), &self.resource(now))
    }
}

/// Reads an endpoint to which events are sent.
///
/// # Errors
///
/// [`EndpointError::NotFound`] and [`EndpointError::Inactive`].
pub(crate) async fn active_endpoint(table: &Table, id: WebhookEndpointId) -> Result<WebhookEndpoint, EndpointError> {
    let endpoint = table.webhook_endpoint(id).await?.ok_or(EndpointError::NotFound)?.endpoint;
    if endpoint.is_active() { Ok(endpoint) } else { Err(EndpointError::Inactive) }
}

/// Why a webhook endpoint was not written.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The endpoint does not exist.
    #[error("not found")]
    NotFound,
    /// Fields are invalid.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The installation has as many endpoints as it may have.
    #[error("there are {MAX_ENDPOINTS} webhook endpoints, the maximum: delete one first")]
    LimitReached,
    /// The endpoint is inactive or disabled.
    #[error("the webhook endpoint is inactive: set is_active to true first")]
    Inactive,
    /// The merge patch is invalid.
    #[error(transparent)]
    MergePatch(#[from] MergePatchError),
    /// `If-Match` does not match.
    #[error(transparent)]
    Precondition(#[from] PreconditionError),
    /// The changes could not be serialized.
    #[error(transparent)]
    Serialize(#[from] serde_json::Error),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
    /// The secret could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<EndpointError> for Problem {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::NotFound => Self::not_found(),
            EndpointError::Invalid(errors) => errors.into(),
            EndpointError::LimitReached | EndpointError::Inactive => Self::new(Code::StateConflict, error.to_string()),
            EndpointError::MergePatch(error) => error.into(),
            EndpointError::Precondition(error) => error.into(),
            EndpointError::Serialize(error) => Self::internal(error.to_string()),
            EndpointError::Completion(error) => error.into(),
            EndpointError::Seal(error) => error.into(),
            EndpointError::Store(error) => error.into(),
        }
    }
}

/// Returns what the events of its creation and deletion tell about an endpoint.
pub(crate) fn event_data(endpoint: &WebhookEndpoint) -> WebhookEndpointData {
    WebhookEndpointData {
        url: endpoint.url.clone(),
        event_types: endpoint.event_types.iter().map(ToString::to_string).collect(),
        is_active: endpoint.is_active(),
    }
}
