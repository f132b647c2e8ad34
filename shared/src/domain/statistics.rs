//! The figures of the overview: how many license keys there are of each status, which of them end soon or have hardly a
//! seat left, and what happened on each of the last days.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{CustomerId, Event, EventType, License, LicenseId, ProductId, Status, TierId};

/// How many days are told of, today included.
pub const DAYS: usize = 30;
/// How many license keys a short list names.
pub const LISTED: usize = 10;
/// How many of the latest events are kept.
pub const LATEST: usize = 8;
/// What ends within this is told.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// From this share of its seats on, in hundredths, a license key has hardly one left.
const NEAR: usize = 80;
/// By how much clocks may differ that wrote events: what is counted later than this after its day does not change.
const SETTLED: SignedDuration = SignedDuration::from_hours(24);

/// All figures, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// When the counting began.
    pub made_at: Timestamp,
    /// License keys by status.
    pub statuses: Statuses,
    /// Active ones that end soon, the first to end first.
    pub ending: Shortlist,
    /// Active ones with hardly a seat left, the fullest first.
    pub nearly_full: Shortlist,
    /// The last days, oldest first.
    pub days: Vec<Day>,
    /// The latest events, newest first: where little happens, they are of long ago.
    pub latest: Vec<Event>,
}

/// How many license keys there are of each status, as callers see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statuses {
    /// Good now.
    pub active: u64,
    /// Set aside by the operator.
    pub suspended: u64,
    /// Past their end.
    pub expired: u64,
    /// Replaced by a newer key.
    pub superseded: u64,
    /// Ended for good.
    pub revoked: u64,
}

/// Some license keys of many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortlist {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Listed>,
}

/// A license key on a short list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// `lic_…`
    pub license_id: LicenseId,
    /// By which people know it again.
    pub key_hint: String,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// What they are called.
    pub customer_name: String,
    /// What was bought.
    pub product_id: ProductId,
    /// In which tier.
    pub tier_id: TierId,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Seats that are held; none where they were not counted.
    pub seats_used: Option<usize>,
    /// Seats; none is no limit.
    pub max_users: Option<u32>,
}

/// What happened on a day (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// License keys that were issued.
    pub issued: u64,
    /// Machines that took a seat, a lapsed one too.
    pub activated: u64,
    /// Machines that gave one up.
    pub deactivated: u64,
    /// License keys that were revoked.
    pub revoked: u64,
    /// When this was counted.
    pub counted_at: Timestamp,
}

impl Day {
    /// A day of which nothing is counted yet.
    pub fn new(date: Date, counted_at: Timestamp) -> Self {
        Self { date, issued: 0, activated: 0, deactivated: 0, revoked: 0, counted_at }
    }

    /// Counts an event of it.
    pub fn count(&mut self, kind: EventType) {
        match kind {
            EventType::Issued => self.issued += 1,
            EventType::Activated | EventType::TakenOver => self.activated += 1,
            EventType::Deactivated => self.deactivated += 1,
            EventType::Revoked => self.revoked += 1,
            _ => {}
        }
    }

    /// Whether nothing can have been added since it was counted.
    pub fn is_settled(&self) -> bool {
        let end = self.date.tomorrow().and_then(|next| next.to_zoned_datetime(TimeZone::UTC));
        end.is_ok_and(|end| self.counted_at >= end.timestamp() + SETTLED)
    }
}

/// The days that are told of, oldest first.
pub fn days_until(now: Timestamp) -> Vec<Date> {
    let today = now.to_zoned_datetime(TimeZone::UTC).date();
    let ago = |days: usize| today.checked_sub(i64::try_from(days).unwrap_or(0).days()).ok();
    (0..DAYS).rev().filter_map(ago).collect()
}

/// License keys, counted one by one, so that no more than the short lists are held.
#[derive(Debug)]
pub struct Tally {
    now: Timestamp,
    statuses: Statuses,
    ending: Shortlist,
    nearly_full: Shortlist,
}

impl Tally {
    /// Of nothing yet, as things are now.
    pub fn new(now: Timestamp) -> Self {
        let (ending, nearly_full) = (Shortlist::default(), Shortlist::default());
        Self { now, statuses: Statuses::default(), ending, nearly_full }
    }

    /// Whether it matters how many seats of a license key are held.
    pub fn needs_seats(&self, license: &License) -> bool {
        license.max_users.is_some() && license.status(self.now) == Status::Active
    }

    /// Counts a license key, of which so many seats are held.
    pub fn count(&mut self, license: &License, seats_used: Option<usize>) {
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
        if license.expires_at.is_some_and(|end| end.duration_since(self.now) <= SOON) {
            self.ending.add(listed(license, seats_used), |key| (key.expires_at, key.license_id));
        }
        if fullness(seats_used, license.max_users).is_some_and(|full| full >= NEAR) {
            let fullest_first =
                |key: &Listed| (std::cmp::Reverse(fullness(key.seats_used, key.max_users)), key.license_id);
            self.nearly_full.add(listed(license, seats_used), fullest_first);
        }
    }

    /// The figures, with what happened on the days, and what happened last.
    pub fn finish(self, days: Vec<Day>, latest: Vec<Event>) -> Statistics {
        let Self { now, statuses, ending, nearly_full } = self;
        Statistics { made_at: now, statuses, ending, nearly_full, days, latest }
    }
}

impl Shortlist {
    fn add<K: Ord>(&mut self, key: Listed, order: impl Fn(&Listed) -> K) {
        self.count += 1;
        self.first.push(key);
        self.first.sort_by_key(order);
        self.first.truncate(LISTED);
    }
}

impl Statistics {
    /// The license keys that are named.
    pub fn named(&mut self) -> impl Iterator<Item = &mut Listed> {
        self.ending.first.iter_mut().chain(&mut self.nearly_full.first)
    }
}

/// The latest of events that may be told twice, newest first.
pub fn latest(newer: Vec<Event>, older: &[Event]) -> Vec<Event> {
    let mut all: BTreeMap<_, _> = older.iter().cloned().map(|event| (event.id, event)).collect();
    all.extend(newer.into_iter().map(|event| (event.id, event)));
    all.into_values().rev().take(LATEST).collect()
}

/// How many of the seats are held, in hundredths; none where there is no limit, or no seat is held.
fn fullness(used: Option<usize>, most: Option<u32>) -> Option<usize> {
    let (used, most) = (used.filter(|used| *used > 0)?, usize::try_from(most?).ok()?);
    (used * 100).checked_div(most)
}

/// A license key without what its customer is called.
fn listed(license: &License, seats_used: Option<usize>) -> Listed {
    Listed {
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
            id: ids.make(),
            customer_id: ids.make(),
            product_id: ids.make(),
            tier_id: ids.make(),
            state,
            key_hint: format!("ATLAS-…-{number}"),
            max_users,
            max_tenants: None,
            generation: 1,
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: ends_in_days.map(|days| now() + SignedDuration::from_hours(days * 24)),
        }
    }

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_key_is_counted_as_callers_see_it() {
        let mut tally = Tally::new(now());
        tally.count(&license(1, State::Active, None, None), None);
        tally.count(&license(2, State::Active, Some(-1), None), None);
        tally.count(&license(3, State::Suspended, Some(1), Some(1)), Some(1));
        let statistics = tally.finish(Vec::new(), Vec::new());
        let wanted = Statuses { active: 1, expired: 1, suspended: 1, ..Statuses::default() };
        assert_eq!((statistics.statuses, statistics.ending.count, statistics.nearly_full.count), (wanted, 0, 0));
    }

    #[test]
    fn a_license_with_hardly_a_seat_left_is_told_the_fullest_first() {
        let mut tally = Tally::new(now());
        for (number, used, most) in [(1, 4, 5), (2, 3, 5), (3, 5, 5), (4, 0, 1), (5, 99, 100)] {
            tally.count(&license(number, State::Active, None, Some(most)), Some(used));
        }
        let full = tally.finish(Vec::new(), Vec::new()).nearly_full;
        let hints: Vec<_> = full.first.iter().map(|key| key.key_hint.as_str()).collect();
        assert_eq!((full.count, hints), (3, vec!["ATLAS-…-3", "ATLAS-…-5", "ATLAS-…-1"]));
    }

    #[test]
    fn a_day_is_settled_when_no_clock_can_still_write_to_it() {
        let date: Date = "2026-03-01".parse().unwrap();
        let at = |text: &str| Day::new(date, text.parse().unwrap()).is_settled();
        assert!(!at("2026-03-01T23:00:00Z") && !at("2026-03-02T23:59:59Z") && at("2026-03-03T00:00:00Z"));
    }

    #[test]
    fn thirty_days_end_today() {
        let days = days_until(now());
        assert_eq!(
            (days.len(), days[0], days[29]),
            (DAYS, "2026-01-31".parse().unwrap(), "2026-03-01".parse().unwrap())
        );
    }

    proptest! {
        #[test]
        fn the_first_to_end_are_named_and_all_are_counted(ends in proptest::collection::vec(0..60_i64, 0..40)) {
            let mut tally = Tally::new(now());
            for (number, end) in (0..).zip(&ends) {
                tally.count(&license(number, State::Active, Some(*end), None), None);
            }
            let ending = tally.finish(Vec::new(), Vec::new()).ending;
            let mut soon: Vec<_> = ends.iter().filter(|end| (1..=30).contains(*end)).map(|end| now() + SignedDuration::from_hours(end * 24)).collect();
            soon.sort();
            prop_assert_eq!(ending.count, soon.len() as u64);
            soon.truncate(LISTED);
            prop_assert_eq!(ending.first.iter().filter_map(|key| key.expires_at).collect::<Vec<_>>(), soon);
        }
    }
}
