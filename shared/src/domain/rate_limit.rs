//! What is counted so that it can be limited: wrong guesses from one address, and how often the seats of one license
//! change hands.

use std::net::IpAddr;

use jiff::Timestamp;

use super::{license::License, seat::MachineHash};

/// How many of something are let through in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub most: u64,
    /// In how many seconds; at least one.
    pub seconds: u32,
}

/// A stretch of time in which things are counted. The stretches of one length follow each other without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateWindow {
    /// Its first second, since 1970.
    pub start: i64,
    /// The first second after it.
    pub end: i64,
}

impl RateWindow {
    /// How long it lasts from now, in seconds: at least one.
    pub fn seconds_left(self, now: Timestamp) -> u64 {
        u64::try_from(self.end.saturating_sub(now.as_second())).unwrap_or(0).max(1)
    }
}

/// What is counted together, and how much of it is let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Tells it from others; of letters, digits and `_.:#`.
    pub name: String,
    /// How much.
    pub limit: Limit,
}

impl Bucket {
    /// The window that a time lies in.
    pub fn window(&self, now: Timestamp) -> RateWindow {
        let seconds = i64::from(self.limit.seconds.max(1));
        let start = now.as_second().div_euclid(seconds) * seconds;
        RateWindow { start, end: start.saturating_add(seconds) }
    }

    /// A text that is another for each bucket and each of its windows.
    pub fn key(&self, now: Timestamp) -> String {
        format!("{}#{}#{}", self.name, self.limit.seconds, self.window(now).start)
    }
}

/// What an operator sets of it; what is none is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Secrets that did not hold, from one address.
    pub guesses: Option<Limit>,
    /// How often seats may change hands.
    pub churn: Option<ActivationRateLimit>,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { guesses: Some(Limit { most: 60, seconds: 60 }), churn: Some(ActivationRateLimit::default()) }
    }
}

impl RateLimits {
    /// Nothing is limited.
    pub const NONE: Self = Self { guesses: None, churn: None };

    /// Where the wrong guesses from an address are counted.
    pub fn guesses_from(&self, ip: &str) -> Option<Bucket> {
        self.guesses.map(|limit| Bucket { name: format!("GUESS#{}", network(ip)), limit })
    }
}

/// How often the machines of a license with a limit may change in one token life: that bounds how many of them a seat
/// can serve at once, as a token lives on offline when its seat has gone to another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivationRateLimit {
    /// So many activations for each seat,
    pub per_seat: u32,
    /// and so many more.
    pub extra: u32,
}

impl Default for ActivationRateLimit {
    fn default() -> Self {
        Self { per_seat: 2, extra: 10 }
    }
}

/// Above this, searches for a seat are not counted by the token's life: an app that asks again and again while every
/// seat is taken must not keep out, for the life of a long-lived token, a machine for which a seat was freed.
const LONGEST_SEARCH: u32 = 3600;
/// So many looks at every seat of a license, in vain, in a minute: what a look reads grows with the seats, while the table
/// gives one license so much and no more, which its heartbeats need.
const FULL_SCANS: Limit = Limit { most: 60, seconds: 60 };
/// Up to so many seats share a bucket: one item of the table takes about 1,000 writes a second.
const SEATS_A_SHARD: u32 = 1000;

impl ActivationRateLimit {
    /// Where a machine's search for a seat is counted, found or not. None where seats have no limit.
    pub fn searches(self, license: &License, machine: MachineHash, token_ttl_seconds: u32) -> Option<Bucket> {
        self.bucket(license, machine, token_ttl_seconds.min(LONGEST_SEARCH))
    }

    /// Where a machine that found a seat is counted, if that is another bucket than that of its search.
    pub fn activations(self, license: &License, machine: MachineHash, token_ttl_seconds: u32) -> Option<Bucket> {
        if token_ttl_seconds <= LONGEST_SEARCH {
            return None;
        }
        self.bucket(license, machine, token_ttl_seconds)
    }

    /// Where a machine that looked at every seat and got none is counted. None where seats have no limit, or are so few
    /// that no more searches than that are let through.
    pub fn full_scans(self, license: &License) -> Option<Bucket> {
        let searches = self.most(license.max_users?);
        (searches > FULL_SCANS.most).then(|| Bucket { name: format!("FULL#{}", license.id), limit: FULL_SCANS })
    }

    fn most(self, max_users: u32) -> u64 {
        u64::from(self.per_seat) * u64::from(max_users) + u64::from(self.extra)
    }

    /// A license of many seats has several, and a machine is always counted in the same.
    fn bucket(self, license: &License, machine: MachineHash, seconds: u32) -> Option<Bucket> {
        let max_users = license.max_users?;
        let shards = max_users.div_ceil(SEATS_A_SHARD).max(1);
        let [a, b, c, d, ..] = machine.0;
        let shard = u32::from_be_bytes([a, b, c, d]) % shards;
        let limit = Limit { most: self.most(max_users).div_ceil(u64::from(shards)), seconds };
        Some(Bucket { name: format!("CHURN#{}#{shard}", license.id), limit })
    }
}

/// Whom an address belongs to: itself, or its /64 in IPv6, where one subscriber has at least as many addresses.
fn network(ip: &str) -> String {
    match ip.parse() {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{IdGenerator, license::State};

    fn license(max_users: Option<u32>) -> License {
        let now = Timestamp::UNIX_EPOCH;
        let mut ids = IdGenerator::new(now);
        License {
            id: ids.make(),
            customer_id: ids.make(),
            product_id: ids.make(),
            tier_id: ids.make(),
            state: State::Active,
            key_hint: "ATLAS-…-9QXZT".to_owned(),
            max_users,
            max_tenants: None,
            generation: 1,
            issued_at: now,
            expires_at: None,
        }
    }

    fn machine(number: u32) -> MachineHash {
        MachineHash::of(&number.to_string())
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address() {
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2::9"), "2001:db8:1:2::");
        assert_ne!(network("2001:db8:1:3::9"), "2001:db8:1:2::");
        assert_eq!(network("a header's lie"), "unknown");
    }

    #[test]
    fn churn_grows_with_the_seats_and_has_no_bounds_where_they_have_none() {
        let churn = ActivationRateLimit::default();
        let most = |seats| churn.searches(&license(seats), machine(1), 60).map(|bucket| bucket.limit);
        assert_eq!(most(Some(1)), Some(Limit { most: 12, seconds: 60 }));
        assert_eq!(most(Some(5)), Some(Limit { most: 20, seconds: 60 }));
        assert_eq!(most(Some(1000)), Some(Limit { most: 2010, seconds: 60 }));
        assert_eq!(most(Some(100_000)), Some(Limit { most: 2001, seconds: 60 }));
        assert_eq!(most(None), None);
    }

    #[test]
    fn many_seats_share_the_writes() {
        let license = license(Some(3000));
        let names =
            (0..100).map(|number| ActivationRateLimit::default().searches(&license, machine(number), 60).unwrap().name);
        assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn searches_are_counted_by_the_hour_where_tokens_live_longer() {
        let (churn, license) = (ActivationRateLimit::default(), license(Some(1)));
        assert_eq!(churn.activations(&license, machine(1), 3600), None);
        assert_eq!(churn.searches(&license, machine(1), 3600).unwrap().limit.seconds, 3600);
        assert_eq!(churn.searches(&license, machine(1), 86_400).unwrap().limit.seconds, 3600);
        assert_eq!(churn.activations(&license, machine(1), 86_400).unwrap().limit.seconds, 86_400);
    }

    proptest! {
        #[test]
        fn a_time_lies_in_its_window(second in -4_000_000_000_i64..4_000_000_000, seconds in 1_u32..40_000_000) {
            let now = Timestamp::from_second(second).unwrap();
            let bucket = Bucket { name: "a".to_owned(), limit: Limit { most: 1, seconds } };
            let window = bucket.window(now);
            prop_assert!(window.start <= second && second < window.end);
            prop_assert_eq!(window.end - window.start, i64::from(seconds));
            prop_assert!((1..=u64::from(seconds)).contains(&window.seconds_left(now)));
            let last = Timestamp::from_second(window.end - 1).unwrap();
            prop_assert_eq!(bucket.window(last), window);
        }
    }
}
