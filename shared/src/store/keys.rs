//! The keys of all items. Each key is constructed in one place.

use data_encoding::HEXLOWER;
use jiff::{Timestamp, civil::Date};
use ulid::Ulid;

use super::item::{Item, Key};
use crate::domain::{
    ApiKeyId, CustomerId, Event, EventId, FeatureId, Id, LicenseId, MachineHash, ProductId, SearchKind, SearchResource,
    Subject, TierId, WebhookEndpointId, expiry::ExpiryThreshold, id::IdKind, secret::sha256, time::utc_date,
};

/// The partition key of the catalog.
pub const CATALOG: &str = "CATALOG";
/// The partition key of API keys.
pub const API_KEYS: &str = "APIKEYS";
/// The partition key of the signing key ring.
pub const KEYRING: &str = "KEYRING";
/// The sort key of the ring's version.
pub const RING: &str = "RING";
/// The sort key of the root keys.
pub const ROOTS: &str = "ROOTS";
/// The sort key of the signed key set.
pub const SIGNED_SET: &str = "SIGNED_SET";
/// The index partition key of all customers.
pub const CUSTOMERS: &str = "CUSTOMERS";
/// The index partition key of all license keys.
pub const LICENSES: &str = "LICENSES";
/// The index partition key of the license keys that expire.
pub const EXPIRING: &str = "EXPIRING";
/// The sort key prefix of license keys by the time until which they are honoured.
pub const HONOURED: &str = "HONOURED#";
/// The sort key of the metadata of a customer or a license key.
const METADATA: &str = "METADATA";
/// The sort key prefix of seats.
pub const SEAT: &str = "SEAT#";
/// The sort key prefix of activations.
pub const ACTIVATION: &str = "MACHINE#";
/// The sort key prefix of the facts about machines.
pub const MACHINE_FACTS: &str = "FACTS#";
/// The sort key prefix of events.
pub const EVENT: &str = "EVENT#";
/// The sort key prefix of signing keys.
pub const SIGNING_KEY: &str = "KEY#";
/// The partition key of the statistics. In the index, the partition key of contributions.
pub const STATISTICS: &str = "STATISTICS";
/// The partition key of the times up to which expiries were announced.
pub const EXPIRY_ANNOUNCEMENTS: &str = "EXPIRY_ANNOUNCEMENTS";
/// The partition key of webhook endpoints.
pub const WEBHOOKS: &str = "WEBHOOKS";
/// The sort key prefix of webhook endpoints.
pub const WEBHOOK_ENDPOINT: &str = "ENDPOINT#";
/// The partition key of the health of webhook endpoints. The function that writes it cannot write endpoints.
pub const WEBHOOK_HEALTH: &str = "WEBHOOK_HEALTH";
/// The sort key prefix of the health of webhook endpoints.
pub const HEALTH: &str = "HEALTH#";
/// The sort key prefix of deliveries to a webhook endpoint.
pub const WEBHOOK_DELIVERY: &str = "DELIVERY#";
/// The sort key prefix of the slots of a webhook endpoint.
pub const WEBHOOK_SLOT: &str = "SLOT#";
/// The index sort key prefix of pending deliveries.
pub const WEBHOOK_DUE: &str = "DUE#";
/// The number of index partitions for the events of a day. One partition accepts about 1,000 writes per second.
pub const EVENT_SHARDS: u8 = 8;

/// Returns the item key of the version that every write to the catalog increments.
pub fn catalog_version() -> Key {
    Key::new(CATALOG, "VERSION")
}

/// Returns the item key of a product.
pub fn product(id: ProductId) -> Key {
    Key::new(CATALOG, format!("PRODUCT#{id}"))
}

/// Returns the item key of a pricing tier.
pub fn tier(id: TierId) -> Key {
    Key::new(CATALOG, format!("TIER#{id}"))
}

/// Returns the item key of a product feature.
pub fn feature(id: FeatureId) -> Key {
    Key::new(CATALOG, format!("FEATURE#{id}"))
}

/// Returns the item key of the metadata of a product or a pricing tier. It sorts before the entries of the catalog, so that
/// reads of the catalog do not include it.
pub fn entry_metadata<K: IdKind>(id: Id<K>) -> Key {
    Key::new(CATALOG, format!("ENTRY_METADATA#{id}"))
}

/// Returns the partition key of a customer. In the index, the partition key of the customer's license keys.
pub fn customer_partition(id: CustomerId) -> String {
    format!("CUSTOMER#{id}")
}

/// Returns the item key of a customer.
pub fn customer(id: CustomerId) -> Key {
    Key::new(customer_partition(id), "CUSTOMER")
}

/// Returns the item key of a record that is found by a text and alone in its partition. The key contains a hash of the text.
fn hashed(kind: &str, text: &str) -> Key {
    let key = format!("{kind}#{}", HEXLOWER.encode(&sha256(text.as_bytes())));
    Key::new(key.clone(), key)
}

/// Returns the item key of the record of the customer with an email address. The key contains a hash instead of the
/// address.
pub fn email(lower_case: &str) -> Key {
    hashed("EMAIL", lower_case)
}

/// Returns the item key of the record of the customer of a user, identified by issuer and subject.
pub fn subject(issuer_and_subject: &str) -> Key {
    hashed("SUBJECT", issuer_and_subject)
}

/// Returns the item key of the metadata of a customer.
pub fn customer_metadata(id: CustomerId) -> Key {
    Key::new(customer_partition(id), METADATA)
}

/// Returns the item key of the record of the customer with an external id. The key contains a hash instead of the id.
pub fn customer_external_id(external_id: &str) -> Key {
    hashed("CUSTOMER_EXTERNAL_ID", external_id)
}

/// Returns the item key of the record of the license key with an external id. The key contains a hash instead of the id.
pub fn license_external_id(external_id: &str) -> Key {
    hashed("LICENSE_EXTERNAL_ID", external_id)
}

/// Returns the item key of the record that a customer has claimed a tier. Not in the customer's partition, so that a role
/// that writes it cannot write customers.
pub fn claim(customer: CustomerId, tier: TierId) -> Key {
    Key::new(format!("CLAIM#{customer}"), format!("TIER#{tier}"))
}

/// Returns the item key of the record of a customer's current license key for a product. Not in the customer's partition,
/// so that a role that writes it cannot write customers.
pub fn current_license(customer: CustomerId, product: ProductId) -> Key {
    Key::new(format!("CURRENT#{customer}"), format!("PRODUCT#{product}"))
}

/// Returns the item key of the record that a customer was erased. In the partition of the current license keys, because each
/// write of one requires that it is absent.
pub fn erased_customer(customer: CustomerId) -> Key {
    Key::new(format!("CURRENT#{customer}"), "ERASED")
}

/// The partition key of the erasures that are not finished.
pub const ERASURES: &str = "ERASURES";

/// Returns the item key of the erasure of a customer.
pub fn erasure(customer: CustomerId) -> Key {
    Key::new(ERASURES.to_owned(), format!("CUSTOMER#{customer}"))
}

/// Returns the partition key of a license key, its seats, its activations and its events.
pub fn license_partition(id: LicenseId) -> String {
    format!("LICENSE#{id}")
}

/// Returns the item key of a license key.
pub fn license(id: LicenseId) -> Key {
    Key::new(license_partition(id), "LICENSE")
}

/// Returns the index partition key of the license keys of a product.
pub fn licenses_of_product(id: ProductId) -> String {
    format!("PRODUCT#{id}")
}

/// Returns the index partition key of the license keys of a pricing tier.
pub fn licenses_of_tier(id: TierId) -> String {
    format!("TIER#{id}")
}

/// Returns the index partition key of the license keys with a tag that are not revoked.
pub fn licenses_with_tag(tag: &str) -> String {
    format!("TAG#{tag}")
}

/// Returns the index partition key of the license keys with a stored status.
pub fn licenses_with_status(stored: &str) -> String {
    format!("STATUS#{stored}")
}

/// Returns the index sort key of a license key that is honoured until a time; `None` means forever, which sorts last.
pub fn honoured_sort_key(until: Option<Timestamp>) -> String {
    until.map_or_else(|| format!("{HONOURED}NEVER"), |until| time_sort_key("HONOURED", until))
}

/// Returns the index partition key of the activations of a machine. Half of the hash identifies it, so that the activation
/// stays small.
pub fn activations_of_machine(machine: MachineHash) -> String {
    format!("MACHINE#{}", HEXLOWER.encode(&machine.0[..16]))
}

/// Returns the item key of the metadata of a license key.
pub fn license_metadata(id: LicenseId) -> Key {
    Key::new(license_partition(id), METADATA)
}

/// Returns the item key of the notes of the overrides of a license key.
pub fn override_notes(id: LicenseId) -> Key {
    Key::new(license_partition(id), "OVERRIDE_NOTES")
}

/// Returns the item key of the sealed values of a license key.
pub fn sealed(id: LicenseId) -> Key {
    Key::new(license_partition(id), "SEALED")
}

/// Returns the item key of the record of the license key with a key string, identified by the hash of the key string.
pub fn key_string(sha256: &[u8; 32]) -> Key {
    Key::new(format!("KEY#{}", HEXLOWER.encode(sha256)), "KEY")
}

/// Returns an index sort key that contains a time. The string order is the order of the times.
pub fn time_sort_key(prefix: &str, time: Timestamp) -> String {
    format!("{prefix}#{time:.3}")
}

/// Returns the sort key of a seat. Five digits suffice, since a license key has at most 100,000 seats.
pub fn seat_sort_key(number: u32) -> String {
    format!("{SEAT}{number:05}")
}

/// Returns the item key of a seat.
pub fn seat(license: LicenseId, number: u32) -> Key {
    Key::new(license_partition(license), seat_sort_key(number))
}

/// Returns the item key of an activation.
pub fn activation(license: LicenseId, machine: MachineHash) -> Key {
    Key::new(license_partition(license), format!("{ACTIVATION}{machine}"))
}

/// Returns the item key of the facts about the machine of an activation.
pub fn machine_facts(license: LicenseId, machine: MachineHash) -> Key {
    Key::new(license_partition(license), format!("{MACHINE_FACTS}{machine}"))
}

/// Returns the item key of the record that a machine was imported. It remains when the activation ends, so that a repeated
/// import does not activate the machine again.
pub fn imported_machine(license: LicenseId, machine: MachineHash) -> Key {
    Key::new(license_partition(license), format!("IMPORTED#{machine}"))
}

/// Returns the item key of the window in which the early returns of borrowed seats are counted.
pub fn borrow_returns(license: LicenseId) -> Key {
    Key::new(license_partition(license), "RETURNS")
}

/// Returns the partition key of the events of a subject: that of the license key that it is or belongs to, or else one with
/// nothing but its events. The type is part of it, so that a role can be limited to the events of some resources.
pub fn event_history(subject: &Subject) -> String {
    match subject.license_id() {
        Some(id) => license_partition(id),
        None => format!("HISTORY#{}#{}", subject.subject_type().as_str(), subject.id()),
    }
}

/// Returns the item key of the marker that a license key was announced to expire, or to have expired, at an end.
pub fn expiry_marker(license: LicenseId, threshold: ExpiryThreshold, end: Timestamp) -> Key {
    Key::new(license_partition(license), format!("{}#{}", time_sort_key("ANNOUNCED", end), threshold_name(threshold)))
}

/// Returns the item key of the time up to which expiries were announced.
pub fn expiry_position(threshold: ExpiryThreshold) -> Key {
    Key::new(EXPIRY_ANNOUNCEMENTS, format!("THRESHOLD#{}", threshold_name(threshold)))
}

fn threshold_name(threshold: ExpiryThreshold) -> String {
    match threshold {
        ExpiryThreshold::DaysBefore(days) => days.to_string(),
        ExpiryThreshold::Expired => "EXPIRED".to_owned(),
    }
}

/// Returns the item key of the record that a machine was refused because every seat of a license key was taken.
pub fn seat_limit(license: LicenseId) -> Key {
    Key::new(license_partition(license), "SEAT_LIMIT")
}

/// Returns the item key of an event.
pub fn event(event: &Event) -> Key {
    Key::new(event_history(&event.subject), event_sort_key(event.id.ulid()))
}

/// Returns the sort key of an event.
pub fn event_sort_key(id: Ulid) -> String {
    format!("{EVENT}{id}")
}

/// Returns the partition key of one of the index partitions of a day's events.
pub fn event_shard(day: Date, shard: u8) -> String {
    format!("EVENTS#{day}#{shard}")
}

/// Returns the index partition key of an event, by its day and its license key or else its subject.
pub fn event_partition(event: &Event) -> String {
    let owner = event.license_id.map_or_else(|| event.subject.id(), |id| id.to_string());
    let shard = sha256(owner.as_bytes())[0] % EVENT_SHARDS;
    event_shard(utc_date(event.at), shard)
}

/// Returns the item key of an API key.
pub fn api_key(id: ApiKeyId) -> Key {
    Key::new(API_KEYS, id.to_string())
}

/// Returns the item key of the set of the ids of API keys that can manage API keys and never expire.
pub fn access_keys() -> Key {
    Key::new(API_KEYS, "ACCESS")
}

/// Returns the item key of the version of the key ring.
pub fn ring() -> Key {
    Key::new(KEYRING, RING)
}

/// Returns the item key of the root keys.
pub fn roots() -> Key {
    Key::new(KEYRING, ROOTS)
}

/// Returns the item key of the signed key set.
pub fn signed_set() -> Key {
    Key::new(KEYRING, SIGNED_SET)
}

/// Returns the item key of an idempotency record, identified by credential, method, path and idempotency key.
pub fn idempotency(parts: [&str; 4]) -> Key {
    let key = format!("IDEMPOTENCY#{}", record_hash(parts));
    Key::new(key.clone(), key)
}

/// Returns the item key of the counter of a rate limit bucket in one window.
pub fn rate_limit_counter(bucket_and_window: &str) -> Key {
    let key = format!("RATE#{bucket_and_window}");
    Key::new(key.clone(), key)
}

/// Returns the item key of the statistics of the overview page.
pub fn statistics() -> Key {
    Key::new(STATISTICS, "OVERVIEW")
}

/// Returns the item key of the sums of all contributions to the statistics.
pub fn counts() -> Key {
    Key::new(STATISTICS, "COUNTS")
}

/// Returns the item key of what a license key contributes to the statistics. It has a partition of its own, so that no
/// partition gets many writes, and so that the function that writes it cannot write license keys.
pub fn contribution(id: LicenseId) -> Key {
    Key::new(format!("STATISTICS#{id}"), "CONTRIBUTION")
}

/// Returns the item key of the record that a dashboard session was ended before it expired.
pub fn ended_session(id: &str) -> Key {
    hashed("SESSION", id)
}

/// Returns the item key of a webhook endpoint.
pub fn webhook_endpoint(id: WebhookEndpointId) -> Key {
    Key::new(WEBHOOKS, format!("{WEBHOOK_ENDPOINT}{id}"))
}

/// Returns the item key of the set of the ids of webhook endpoints.
pub fn webhook_endpoint_ids() -> Key {
    Key::new(WEBHOOKS, "IDS")
}

/// Returns the item key of the health of a webhook endpoint.
pub fn webhook_health(id: WebhookEndpointId) -> Key {
    Key::new(WEBHOOK_HEALTH, format!("{HEALTH}{id}"))
}

/// Returns the item key of the position of the feed of webhooks.
pub fn webhook_feed_position() -> Key {
    Key::new("WEBHOOK_FEED", "POSITION")
}

/// Returns the partition key of the deliveries to a webhook endpoint and of its slots.
pub fn webhook_partition(id: WebhookEndpointId) -> String {
    format!("WEBHOOK#{id}")
}

/// Returns the item key of the delivery of an event to a webhook endpoint.
pub fn webhook_delivery(endpoint: WebhookEndpointId, event: EventId) -> Key {
    Key::new(webhook_partition(endpoint), format!("{WEBHOOK_DELIVERY}{}", event.ulid()))
}

/// Parses the endpoint and the event from the item of a delivery.
pub fn parse_webhook_delivery(item: &Item) -> Option<(WebhookEndpointId, EventId)> {
    let Key { pk, sk } = Key::of(item)?;
    let event = Ulid::from_string(sk.strip_prefix(WEBHOOK_DELIVERY)?).ok()?;
    Some((parse_id_suffix(&pk, "WEBHOOK#")?, Id::from_ulid(event)))
}

/// Returns the item key of a slot of a webhook endpoint.
pub fn webhook_slot(endpoint: WebhookEndpointId, number: u8) -> Key {
    Key::new(webhook_partition(endpoint), format!("{WEBHOOK_SLOT}{number}"))
}

/// Returns the index partition key of the pending deliveries to a webhook endpoint.
pub fn webhook_due(endpoint: WebhookEndpointId) -> String {
    format!("WEBHOOK_DUE#{endpoint}")
}

/// Returns the index sort key of a pending delivery. Deliveries that are due at the same time are sorted by event.
pub fn webhook_due_sort_key(due_at: Timestamp, event: EventId) -> String {
    format!("{}#{}", time_sort_key("DUE", due_at), event.ulid())
}

/// Returns the partition key of the words of a kind of resource that begin with the same two characters, so that one query finds
/// those that begin with a text. A word of one character has a partition of its own.
pub fn search_partition(kind: SearchKind, word: &str) -> String {
    let kind = match kind {
        SearchKind::Customer => "CUSTOMER",
        SearchKind::License => "LICENSE",
        SearchKind::Machine => "MACHINE",
    };
    format!("SEARCH#{kind}#{}", word.chars().take(2).collect::<String>())
}

/// Returns the item key of a word of a resource. The separator sorts before all characters of words.
pub fn search_entry(resource: SearchResource, word: &str) -> Key {
    Key::new(search_partition(resource.kind(), word), format!("{word}#{resource}"))
}

/// Parses the resource from the sort key of one of its words.
pub fn parse_search_entry(kind: SearchKind, sort_key: &str) -> Option<SearchResource> {
    SearchResource::parse(kind, sort_key.split_once('#')?.1)
}

/// Returns the item key of all words of a resource.
pub fn search_words(resource: SearchResource) -> Key {
    Key::new(format!("SEARCH#WORDS#{resource}"), "WORDS")
}

/// Returns the item key of the progress of adding the words of resources that have no recent events.
pub fn search_backfill() -> Key {
    Key::new("SEARCH#BACKFILL", "BACKFILL")
}

/// Returns the item key of a signing key.
pub fn signing_key(kid: &str) -> Key {
    Key::new(KEYRING, format!("{SIGNING_KEY}{kid}"))
}

/// A kind of item, as its key shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A customer.
    Customer,
    /// A license key.
    License,
    /// The record of the license key with a key string.
    KeyString,
    /// A product.
    Product,
    /// A pricing tier.
    Tier,
    /// Any other kind, such as seats, activations, events, API keys and signing keys.
    Other,
}

impl ItemKind {
    /// Returns the kind of the item with this key; `None` if no item has such a key.
    pub fn of(key: &Key) -> Option<Self> {
        Some(match key_names(key) {
            ("CUSTOMER", "CUSTOMER") => Self::Customer,
            ("LICENSE", "LICENSE") => Self::License,
            ("KEY", "KEY") => Self::KeyString,
            (CATALOG, "PRODUCT") => Self::Product,
            (CATALOG, "TIER") => Self::Tier,
            (CATALOG, "FEATURE" | "VERSION" | "ENTRY_METADATA")
            | (
                "LICENSE",
                "SEALED" | "OVERRIDE_NOTES" | "SEAT" | "SEAT_LIMIT" | "MACHINE" | "FACTS" | "IMPORTED" | "RETURNS"
                | "ANNOUNCED" | "EVENT" | METADATA,
            )
            | ("CUSTOMER", METADATA)
            | ("CUSTOMER_EXTERNAL_ID", "CUSTOMER_EXTERNAL_ID")
            | ("LICENSE_EXTERNAL_ID", "LICENSE_EXTERNAL_ID")
            | ("CLAIM", "TIER")
            | ("CURRENT", "PRODUCT" | "ERASED")
            | (ERASURES, "CUSTOMER")
            | (KEYRING, RING | ROOTS | SIGNED_SET | "KEY")
            | (STATISTICS, "OVERVIEW" | "COUNTS" | "CONTRIBUTION")
            | ("EMAIL", "EMAIL")
            | ("SUBJECT", "SUBJECT")
            | ("IDEMPOTENCY", "IDEMPOTENCY")
            | ("RATE", "RATE")
            | ("HISTORY", "EVENT")
            | ("SESSION", "SESSION")
            | (EXPIRY_ANNOUNCEMENTS, "THRESHOLD")
            | (WEBHOOKS, "ENDPOINT" | "IDS")
            | (WEBHOOK_HEALTH, "HEALTH")
            | ("WEBHOOK_FEED", "POSITION")
            | ("WEBHOOK", "DELIVERY" | "SLOT")
            // The sort key of a word begins with the word.
            | ("SEARCH", _) => Self::Other,
            (API_KEYS, name) if name == "ACCESS" || name.starts_with("key_") => Self::Other,
            _ => return None,
        })
    }
}

/// Returns the parts of a partition key and of a sort key before the first `#`. They are the same for all items of a kind.
pub fn key_names(key: &Key) -> (&str, &str) {
    fn name(text: &str) -> &str {
        text.split('#').next().unwrap_or_default()
    }
    (name(&key.pk), name(&key.sk))
}

/// Parses the hash of a key string from the partition key of its record.
pub fn parse_key_string_hash(key: &Key) -> Option<[u8; 32]> {
    HEXLOWER.decode(key.pk.strip_prefix("KEY#")?.as_bytes()).ok()?.try_into().ok()
}

/// Parses the id at the end of a sort key such as `PRODUCT#prod_…`.
pub fn parse_id_suffix<K: IdKind>(sort_key: &str, prefix: &str) -> Option<Id<K>> {
    sort_key.strip_prefix(prefix)?.parse().ok()
}

/// Returns the hash that identifies a record. Each part is prefixed with its length, so that different parts never
/// result in the same text.
fn record_hash(parts: [&str; 4]) -> String {
    let text: Vec<String> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    HEXLOWER.encode(&sha256(text.concat().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_kind_and_other_keys_have_none() {
        fn id<K>() -> Id<K> {
            Id::from_ulid(Ulid::from_parts(1, 2))
        }
        let machine = MachineHash([7; 32]);
        let at = |pk: &str, sk: &str| Key::new(pk, sk);
        for (key, kind) in [
            (customer(id()), ItemKind::Customer),
            (license(id()), ItemKind::License),
            (key_string(&[7; 32]), ItemKind::KeyString),
            (product(id()), ItemKind::Product),
            (tier(id()), ItemKind::Tier),
            (catalog_version(), ItemKind::Other),
            (feature(id()), ItemKind::Other),
            (entry_metadata::<crate::domain::id::TierKind>(id()), ItemKind::Other),
            (customer_metadata(id()), ItemKind::Other),
            (license_metadata(id()), ItemKind::Other),
            (override_notes(id()), ItemKind::Other),
            (customer_external_id("a"), ItemKind::Other),
            (license_external_id("a"), ItemKind::Other),
            (email("a@example.com"), ItemKind::Other),
            (subject("https://example.com#a"), ItemKind::Other),
            (claim(id(), id()), ItemKind::Other),
            (current_license(id(), id()), ItemKind::Other),
            (erasure(id()), ItemKind::Other),
            (erased_customer(id()), ItemKind::Other),
            (sealed(id()), ItemKind::Other),
            (seat(id(), 1), ItemKind::Other),
            (activation(id(), machine), ItemKind::Other),
            (machine_facts(id(), machine), ItemKind::Other),
            (imported_machine(id(), machine), ItemKind::Other),
            (at(&license_partition(id()), &format!("{EVENT}1")), ItemKind::Other),
            (at(&event_history(&Subject::Product(id())), &format!("{EVENT}1")), ItemKind::Other),
            (api_key(id()), ItemKind::Other),
            (access_keys(), ItemKind::Other),
            (ring(), ItemKind::Other),
            (roots(), ItemKind::Other),
            (signed_set(), ItemKind::Other),
            (signing_key("a#b"), ItemKind::Other),
            (idempotency(["a"; 4]), ItemKind::Other),
            (rate_limit_counter("failed#1"), ItemKind::Other),
            (expiry_marker(id(), ExpiryThreshold::DaysBefore(30), Timestamp::UNIX_EPOCH), ItemKind::Other),
            (expiry_marker(id(), ExpiryThreshold::Expired, Timestamp::UNIX_EPOCH), ItemKind::Other),
            (expiry_position(ExpiryThreshold::Expired), ItemKind::Other),
            (seat_limit(id()), ItemKind::Other),
            (statistics(), ItemKind::Other),
            (counts(), ItemKind::Other),
            (contribution(id()), ItemKind::Other),
            (ended_session("a"), ItemKind::Other),
            (webhook_endpoint(id()), ItemKind::Other),
            (webhook_endpoint_ids(), ItemKind::Other),
            (webhook_health(id()), ItemKind::Other),
            (webhook_feed_position(), ItemKind::Other),
            (webhook_delivery(id(), id()), ItemKind::Other),
            (webhook_slot(id(), 1), ItemKind::Other),
            (search_entry(SearchResource::Customer(id()), "ada"), ItemKind::Other),
            (search_words(SearchResource::Machine(id(), machine)), ItemKind::Other),
            (search_backfill(), ItemKind::Other),
        ] {
            assert_eq!(ItemKind::of(&key), Some(kind), "{key:?}");
        }
        for (pk, sk) in
            [("", ""), ("CUSTOMER#cus_1", "NOTE"), ("CATALOG", "PLAN#1"), ("APIKEYS", "lic_1"), ("user", "1")]
        {
            assert_eq!(ItemKind::of(&at(pk, sk)), None, "{pk} {sk}");
        }
    }

    #[test]
    fn hash_of_a_key_string_is_parsed_from_its_key() {
        assert_eq!(parse_key_string_hash(&key_string(&[0xab; 32])), Some([0xab; 32]));
        for pk in ["KEY#", "KEY#ABAB", &format!("KEY#{}", "AB".repeat(32)), &"ab".repeat(32)] {
            assert_eq!(parse_key_string_hash(&Key::new(pk, "KEY")), None, "{pk}");
        }
    }
}
