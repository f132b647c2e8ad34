//! The resource that an event is about.

use serde::{Deserialize, Serialize};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::{
    ActivationId,
    id::{ApiKeyId, CustomerId, FeatureId, LicenseId, ProductId, TierId, WebhookEndpointId},
};

/// The type of a resource that events are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EventSubjectType)]
pub enum SubjectType {
    /// A product.
    Product,
    /// A pricing tier.
    PricingTier,
    /// A product feature.
    ProductFeature,
    /// A customer.
    Customer,
    /// A license key.
    License,
    /// An activation of a license key.
    Activation,
    /// An API key.
    ApiKey,
    /// A signing key.
    SigningKey,
    /// A webhook endpoint.
    WebhookEndpoint,
    /// The settings of the installation.
    Settings,
}

impl SubjectType {
    /// Returns the name in JSON, which is also the first part of the event types of the resource.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::PricingTier => "pricing_tier",
            Self::ProductFeature => "product_feature",
            Self::Customer => "customer",
            Self::License => "license",
            Self::Activation => "activation",
            Self::ApiKey => "api_key",
            Self::SigningKey => "signing_key",
            Self::WebhookEndpoint => "webhook_endpoint",
            Self::Settings => "settings",
        }
    }
}

/// The resource that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "TypeAndId", try_from = "TypeAndId")]
pub enum Subject {
    /// A product.
    Product(ProductId),
    /// A pricing tier.
    PricingTier(TierId),
    /// A product feature.
    ProductFeature(FeatureId),
    /// A customer.
    Customer(CustomerId),
    /// A license key.
    License(LicenseId),
    /// An activation of a license key.
    Activation(ActivationId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// A signing key, by its `kid`.
    SigningKey(String),
    /// A webhook endpoint.
    WebhookEndpoint(WebhookEndpointId),
    /// The settings of the installation.
    Settings,
}

/// The id of the settings, of which an installation has one set.
const SETTINGS_ID: &str = "settings";
/// The length of a `kid`: a SHA-256 thumbprint in base64url.
const KID_LENGTH: usize = 43;

/// The text is not the id of a resource that events are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a resource")]
pub struct ParseSubjectError;

impl Subject {
    /// Returns the subject with this id. The prefix of the id tells its type.
    pub fn with_id(id: &str) -> Result<Self, ParseSubjectError> {
        let is_kid = id.len() == KID_LENGTH && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let parsed = id.parse().map(Self::Product).ok();
        parsed
            .or_else(|| id.parse().map(Self::PricingTier).ok())
            .or_else(|| id.parse().map(Self::ProductFeature).ok())
            .or_else(|| id.parse().map(Self::Customer).ok())
            .or_else(|| id.parse().map(Self::License).ok())
            .or_else(|| id.parse().map(Self::Activation).ok())
            .or_else(|| id.parse().map(Self::ApiKey).ok())
            .or_else(|| id.parse().map(Self::WebhookEndpoint).ok())
            .or_else(|| (id == SETTINGS_ID).then_some(Self::Settings))
            .or_else(|| is_kid.then(|| Self::SigningKey(id.to_owned())))
            .ok_or(ParseSubjectError)
    }

    /// Returns the type of the resource.
    pub const fn subject_type(&self) -> SubjectType {
        match self {
            Self::Product(_) => SubjectType::Product,
            Self::PricingTier(_) => SubjectType::PricingTier,
            Self::ProductFeature(_) => SubjectType::ProductFeature,
            Self::Customer(_) => SubjectType::Customer,
            Self::License(_) => SubjectType::License,
            Self::Activation(_) => SubjectType::Activation,
            Self::ApiKey(_) => SubjectType::ApiKey,
            Self::SigningKey(_) => SubjectType::SigningKey,
            Self::WebhookEndpoint(_) => SubjectType::WebhookEndpoint,
            Self::Settings => SubjectType::Settings,
        }
    }

    /// Returns the id of the resource.
    pub fn id(&self) -> String {
        match self {
            Self::Product(id) => id.to_string(),
            Self::PricingTier(id) => id.to_string(),
            Self::ProductFeature(id) => id.to_string(),
            Self::Customer(id) => id.to_string(),
            Self::License(id) => id.to_string(),
            Self::Activation(id) => id.to_string(),
            Self::ApiKey(id) => id.to_string(),
            Self::SigningKey(kid) => kid.clone(),
            Self::WebhookEndpoint(id) => id.to_string(),
            Self::Settings => SETTINGS_ID.to_owned(),
        }
    }

    /// Returns the license key that the resource is or belongs to.
    pub const fn license_id(&self) -> Option<LicenseId> {
        match self {
            Self::License(id) => Some(*id),
            Self::Activation(id) => Some(id.license),
            _ => None,
        }
    }
}

/// A subject in JSON.
#[derive(Serialize, Deserialize, ToSchema)]
struct TypeAndId {
    /// The type of the resource.
    r#type: SubjectType,
    /// The id of the resource; the `kid` of a signing key.
    #[schema(example = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    id: String,
}

impl From<Subject> for TypeAndId {
    fn from(subject: Subject) -> Self {
        Self { r#type: subject.subject_type(), id: subject.id() }
    }
}

impl TryFrom<TypeAndId> for Subject {
    type Error = ParseSubjectError;

    fn try_from(TypeAndId { r#type, id }: TypeAndId) -> Result<Self, ParseSubjectError> {
        let subject = match r#type {
            // Also one of another form, from a signer that names its keys otherwise.
            SubjectType::SigningKey => Self::SigningKey(id),
            _ => Self::with_id(&id)?,
        };
        if subject.subject_type() == r#type { Ok(subject) } else { Err(ParseSubjectError) }
    }
}

impl PartialSchema for Subject {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        TypeAndId::schema()
    }
}

impl ToSchema for Subject {
    fn name() -> std::borrow::Cow<'static, str> {
        "EventSubject".into()
    }

    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        TypeAndId::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::domain::{IdGenerator, MachineHash};

    fn subjects() -> Vec<Subject> {
        let mut ids = IdGenerator::new(Timestamp::UNIX_EPOCH);
        let license = ids.generate();
        vec![
            Subject::Product(ids.generate()),
            Subject::PricingTier(ids.generate()),
            Subject::ProductFeature(ids.generate()),
            Subject::Customer(ids.generate()),
            Subject::License(license),
            Subject::Activation(ActivationId::generate(license, MachineHash([7; 32]), &mut StdRng::seed_from_u64(1))),
            Subject::ApiKey(ids.generate()),
            Subject::SigningKey("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs".to_owned()),
            Subject::WebhookEndpoint(ids.generate()),
            Subject::Settings,
        ]
    }

    #[test]
    fn subject_is_found_by_its_id_and_round_trips_through_json() {
        for subject in subjects() {
            assert_eq!(Subject::with_id(&subject.id()), Ok(subject.clone()));
            let json = serde_json::to_value(&subject).unwrap();
            assert_eq!(json["type"], subject.subject_type().as_str());
            assert_eq!(serde_json::from_value::<Subject>(json).unwrap(), subject);
        }
        for invalid in ["", "lic_1", "evt_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "unknown", "../CATALOG"] {
            assert_eq!(Subject::with_id(invalid), Err(ParseSubjectError), "{invalid}");
        }
    }

    #[test]
    fn type_and_id_must_match() {
        let json = serde_json::json!({"type": "product", "id": "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB"});
        assert!(serde_json::from_value::<Subject>(json).is_err());
    }

    #[test]
    fn only_license_keys_and_their_activations_have_a_license() {
        let with_license: Vec<_> = subjects().into_iter().filter(|subject| subject.license_id().is_some()).collect();
        let types: Vec<_> = with_license.iter().map(Subject::subject_type).collect();
        assert_eq!(types, [SubjectType::License, SubjectType::Activation]);
    }
}
