//! Identifiers: a word for the type, then a ULID, as in `lic_01JD…`.

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

/// What an [`Id`] names. Its prefix keeps an id of one kind from passing for one of another.
pub trait Kind {
    /// The word before the `_`.
    const PREFIX: &'static str;
    /// What the API's documentation calls such an id.
    const NAME: &'static str;
}

/// The id of one kind of thing. Ids of one kind sort by the millisecond in which they were made.
pub struct Id<K>(Ulid, PhantomData<fn() -> K>);

/// Marks the ids of products.
pub enum ProductKind {}
/// Marks the ids of pricing tiers.
pub enum TierKind {}
/// Marks the ids of product features.
pub enum FeatureKind {}
/// Marks the ids of customers.
pub enum CustomerKind {}
/// Marks the ids of license keys.
pub enum LicenseKind {}
/// Marks the ids of the operator's API keys.
pub enum ApiKeyKind {}
/// Marks the ids of events.
pub enum EventKind {}

impl Kind for ProductKind {
    const PREFIX: &'static str = "prod";
    const NAME: &'static str = "ProductId";
}
impl Kind for TierKind {
    const PREFIX: &'static str = "tier";
    const NAME: &'static str = "PricingTierId";
}
impl Kind for FeatureKind {
    const PREFIX: &'static str = "feat";
    const NAME: &'static str = "ProductFeatureId";
}
impl Kind for CustomerKind {
    const PREFIX: &'static str = "cus";
    const NAME: &'static str = "CustomerId";
}
impl Kind for LicenseKind {
    const PREFIX: &'static str = "lic";
    const NAME: &'static str = "LicenseId";
}
impl Kind for ApiKeyKind {
    const PREFIX: &'static str = "key";
    const NAME: &'static str = "ApiKeyId";
}
impl Kind for EventKind {
    const PREFIX: &'static str = "evt";
    const NAME: &'static str = "EventId";
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

impl<K> Id<K> {
    /// The id with this ULID.
    pub const fn of(ulid: Ulid) -> Self {
        Self(ulid, PhantomData)
    }

    /// The ULID alone, without the word before it.
    pub const fn ulid(self) -> Ulid {
        self.0
    }
}

/// A text that is no id of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no id of this kind")]
pub struct ParseIdError;

impl<K: Kind> FromStr for Id<K> {
    type Err = ParseIdError;

    /// Takes only the one spelling that `Display` gives, so that an id has no second name.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let ulid = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or(ParseIdError)?;
        let id = Self::of(Ulid::from_string(ulid).map_err(|_| ParseIdError)?);
        if id.to_string() == text { Ok(id) } else { Err(ParseIdError) }
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", K::PREFIX, self.0)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
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

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom(format_args!("an id that begins with `{}_`", K::PREFIX)))
    }
}

impl<K: Kind> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        let prefix = K::PREFIX;
        let text = ObjectBuilder::new().schema_type(Type::String);
        // A ULID has 128 bits in 26 symbols of Crockford's base 32, so the first of them says no more than 7.
        text.pattern(Some(format!("^{prefix}_[0-7][0-9A-HJKMNP-TV-Z]{{25}}$")))
            .examples([format!("{prefix}_01JD8W0V5XK6Q3R7T2N4M8P9ZB")])
            .into()
    }
}

impl<K: Kind> ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(K::NAME)
    }
}

/// Makes the ids of one request: within it, each is greater than the one before, also inside a millisecond.
pub struct IdGenerator {
    now: SystemTime,
    generator: ulid::Generator,
}

impl IdGenerator {
    /// A maker of ids for the request that arrived at `now`.
    pub fn new(now: Timestamp) -> Self {
        // Times before 1970 have no ULID; a clock that shows one is broken, and ids stay unique all the same.
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Self { now: UNIX_EPOCH + Duration::from_millis(millis), generator: ulid::Generator::new() }
    }

    /// The next id, of any kind.
    pub fn make<K>(&mut self) -> Id<K> {
        Id::of(self.ulid())
    }

    /// The next unique text, such as a token's `jti`.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_is_read_as_it_was_written(ulid in any::<u128>()) {
            let id: LicenseId = Id::of(Ulid::from(ulid));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(serde_json::from_str::<LicenseId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        }

        #[test]
        fn what_is_taken_for_an_id_is_how_it_is_written(
            text in prop_oneof![any::<String>(), "lic_[0-9A-Za-z]{24,28}", "[a-z]{2,4}_[0-7][0-9A-HJKMNP-TV-Z]{25}"],
        ) {
            if let Ok(id) = text.parse::<LicenseId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn an_id_of_another_kind_or_spelling_is_refused() {
        let id: LicenseId = IdGenerator::new(Timestamp::constant(1_700_000_000, 0)).make();
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
    fn ids_of_one_request_ascend() {
        let mut ids = IdGenerator::new(Timestamp::UNIX_EPOCH);
        let made: Vec<EventId> = (0..1000).map(|_| ids.make()).collect();
        assert!(made.is_sorted() && made.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
