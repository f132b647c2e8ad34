//! Reads of license keys. Writes are in [`license_writes`](super::license_writes).

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    item::{Item, from_item, n, s, to_item},
    keys,
    overrides::{OverrideRecord, with_notes},
    pagination::{ListError, Page, PageRequest, paginate_query},
    table::{Query, Table},
    transaction::Condition,
};
use crate::domain::{
    Borrows, CustomerId, ForeignKeyString, KeyString, License, LicenseId, Metadata, ProductId, SealingContext, State,
    Status, TierId, seat::whole_second,
};

/// The attribute with the time at which the expiry was set, if that is not when the license key was issued.
pub(super) const EXPIRY_SET_AT: &str = "expiry_set_at";
/// The stored statuses. `expired` is never stored; it is derived from the expiry.
pub(super) const ACTIVE: &str = State::Active.as_str();
pub(super) const SUSPENDED: &str = State::Suspended.as_str();
pub(super) const SUPERSEDED: &str = "superseded";
pub(super) const REVOKED: &str = "revoked";

/// The attributes of a license key.
#[derive(Serialize, Deserialize)]
struct LicenseRecord {
    id: LicenseId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer_id: Option<CustomerId>,
    product_id: ProductId,
    tier_id: TierId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    superseded_by: Option<LicenseId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revocation_reason: Option<String>,
    key_hint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_users: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_tenants: Option<u32>,
    generation: u32,
    issued_at: Timestamp,
    /// Unix time in milliseconds, a number that conditions can compare; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    /// How long the license key is honoured after `expires_at`, in seconds.
    #[serde(default)]
    expiry_grace_seconds: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    borrow_count: u32,
    /// Unix time in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_borrowed_until: Option<i64>,
    /// `expires_at` plus the grace, which conditions and filters compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    honoured_until: Option<i64>,
    /// The day of the month on which billing periods end. Absent if the license key never expires, and in items that
    /// were written before the attribute existed: they have the day of `expires_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor_day: Option<i8>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    overrides: Vec<OverrideRecord>,
}

impl LicenseRecord {
    fn from_license(license: &License) -> Self {
        let (superseded_by, revoked_at, revocation_reason) = match &license.state {
            State::Active | State::Suspended => (None, None, None),
            State::Superseded { by } => (Some(*by), None, None),
            State::Revoked { at, reason, superseded_by } => (*superseded_by, Some(*at), reason.clone()),
        };
        Self {
            id: license.id,
            customer_id: license.customer_id,
            product_id: license.product_id,
            tier_id: license.tier_id,
            name: license.name.clone(),
            external_id: license.external_id.clone(),
            tag: license.tag.clone(),
            status: license.state.as_str().to_owned(),
            superseded_by,
            revoked_at,
            revocation_reason,
            key_hint: license.key_hint.clone(),
            max_users: license.max_users,
            max_tenants: license.max_tenants,
            generation: license.generation,
            issued_at: license.issued_at,
            expires_at: license.expires_at.map(Timestamp::as_millisecond),
            expiry_grace_seconds: license.expiry_grace_seconds,
            borrow_count: license.borrows.count,
            last_borrowed_until: license.borrows.last_until.map(whole_second),
            honoured_until: license.honoured_until().map(Timestamp::as_millisecond),
            anchor_day: license.anchor_day,
            overrides: license.overrides.iter().map(OverrideRecord::new).collect(),
        }
    }

    fn license(self) -> Result<License, StoreError> {
        let invalid = |problem: &str| StoreError::InvalidItem(format!("license {}: {problem}", self.id));
        let state = match self.status.as_str() {
            ACTIVE => State::Active,
            SUSPENDED => State::Suspended,
            SUPERSEDED => {
                State::Superseded { by: self.superseded_by.ok_or_else(|| invalid("superseded without superseded_by"))? }
            }
            REVOKED => State::Revoked {
                at: self.revoked_at.ok_or_else(|| invalid("revoked without revoked_at"))?,
                reason: self.revocation_reason,
                superseded_by: self.superseded_by,
            },
            _ => return Err(invalid("unknown status")),
        };
        let expires_at = self.expires_at.map(Timestamp::from_millisecond).transpose();
        let last_until = self.last_borrowed_until.map(Timestamp::from_second).transpose();
        let last_until = last_until.map_err(|error| StoreError::InvalidItem(error.to_string()))?;
        let overrides = self.overrides.into_iter().map(OverrideRecord::into_override).collect::<Result<_, _>>()?;
        let license = License {
            id: self.id,
            customer_id: self.customer_id,
            product_id: self.product_id,
            tier_id: self.tier_id,
            name: self.name,
            external_id: self.external_id,
            tag: self.tag,
            metadata: None,
            state,
            key_hint: self.key_hint,
            max_users: self.max_users,
            max_tenants: self.max_tenants,
            generation: self.generation,
            issued_at: self.issued_at,
            expires_at: None,
            anchor_day: None,
            expiry_grace_seconds: self.expiry_grace_seconds,
            borrows: Borrows { count: self.borrow_count, last_until },
            overrides,
        }
        .with_expiry(expires_at.map_err(|error| StoreError::InvalidItem(error.to_string()))?);
        Ok(License { anchor_day: self.anchor_day.or(license.anchor_day), ..license })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

pub(super) fn parse_license(item: Item) -> Result<License, StoreError> {
    from_item::<LicenseRecord>(item)?.license()
}

pub(super) fn license_item(license: &License) -> Result<Item, StoreError> {
    let mut item = to_item(keys::license(license.id), &LicenseRecord::from_license(license))?;
    for (name, value) in index_keys(license) {
        item.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(item)
}

/// Returns the key attributes of all indexes; `None` for those of an index that does not contain the license key.
pub(super) fn index_keys(license: &License) -> impl Iterator<Item = (&'static str, Option<AttributeValue>)> {
    let sort_key = keys::time_sort_key("LICENSE", license.issued_at);
    let present = [
        ("GSI2PK", keys::LICENSES.to_owned()),
        ("GSI2SK", sort_key.clone()),
        ("GSI3PK", keys::licenses_of_product(license.product_id)),
        ("GSI3SK", sort_key.clone()),
        ("GSI4PK", keys::licenses_of_tier(license.tier_id)),
        ("GSI4SK", sort_key),
        ("GSI5PK", keys::licenses_with_status(license.state.as_str())),
        ("GSI5SK", keys::honoured_sort_key(license.honoured_until())),
    ];
    let present = present.into_iter().map(|(name, value)| (name, Some(s(value))));
    let owner = license.customer_id.map(|id| s(keys::customer_partition(id)));
    let by_customer =
        [("GSI1SK", owner.as_ref().map(|_| s(keys::time_sort_key("LICENSE", license.issued_at)))), ("GSI1PK", owner)];
    present.chain(by_customer).chain(tag_index(license)).chain(expiry_index(license.expires_at))
}

/// Returns the keys of the index by tag; `None` for a license key without a tag and for a revoked one.
fn tag_index(license: &License) -> [(&'static str, Option<AttributeValue>); 2] {
    let tag = license.tag.as_deref().filter(|_| !matches!(license.state, State::Revoked { .. }));
    let sort_key = tag.map(|_| s(keys::time_sort_key("LICENSE", license.issued_at)));
    [("GSI7PK", tag.map(|tag| s(keys::licenses_with_tag(tag)))), ("GSI7SK", sort_key)]
}

/// Returns the keys of the index by expiry; `None` for a license key that never expires.
pub(super) fn expiry_index(expires_at: Option<Timestamp>) -> [(&'static str, Option<AttributeValue>); 2] {
    let sort_key = expires_at.map(|end| s(keys::time_sort_key(keys::EXPIRING, end)));
    [("GSI6PK", expires_at.map(|_| s(keys::EXPIRING))), ("GSI6SK", sort_key)]
}

/// The license key and generation that a key string belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPointer {
    /// The license key.
    pub license_id: LicenseId,
    /// The generation of the key string.
    pub generation: u32,
}

/// The sealed values of a license key.
#[derive(Debug, Clone)]
pub struct SealedValues {
    /// The sealed token that was issued last; `None` if none was signed yet.
    pub token: Option<Vec<u8>>,
    /// The sealed key string.
    pub license_key: Vec<u8>,
}

/// License keys with a tag that are not revoked.
#[derive(Debug)]
pub struct TaggedLicenses {
    /// The first of them, the oldest first.
    pub ids: Vec<LicenseId>,
    /// The number of the others.
    pub remaining: usize,
}

/// The filter and order of a list of license keys. All conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct LicenseFilter {
    /// Only license keys of this customer.
    pub customer_id: Option<CustomerId>,
    /// Only license keys of this product.
    pub product_id: Option<ProductId>,
    /// Only license keys of this pricing tier.
    pub tier_id: Option<TierId>,
    /// Only license keys with this status.
    pub status: Option<Status>,
    /// Only license keys that expire before this time.
    pub expires_before: Option<Timestamp>,
    /// Only license keys that expire after this time. Those that never expire are not included.
    pub expires_after: Option<Timestamp>,
    /// The order.
    pub order: LicenseOrder,
}

/// The order of a list of license keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LicenseOrder {
    /// By the time they were issued, the newest first.
    #[default]
    NewestFirst,
    /// By the time they were issued, the oldest first.
    OldestFirst,
    /// The order of the index that answers the filter with the fewest reads: by expiry, the earliest first, if the filter
    /// has a range of it, or else the latest first if it has a status. Without these, the newest first.
    ByIndex,
}

impl Table {
    /// Returns the sealing context of a sealed value of a license key.
    pub fn sealing_context(&self, license: LicenseId, purpose: &'static str) -> SealingContext {
        let key = keys::sealed(license);
        SealingContext { table: self.sealing_name().to_owned(), item: format!("{}/{}", key.pk, key.sk), purpose }
    }

    /// Reads a license key.
    pub async fn license(&self, id: LicenseId) -> Result<Option<License>, StoreError> {
        self.get(keys::license(id)).await?.map(parse_license).transpose()
    }

    /// Reads a license key, and then its metadata and the notes of its overrides.
    pub async fn license_with_metadata(&self, id: LicenseId) -> Result<Option<License>, StoreError> {
        let Some(license) = self.license(id).await? else { return Ok(None) };
        let notes = if license.overrides.is_empty() {
            Metadata::default()
        } else {
            self.metadata(keys::override_notes(id)).await?
        };
        let metadata = Some(self.metadata(keys::license_metadata(id)).await?);
        Ok(Some(with_notes(License { metadata, ..license }, &notes)))
    }

    /// Reads the license key and generation that a key string belongs to, in our own format or of another system.
    pub async fn key_pointer_of_text(&self, text: &str) -> Result<Option<KeyPointer>, StoreError> {
        if let Ok(key) = KeyString::parse(text)
            && let Some(pointer) = self.key_pointer(&key).await?
        {
            return Ok(Some(pointer));
        }
        let Ok(foreign) = ForeignKeyString::parse(text) else { return Ok(None) };
        self.key_pointer_of_hash(&foreign.sha256()).await
    }

    /// Reads the metadata of a license key.
    pub async fn license_metadata(&self, id: LicenseId) -> Result<Metadata, StoreError> {
        self.metadata(keys::license_metadata(id)).await
    }

    /// Reads the license key and generation that a key string belongs to.
    pub async fn key_pointer(&self, key: &KeyString) -> Result<Option<KeyPointer>, StoreError> {
        self.key_pointer_of_hash(&key.sha256()).await
    }

    /// Reads the license key and generation that the key string with this hash belongs to.
    pub async fn key_pointer_of_hash(&self, sha256: &[u8; 32]) -> Result<Option<KeyPointer>, StoreError> {
        self.get(keys::key_string(sha256)).await?.map(from_item).transpose()
    }

    /// Reads the customer's current license key for a product.
    pub async fn current_license(
        &self,
        customer: CustomerId,
        product: ProductId,
    ) -> Result<Option<LicenseId>, StoreError> {
        let item = self.get(keys::current_license(customer, product)).await?;
        Ok(item.map(from_item::<CurrentRecord>).transpose()?.map(|record| record.license_id))
    }

    /// Reads the license key with which a customer claimed a tier.
    pub async fn claimed_license(&self, customer: CustomerId, tier: TierId) -> Result<Option<LicenseId>, StoreError> {
        let item = self.get(keys::claim(customer, tier)).await?;
        Ok(item.map(from_item::<CurrentRecord>).transpose()?.map(|record| record.license_id))
    }

    /// Reads the sealed values of a license key; `None` if it has none, or if its key string was imported as a hash.
    pub async fn sealed(&self, id: LicenseId) -> Result<Option<SealedValues>, StoreError> {
        let Some(item) = self.get(keys::sealed(id)).await? else { return Ok(None) };
        let part = |name: &str| item.get(name).and_then(|value| Some(value.as_b().ok()?.as_ref().to_vec()));
        Ok(part("license_key").map(|license_key| SealedValues { token: part("token"), license_key }))
    }

    /// Returns whether the key string of a license key was imported as a hash, so that it is not stored. Otherwise, a missing key
    /// string is lost.
    pub async fn is_key_imported_as_hash(&self, id: LicenseId) -> Result<bool, StoreError> {
        Ok(self.get(keys::sealed(id)).await?.is_some_and(|item| !item.contains_key("license_key")))
    }

    /// Reads the license key with an external id.
    pub async fn license_by_external_id(&self, external_id: &str) -> Result<Option<License>, StoreError> {
        let Some(item) = self.get(keys::license_external_id(external_id)).await? else { return Ok(None) };
        let found = self.license(from_item::<CurrentRecord>(item)?.license_id).await?;
        // The external id may have been changed between the two reads.
        Ok(found.filter(|license| license.external_id.as_deref() == Some(external_id)))
    }

    /// Reads up to `limit` license keys with a tag that are not revoked, and counts the others.
    pub async fn licenses_with_tag(&self, tag: &str, limit: usize) -> Result<TaggedLicenses, StoreError> {
        let query = Query { index: Some("GSI7"), ..Query::prefix(keys::licenses_with_tag(tag), "LICENSE#") };
        let first = self.query(Query { limit: i32::try_from(limit).ok(), ..query.clone() }).await?;
        let id = |item: &Item| keys::parse_id_suffix(item.get("PK")?.as_s().ok()?, "LICENSE#");
        let ids = first.items.iter().filter_map(id).collect();
        let remaining = match first.next {
            Some(after) => self.count(Query { after: Some(after), ..query }).await?,
            None => 0,
        };
        Ok(TaggedLicenses { ids, remaining })
    }

    /// Reads a page of license keys. One condition of the filter is the index partition that is read; the others filter
    /// what is read.
    pub async fn licenses(
        &self,
        filter: &LicenseFilter,
        now: Timestamp,
        paging: &PageRequest,
    ) -> Result<Page<License>, ListError> {
        let page = paginate_query(self, filter.query(now), &licenses_list(filter), paging).await?;
        let items = page.items.into_iter().map(parse_license).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Reads all license keys of one customer, sorted by the time they were issued. Reads the partition `CUSTOMER#` of
    /// GSI1.
    pub async fn licenses_of(
        &self,
        customer: CustomerId,
        filter: LicenseFilter,
        now: Timestamp,
    ) -> Result<Vec<License>, StoreError> {
        let filter = LicenseFilter { customer_id: Some(customer), ..filter };
        self.query_all(filter.query(now)).await?.into_iter().map(parse_license).collect()
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct CurrentRecord {
    pub(super) license_id: LicenseId,
}

impl LicenseFilter {
    /// Returns whether a license key fulfills the filter.
    pub fn matches(&self, license: &License, now: Timestamp) -> bool {
        self.customer_id.is_none_or(|id| license.customer_id == Some(id))
            && self.product_id.is_none_or(|id| id == license.product_id)
            && self.tier_id.is_none_or(|id| id == license.tier_id)
            && self.status.is_none_or(|status| status == license.status(now))
            && self.expires_before.is_none_or(|before| license.expires_at.is_some_and(|end| end < before))
            && self.expires_after.is_none_or(|after| license.expires_at.is_some_and(|end| end > after))
    }

    /// Returns the query of the most selective index. The conditions that it does not answer are its filter.
    fn query(&self, now: Timestamp) -> Query {
        let mut rest = self.clone();
        let by_time = |index, pk| Query {
            index: Some(index),
            descending: self.order != LicenseOrder::OldestFirst,
            ..Query::prefix(pk, "LICENSE#")
        };
        let is_by_index = self.order == LicenseOrder::ByIndex;
        let query = if let Some(customer) = rest.customer_id.take() {
            by_time("GSI1", keys::customer_partition(customer))
        } else if let Some(tier) = rest.tier_id.take() {
            by_time("GSI4", keys::licenses_of_tier(tier))
        } else if is_by_index && (rest.expires_before.is_some() || rest.expires_after.is_some()) {
            expiry_query(rest.expires_after.take(), rest.expires_before.take())
        } else if let Some(product) = rest.product_id.take() {
            by_time("GSI3", keys::licenses_of_product(product))
        } else if let Some(status) = rest.status.take_if(|_| is_by_index) {
            status_query(status, now)
        } else {
            by_time("GSI2", keys::LICENSES.to_owned())
        };
        Query { filter: rest.condition(now), ..query }
    }

    fn condition(&self, now: Timestamp) -> Option<Condition> {
        let mut parts = Vec::new();
        let mut values: Vec<(&str, AttributeValue)> = Vec::new();
        if let Some(product) = self.product_id {
            parts.push("product_id = :product");
            values.push((":product", s(product.to_string())));
        }
        if let Some(tier) = self.tier_id {
            parts.push("tier_id = :tier");
            values.push((":tier", s(tier.to_string())));
        }
        if let Some(before) = self.expires_before {
            parts.push("expires_at < :before");
            values.push((":before", n(before.as_millisecond())));
        }
        if let Some(after) = self.expires_after {
            parts.push("expires_at > :after");
            values.push((":after", n(after.as_millisecond())));
        }
        if let Some(status) = self.status {
            let stored = stored_status(status);
            parts.push("#status = :status");
            values.push((":status", s(stored)));
            if stored == ACTIVE {
                parts.push(match status {
                    Status::Expired => "honoured_until <= :now",
                    _ => "(attribute_not_exists(honoured_until) OR honoured_until > :now)",
                });
                values.push((":now", n(now.as_millisecond())));
            }
        }
        let condition = Condition::new(parts.join(" AND "));
        (!parts.is_empty())
            .then(|| values.into_iter().fold(condition, |condition, (name, value)| condition.value(name, value)))
    }
}

/// Returns the name of a list of license keys in cursors.
pub(super) fn licenses_list(filter: &LicenseFilter) -> String {
    format!("licenses {filter:?}")
}

fn stored_status(status: Status) -> &'static str {
    match status {
        Status::Active | Status::Expired => ACTIVE,
        Status::Suspended => SUSPENDED,
        Status::Superseded => SUPERSEDED,
        Status::Revoked => REVOKED,
    }
}

/// Returns the query of license keys that expire after and before these times, exclusively, the earliest first.
fn expiry_query(after: Option<Timestamp>, before: Option<Timestamp>) -> Query {
    let sort_key = |time| keys::time_sort_key(keys::EXPIRING, time);
    // A space sorts right after a sort key, and times are stored in milliseconds.
    let from = after.map_or_else(|| format!("{}#", keys::EXPIRING), |after| format!("{} ", sort_key(after)));
    let last = before.map(|before| before.saturating_sub(SignedDuration::from_millis(1)));
    let to = last.map_or_else(|| format!("{}#~", keys::EXPIRING), |last| sort_key(last.unwrap_or(Timestamp::MIN)));
    // DynamoDB rejects a range whose end is before its start.
    let to = if to < from { from.clone() } else { to };
    Query { index: Some("GSI6"), ..Query::between(keys::EXPIRING.to_owned(), from, to) }
}

/// Returns the query of license keys with a status, those that are honoured longest first.
fn status_query(status: Status, now: Timestamp) -> Query {
    let (first, last) = (keys::HONOURED.to_owned(), format!("{}~", keys::HONOURED));
    let ended = keys::honoured_sort_key(Some(now));
    let (from, to) = match status {
        Status::Active => (format!("{ended} "), last),
        Status::Expired => (first, ended),
        Status::Suspended | Status::Superseded | Status::Revoked => (first, last),
    };
    let partition = keys::licenses_with_status(stored_status(status));
    Query { index: Some("GSI5"), descending: true, ..Query::between(partition, from, to) }
}
