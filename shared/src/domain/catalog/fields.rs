//! What the fields of a product, a tier and a feature may hold, each by itself or beside its neighbours.

use std::ops::RangeInclusive;

use super::{Feature, Product, Tier};
use crate::domain::{Code, ValidationErrors};

/// The highest price: the largest whole number that every JSON reader holds exactly.
const MAX_PRICE: i64 = (1 << 53) - 1;
/// The most seats that a tier may give, other than any number.
const MAX_SEATS: u32 = 100_000;
/// The most features that a tier names itself: its item stays far from DynamoDB's limit of 400 KB.
const MAX_FEATURES: usize = 500;
/// One year.
const MAX_TOKEN_TTL: u32 = 31_536_000;
/// Thirty days.
const MAX_GRACE: u32 = 2_592_000;
/// How long a license token lives where nothing is said.
pub const DEFAULT_TOKEN_TTL: u32 = 3600;
/// How often a heartbeat is due where nothing is said and tokens live as long.
const DEFAULT_HEARTBEAT: u32 = 900;

/// Notes a number of seats, in `max_users`, that no tier and no license key may have.
pub fn check_seats(invalid: &mut ValidationErrors, max_users: Option<u32>) {
    let seats = max_users.is_none_or(|seats| (1..=MAX_SEATS).contains(&seats));
    invalid.check(seats, "/max_users", format!("1 to {MAX_SEATS}, or null for no limit"));
}

impl Product {
    /// Notes what is wrong with the fields that a caller writes.
    pub fn check(&self, invalid: &mut ValidationErrors) {
        check_code(invalid, &self.code);
        check_texts(invalid, &self.name, self.description.as_deref());
    }
}

impl Feature {
    /// Notes what is wrong with the fields that a caller writes.
    pub fn check(&self, invalid: &mut ValidationErrors) {
        let rule = "1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit";
        invalid.check(is_word(&self.key, 1..=64, b".-_"), "/key", rule);
        check_texts(invalid, &self.name, self.description.as_deref());
    }
}

impl Tier {
    /// The heartbeat interval of a tier that does not name one: a token must not end before its heartbeat is due.
    pub fn default_heartbeat_interval(token_ttl_seconds: u32) -> u32 {
        DEFAULT_HEARTBEAT.min(token_ttl_seconds)
    }

    /// Notes what is wrong with the fields that a caller writes, as far as they tell by themselves.
    pub fn check(&self, invalid: &mut ValidationErrors) {
        check_code(invalid, &self.code);
        check_texts(invalid, &self.name, self.description.as_deref());
        for (pointer, price) in [("/monthly_price", self.monthly_price), ("/annual_price", self.annual_price)] {
            let rule = format!("a whole number of minor units from 0 to {MAX_PRICE}");
            invalid.check((0..=MAX_PRICE).contains(&price), pointer, rule);
        }
        let is_currency = self.currency.len() == 3 && self.currency.bytes().all(|b| b.is_ascii_uppercase());
        invalid.check(is_currency, "/currency", "three capital letters, as ISO 4217 names currencies");
        check_seats(invalid, self.max_users);
        invalid.check(self.max_tenants != Some(0), "/max_tenants", "1 or more, or null for no limit");
        let features = self.feature_ids.len() <= MAX_FEATURES;
        invalid.check(features, "/feature_ids", format!("at most {MAX_FEATURES} features"));
        self.check_times(invalid);
    }

    fn check_times(&self, invalid: &mut ValidationErrors) {
        let ttl = self.token_ttl_seconds;
        let grace = self.grace_period_seconds <= MAX_GRACE;
        invalid.check(grace, "/grace_period_seconds", format!("at most {MAX_GRACE}"));
        if !(1..=MAX_TOKEN_TTL).contains(&ttl) {
            // The other two are measured by it: what is wrong with them can't be told before it is right.
            invalid.check(false, "/token_ttl_seconds", format!("1 to {MAX_TOKEN_TTL}"));
            return;
        }
        let heartbeat = (1..=ttl).contains(&self.heartbeat_interval_seconds);
        invalid.check(heartbeat, "/heartbeat_interval_seconds", format!("1 to the life of a token, here {ttl}"));
        let renew = self.renew_after_seconds.is_none_or(|seconds| seconds <= ttl / 2);
        let rule = format!("at most half the life of a token, here {}, or null", ttl / 2);
        invalid.check(renew, "/renew_after_seconds", rule);
    }
}

fn check_code(invalid: &mut ValidationErrors, code: &str) {
    let rule = "2 to 40 of a-z, 0-9 and '-', beginning with a letter or a digit";
    invalid.check(is_word(code, 2..=40, b"-"), "/code", rule);
}

fn check_texts(invalid: &mut ValidationErrors, name: &str, description: Option<&str>) {
    invalid.name("/name", name, 200);
    invalid.text("/description", description, 2000);
}

/// Lower-case letters, digits and, but for the first place, these marks.
fn is_word(text: &str, length: RangeInclusive<usize>, marks: &[u8]) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    length.contains(&text.len()) && text.bytes().enumerate().all(|(at, b)| plain(b) || (at > 0 && marks.contains(&b)))
}

/// Notes that a field which never changes was sent with another value. Left out, it stays what it is.
pub fn check_unchanged(invalid: &mut ValidationErrors, pointer: &str, sent: Option<&str>, current: &str) {
    if sent.is_some_and(|sent| sent != current) {
        invalid.push(pointer, Code::Immutable, format!("this never changes: it is {current}"));
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{feature, id, product, tier},
        *,
    };

    fn pointers(check: impl Fn(&mut ValidationErrors)) -> Vec<(String, Code)> {
        let mut invalid = ValidationErrors::default();
        check(&mut invalid);
        invalid.0.into_iter().map(|fault| (fault.pointer.unwrap(), fault.code)).collect()
    }

    fn faults_of(change: impl Fn(&mut Tier)) -> Vec<String> {
        let mut tier = tier(1, None, &[]);
        change(&mut tier);
        pointers(|invalid| tier.check(invalid)).into_iter().map(|(pointer, _)| pointer).collect()
    }

    #[test]
    fn codes_and_keys_have_their_patterns() {
        let code = |code: &str| {
            let product = Product { code: code.to_owned(), ..product() };
            pointers(|invalid| product.check(invalid)).is_empty()
        };
        let key = |key: &str| {
            let feature = Feature { key: key.to_owned(), ..feature(1, false) };
            pointers(|invalid| feature.check(invalid)).is_empty()
        };
        assert!(["ab", "a-", "0a", &"a".repeat(40)].into_iter().all(code));
        assert!(!["", "a", "-a", "Ab", "a_b", "a b", "aé", "ab\n", &"a".repeat(41)].into_iter().any(code));
        assert!(["a", "0", "export.pdf", "a_b-c.d", &"a".repeat(64)].into_iter().all(key));
        assert!(!["", ".a", "-a", "_a", "A", "a b", "aé", &"a".repeat(65)].into_iter().any(key));
    }

    #[test]
    fn a_tier_is_told_all_its_faults_at_once() {
        assert_eq!(faults_of(|_| {}), [""; 0]);
        let all = faults_of(|tier| {
            tier.code = "P".to_owned();
            tier.name = " ".to_owned();
            tier.description = Some("\u{7}".to_owned());
            tier.monthly_price = -1;
            tier.annual_price = i64::MAX;
            tier.currency = "eur".to_owned();
            tier.max_users = Some(0);
            tier.max_tenants = Some(0);
            tier.feature_ids = vec![id(1); MAX_FEATURES + 1];
            tier.heartbeat_interval_seconds = 3601;
            tier.renew_after_seconds = Some(1801);
            tier.grace_period_seconds = 2_592_001;
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
            "/grace_period_seconds",
            "/heartbeat_interval_seconds",
            "/renew_after_seconds",
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn the_bounds_of_a_tier_are_inside() {
        assert_eq!(faults_of(|tier| tier.max_users = Some(1)), [""; 0]);
        assert_eq!(faults_of(|tier| tier.max_users = Some(100_000)), [""; 0]);
        assert_eq!(faults_of(|tier| tier.max_users = Some(100_001)), ["/max_users"]);
        assert_eq!(faults_of(|tier| tier.currency = "EURO".to_owned()), ["/currency"]);
        let times = |ttl, heartbeat, renew, grace| {
            faults_of(move |tier| {
                tier.token_ttl_seconds = ttl;
                tier.heartbeat_interval_seconds = heartbeat;
                tier.renew_after_seconds = renew;
                tier.grace_period_seconds = grace;
            })
        };
        assert_eq!(times(1, 1, Some(0), 0), [""; 0]);
        assert_eq!(times(31_536_000, 31_536_000, Some(15_768_000), 2_592_000), [""; 0]);
        assert_eq!(times(0, Tier::default_heartbeat_interval(0), None, 0), ["/token_ttl_seconds"]);
        assert_eq!(times(31_536_001, 900, None, 0), ["/token_ttl_seconds"]);
        assert_eq!(times(3600, 0, None, 0), ["/heartbeat_interval_seconds"]);
        assert_eq!((Tier::default_heartbeat_interval(3600), Tier::default_heartbeat_interval(60)), (900, 60));
    }

    #[test]
    fn what_never_changes_may_be_sent_as_it_is() {
        let code = |sent| pointers(|invalid| check_unchanged(invalid, "/code", sent, "atlas"));
        assert_eq!(code(None), []);
        assert_eq!(code(Some("atlas")), []);
        assert_eq!(code(Some("bold")), [("/code".to_owned(), Code::Immutable)]);
    }
}
