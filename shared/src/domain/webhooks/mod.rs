//! Webhooks: endpoints, deliveries, signatures, and the rules of where and when events are sent.

pub mod address;
pub mod delivery;
pub mod endpoint;
pub mod endpoint_url;
pub mod event_selector;
pub mod schedule;
pub mod signature;

pub use address::AddressPolicy;
pub use delivery::{
    Attempt, AttemptOutcome, DeliveredEvent, Delivery, DeliveryId, DeliveryState, DeliveryStatus, MAX_EVENT_BYTES,
    SendError,
};
pub use endpoint::{EndpointHealth, WebhookEndpoint};
pub use endpoint_url::{WebhookUrlError, parse_url};
pub use event_selector::EventSelector;
pub use signature::WebhookSecret;
