//! Validation rules for the fields of products, tiers and features.

use std::ops::RangeInclusive;

use super::{EntitlementKind, Feature, Product, SeatUnit, Tier};
use crate::domain::{FieldErrorCode, ValidationErrors};

/// The maximum price in minor units: the largest integer that every JSON implementation represents exactly.
pub const MAX_PRICE: i64 = (1 << 53) - 1;
/// The maximum number of seats of a tier or license key with a limit.
const MAX_SEATS: u32 = 100_000;
/// The maximum number of features that a tier lists itself. It keeps the item well below DynamoDB's limit of 400 KB.
const MAX_FEATURES: usize = 500;
/// The maximum length of the unit of a limit, in bytes.
const MAX_UNIT_BYTES: usize = 40;
/// The maximum lifetime of a license token, in seconds: one year.
const MAX_TOKEN_TTL: u32 = 31_536_000;
/// The maximum time, in seconds, for which an app may continue after the `exp` of its token: one year.
const MAX_OFFLINE_GRACE: u32 = 31_536_000;
/// The maximum time, in seconds, for which a license key is honoured after its expiry: 90 days.
const MAX_EXPIRY_GRACE: u32 = 7_776_000;
/// The maximum time, in seconds, for which a machine may borrow a seat: one year.
const MAX_BORROW: u32 = 31_536_000;
/// The default lifetime of a license token, in seconds.
pub const DEFAULT_TOKEN_TTL: u32 = 3600;
/// The default time, in seconds, for which an app may continue after the `exp` of its token: three days.
pub const DEFAULT_OFFLINE_GRACE: u32 = 259_200;
/// The default heartbeat interval, in seconds, unless the token lifetime is shorter.
const DEFAULT_HEARTBEAT_INTERVAL: u32 = 900;

/// Validates a number of seats, `/max_users`.
pub fn check_seats(errors: &mut ValidationErrors, max_users: Option<u32>) {
    let seats = max_users.is_none_or(|seats| (1..=MAX_SEATS).contains(&seats));
    errors.check(seats, "/max_users", format!("must be between 1 and {MAX_SEATS}, or null for no limit"));
}

impl Product {
    /// Validates the fields that callers can set.
    pub fn check(&self, errors: &mut ValidationErrors) {
        check_code(errors, &self.code);
        check_texts(errors, &self.name, self.description.as_deref());
        if let Some(metadata) = &self.metadata {
            metadata.check(errors);
        }
    }
}

impl Feature {
    /// Validates the fields that callers can set.
    pub fn check(&self, errors: &mut ValidationErrors) {
        let rule = "must be 1 to 64 characters of a-z, 0-9, '.', '_' and '-', and start with a letter or digit";
        errors.check(is_word(&self.key, 1..=64, b".-_"), "/key", rule);
        self.check_unit(errors);
        check_texts(errors, &self.name, self.description.as_deref());
    }

    fn check_unit(&self, errors: &mut ValidationErrors) {
        if self.kind == EntitlementKind::Limit {
            errors.check_short_text("/unit", self.unit.as_deref(), MAX_UNIT_BYTES);
        } else {
            errors.check(self.unit.is_none(), "/unit", "must be null for a flag: only limits have a unit");
        }
    }
}

impl Tier {
    /// Returns the default heartbeat interval in seconds. It is never longer than the token lifetime, so that a token
    /// does not expire before the first heartbeat.
    pub fn default_heartbeat_interval(token_ttl_seconds: u32) -> u32 {
        DEFAULT_HEARTBEAT_INTERVAL.min(token_ttl_seconds)
    }

    /// Validates the fields that callers can set, without the rules that involve other catalog entries.
    pub fn check(&self, errors: &mut ValidationErrors) {
        check_code(errors, &self.code);
        check_texts(errors, &self.name, self.description.as_deref());
        if let Some(metadata) = &self.metadata {
            metadata.check(errors);
        }
        for (pointer, price) in [("/monthly_price", self.monthly_price), ("/annual_price", self.annual_price)] {
            let rule = format!("must be an integer between 0 and {MAX_PRICE}, in minor units");
            errors.check((0..=MAX_PRICE).contains(&price), pointer, rule);
        }
        let is_currency = self.currency.len() == 3 && self.currency.bytes().all(|b| b.is_ascii_uppercase());
        errors.check(is_currency, "/currency", "must be an ISO 4217 currency code in capital letters, such as EUR");
        check_seats(errors, self.max_users);
        errors.check(self.max_tenants != Some(0), "/max_tenants", "must be 1 or more, or null for no limit");
        let features = self.feature_ids.len() <= MAX_FEATURES;
        errors.check(features, "/feature_ids", format!("must have at most {MAX_FEATURES} items"));
        self.feature_limits.check(errors);
        self.check_times(errors);
        let borrow = self.max_borrow_seconds <= MAX_BORROW;
        errors.check(borrow, "/max_borrow_seconds", format!("must be between 0 and {MAX_BORROW}"));
        let can_be_borrowed = self.max_borrow_seconds == 0 || self.seat_unit == SeatUnit::Machine;
        errors.check(can_be_borrowed, "/max_borrow_seconds", "must be 0: seats that processes hold cannot be borrowed");
    }

    fn check_times(&self, errors: &mut ValidationErrors) {
        let ttl = self.token_ttl_seconds;
        for (pointer, grace, max) in [
            ("/offline_grace_seconds", self.offline_grace_seconds, MAX_OFFLINE_GRACE),
            ("/expiry_grace_seconds", self.expiry_grace_seconds, MAX_EXPIRY_GRACE),
        ] {
            errors.check(grace <= max, pointer, format!("must be between 0 and {max}"));
        }
        if !(1..=MAX_TOKEN_TTL).contains(&ttl) {
            // The limits of the other two fields depend on this one, so they are not checked.
            errors.check(false, "/token_ttl_seconds", format!("must be between 1 and {MAX_TOKEN_TTL}"));
            return;
        }
        let heartbeat = (1..=ttl).contains(&self.heartbeat_interval_seconds);
        let rule = format!("must be between 1 and {ttl}, the token lifetime");
        errors.check(heartbeat, "/heartbeat_interval_seconds", rule);
        let renew = self.renew_after_seconds.is_none_or(|seconds| seconds <= ttl / 2);
        let rule = format!("must be between 0 and {}, half the token lifetime", ttl / 2);
        errors.check(renew, "/renew_after_seconds", rule);
    }
}

fn check_code(errors: &mut ValidationErrors, code: &str) {
    let rule = "must be 2 to 40 characters of a-z, 0-9 and '-', and start with a letter or digit";
    errors.check(is_code(code), "/code", rule);
}

/// Returns whether `text` is a valid code of a product or tier.
pub fn is_code(text: &str) -> bool {
    is_word(text, 2..=40, b"-")
}

fn check_texts(errors: &mut ValidationErrors, name: &str, description: Option<&str>) {
    errors.check_name("/name", name, 200);
    errors.check_text("/description", description, 2000);
}

/// Returns whether `text` consists of lower-case letters, digits and, after the first character, `marks`.
fn is_word(text: &str, length: RangeInclusive<usize>, marks: &[u8]) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    length.contains(&text.len()) && text.bytes().enumerate().all(|(at, b)| plain(b) || (at > 0 && marks.contains(&b)))
}

/// Rejects a change of an immutable field. A field that is omitted is not changed.
pub fn check_unchanged(errors: &mut ValidationErrors, pointer: &str, sent: Option<&str>, current: &str) {
    if sent.is_some_and(|sent| sent != current) {
        errors.push(pointer, FieldErrorCode::Immutable, format!("can't be changed from {current}"));
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            FeatureLimits, MAX_LIMIT,
            tests::{feature, id, product, tier},
        },
        *,
    };

    fn pointers(check: impl Fn(&mut ValidationErrors)) -> Vec<(String, FieldErrorCode)> {
        let mut errors = ValidationErrors::default();
        check(&mut errors);
        errors.0.into_iter().map(|error| (error.pointer, error.code)).collect()
    }

    #[test]
    fn only_limits_have_a_unit() {
        let unit = |kind, unit: Option<&str>| {
            let feature = Feature { kind, unit: unit.map(str::to_owned), ..feature(1, false) };
            pointers(|errors| feature.check(errors)).len()
        };
        for text in ["rows", "a", "Mio. Zeilen", &"é".repeat(20)] {
            assert_eq!(unit(EntitlementKind::Limit, Some(text)), 0, "{text}");
            assert_eq!(unit(EntitlementKind::Flag, Some(text)), 1, "{text}");
        }
        for text in ["", " ", "a\n", "\u{200b}", &"é".repeat(21)] {
            assert_eq!(unit(EntitlementKind::Limit, Some(text)), 1, "{text}");
        }
        assert_eq!((unit(EntitlementKind::Limit, None), unit(EntitlementKind::Flag, None)), (0, 0));
    }

    fn invalid_pointers(change: impl Fn(&mut Tier)) -> Vec<String> {
        let mut tier = tier(1, None, &[]);
        change(&mut tier);
        pointers(|errors| tier.check(errors)).into_iter().map(|(pointer, _)| pointer).collect()
    }

    #[test]
    fn codes_and_keys_must_match_their_patterns() {
        let code = |code: &str| {
            let product = Product { code: code.to_owned(), ..product() };
            pointers(|errors| product.check(errors)).is_empty()
        };
        let key = |key: &str| {
            let feature = Feature { key: key.to_owned(), ..feature(1, false) };
            pointers(|errors| feature.check(errors)).is_empty()
        };
        assert!(["ab", "a-", "0a", &"a".repeat(40)].into_iter().all(code));
        assert!(!["", "a", "-a", "Ab", "a_b", "a b", "aé", "ab\n", &"a".repeat(41)].into_iter().any(code));
        assert!(["a", "0", "export.pdf", "a_b-c.d", &"a".repeat(64)].into_iter().all(key));
        assert!(!["", ".a", "-a", "_a", "A", "a b", "aé", &"a".repeat(65)].into_iter().any(key));
    }

    #[test]
    fn check_tier_returns_all_field_errors() {
        assert_eq!(invalid_pointers(|_| {}), [""; 0]);
        let all = invalid_pointers(|tier| {
            tier.code = "P".to_owned();
            tier.name = " ".to_owned();
            tier.description = Some("\u{7}".to_owned());
            tier.monthly_price = -1;
            tier.annual_price = i64::MAX;
            tier.currency = "eur".to_owned();
            tier.max_users = Some(0);
            tier.max_tenants = Some(0);
            tier.feature_ids = vec![id(1); MAX_FEATURES + 1];
            tier.feature_limits = FeatureLimits([(id(1), Some(MAX_LIMIT)), (id(2), Some(MAX_LIMIT + 1))].into());
            tier.heartbeat_interval_seconds = 3601;
            tier.renew_after_seconds = Some(1801);
            tier.offline_grace_seconds = 31_536_001;
            tier.expiry_grace_seconds = 7_776_001;
        });
        let expected = [
            "/code",
            "/name",
            "/description",
            "/monthly_price",
            "/annual_price",
            "/currency",
            "/max_users",
            "/max_tenants",
            "/feature_ids",
            "/feature_limits/feat_00000000020000000000000000",
            "/offline_grace_seconds",
            "/expiry_grace_seconds",
            "/heartbeat_interval_seconds",
            "/renew_after_seconds",
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn tier_limits_are_inclusive() {
        assert_eq!(invalid_pointers(|tier| tier.max_users = Some(1)), [""; 0]);
        assert_eq!(invalid_pointers(|tier| tier.max_users = Some(100_000)), [""; 0]);
        assert_eq!(invalid_pointers(|tier| tier.max_users = Some(100_001)), ["/max_users"]);
        assert_eq!(invalid_pointers(|tier| tier.currency = "EURO".to_owned()), ["/currency"]);
        let times = |ttl, heartbeat, renew, grace| {
            invalid_pointers(move |tier| {
                tier.token_ttl_seconds = ttl;
                tier.heartbeat_interval_seconds = heartbeat;
                tier.renew_after_seconds = renew;
                (tier.offline_grace_seconds, tier.expiry_grace_seconds) = grace;
            })
        };
        assert_eq!(times(1, 1, Some(0), (0, 0)), [""; 0]);
        assert_eq!(times(31_536_000, 31_536_000, Some(15_768_000), (31_536_000, 7_776_000)), [""; 0]);
        assert_eq!(times(0, Tier::default_heartbeat_interval(0), None, (0, 0)), ["/token_ttl_seconds"]);
        assert_eq!(times(31_536_001, 900, None, (0, 0)), ["/token_ttl_seconds"]);
        assert_eq!(times(3600, 0, None, (0, 0)), ["/heartbeat_interval_seconds"]);
        assert_eq!((Tier::default_heartbeat_interval(3600), Tier::default_heartbeat_interval(60)), (900, 60));
    }

    #[test]
    fn immutable_field_can_be_sent_unchanged() {
        let code = |sent| pointers(|errors| check_unchanged(errors, "/code", sent, "atlas"));
        assert_eq!(code(None), []);
        assert_eq!(code(Some("atlas")), []);
        assert_eq!(code(Some("bold")), [("/code".to_owned(), FieldErrorCode::Immutable)]);
    }
}
