//! Every key of the table, each written once.

use data_encoding::HEXLOWER;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::table::Key;
use crate::domain::{
    ApiKeyId, CustomerId, Event, FeatureId, Id, LicenseId, MachineHash, ProductId, TierId, id::Kind, secret::sha256,
};

/// The partition of the whole catalog.
pub const CATALOG: &str = "CATALOG";
/// The partition of the operator's API keys.
pub const API_KEYS: &str = "APIKEYS";
/// The partition of the signing key ring.
pub const KEYRING: &str = "KEYRING";
/// The sort key of the ring's version.
pub const RING: &str = "RING";
/// The sort key of the root keys.
pub const ROOTS: &str = "ROOTS";
/// The sort key of the signed set of keys.
pub const SIGNED_SET: &str = "SIGNED_SET";
/// The index partition of all customers.
pub const CUSTOMERS: &str = "CUSTOMERS";
/// The index partition of all license keys.
pub const LICENSES: &str = "LICENSES";
/// What the sort key of a seat begins with.
pub const SEAT: &str = "SEAT#";
/// What the sort key of an activation begins with.
pub const MACHINE: &str = "MACHINE#";
/// What the sort key of a signing key begins with.
pub const SIGNING_KEY: &str = "KEY#";
/// How many index partitions a day's events are spread over: one takes about 1,000 writes a second.
pub const EVENT_SHARDS: u8 = 8;

/// The version that every write to the catalog moves.
pub fn catalog_version() -> Key {
    Key::new(CATALOG, "VERSION")
}

/// A product.
pub fn product(id: ProductId) -> Key {
    Key::new(CATALOG, format!("PRODUCT#{id}"))
}

/// A pricing tier.
pub fn tier(id: TierId) -> Key {
    Key::new(CATALOG, format!("TIER#{id}"))
}

/// A product feature.
pub fn feature(id: FeatureId) -> Key {
    Key::new(CATALOG, format!("FEATURE#{id}"))
}

/// The partition of a customer; in the index, of the customer's license keys.
pub fn customer_partition(id: CustomerId) -> String {
    format!("CUSTOMER#{id}")
}

/// A customer.
pub fn customer(id: CustomerId) -> Key {
    Key::new(customer_partition(id), "CUSTOMER")
}

/// Which customer has an e-mail address. The address itself is not a key's business.
pub fn email(lower_case: &str) -> Key {
    let key = format!("EMAIL#{}", HEXLOWER.encode(&sha256(lower_case.as_bytes())));
    Key::new(key.clone(), key)
}

/// Which customer a signed-in user is, by issuer and subject.
pub fn subject(issuer_and_subject: &str) -> Key {
    let key = format!("SUBJECT#{}", HEXLOWER.encode(&sha256(issuer_and_subject.as_bytes())));
    Key::new(key.clone(), key)
}

/// That a customer has claimed a tier.
pub fn claim(customer: CustomerId, tier: TierId) -> Key {
    Key::new(customer_partition(customer), format!("CLAIM#{tier}"))
}

/// The one active license key of a customer for a product.
pub fn current(customer: CustomerId, product: ProductId) -> Key {
    Key::new(customer_partition(customer), format!("CURRENT#{product}"))
}

/// The partition of a license key, its seats, activations and events.
pub fn license_partition(id: LicenseId) -> String {
    format!("LICENSE#{id}")
}

/// A license key.
pub fn license(id: LicenseId) -> Key {
    Key::new(license_partition(id), "LICENSE")
}

/// What is sealed of a license key.
pub fn sealed(id: LicenseId) -> Key {
    Key::new(license_partition(id), "SEALED")
}

/// The license key of a key string, by the hash of the string.
pub fn key_string(sha256: &[u8; 32]) -> Key {
    Key::new(format!("KEY#{}", HEXLOWER.encode(sha256)), "KEY")
}

/// The place in an index of something that was made at a time: the order of these texts is the order of time.
pub fn at(word: &str, time: Timestamp) -> String {
    format!("{word}#{time:.3}")
}

/// The sort key of a seat. Five digits: a license has 100,000 seats at most.
pub fn seat_place(number: u32) -> String {
    format!("{SEAT}{number:05}")
}

/// A seat.
pub fn seat(license: LicenseId, number: u32) -> Key {
    Key::new(license_partition(license), seat_place(number))
}

/// An activation.
pub fn machine(license: LicenseId, machine: MachineHash) -> Key {
    Key::new(license_partition(license), format!("{MACHINE}{machine}"))
}

/// An event.
pub fn event(event: &Event) -> Key {
    Key::new(license_partition(event.license_id), format!("EVENT#{}", event.id.ulid()))
}

/// One of the index partitions of a day's events.
pub fn event_shard(day: Date, shard: u8) -> String {
    format!("EVENTS#{day}#{shard}")
}

/// The index partition of an event, by its day and its license.
pub fn event_day(event: &Event) -> String {
    let shard = sha256(event.license_id.to_string().as_bytes())[0] % EVENT_SHARDS;
    event_shard(event.at.to_zoned_datetime(TimeZone::UTC).date(), shard)
}

/// An API key.
pub fn api_key(id: ApiKeyId) -> Key {
    Key::new(API_KEYS, id.to_string())
}

/// The ids of the API keys that may manage access and do not expire.
pub fn access() -> Key {
    Key::new(API_KEYS, "ACCESS")
}

/// The version of the key ring.
pub fn ring() -> Key {
    Key::new(KEYRING, RING)
}

/// The root keys.
pub fn roots() -> Key {
    Key::new(KEYRING, ROOTS)
}

/// The published signing keys, signed by a root key.
pub fn signed_set() -> Key {
    Key::new(KEYRING, SIGNED_SET)
}

/// The record of a request that happens once: its credential, method, path and key.
pub fn idempotency(parts: [&str; 4]) -> Key {
    let key = format!("IDEMPOTENCY#{}", super::idempotency::hash_of(parts));
    Key::new(key.clone(), key)
}

/// What is counted in one window of a rate bucket.
pub fn rate(bucket_and_window: &str) -> Key {
    let key = format!("RATE#{bucket_and_window}");
    Key::new(key.clone(), key)
}

/// The figures of the overview.
pub fn statistics() -> Key {
    Key::new("STATISTICS", "OVERVIEW")
}

/// That a session of the dashboard was ended before its time.
pub fn ended_session(id: &str) -> Key {
    let key = format!("SESSION#{}", HEXLOWER.encode(&sha256(id.as_bytes())));
    Key::new(key.clone(), key)
}

/// A signing key.
pub fn signing_key(kid: &str) -> Key {
    Key::new(KEYRING, format!("{SIGNING_KEY}{kid}"))
}

/// The id that a sort key such as `PRODUCT#prod_…` ends with.
pub fn id_after<K: Kind>(sort_key: &str, word: &str) -> Option<Id<K>> {
    sort_key.strip_prefix(word)?.parse().ok()
}
