//! Until when a license token can be used.

use jiff::Timestamp;

use super::{catalog::Tier, license::License, seat::whole_second};

/// The times of a license token, as Unix times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTimes {
    /// When the token expires, its claim `exp`.
    pub exp: i64,
    /// Until when an app that cannot reach the API may continue, its claim `enforcement.offline_until`.
    pub offline_until: i64,
}

impl TokenTimes {
    /// Returns the times of a token that is issued at `iat`. If its seat is borrowed, neither is before the end of the borrow.
    /// Neither is later than the time until which the license key is honoured.
    pub fn new(iat: i64, tier: &Tier, license: &License, borrowed_until: Option<Timestamp>) -> Self {
        let limit = license.honoured_until().map_or(i64::MAX, whole_second);
        let exp = (iat + i64::from(tier.token_ttl_seconds)).min(limit);
        let offline_until = exp + i64::from(tier.offline_grace_seconds);
        let at_least = |time: i64| borrowed_until.map_or(time, |until| time.max(whole_second(until))).min(limit);
        Self { exp: at_least(exp), offline_until: at_least(offline_until) }
    }

    /// Returns the earliest end of a lease that covers the token.
    pub fn lease(self) -> Timestamp {
        Timestamp::from_second(self.offline_until).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        catalog::tests::tier,
        id::Id,
        seat::{is_lapsed, lease_end},
    };

    fn tier_with(ttl: u32, offline_grace: u32, expiry_grace: u32) -> Tier {
        Tier {
            token_ttl_seconds: ttl,
            offline_grace_seconds: offline_grace,
            expiry_grace_seconds: expiry_grace,
            ..tier(1, None, &[])
        }
    }

    proptest! {
        /// When a lease has lapsed, no token that it covers can be used any longer.
        #[test]
        fn a_lease_covers_a_token_and_the_time_offline(
            millis in 0..4_000_000_000_000_i64, ttl in 1..31_536_000_u32, grace in 0..31_536_000_u32,
            end in proptest::option::of(0..4_000_000_000_000_i64), later in 0..80_000_000_i64,
        ) {
            let now = Timestamp::from_millisecond(millis).unwrap();
            let tier = tier_with(ttl, grace, 0);
            let license = License::issued(Id::from_ulid(ulid::Ulid::nil()), None, &tier, "", now)
                .with_expiry(end.map(|end| Timestamp::from_millisecond(end).unwrap()));
            let times = TokenTimes::new(whole_second(now), &tier, &license, None);
            let lease = lease_end(now, &tier);
            prop_assert!(times.exp <= times.offline_until && times.offline_until <= lease.as_second());
            let then = now + SignedDuration::from_secs(later);
            if is_lapsed(lease, SignedDuration::ZERO, then) {
                prop_assert!(then.as_second() >= times.offline_until);
            }
            prop_assert!(lease <= lease_end(then, &tier), "a later lease must not end earlier");
        }

        #[test]
        fn a_token_does_not_outlive_the_license_key_and_its_grace(
            ttl in 1..31_536_000_u32, offline_grace in 0..31_536_000_u32, expiry_grace in 0..7_776_000_u32,
            iat in 0..4_000_000_000_i64, rest in 0..80_000_000_i64, borrow in 0..40_000_000_i64,
        ) {
            let tier = tier_with(ttl, offline_grace, expiry_grace);
            let at = |second| Timestamp::from_second(second).unwrap();
            let license = License::issued(Id::from_ulid(ulid::Ulid::nil()), None, &tier, "", at(iat))
                .with_expiry(Some(at(iat + rest)));
            let honoured_until = iat + rest + i64::from(expiry_grace);
            let expected = [i64::from(ttl), i64::from(ttl) + i64::from(offline_grace)].map(|life| honoured_until.min(iat + life));
            let times = |borrowed_until| TokenTimes::new(iat, &tier, &license, borrowed_until);
            prop_assert_eq!([times(None).exp, times(None).offline_until], expected);
            let borrowed = times(Some(at(iat + borrow)));
            let expected = expected.map(|time| time.max(iat + borrow).min(honoured_until));
            prop_assert_eq!([borrowed.exp, borrowed.offline_until], expected);
        }
    }
}
