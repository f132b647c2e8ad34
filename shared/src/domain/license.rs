//! License keys: states, transitions, and the conditions under which they can be used.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    catalog::{BillingPeriod, Catalog, Product, Tier},
    entitlements::Override,
    id::{CustomerId, LicenseId, ProductId, TierId},
    metadata::{Metadata, is_label},
    validation::ValidationErrors,
};

/// The stored state of a license key. Expiry is not stored; it is derived from `expires_at`, the grace after it and the current
/// time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Can be used until it expires.
    Active,
    /// Can't be used until it is reinstated.
    Suspended,
    /// Permanently replaced by another license key.
    Superseded {
        /// The license key that replaced it.
        by: LicenseId,
    },
    /// Permanently disabled.
    Revoked {
        /// When it was revoked.
        at: Timestamp,
        /// The reason that the operator entered.
        reason: Option<String>,
        /// The license key that had superseded it before it was revoked.
        superseded_by: Option<LicenseId>,
    },
}

/// The status of a license key: its state, or `expired` if it is active and has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LicenseStatus)]
pub enum Status {
    /// Can be used.
    Active,
    /// Can't be used until it is reinstated.
    Suspended,
    /// Permanently replaced by another license key.
    Superseded,
    /// Permanently disabled.
    Revoked,
    /// Active, but past its expiry and the grace after it.
    Expired,
}

/// A license key: the record of what a customer bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    /// `lic_…`
    pub id: LicenseId,
    /// The customer who owns it; `None` until a customer claims a license key of a batch or an operator assigns it.
    pub customer_id: Option<CustomerId>,
    /// The licensed product.
    pub product_id: ProductId,
    /// The pricing tier.
    pub tier_id: TierId,
    /// Display name, such as that of the department that uses it.
    pub name: Option<String>,
    /// The id in another system of the operator; unique among license keys.
    pub external_id: Option<String>,
    /// The tag of the batch that it belongs to.
    pub tag: Option<String>,
    /// The values that the operator's programs store with it; `None` if they were not read.
    pub metadata: Option<Metadata>,
    /// The stored state.
    pub state: State,
    /// The visible part of the key string, by which people recognize it.
    pub key_hint: String,
    /// Number of seats; `None` means no limit.
    pub max_users: Option<u32>,
    /// Number of tenants; `None` means no limit.
    pub max_tenants: Option<u32>,
    /// The generation of the key string, starting at 1. Key strings, tokens and seats of a lower generation are not
    /// valid.
    pub generation: u32,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it expires; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// The day of the month, 1 to 31, on which billing periods end; `None` if the license key never expires. It is later
    /// than the day of `expires_at` while that is in a month with fewer days.
    pub anchor_day: Option<i8>,
    /// How long it is still honoured after it has expired, in seconds: that of the tier when it was issued or changed to it.
    pub expiry_grace_seconds: u32,
    /// The borrows of its seats, also of those that have ended.
    pub borrows: Borrows,
    /// The exceptions to the features of the tier, in the order in which they were set. Empty in a license key that was read
    /// from a list.
    pub overrides: Vec<Override>,
}

/// The borrows of the seats of a license key. Counted so that a change of the license key notices a borrow that starts at the
/// same time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Borrows {
    /// The number of times that a borrow was started or extended.
    pub count: u32,
    /// The latest end of a borrow: until then, tokens of borrowed seats can be valid, whatever happens to the license key.
    pub last_until: Option<Timestamp>,
}

impl Borrows {
    /// Returns the borrows after another one.
    #[must_use]
    pub fn with(self, until: Timestamp) -> Self {
        Self { count: self.count + 1, last_until: self.last_until.max(Some(until)) }
    }
}

/// Why a license key can't be used. The order of the variants is the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// It was revoked.
    #[error("license key is revoked")]
    Revoked,
    /// It was replaced by another license key.
    #[error("license key is superseded by a newer license key")]
    Superseded,
    /// It is suspended.
    #[error("license key is suspended")]
    Suspended,
    /// It has expired.
    #[error("license key has expired")]
    Expired,
    /// The product is not active.
    #[error("product is not active")]
    ProductInactive,
    /// The key string or token is of a lower generation.
    #[error("license key was regenerated; activate again with the new key string")]
    GenerationOutdated,
}

/// The requested transition is not possible from the current state of the license key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StateConflict(pub String);

impl StateConflict {
    fn new(status: &str, rule: &str) -> Self {
        Self(format!("license key is {status}; {rule}"))
    }
}

impl License {
    /// The maximum length of a name, in bytes.
    pub const MAX_NAME_BYTES: usize = 200;

    /// Creates a license key with the tier's limits that is valid for one billing period.
    pub fn issued(id: LicenseId, customer_id: Option<CustomerId>, tier: &Tier, key_hint: &str, now: Timestamp) -> Self {
        Self {
            id,
            customer_id,
            product_id: tier.product_id,
            tier_id: tier.id,
            name: None,
            external_id: None,
            tag: None,
            metadata: None,
            state: State::Active,
            key_hint: key_hint.to_owned(),
            max_users: tier.max_users,
            max_tenants: tier.max_tenants,
            generation: 1,
            issued_at: now,
            expires_at: None,
            anchor_day: None,
            expiry_grace_seconds: tier.expiry_grace_seconds,
            borrows: Borrows::default(),
            overrides: Vec::new(),
        }
        .with_expiry_after(tier.billing_period, now)
    }

    /// Sets the expiry to a given time, which is also the anchor of the billing periods after it; `None` means never.
    pub fn with_expiry(self, expires_at: Option<Timestamp>) -> Self {
        Self { expires_at, anchor_day: expires_at.map(day_of_month), ..self }
    }

    /// Replaces the seats and the expiry of the tier by those that are given. Inside, `None` means no limit and never.
    pub fn with_terms(self, max_users: Option<Option<u32>>, expires_at: Option<Option<Timestamp>>) -> Self {
        let license = Self { max_users: max_users.unwrap_or(self.max_users), ..self };
        match expires_at {
            Some(expires_at) => license.with_expiry(expires_at),
            None => license,
        }
    }

    /// Sets the expiry to the end of a first billing period, which started when the license key was issued.
    pub fn with_first_period_until(self, expires_at: Option<Timestamp>) -> Self {
        let anchor_day = expires_at.map(|_| day_of_month(self.issued_at));
        Self { expires_at, anchor_day, ..self }
    }

    /// Sets the expiry to the end of a first billing period, which starts at `start`.
    fn with_expiry_after(self, period: BillingPeriod, start: Timestamp) -> Self {
        let anchor_day = day_of_month(start);
        let expires_at = period.end(start, anchor_day);
        Self { expires_at, anchor_day: expires_at.map(|_| anchor_day), ..self }
    }

    /// Returns the expiry after one more billing period, and its anchor day. The period starts at the current expiry, or
    /// now with a new anchor if the license key is no longer honoured. Returns `None` if there is no such expiry.
    fn next_period(&self, period: BillingPeriod, now: Timestamp) -> Option<(Timestamp, i8)> {
        let end = self.expires_at?;
        let start = if self.is_expired(now) { now } else { end };
        let anchor_day = self.anchor_day.filter(|_| start == end).unwrap_or_else(|| day_of_month(start));
        Some((period.end(start, anchor_day)?, anchor_day))
    }

    /// Returns the expiry after one more billing period, which starts at the current expiry, or now if the license key is no
    /// longer honoured.
    /// `None` if the license key or the period never ends, or if the period would end after the year 9999.
    pub fn next_expiry(&self, period: BillingPeriod, now: Timestamp) -> Option<Timestamp> {
        self.next_period(period, now).map(|(end, _)| end)
    }
}

impl License {
    /// Returns the names of the fields that an update changes, for its event. Names only: the values can be personal data, and
    /// events are never deleted.
    pub fn changed_fields(&self, next: &Self) -> Vec<&'static str> {
        let changed = [
            ("customer_id", self.customer_id != next.customer_id),
            ("name", self.name != next.name),
            ("external_id", self.external_id != next.external_id),
            ("metadata", self.metadata != next.metadata),
            ("overrides", self.overrides != next.overrides),
        ];
        changed.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name).collect()
    }
}

/// Checks the tag of a batch of license keys: 1 to 255 printable ASCII characters.
pub fn check_tag(errors: &mut ValidationErrors, tag: Option<&str>) {
    errors.check(tag.is_none_or(is_label), "/tag", "must be 1 to 255 printable ASCII characters");
}

/// Returns the day of the month in UTC, 1 to 31.
pub(crate) fn day_of_month(at: Timestamp) -> i8 {
    at.to_zoned_datetime(TimeZone::UTC).day()
}

/// Transitions. Each returns the license key in its new state, or an error if its current state does not allow it.
impl License {
    /// Suspends an active license key.
    pub fn suspend(self) -> Result<Self, StateConflict> {
        match self.state {
            State::Active => Ok(Self { state: State::Suspended, ..self }),
            _ => Err(StateConflict::new(self.state.as_str(), "only an active license key can be suspended")),
        }
    }

    /// Makes a suspended license key active again.
    pub fn reinstate(self) -> Result<Self, StateConflict> {
        match self.state {
            State::Suspended => Ok(Self { state: State::Active, ..self }),
            _ => Err(StateConflict::new(self.state.as_str(), "only a suspended license key can be reinstated")),
        }
    }

    /// Sets the expiry; `None` means never.
    pub fn renew(self, expires_at: Option<Timestamp>) -> Result<Self, StateConflict> {
        self.check_renewable()?;
        Ok(self.with_expiry(expires_at))
    }

    /// Extends the license key by one billing period.
    pub fn renew_by_period(self, period: BillingPeriod, now: Timestamp) -> Result<Self, StateConflict> {
        self.check_renewable()?;
        if self.expires_at.is_none() {
            return Err(StateConflict("license key never expires: set an expiry date to change that".to_owned()));
        }
        let (end, anchor_day) = self.next_period(period, now).ok_or_else(|| {
            let detail = match period {
                BillingPeriod::Perpetual => "the pricing tier is perpetual: set an expiry date, or no expiry",
                BillingPeriod::Monthly | BillingPeriod::Annual => {
                    "one more billing period would end after the year 9999: set an expiry date, or no expiry"
                }
            };
            StateConflict(detail.to_owned())
        })?;
        Ok(Self { expires_at: Some(end), anchor_day: Some(anchor_day), ..self })
    }

    /// Gives a license key without a customer to one.
    pub fn assign(self, customer_id: CustomerId, now: Timestamp) -> Result<Self, StateConflict> {
        let rule = "only an active or suspended license key can be given to a customer";
        match self.status(now) {
            Status::Active | Status::Suspended => Ok(Self { customer_id: Some(customer_id), ..self }),
            Status::Expired => Err(StateConflict::new("expired", rule)),
            Status::Superseded | Status::Revoked => Err(StateConflict::new(self.state.as_str(), rule)),
        }
    }

    fn check_renewable(&self) -> Result<(), StateConflict> {
        match self.state {
            State::Active | State::Suspended => Ok(()),
            _ => Err(StateConflict::new(self.state.as_str(), "only an active or suspended license key can be renewed")),
        }
    }

    /// Sets the number of seats.
    pub fn change_seats(self, max_users: Option<u32>) -> Result<Self, StateConflict> {
        self.check_changeable()?;
        Ok(Self { max_users, ..self })
    }

    /// Sets the tier, with its number of tenants and its grace after the expiry, and the number of seats.
    pub fn change_tier(self, tier: &Tier, max_users: Option<u32>) -> Result<Self, StateConflict> {
        self.check_changeable()?;
        let (max_tenants, expiry_grace_seconds) = (tier.max_tenants, tier.expiry_grace_seconds);
        Ok(Self { tier_id: tier.id, max_users, max_tenants, expiry_grace_seconds, ..self })
    }

    fn check_changeable(&self) -> Result<(), StateConflict> {
        match self.state {
            State::Active | State::Suspended => Ok(()),
            _ => Err(StateConflict::new(self.state.as_str(), "only an active or suspended license key can be changed")),
        }
    }

    /// Replaces the overrides.
    pub fn override_features(self, overrides: Vec<Override>) -> Result<Self, StateConflict> {
        self.check_changeable()?;
        Ok(Self { overrides, ..self })
    }

    /// Replaces the key string of an active license key. The previous key string, its tokens and its seats are no
    /// longer valid.
    pub fn regenerate(self, key_hint: String, now: Timestamp) -> Result<Self, StateConflict> {
        match self.status(now) {
            Status::Active => Ok(Self { generation: self.generation + 1, key_hint, ..self }),
            Status::Expired => Err(StateConflict::new("expired", "only an active license key can be regenerated")),
            _ => Err(StateConflict::new(self.state.as_str(), "only an active license key can be regenerated")),
        }
    }

    /// Revokes the license key. A revoked license key is returned unchanged.
    pub fn revoke(self, at: Timestamp, reason: Option<String>) -> Self {
        let superseded_by = match self.state {
            State::Revoked { .. } => return self,
            State::Superseded { by } => Some(by),
            State::Active | State::Suspended => None,
        };
        Self { state: State::Revoked { at, reason, superseded_by }, ..self }
    }
}

impl State {
    /// Returns the name of the state in the table and in messages.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Superseded { .. } => "superseded",
            Self::Revoked { .. } => "revoked",
        }
    }
}

impl License {
    /// Returns when the license key stops being honoured: its expiry plus the grace after it. `None` means never.
    pub fn honoured_until(&self) -> Option<Timestamp> {
        let grace = SignedDuration::from_secs(self.expiry_grace_seconds.into());
        self.expires_at.map(|end| end.checked_add(grace).unwrap_or(Timestamp::MAX))
    }

    /// Returns whether the license key has expired and is no longer honoured, regardless of its state.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.honoured_until().is_some_and(|end| end <= now)
    }

    /// Returns when the grace after the expiry ends, if the license key is active and within it.
    pub fn grace_ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        let is_past_expiry = self.expires_at.is_some_and(|end| end <= now);
        self.honoured_until().filter(|_| is_past_expiry && self.status(now) == Status::Active)
    }

    /// Returns why a credential of `generation` can't be used, or `None` if it can.
    pub fn refusal(&self, is_product_active: bool, generation: u32, now: Timestamp) -> Option<Refusal> {
        match &self.state {
            State::Revoked { .. } => Some(Refusal::Revoked),
            State::Superseded { .. } => Some(Refusal::Superseded),
            State::Suspended => Some(Refusal::Suspended),
            State::Active if self.is_expired(now) => Some(Refusal::Expired),
            State::Active if !is_product_active => Some(Refusal::ProductInactive),
            State::Active if generation < self.generation => Some(Refusal::GenerationOutdated),
            State::Active => None,
        }
    }

    /// Returns the status at `now`. Only an active license key can become expired.
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.state {
            State::Active if self.is_expired(now) => Status::Expired,
            State::Active => Status::Active,
            State::Suspended => Status::Suspended,
            State::Superseded { .. } => Status::Superseded,
            State::Revoked { .. } => Status::Revoked,
        }
    }

    /// Returns whether a seat with this number is within the seat limit. Without a limit, every activation is.
    pub fn is_within_seat_limit(&self, seat: Option<u32>) -> bool {
        match (self.max_users, seat) {
            (None, _) => true,
            (Some(max_users), Some(seat)) => seat < max_users,
            (Some(_), None) => false,
        }
    }
}

/// The product or the tier of a license key is not in the catalog. Neither can be deleted, so the data is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tier of license {0} is not in the catalog")]
pub struct NotInCatalogError(pub LicenseId);

impl Catalog {
    /// Returns the product and the tier of a license key.
    pub fn product_and_tier(&self, license: &License) -> Option<(&Product, &Tier)> {
        self.products.get(&license.product_id).zip(self.tiers.get(&license.tier_id))
    }

    /// Returns whether the catalog has the product, the tier and the features of the overrides of a license key. A cached
    /// catalog can be older than they are.
    pub fn covers(&self, license: &License) -> bool {
        let has_feature = |one: &Override| self.features.contains_key(&one.feature_id);
        self.product_and_tier(license).is_some() && license.overrides.iter().all(has_feature)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::Id;

    fn license(state: State, generation: u32, expires_at: Option<Timestamp>) -> License {
        License {
            name: None,
            external_id: None,
            tag: None,
            metadata: None,
            id: Id::from_ulid(ulid::Ulid::from_parts(1, 0)),
            customer_id: Some(Id::from_ulid(ulid::Ulid::nil())),
            product_id: Id::from_ulid(ulid::Ulid::nil()),
            tier_id: Id::from_ulid(ulid::Ulid::nil()),
            state,
            key_hint: String::new(),
            max_users: Some(1),
            max_tenants: None,
            generation,
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            anchor_day: None,
            expiry_grace_seconds: 0,
            borrows: Borrows::default(),
            overrides: Vec::new(),
        }
        .with_expiry(expires_at)
    }

    #[test]
    fn an_expired_license_key_is_active_until_its_grace_ends_and_is_renewed_from_its_expiry() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (end, grace_end) = (at("2027-01-31T10:00:00Z"), at("2027-02-10T10:00:00Z"));
        let license = License { expiry_grace_seconds: 864_000, ..license(State::Active, 1, Some(end)) };
        let second = SignedDuration::from_secs(1);
        let state = |license: &License, now| (license.status(now), license.grace_ends_at(now));
        assert_eq!(state(&license, end - second), (Status::Active, None));
        assert_eq!(state(&license, end), (Status::Active, Some(grace_end)));
        assert_eq!(state(&license, grace_end - second), (Status::Active, Some(grace_end)));
        assert_eq!(state(&license, grace_end), (Status::Expired, None));
        assert_eq!(state(&license.clone().suspend().unwrap(), end), (Status::Suspended, None));
        let renewed = |now| license.next_expiry(BillingPeriod::Monthly, now);
        assert_eq!(renewed(grace_end - second), Some(at("2027-02-28T10:00:00Z")));
        assert_eq!(renewed(grace_end), Some(at("2027-03-10T10:00:00Z")));
        let forever = License { expires_at: Some(Timestamp::MAX), ..license };
        assert_eq!(forever.honoured_until(), Some(Timestamp::MAX));
    }

    #[test]
    fn an_expired_license_key_is_renewed_from_now_with_a_new_anchor() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let end = at("2027-01-31T10:00:00Z");
        let renewed = license(State::Active, 1, Some(end)).renew_by_period(BillingPeriod::Monthly, end).unwrap();
        assert_eq!((renewed.expires_at, renewed.anchor_day), (Some(at("2027-02-28T10:00:00Z")), Some(31)));
        let now = at("2027-04-30T11:00:00Z");
        let renewed = renewed.renew_by_period(BillingPeriod::Monthly, now).unwrap();
        assert_eq!((renewed.expires_at, renewed.anchor_day), (Some(at("2027-05-30T11:00:00Z")), Some(30)));
        let renewed = renewed.renew(Some(at("2027-06-29T00:00:00Z"))).unwrap();
        assert_eq!(renewed.anchor_day, Some(29));
        assert_eq!(renewed.renew(None).unwrap().anchor_day, None);
    }

    proptest! {
        #[test]
        fn monthly_renewals_end_on_the_anchor_day_or_on_the_last_day_of_the_month(
            start in 0..200_000_000_000_i64, count in 1..60_usize, is_annual: bool,
        ) {
            let (period, months) =
                if is_annual { (BillingPeriod::Annual, 12) } else { (BillingPeriod::Monthly, 1) };
            let start = Timestamp::from_second(start).unwrap();
            let first = start.to_zoned_datetime(TimeZone::UTC);
            let mut renewed = license(State::Active, 1, None).with_expiry_after(period, start);
            for _ in 1..count {
                renewed = renewed.renew_by_period(period, start).unwrap();
            }
            let end = renewed.expires_at.unwrap().to_zoned_datetime(TimeZone::UTC);
            let month = i64::from(first.year()) * 12 + i64::from(first.month()) + i64::try_from(count).unwrap() * months;
            prop_assert_eq!(i64::from(end.year()) * 12 + i64::from(end.month()), month);
            prop_assert_eq!(end.day(), first.day().min(end.days_in_month()));
            prop_assert_eq!(end.time(), first.time());
        }
    }

    #[test]
    fn refusal_returns_reasons_in_order_of_precedence() {
        let id = |n| Id::from_ulid(ulid::Ulid::from_parts(n, 0));
        let now = Timestamp::constant(1000, 0);
        let mut license = license(State::Revoked { at: now, reason: None, superseded_by: None }, 2, Some(now));
        assert_eq!(license.refusal(false, 1, now), Some(Refusal::Revoked));
        license.state = State::Superseded { by: id(2) };
        assert_eq!(license.refusal(false, 1, now), Some(Refusal::Superseded));
        license.state = State::Suspended;
        assert_eq!(license.refusal(false, 1, now), Some(Refusal::Suspended));
        license.state = State::Active;
        assert_eq!(license.refusal(false, 1, now), Some(Refusal::Expired));
        assert_eq!(license.status(now), Status::Expired);
        license.expires_at = None;
        assert_eq!(license.refusal(false, 1, now), Some(Refusal::ProductInactive));
        assert_eq!(license.refusal(true, 1, now), Some(Refusal::GenerationOutdated));
        assert_eq!(license.refusal(true, 2, now), None);
    }
}
