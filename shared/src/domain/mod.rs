//! The domain model: pure types and rules without I/O.
//!
//! No function reads the clock; the time of the request is an argument.

pub mod api_key;
pub mod borrow_return;
pub mod catalog;
pub mod claims;
pub mod customer;
pub mod described_activation;
pub mod encryption_key;
pub mod entitlements;
pub mod event;
pub mod expiry;
pub mod foreign_key_string;
pub mod id;
pub mod jwk;
pub mod key_ring;
pub mod key_string;
pub mod license;
pub mod license_file;
pub mod machine_facts;
pub mod metadata;
pub mod offline_request;
pub mod rate_limit;
pub mod sealing;
pub mod search;
pub mod seat;
pub mod secret;
pub mod statistics;
pub mod text;
pub mod time;
pub mod token_times;
mod unique_map;
pub mod validation;
pub mod webhooks;

pub use api_key::{ApiKey, ApiKeySecret, Scope, Scopes};
pub use catalog::{BillingPeriod, Catalog, EntitlementKind, Feature, FeatureLimits, Grant, Product, SeatUnit, Tier};
pub use claims::Claims;
pub use customer::Customer;
pub use described_activation::DescribedActivation;
pub use encryption_key::{EncryptionKey, EncryptionKeyError, PublicKeyInput};
pub use entitlements::{Entitlement, EntitlementSource, Override};
pub use event::{Actor, ActorKind, Event, EventData, EventSource, EventType, EventTypePattern, Subject, SubjectType};
pub use foreign_key_string::ForeignKeyString;
pub use id::{
    ApiKeyId, CustomerId, EventId, FeatureId, Id, IdGenerator, LicenseId, ProductId, TierId, WebhookEndpointId,
};
pub use jiff::Timestamp;
pub use jwk::Jwk;
pub use key_string::KeyString;
pub use license::{Borrows, License, NotInCatalogError, Refusal, State, Status};
pub use license_file::{LicenseFile, LicenseFileFormat};
pub use machine_facts::{FactsDigest, MachineFacts, ReportedFacts};
pub use metadata::Metadata;
pub use offline_request::{OfflineRequest, ParseOfflineRequestError};
pub use sealing::SealingContext;
pub use search::{SearchKind, SearchResource, SearchTerms, SearchWords};
pub use seat::{Activation, ActivationId, Borrow, MachineHash, SeatStatus};
pub use secret::Secret;
pub use token_times::TokenTimes;
pub use validation::{FieldError, FieldErrorCode, ValidationErrors};
