//! Rate limits: failed authentication attempts per client address, and activations per license key.

use std::net::IpAddr;

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::{catalog::Tier, license::License, seat::MachineHash};

/// A maximum number of events per time window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The number of events that are allowed in one window.
    pub max: u64,
    /// The length of the window, in seconds; at least 1.
    pub seconds: u32,
}

/// A fixed time window in which events are counted. Windows of the same length are contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateWindow {
    /// The first second of the window, as Unix time.
    pub start: i64,
    /// The first second after the window, as Unix time.
    pub end: i64,
}

impl RateWindow {
    /// Returns the time until the window ends, in seconds; at least 1.
    pub fn seconds_left(self, now: Timestamp) -> u64 {
        u64::try_from(self.end.saturating_sub(now.as_second())).unwrap_or(0).max(1)
    }
}

/// The state of a counter after it was read or incremented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// The maximum number of events per window.
    pub limit: u64,
    /// The number of further events that the window allows.
    pub remaining: u64,
    /// The time until the window ends, in seconds; at least 1.
    pub reset_seconds: u64,
}

/// A named counter with its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Identifies the counter; consists of letters, digits and `_.:#`.
    pub name: String,
    /// The maximum number of events per window.
    pub limit: Limit,
}

impl Bucket {
    /// Returns the window that contains `now`.
    pub fn window(&self, now: Timestamp) -> RateWindow {
        let seconds = i64::from(self.limit.seconds.max(1));
        let start = now.as_second().div_euclid(seconds) * seconds;
        RateWindow { start, end: start.saturating_add(seconds) }
    }

    /// Returns the state of the counter after `counted` events in the window that contains `now`.
    pub fn status(&self, counted: u64, now: Timestamp) -> RateLimitStatus {
        RateLimitStatus {
            limit: self.limit.max,
            remaining: self.limit.max.saturating_sub(counted),
            reset_seconds: self.window(now).seconds_left(now),
        }
    }

    /// Returns a string that is unique for each bucket and window.
    pub fn key(&self, now: Timestamp) -> String {
        format!("{}#{}#{}", self.name, self.limit.seconds, self.window(now).start)
    }
}

/// The configured rate limits; `None` disables a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Failed authentication attempts per client address.
    pub failed_auth: Option<Limit>,
    /// Activations per license key.
    pub activations: Option<ActivationRateLimit>,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { failed_auth: Some(Limit { max: 60, seconds: 60 }), activations: Some(ActivationRateLimit::default()) }
    }
}

impl RateLimits {
    /// Disables all rate limits.
    pub const UNLIMITED: Self = Self { failed_auth: None, activations: None };

    /// Returns the bucket that counts the failed authentication attempts of a client address.
    pub fn failed_auth_bucket(&self, ip: &str) -> Option<Bucket> {
        self.failed_auth.map(|limit| Bucket { name: format!("GUESS#{}", rate_limited_network(ip)), limit })
    }
}

/// The activation rate limit of a license key, per token lifetime and grace offline; without a seat limit, per hour.
///
/// A token remains valid offline after its machine was deactivated. Limiting activations in this time therefore bounds the
/// number of machines that can use one seat at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivationRateLimit {
    /// The number of activations allowed for each seat.
    pub per_seat: u32,
    /// The number of additional activations allowed, independent of the number of seats.
    pub base: u32,
}

impl Default for ActivationRateLimit {
    fn default() -> Self {
        Self { per_seat: 2, base: 10 }
    }
}

/// The number of searches for a seat that one machine may make without success. Counted apart from activations, so that
/// one machine too many cannot lock out the others.
const REFUSALS_PER_MACHINE: Limit = Limit { max: 10, seconds: 60 };
/// The number of searches without success allowed per license key. The read cost of such a search grows with the number
/// of seats, and heartbeats need the read capacity of the license's partition.
const REFUSALS_PER_LICENSE: Limit = Limit { max: 60, seconds: 60 };
/// The number of seats per bucket shard. DynamoDB accepts about 1,000 writes per second to one item.
const SEATS_PER_SHARD: u32 = 1000;
/// The number of seats whose rate limit applies to a license key without a seat limit. It may be rolled out to any number
/// of machines, and the holder of a leaked one must not be able to write without bound.
const SEATS_WITHOUT_LIMIT: u32 = 5000;
/// The window in which activations of such a license key are counted, in seconds.
const WINDOW_WITHOUT_LIMIT: u32 = 3600;

impl ActivationRateLimit {
    /// Returns the bucket that counts activations. A license key with many seats has several shards.
    pub fn activation_bucket(self, license: &License, machine: MachineHash, tier: &Tier) -> Bucket {
        let (seats, seconds) = match license.max_users {
            Some(max_users) => (max_users, tier.token_ttl_seconds + tier.offline_grace_seconds),
            None => (SEATS_WITHOUT_LIMIT, WINDOW_WITHOUT_LIMIT),
        };
        let shards = seats.div_ceil(SEATS_PER_SHARD).max(1);
        let [a, b, c, d, ..] = machine.0;
        let shard = u32::from_be_bytes([a, b, c, d]) % shards;
        let limit = Limit { max: self.max_activations(seats).div_ceil(u64::from(shards)), seconds };
        Bucket { name: format!("CHURN#{}#{shard}", license.id), limit }
    }

    /// Returns the bucket that counts the machine's searches in which all seats were taken. All processes of a machine share it.
    pub fn machine_refusals(license: &License, machine: MachineHash) -> Bucket {
        let name = format!("REFUSED#{}#{}", license.id, HEXLOWER.encode(&machine.0));
        Bucket { name, limit: REFUSALS_PER_MACHINE }
    }

    /// Returns the bucket that counts all searches of a license key in which all seats were taken.
    pub fn license_refusals(license: &License) -> Bucket {
        Bucket { name: format!("REFUSED#{}", license.id), limit: REFUSALS_PER_LICENSE }
    }

    fn max_activations(self, seats: u32) -> u64 {
        u64::from(self.per_seat) * u64::from(seats) + u64::from(self.base)
    }
}

/// Returns the rate-limited network of an address: the IPv4 address, or the /64 prefix of an IPv6 address, since one
/// subscriber usually controls at least a /64.
fn rate_limited_network(ip: &str) -> String {
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
    use crate::domain::{Borrows, IdGenerator, catalog::tests::tier, license::State};

    fn license(max_users: Option<u32>) -> License {
        let now = Timestamp::UNIX_EPOCH;
        let mut ids = IdGenerator::new(now);
        License {
            name: None,
            external_id: None,
            tag: None,
            metadata: None,
            id: ids.generate(),
            customer_id: Some(ids.generate()),
            product_id: ids.generate(),
            tier_id: ids.generate(),
            state: State::Active,
            key_hint: "ATLAS-…-9QXZT".to_owned(),
            max_users,
            max_tenants: None,
            generation: 1,
            issued_at: now,
            expires_at: None,
            expiry_grace_seconds: 0,
            borrows: Borrows::default(),
            anchor_day: None,
            overrides: Vec::new(),
        }
    }

    fn machine(number: u32) -> MachineHash {
        MachineHash::from_machine_id(&number.to_string())
    }

    #[test]
    fn ipv6_addresses_are_limited_per_64_prefix() {
        assert_eq!(rate_limited_network("203.0.113.7"), "203.0.113.7");
        assert_eq!(rate_limited_network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(rate_limited_network("2001:db8:1:2::9"), "2001:db8:1:2::");
        assert_ne!(rate_limited_network("2001:db8:1:3::9"), "2001:db8:1:2::");
        assert_eq!(rate_limited_network("not an address"), "unknown");
    }

    #[test]
    fn activation_limit_grows_with_seats() {
        let limits = ActivationRateLimit::default();
        let tier = Tier { token_ttl_seconds: 50, offline_grace_seconds: 10, ..tier(1, None, &[]) };
        let limit_for = |seats| limits.activation_bucket(&license(seats), machine(1), &tier).limit;
        assert_eq!(limit_for(Some(1)), Limit { max: 12, seconds: 60 });
        assert_eq!(limit_for(Some(5)), Limit { max: 20, seconds: 60 });
        assert_eq!(limit_for(Some(1000)), Limit { max: 2010, seconds: 60 });
        assert_eq!(limit_for(Some(100_000)), Limit { max: 2001, seconds: 60 });
        assert_eq!(limit_for(None), Limit { max: 2002, seconds: 3600 }, "10,010 an hour in five shards");
    }

    #[test]
    fn large_licenses_are_counted_in_several_shards() {
        let (license, tier) = (license(Some(3000)), tier(1, None, &[]));
        let names = (0..100)
            .map(|number| ActivationRateLimit::default().activation_bucket(&license, machine(number), &tier).name);
        assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), 3);
    }

    proptest! {
        #[test]
        fn window_contains_the_time_it_was_computed_for(second in -4_000_000_000_i64..4_000_000_000, seconds in 1_u32..40_000_000) {
            let now = Timestamp::from_second(second).unwrap();
            let bucket = Bucket { name: "a".to_owned(), limit: Limit { max: 1, seconds } };
            let window = bucket.window(now);
            prop_assert!(window.start <= second && second < window.end);
            prop_assert_eq!(window.end - window.start, i64::from(seconds));
            prop_assert!((1..=u64::from(seconds)).contains(&window.seconds_left(now)));
            let last = Timestamp::from_second(window.end - 1).unwrap();
            prop_assert_eq!(bucket.window(last), window);
        }
    }
}
