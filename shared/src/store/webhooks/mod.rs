//! Webhooks: endpoints, deliveries, and the events that are delivered.
//!
//! Deliveries are the truth: whatever wakes the sender, it reads from the table what is due. Each step is a conditional write,
//! and a crash between any two steps leaves a delivery that becomes due again.

pub mod attempts;
pub mod deliveries;
pub mod endpoints;
pub mod event_records;
pub mod feed_position;
pub mod health;
pub mod stream;

pub use attempts::{BeginOutcome, BegunAttempt};
pub use endpoints::{AddEndpointOutcome, SealedWebhookSecrets, StoredWebhookEndpoint};
pub use event_records::{EventRecord, delivered_event};
pub use stream::StreamRecord;
