//! Identifiers: a prefix for the type, then a ULID, for example `lic_01JD…`.

use std::{
    borrow::Cow,
    fmt,
    marker::PhantomData,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ulid::Ulid;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// A type of id. The prefix prevents an id of one type from being accepted as an id of another type.
pub trait IdKind {
    /// The prefix before the `_`.
    const PREFIX: &'static str;
    /// The schema name in the OpenAPI document.
    const NAME: &'static str;
}

/// An id of one type. Ids sort by the millisecond in which they were generated.
pub struct Id<K>(Ulid, PhantomData<fn() -> K>);

/// Type marker of product ids.
pub enum ProductKind {}
/// Type marker of pricing tier ids.
pub enum TierKind {}
/// Type marker of product feature ids.
pub enum FeatureKind {}
/// Type marker of customer ids.
pub enum CustomerKind {}
/// Type marker of license key ids.
pub enum LicenseKind {}
/// Type marker of API key ids.
pub enum ApiKeyKind {}
/// Type marker of event ids.
pub enum EventKind {}
/// Type marker of webhook endpoint ids.
pub enum WebhookEndpointKind {}

impl IdKind for ProductKind {
    const PREFIX: &'static str = "prod";
    const NAME: &'static str = "ProductId";
}
impl IdKind for TierKind {
    const PREFIX: &'static str = "tier";
    const NAME: &'static str = "PricingTierId";
}
impl IdKind for FeatureKind {
    const PREFIX: &'static str = "feat";
    const NAME: &'static str = "ProductFeatureId";
}
impl IdKind for CustomerKind {
    const PREFIX: &'static str = "cus";
    const NAME: &'static str = "CustomerId";
}
impl IdKind for LicenseKind {
    const PREFIX: &'static str = "lic";
    const NAME: &'static str = "LicenseId";
}
impl IdKind for ApiKeyKind {
    const PREFIX: &'static str = "key";
    const NAME: &'static str = "ApiKeyId";
}
impl IdKind for EventKind {
    const PREFIX: &'static str = "evt";
    const NAME: &'static str = "EventId";
}
impl IdKind for WebhookEndpointKind {
    const PREFIX: &'static str = "whe";
    const NAME: &'static str = "WebhookEndpointId";
}

/// `prod_…`
pub type ProductId = Id<ProductKind>;
/// `tier_…`
pub type TierId = Id<TierKind>;
/// `feat_…`
pub type FeatureId = Id<FeatureKind>;
/// `cus_…`
pub type CustomerId = Id<CustomerKind>;
/// `lic_…`
pub type LicenseId = Id<LicenseKind>;
/// `key_…`
pub type ApiKeyId = Id<ApiKeyKind>;
/// `evt_…`
pub type EventId = Id<EventKind>;
/// `whe_…`
pub type WebhookEndpointId = Id<WebhookEndpointKind>;

impl<K> Id<K> {
    /// Creates the id with this ULID.
    pub const fn from_ulid(ulid: Ulid) -> Self {
        Self(ulid, PhantomData)
    }

    /// The greatest id.
    pub const MAX: Self = Self::from_ulid(Ulid(u128::MAX));

    /// Returns the ULID without the prefix.
    pub const fn ulid(self) -> Ulid {
        self.0
    }
}

/// The text is not an id of the expected type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid id")]
pub struct ParseIdError;

impl<K: IdKind> FromStr for Id<K> {
    type Err = ParseIdError;

    /// Accepts only the canonical form that `Display` writes, so that every id has exactly one text form.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let ulid = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or(ParseIdError)?;
        let id = Self::from_ulid(Ulid::from_string(ulid).map_err(|_| ParseIdError)?);
        if id.to_string() == text { Ok(id) } else { Err(ParseIdError) }
    }
}

impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", K::PREFIX, self.0)
    }
}

impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K: IdKind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: IdKind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom(format_args!("expected an id that starts with `{}_`", K::PREFIX)))
    }
}

impl<K: IdKind> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        let prefix = K::PREFIX;
        let text = ObjectBuilder::new().schema_type(Type::String);
        // A ULID has 128 bits in 26 symbols of Crockford's base 32, so the first symbol is at most 7.
        text.pattern(Some(format!("^{prefix}_[0-7][0-9A-HJKMNP-TV-Z]{{25}}$")))
            .examples([format!("{prefix}_01JD8W0V5XK6Q3R7T2N4M8P9ZB")])
            .into()
    }
}

impl<K: IdKind> ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(K::NAME)
    }
}

/// Generates the ids of one request. Each id is greater than the previous one, also within a millisecond.
pub struct IdGenerator {
    now: SystemTime,
    generator: ulid::Generator,
}

impl IdGenerator {
    /// Creates a generator for the request that started at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now: system_time(now), generator: ulid::Generator::new() }
    }

    /// Continues at a later time, for work that takes longer than a request.
    pub fn continue_at(&mut self, now: Timestamp) {
        self.now = system_time(now);
    }

    /// Generates an id of any type.
    pub fn generate<K>(&mut self) -> Id<K> {
        Id::from_ulid(self.ulid())
    }

    /// Generates a unique string, such as the `jti` of a token.
    pub fn text(&mut self) -> String {
        self.ulid().to_string()
    }

    fn ulid(&mut self) -> Ulid {
        match self.generator.generate_from_datetime(self.now) {
            Ok(ulid) => ulid,
            Err(overflow) => overflow.commit_overflow_increment(),
        }
    }
}

/// A ULID can't represent a time before 1970. Ids are unique even if the clock is that wrong.
fn system_time(now: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn id_round_trips(ulid in any::<u128>()) {
            let id: LicenseId = Id::from_ulid(Ulid::from(ulid));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(serde_json::from_str::<LicenseId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        }

        #[test]
        fn parsed_id_is_canonical(
            text in prop_oneof![any::<String>(), "lic_[0-9A-Za-z]{24,28}", "[a-z]{2,4}_[0-7][0-9A-HJKMNP-TV-Z]{25}"],
        ) {
            if let Ok(id) = text.parse::<LicenseId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn parse_rejects_ids_of_another_type_or_spelling() {
        let id: LicenseId = IdGenerator::new(Timestamp::constant(1_700_000_000, 0)).generate();
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert!(text.parse::<ProductId>().is_err());
        let upper = format!("lic_{}", id.ulid().to_string().to_uppercase());
        let lower = format!("lic_{}", id.ulid().to_string().to_lowercase());
        assert_eq!([upper, lower].iter().filter(|text| text.parse::<LicenseId>().is_ok()).count(), 1);
        assert!("lic_".parse::<LicenseId>().is_err());
        assert!("lic_01JDé".parse::<LicenseId>().is_err());
    }

    #[test]
    fn ids_of_one_request_are_strictly_increasing() {
        let mut ids = IdGenerator::new(Timestamp::UNIX_EPOCH);
        let generated: Vec<EventId> = (0..1000).map(|_| ids.generate()).collect();
        assert!(generated.is_sorted() && generated.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
