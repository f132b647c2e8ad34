//! Statistics for the dashboard's overview page: license keys per status, license keys that expire soon or are nearly
//! full, and the events of the last days.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{CustomerId, Event, EventType, License, LicenseId, ProductId, Status, TierId};

/// The number of days in the statistics, including today.
pub const DAYS: usize = 30;
/// The maximum number of license keys in a [`Shortlist`].
pub const MAX_SHORTLIST: usize = 10;
/// The maximum number of latest events.
pub const MAX_LATEST_EVENTS: usize = 8;
/// A license key that expires within this time is listed as ending.
const ENDING_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The percentage of used seats from which a license key is nearly full.
const NEARLY_FULL_PERCENT: usize = 80;
/// The maximum clock difference between writers of events. When this time has passed after the end of a day, no event
/// can be added to it.
const MAX_CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_hours(24);

/// All statistics of the overview page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// When the statistics were computed.
    pub made_at: Timestamp,
    /// The number of license keys per status.
    pub statuses: StatusCounts,
    /// Active license keys that expire within 30 days, by expiry.
    pub ending: Shortlist,
    /// Active license keys with at least 80 % of their seats used, fullest first.
    pub nearly_full: Shortlist,
    /// The last 30 days, oldest first.
    pub days: Vec<DayCounts>,
    /// The latest events, newest first.
    pub latest: Vec<Event>,
}

/// The number of license keys per status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCounts {
    /// Active license keys.
    pub active: u64,
    /// Suspended license keys.
    pub suspended: u64,
    /// Expired license keys.
    pub expired: u64,
    /// License keys that were replaced by a newer one.
    pub superseded: u64,
    /// Revoked license keys.
    pub revoked: u64,
}

/// The first license keys of a longer list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortlist {
    /// The number of license keys in the whole list.
    pub count: u64,
    /// The first license keys of the list, at most [`MAX_SHORTLIST`].
    pub first: Vec<LicenseSummary>,
}

/// The summary of a license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseSummary {
    /// `lic_…`
    pub license_id: LicenseId,
    /// The visible part of the key string.
    pub key_hint: String,
    /// The id of the customer.
    pub customer_id: CustomerId,
    /// The name of the customer.
    pub customer_name: String,
    /// The id of the product.
    pub product_id: ProductId,
    /// The id of the pricing tier.
    pub tier_id: TierId,
    /// When the license key expires; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// The number of used seats; `None` if they were not counted.
    pub seats_used: Option<usize>,
    /// The number of seats; `None` means no limit.
    pub max_users: Option<u32>,
}

/// The number of events on a day (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCounts {
    /// The date in UTC.
    pub date: Date,
    /// License keys that were issued.
    pub issued: u64,
    /// Activations, including those that took over the seat of a lapsed activation.
    pub activated: u64,
    /// Deactivations.
    pub deactivated: u64,
    /// License keys that were revoked.
    pub revoked: u64,
    /// When the events were counted.
    pub counted_at: Timestamp,
}

impl DayCounts {
    /// Creates a day without events.
    pub fn new(date: Date, counted_at: Timestamp) -> Self {
        Self { date, issued: 0, activated: 0, deactivated: 0, revoked: 0, counted_at }
    }

    /// Counts an event of this type.
    pub fn count(&mut self, kind: EventType) {
        match kind {
            EventType::Issued => self.issued += 1,
            EventType::Activated | EventType::TakenOver => self.activated += 1,
            EventType::Deactivated => self.deactivated += 1,
            EventType::Revoked => self.revoked += 1,
            _ => {}
        }
    }

    /// Returns whether all events of the day had been written when it was counted.
    pub fn is_settled(&self) -> bool {
        let end = self.date.tomorrow().and_then(|next| next.to_zoned_datetime(TimeZone::UTC));
        end.is_ok_and(|end| self.counted_at >= end.timestamp() + MAX_CLOCK_DIFFERENCE)
    }
}

/// Returns the dates in the statistics, oldest first.
pub fn days_until(now: Timestamp) -> Vec<Date> {
    let today = now.to_zoned_datetime(TimeZone::UTC).date();
    let ago = |days: usize| today.checked_sub(i64::try_from(days).unwrap_or(0).days()).ok();
    (0..DAYS).rev().filter_map(ago).collect()
}

/// Builds statistics from license keys that are added one by one, so that only the shortlists are held in memory.
#[derive(Debug)]
pub struct StatisticsBuilder {
    now: Timestamp,
    statuses: StatusCounts,
    ending: Shortlist,
    nearly_full: Shortlist,
}

impl StatisticsBuilder {
    /// Creates a builder for statistics at `now`.
    pub fn new(now: Timestamp) -> Self {
        let (ending, nearly_full) = (Shortlist::default(), Shortlist::default());
        Self { now, statuses: StatusCounts::default(), ending, nearly_full }
    }

    /// Returns whether the number of used seats of a license key is needed.
    pub fn needs_seats(&self, license: &License) -> bool {
        license.max_users.is_some() && license.status(self.now) == Status::Active
    }

    /// Adds a license key with its number of used seats.
    pub fn add(&mut self, license: &License, seats_used: Option<usize>) {
        let status = license.status(self.now);
        *match status {
            Status::Active => &mut self.statuses.active,
            Status::Suspended => &mut self.statuses.suspended,
            Status::Expired => &mut self.statuses.expired,
            Status::Superseded => &mut self.statuses.superseded,
            Status::Revoked => &mut self.statuses.revoked,
        } += 1;
        if status != Status::Active {
            return;
        }
        if license.expires_at.is_some_and(|end| end.duration_since(self.now) <= ENDING_WITHIN) {
            self.ending.add(summary(license, seats_used), |key| (key.expires_at, key.license_id));
        }
        if percent_used(seats_used, license.max_users).is_some_and(|full| full >= NEARLY_FULL_PERCENT) {
            let fullest_first =
                |key: &LicenseSummary| (std::cmp::Reverse(percent_used(key.seats_used, key.max_users)), key.license_id);
            self.nearly_full.add(summary(license, seats_used), fullest_first);
        }
    }

    /// Returns the statistics, with the given days and latest events.
    pub fn build(self, days: Vec<DayCounts>, latest: Vec<Event>) -> Statistics {
        let Self { now, statuses, ending, nearly_full } = self;
        Statistics { made_at: now, statuses, ending, nearly_full, days, latest }
    }
}

impl Shortlist {
    fn add<K: Ord>(&mut self, key: LicenseSummary, order: impl Fn(&LicenseSummary) -> K) {
        self.count += 1;
        self.first.push(key);
        self.first.sort_by_key(order);
        self.first.truncate(MAX_SHORTLIST);
    }
}

impl Statistics {
    /// Returns the license keys of all shortlists.
    pub fn listed_licenses(&mut self) -> impl Iterator<Item = &mut LicenseSummary> {
        self.ending.first.iter_mut().chain(&mut self.nearly_full.first)
    }
}

/// Merges two lists of events that may overlap. Returns the latest events, newest first.
pub fn latest_events(newer: Vec<Event>, older: &[Event]) -> Vec<Event> {
    let mut all: BTreeMap<_, _> = older.iter().cloned().map(|event| (event.id, event)).collect();
    all.extend(newer.into_iter().map(|event| (event.id, event)));
    all.into_values().rev().take(MAX_LATEST_EVENTS).collect()
}

/// Returns the percentage of used seats; `None` if there is no limit or no seat is used.
fn percent_used(used: Option<usize>, max: Option<u32>) -> Option<usize> {
    let (used, max) = (used.filter(|used| *used > 0)?, usize::try_from(max?).ok()?);
    (used * 100).checked_div(max)
}

/// Returns the summary of a license key, with an empty customer name.
fn summary(license: &License, seats_used: Option<usize>) -> LicenseSummary {
    LicenseSummary {
        license_id: license.id,
        key_hint: license.key_hint.clone(),
        customer_id: license.customer_id,
        customer_name: String::new(),
        product_id: license.product_id,
        tier_id: license.tier_id,
        expires_at: license.expires_at,
        seats_used,
        max_users: license.max_users,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{IdGenerator, State};

    fn license(number: i64, state: State, ends_in_days: Option<i64>, max_users: Option<u32>) -> License {
        let mut ids = IdGenerator::new(Timestamp::from_second(number + 1).unwrap());
        License {
            id: ids.generate(),
            customer_id: ids.generate(),
            product_id: ids.generate(),
            tier_id: ids.generate(),
            state,
            key_hint: format!("ATLAS-…-{number}"),
            max_users,
            max_tenants: None,
            generation: 1,
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            anchor_day: None,
        }
        .with_expiry(ends_in_days.map(|days| now() + SignedDuration::from_hours(days * 24)))
    }

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn license_keys_are_counted_by_effective_status() {
        let mut builder = StatisticsBuilder::new(now());
        builder.add(&license(1, State::Active, None, None), None);
        builder.add(&license(2, State::Active, Some(-1), None), None);
        builder.add(&license(3, State::Suspended, Some(1), Some(1)), Some(1));
        let statistics = builder.build(Vec::new(), Vec::new());
        let expected = StatusCounts { active: 1, expired: 1, suspended: 1, ..StatusCounts::default() };
        assert_eq!((statistics.statuses, statistics.ending.count, statistics.nearly_full.count), (expected, 0, 0));
    }

    #[test]
    fn nearly_full_license_keys_are_listed_fullest_first() {
        let mut builder = StatisticsBuilder::new(now());
        for (number, used, max) in [(1, 4, 5), (2, 3, 5), (3, 5, 5), (4, 0, 1), (5, 99, 100)] {
            builder.add(&license(number, State::Active, None, Some(max)), Some(used));
        }
        let full = builder.build(Vec::new(), Vec::new()).nearly_full;
        let hints: Vec<_> = full.first.iter().map(|key| key.key_hint.as_str()).collect();
        assert_eq!((full.count, hints), (3, vec!["ATLAS-…-3", "ATLAS-…-5", "ATLAS-…-1"]));
    }

    #[test]
    fn day_is_settled_when_no_event_can_be_added() {
        let date: Date = "2026-03-01".parse().unwrap();
        let at = |text: &str| DayCounts::new(date, text.parse().unwrap()).is_settled();
        assert!(!at("2026-03-01T23:00:00Z") && !at("2026-03-02T23:59:59Z") && at("2026-03-03T00:00:00Z"));
    }

    #[test]
    fn days_are_the_last_thirty_including_today() {
        let days = days_until(now());
        assert_eq!(
            (days.len(), days[0], days[29]),
            (DAYS, "2026-01-31".parse().unwrap(), "2026-03-01".parse().unwrap())
        );
    }

    proptest! {
        #[test]
        fn shortlist_has_the_first_to_expire_and_counts_all(ends in proptest::collection::vec(0..60_i64, 0..40)) {
            let mut builder = StatisticsBuilder::new(now());
            for (number, end) in (0..).zip(&ends) {
                builder.add(&license(number, State::Active, Some(*end), None), None);
            }
            let ending = builder.build(Vec::new(), Vec::new()).ending;
            let mut ending_soon: Vec<_> = ends.iter().filter(|end| (1..=30).contains(*end)).map(|end| now() + SignedDuration::from_hours(end * 24)).collect();
            ending_soon.sort();
            prop_assert_eq!(ending.count, ending_soon.len() as u64);
            ending_soon.truncate(MAX_SHORTLIST);
            prop_assert_eq!(ending.first.iter().filter_map(|key| key.expires_at).collect::<Vec<_>>(), ending_soon);
        }
    }
}
