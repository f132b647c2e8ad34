//! The types of events, and the data of each.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    payload::{
        ActivationBorrowed, ActivationCreated, ActivationDeactivated, ActivationTakenOver, ApiKeyData, ChangedFields,
        Changes, CustomerCreated, LicenseAudited, LicenseChanged, LicenseClaimed, LicenseExpired, LicenseExpiring,
        LicenseIssued, LicenseOverridden, LicenseRegenerated, LicenseRenewalRequested, LicenseRenewed,
        LicenseSeatLimitReached, LicenseSuperseded, LicenseUpgradeRequested, NoData, Reason, SigningKeyCreated,
        SigningKeyPromoted, WebhookEndpointData, WebhookEndpointDisabled,
    },
    subject::SubjectType,
};
use crate::domain::catalog::{Feature, Product, Tier};

/// The schema of the data of an event type.
pub struct PayloadSchema {
    /// The name of the schema.
    pub name: String,
    /// The schemas by name: that of the data, and those that it refers to.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

impl PayloadSchema {
    fn of<T: ToSchema>() -> Self {
        let name = T::name().into_owned();
        let mut schemas = vec![(name.clone(), T::schema())];
        T::schemas(&mut schemas);
        Self { name, schemas }
    }
}

/// The text is not an event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown event type")]
pub struct ParseEventTypeError;

/// Declares the event types: for each a description, the type of its data, its name and the type of its subject.
macro_rules! event_types {
    ($($(#[doc = $doc:tt])+ $variant:ident($payload:ty) = $name:tt of $subject:ident;)+) => {
        /// The type of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub enum EventType {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        /// What happened: the type of an event with its data.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "data")]
        pub enum EventData {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant($payload),)+
        }

        impl EventType {
            /// All types, in the order of their documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the name in JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns what happened, as text in Markdown.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+),)+
                }
            }

            /// Returns the type of the resource that events of this type are about.
            pub const fn subject_type(self) -> SubjectType {
                match self {
                    $(Self::$variant => SubjectType::$subject,)+
                }
            }

            /// Returns the schema of the data.
            pub fn payload_schema(self) -> PayloadSchema {
                match self {
                    $(Self::$variant => PayloadSchema::of::<$payload>(),)+
                }
            }
        }

        impl EventData {
            /// Returns the type of the event.
            pub const fn event_type(&self) -> EventType {
                match self {
                    $(Self::$variant(_) => EventType::$variant,)+
                }
            }
        }
    };
}

event_types! {
    /// A product was created. Its data are the product.
    ProductCreated(Product) = "product.created" of Product;
    /// A product was changed.
    ProductUpdated(Changes) = "product.updated" of Product;
    /// A pricing tier was created. Its data are the pricing tier.
    PricingTierCreated(Tier) = "pricing_tier.created" of PricingTier;
    /// A pricing tier was changed.
    PricingTierUpdated(Changes) = "pricing_tier.updated" of PricingTier;
    /// A product feature was created. Its data are the feature.
    ProductFeatureCreated(Feature) = "product_feature.created" of ProductFeature;
    /// A product feature was changed.
    ProductFeatureUpdated(Changes) = "product_feature.updated" of ProductFeature;
    /// A customer was created, registered or imported.
    CustomerCreated(CustomerCreated) = "customer.created" of Customer;
    /// A customer was changed, or a user was linked to it.
    CustomerUpdated(ChangedFields) = "customer.updated" of Customer;
    /// The personal data of a customer were erased.
    CustomerErased(NoData) = "customer.erased" of Customer;
    /// A license key was issued or imported, or a customer claimed its pricing tier.
    LicenseIssued(LicenseIssued) = "license.issued" of License;
    /// The customer, the name, the external id or the metadata of a license key were changed, or the notes of its overrides erased.
    LicenseUpdated(ChangedFields) = "license.updated" of License;
    /// A customer claimed a license key that belonged to none, by its key string.
    LicenseClaimed(LicenseClaimed) = "license.claimed" of License;
    /// A newer license key of the customer replaced a license key.
    LicenseSuperseded(LicenseSuperseded) = "license.superseded" of License;
    /// A license key was suspended.
    LicenseSuspended(Reason) = "license.suspended" of License;
    /// The suspension of a license key was lifted.
    LicenseReinstated(Reason) = "license.reinstated" of License;
    /// The expiry of a license key was extended or set.
    LicenseRenewed(LicenseRenewed) = "license.renewed" of License;
    /// The pricing tier or the seats of a license key were changed.
    LicenseChanged(LicenseChanged) = "license.changed" of License;
    /// The overrides of a license key were replaced.
    LicenseOverridden(LicenseOverridden) = "license.overridden" of License;
    /// A license key got a new key string.
    LicenseRegenerated(LicenseRegenerated) = "license.regenerated" of License;
    /// A license key was revoked.
    LicenseRevoked(Reason) = "license.revoked" of License;
    /// A license key was audited.
    LicenseAudited(LicenseAudited) = "license.audited" of License;
    /// A customer asked for a renewal. Not sent yet.
    LicenseRenewalRequested(LicenseRenewalRequested) = "license.renewal_requested" of License;
    /// A customer asked for another pricing tier or more seats. Not sent yet.
    LicenseUpgradeRequested(LicenseUpgradeRequested) = "license.upgrade_requested" of License;
    /// A machine was refused because every seat is taken. At most once an hour for each license key.
    LicenseSeatLimitReached(LicenseSeatLimitReached) = "license.seat_limit_reached" of License;
    /// A license key expires in 30, 7 or 1 days. Once for each; a number of days that had passed when the expiry was set is left out.
    LicenseExpiring(LicenseExpiring) = "license.expiring" of License;
    /// A license key has expired, and the grace after its expiry is over. Once for each end.
    LicenseExpired(LicenseExpired) = "license.expired" of License;
    /// A machine or process took a free seat.
    ActivationCreated(ActivationCreated) = "activation.created" of Activation;
    /// A machine was deactivated, and its seat freed.
    ActivationDeactivated(ActivationDeactivated) = "activation.deactivated" of Activation;
    /// A machine or process took the seat of another one whose lease had lapsed.
    ActivationTakenOver(ActivationTakenOver) = "activation.taken_over" of Activation;
    /// A machine borrowed its seat, for itself or for a license file.
    ActivationBorrowed(ActivationBorrowed) = "activation.borrowed" of Activation;
    /// An API key was created.
    ApiKeyCreated(ApiKeyData) = "api_key.created" of ApiKey;
    /// An API key was deleted.
    ApiKeyDeleted(ApiKeyData) = "api_key.deleted" of ApiKey;
    /// A signing key was created.
    SigningKeyCreated(SigningKeyCreated) = "signing_key.created" of SigningKey;
    /// A signing key was added to the published keys.
    SigningKeyPublished(NoData) = "signing_key.published" of SigningKey;
    /// A signing key started to sign.
    SigningKeyPromoted(SigningKeyPromoted) = "signing_key.promoted" of SigningKey;
    /// A signing key was removed from the published keys, because the last token that it signed has ended.
    SigningKeyRetired(NoData) = "signing_key.retired" of SigningKey;
    /// A signing key was condemned: every token that it signed is invalid.
    SigningKeyCondemned(Reason) = "signing_key.condemned" of SigningKey;
    /// A webhook endpoint was created.
    WebhookEndpointCreated(WebhookEndpointData) = "webhook_endpoint.created" of WebhookEndpoint;
    /// A webhook endpoint was changed.
    WebhookEndpointUpdated(Changes) = "webhook_endpoint.updated" of WebhookEndpoint;
    /// A webhook endpoint was disabled, because it does not accept deliveries.
    WebhookEndpointDisabled(WebhookEndpointDisabled) = "webhook_endpoint.disabled" of WebhookEndpoint;
    /// A webhook endpoint was deleted.
    WebhookEndpointDeleted(WebhookEndpointData) = "webhook_endpoint.deleted" of WebhookEndpoint;
    /// An operator tests a webhook endpoint. Only that endpoint receives the event.
    WebhookEndpointTest(NoData) = "webhook_endpoint.test" of WebhookEndpoint;
    /// The settings of the installation were changed. Not sent yet.
    SettingsUpdated(Changes) = "settings.updated" of Settings;
}

impl FromStr for EventType {
    type Err = ParseEventTypeError;

    fn from_str(text: &str) -> Result<Self, ParseEventTypeError> {
        Self::ALL.iter().find(|one| one.as_str() == text).copied().ok_or(ParseEventTypeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_the_type_of_the_subject_and_are_unique() {
        for one in EventType::ALL {
            let (subject, verb) = one.as_str().split_once('.').unwrap();
            assert_eq!(subject, one.subject_type().as_str());
            assert!(!verb.is_empty() && one.as_str().parse() == Ok(*one), "{one:?}");
            assert_eq!(serde_json::to_value(one).unwrap(), one.as_str());
        }
        assert!("issued".parse::<EventType>().is_err());
    }

    #[test]
    fn descriptions_are_sentences() {
        for one in EventType::ALL {
            let text = one.description();
            assert!(text.ends_with('.') && !text.contains("  ") && text.starts_with(' '), "{text}");
        }
    }
}
