//! Statistics for the dashboard's overview page: license keys per status, license keys that expire soon or are nearly
//! full, and the events of the last days.
//!
//! They are sums. What one license key adds to them is its [`Contribution`]; when the license key changes, its old
//! contribution is subtracted and the new one added.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

use super::{CustomerId, Event, EventType, License, LicenseId, ProductId, Status, TierId, time::utc_date};

/// The number of days in the statistics, including today.
pub const DAYS: usize = 30;
/// The maximum number of license keys in a [`Shortlist`].
pub const MAX_SHORTLIST: usize = 10;
/// The maximum number of latest events.
pub const MAX_LATEST_EVENTS: usize = 8;
/// A license key that is honoured for at most this time is listed as ending.
pub const ENDING_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The percentage of used seats from which a license key is nearly full.
const NEARLY_FULL_PERCENT: usize = 80;

/// All statistics of the overview page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// When the statistics were computed.
    pub made_at: Timestamp,
    /// Whether every license key has been counted. Only the first updates of a table that has license keys already, such
    /// as one from an earlier version, leave some uncounted.
    pub is_complete: bool,
    /// The number of license keys per status.
    pub statuses: StatusCounts,
    /// Active license keys that stop being honoured within 30 days, the first ones first.
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
    /// The id of the customer, if any.
    pub customer_id: Option<CustomerId>,
    /// The name of the customer; empty if there is none.
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
}

impl DayCounts {
    /// Creates a day without events.
    pub fn new(date: Date) -> Self {
        Self { date, issued: 0, activated: 0, deactivated: 0, revoked: 0 }
    }

    /// Counts an event of this type.
    pub fn count(&mut self, kind: EventType) {
        match kind {
            EventType::LicenseIssued => self.issued += 1,
            EventType::ActivationCreated | EventType::ActivationTakenOver => self.activated += 1,
            EventType::ActivationDeactivated => self.deactivated += 1,
            EventType::LicenseRevoked => self.revoked += 1,
            _ => {}
        }
    }
}

/// Counts an event in the days of the statistics. An event of another day is not counted.
pub fn count_event(days: &mut [DayCounts], kind: EventType, at: Timestamp) {
    let date = utc_date(at);
    if let Some(day) = days.iter_mut().find(|day| day.date == date) {
        day.count(kind);
    }
}

/// Returns the days of the statistics, oldest first: the known ones that are among them, and new ones without events.
pub fn days_from(known: &[DayCounts], now: Timestamp) -> Vec<DayCounts> {
    let find = |date| known.iter().find(|day| day.date == date).cloned();
    days_until(now).into_iter().map(|date| find(date).unwrap_or_else(|| DayCounts::new(date))).collect()
}

/// Returns the dates in the statistics, oldest first.
fn days_until(now: Timestamp) -> Vec<Date> {
    let today = utc_date(now);
    let ago = |days: usize| today.checked_sub(i64::try_from(days).unwrap_or(0).days()).ok();
    (0..DAYS).rev().filter_map(ago).collect()
}

/// What a license key adds to the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// The status in which the license key is counted.
    pub status: Status,
    /// When an active license key stops being honoured: its contribution changes then, and [`ENDING_WITHIN`] earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub honoured_until: Option<Timestamp>,
    /// Whether it is active and stops being honoured within [`ENDING_WITHIN`].
    pub is_ending: bool,
    /// The percentage of used seats of an active license key that is nearly full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearly_full_percent: Option<usize>,
}

impl Contribution {
    /// Returns what a license key adds to the statistics at `now`.
    pub fn of(license: &License, seats_used: Option<usize>, now: Timestamp) -> Self {
        let status = license.status(now);
        let honoured_until = license.honoured_until().filter(|_| status == Status::Active);
        let percent = percent_used(seats_used, license.max_users).filter(|_| status == Status::Active);
        Self {
            status,
            honoured_until,
            is_ending: honoured_until.is_some_and(|end| end.duration_since(now) <= ENDING_WITHIN),
            nearly_full_percent: percent.filter(|percent| *percent >= NEARLY_FULL_PERCENT),
        }
    }

    /// Adds the contribution to the counts, `times` times; -1 subtracts it.
    pub fn add_to(&self, counts: &mut Counts, times: i64) {
        *match self.status {
            Status::Active => &mut counts.active,
            Status::Suspended => &mut counts.suspended,
            Status::Expired => &mut counts.expired,
            Status::Superseded => &mut counts.superseded,
            Status::Revoked => &mut counts.revoked,
        } += times;
        counts.ending += if self.is_ending { times } else { 0 };
        counts.nearly_full += if self.nearly_full_percent.is_some() { times } else { 0 };
    }
}

/// Sums of contributions, or differences of such sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Active license keys.
    pub active: i64,
    /// Suspended license keys.
    pub suspended: i64,
    /// Expired license keys.
    pub expired: i64,
    /// License keys that were replaced by a newer one.
    pub superseded: i64,
    /// Revoked license keys.
    pub revoked: i64,
    /// Active license keys that expire soon.
    pub ending: i64,
    /// Active license keys that are nearly full.
    pub nearly_full: i64,
}

impl Counts {
    /// Returns the number of license keys per status.
    pub fn statuses(&self) -> StatusCounts {
        StatusCounts {
            active: count(self.active),
            suspended: count(self.suspended),
            expired: count(self.expired),
            superseded: count(self.superseded),
            revoked: count(self.revoked),
        }
    }

    /// Returns a list with the number of license keys that expire soon.
    pub fn ending(&self, first: Vec<LicenseSummary>) -> Shortlist {
        Shortlist { count: count(self.ending), first }
    }

    /// Returns a list with the number of license keys that are nearly full.
    pub fn nearly_full(&self, first: Vec<LicenseSummary>) -> Shortlist {
        Shortlist { count: count(self.nearly_full), first }
    }
}

/// A sum of contributions is never negative.
fn count(sum: i64) -> u64 {
    u64::try_from(sum).unwrap_or(0)
}

/// Merges two lists of events that may overlap. Returns the latest events, newest first.
pub fn latest_events(newer: Vec<Event>, older: &[Event]) -> Vec<Event> {
    let mut all: BTreeMap<_, _> = older.iter().cloned().map(|event| (event.id, event)).collect();
    // This copy is not found when a customer is erased.
    all.extend(newer.into_iter().map(|event| (event.id, event.without_personal_data())));
    all.into_values().rev().take(MAX_LATEST_EVENTS).collect()
}

/// Returns the percentage of used seats; `None` if there is no limit or no seat is used.
fn percent_used(used: Option<usize>, max: Option<u32>) -> Option<usize> {
    let (used, max) = (used.filter(|used| *used > 0)?, usize::try_from(max?).ok()?);
    (used * 100).checked_div(max)
}

impl LicenseSummary {
    /// Returns the summary of a license key.
    pub fn new(license: License, customer_name: String, seats_used: Option<usize>) -> Self {
        Self {
            license_id: license.id,
            key_hint: license.key_hint,
            customer_id: license.customer_id,
            customer_name,
            product_id: license.product_id,
            tier_id: license.tier_id,
            expires_at: license.expires_at,
            seats_used,
            max_users: license.max_users,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Borrows, IdGenerator, State};

    fn license(number: i64, state: State, ends_in_days: Option<i64>, max_users: Option<u32>) -> License {
        let mut ids = IdGenerator::new(Timestamp::from_second(number + 1).unwrap());
        License {
            name: None,
            external_id: None,
            tag: None,
            metadata: None,
            id: ids.generate(),
            customer_id: Some(ids.generate()),
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
            expiry_grace_seconds: 0,
            borrows: Borrows::default(),
            overrides: Vec::new(),
        }
        .with_expiry(ends_in_days.map(|days| now() + SignedDuration::from_hours(days * 24)))
    }

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn counts(contributions: impl IntoIterator<Item = Contribution>) -> Counts {
        let mut counts = Counts::default();
        contributions.into_iter().for_each(|contribution| contribution.add_to(&mut counts, 1));
        counts
    }

    #[test]
    fn license_keys_are_counted_by_effective_status() {
        let licenses = [
            (license(1, State::Active, None, None), None),
            (license(2, State::Active, Some(-1), None), None),
            (license(3, State::Suspended, Some(1), Some(1)), Some(1)),
        ];
        let counts = counts(licenses.map(|(license, used)| Contribution::of(&license, used, now())));
        assert_eq!(counts, Counts { active: 1, expired: 1, suspended: 1, ..Counts::default() });
    }

    #[test]
    fn license_key_is_nearly_full_from_four_fifths_of_its_seats() {
        let percent = |used, max| {
            Contribution::of(&license(1, State::Active, None, Some(max)), Some(used), now()).nearly_full_percent
        };
        let percents = [(4, 5), (3, 5), (5, 5), (0, 1), (99, 100)].map(|(used, max)| percent(used, max));
        assert_eq!(percents, [Some(80), None, Some(100), None, Some(99)]);
    }

    #[test]
    fn contribution_changes_at_the_expiry_and_thirty_days_before() {
        let license = license(1, State::Active, Some(30), None);
        let at = |seconds: i64| Contribution::of(&license, None, now() + SignedDuration::from_secs(seconds));
        let end = 30 * 24 * 3600;
        let seen = [-1, 0, end - 1, end].map(|seconds| (at(seconds).status, at(seconds).is_ending));
        let active = Status::Active;
        assert_eq!(seen, [(active, false), (active, true), (active, true), (Status::Expired, false)]);
        assert_eq!((at(end - 1).honoured_until, at(end).honoured_until), (license.expires_at, None));
    }

    #[test]
    fn days_are_the_last_thirty_including_today_and_keep_what_was_counted() {
        let mut days = days_from(&[], now());
        assert_eq!(
            (days.len(), days[0].date, days[29].date),
            (DAYS, "2026-01-31".parse().unwrap(), "2026-03-01".parse().unwrap())
        );
        count_event(&mut days, EventType::LicenseIssued, now());
        count_event(&mut days, EventType::LicenseIssued, now() - SignedDuration::from_hours(24 * 40));
        let tomorrow = days_from(&days, now() + SignedDuration::from_hours(24));
        assert_eq!((tomorrow[28].issued, tomorrow[29].issued, tomorrow.len()), (1, 0, DAYS));
        assert_eq!(tomorrow.iter().map(|day| day.issued).sum::<u64>(), 1);
    }

    proptest! {
        #[test]
        fn subtracting_the_old_contribution_and_adding_the_new_one_counts_each_license_key_once(
            changes in proptest::collection::vec((0..4_usize, -40..40_i64, 0..6_usize), 0..40),
        ) {
            let (mut sum, mut current) = (Counts::default(), BTreeMap::new());
            for (number, end, used) in changes {
                let state = if used == 5 { State::Suspended } else { State::Active };
                let license = license(i64::try_from(number).unwrap(), state, Some(end), Some(5));
                let contribution = Contribution::of(&license, Some(used), now());
                if let Some(old) = current.insert(number, contribution) {
                    old.add_to(&mut sum, -1);
                }
                contribution.add_to(&mut sum, 1);
            }
            prop_assert_eq!(sum, counts(current.into_values()));
        }
    }
}
