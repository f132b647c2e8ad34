//! Reads of license keys. Writes are in [`license_writes`](super::license_writes).

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    item::{Item, from_item, n, s, to_item},
    keys,
    pagination::{ListError, Page, PageRequest, paginate_query},
    table::{Query, Table},
    transaction::Condition,
};
use crate::domain::{CustomerId, KeyString, License, LicenseId, ProductId, SealingContext, State, Status, TierId};

/// The stored statuses. `expired` is never stored; it is derived from the expiry.
pub(super) const ACTIVE: &str = State::Active.as_str();
pub(super) const SUSPENDED: &str = State::Suspended.as_str();
pub(super) const SUPERSEDED: &str = "superseded";
pub(super) const REVOKED: &str = "revoked";

/// The attributes of a license key.
#[derive(Serialize, Deserialize)]
struct LicenseRecord {
    id: LicenseId,
    customer_id: CustomerId,
    product_id: ProductId,
    tier_id: TierId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
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
    /// The day of the month on which billing periods end. Absent if the license key never expires, and in items that
    /// were written before the attribute existed: they have the day of `expires_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor_day: Option<i8>,
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
            anchor_day: license.anchor_day,
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
        let license = License {
            id: self.id,
            customer_id: self.customer_id,
            product_id: self.product_id,
            tier_id: self.tier_id,
            name: self.name,
            external_id: self.external_id,
            metadata: None,
            state,
            key_hint: self.key_hint,
            max_users: self.max_users,
            max_tenants: self.max_tenants,
            generation: self.generation,
            issued_at: self.issued_at,
            expires_at: None,
            anchor_day: None,
        }
        .with_expiry(expires_at.map_err(|error| StoreError::InvalidItem(error.to_string()))?);
        Ok(License { anchor_day: self.anchor_day.or(license.anchor_day), ..license })
    }
}

pub(super) fn parse_license(item: Item) -> Result<License, StoreError> {
    from_item::<LicenseRecord>(item)?.license()
}

pub(super) fn license_item(license: &License) -> Result<Item, StoreError> {
    let mut item = to_item(keys::license(license.id), &LicenseRecord::from_license(license))?;
    let sort_key = keys::time_sort_key("LICENSE", license.issued_at);
    item.insert("GSI1PK".to_owned(), s(keys::customer_partition(license.customer_id)));
    item.insert("GSI1SK".to_owned(), s(sort_key.clone()));
    item.insert("GSI2PK".to_owned(), s(keys::LICENSES));
    item.insert("GSI2SK".to_owned(), s(sort_key));
    Ok(item)
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
    /// The sealed token that was issued last.
    pub token: Vec<u8>,
    /// The sealed key string.
    pub license_key: Vec<u8>,
}

/// The filter and order of a list of license keys.
#[derive(Debug, Clone, Default)]
pub struct LicenseFilter {
    /// Only license keys of this customer.
    pub customer_id: Option<CustomerId>,
    /// Only license keys of this product.
    pub product_id: Option<ProductId>,
    /// Only license keys with this status.
    pub status: Option<Status>,
    /// Whether the oldest license keys come first.
    pub oldest_first: bool,
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

    /// Reads a license key, and then its metadata.
    pub async fn license_with_metadata(&self, id: LicenseId) -> Result<Option<License>, StoreError> {
        let Some(license) = self.license(id).await? else { return Ok(None) };
        Ok(Some(License { metadata: Some(self.metadata(keys::license_metadata(id)).await?), ..license }))
    }

    /// Reads the license key and generation that a key string belongs to.
    pub async fn key_pointer(&self, key: &KeyString) -> Result<Option<KeyPointer>, StoreError> {
        self.get(keys::key_string(&key.sha256())).await?.map(from_item).transpose()
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

    /// Reads the sealed values of a license key.
    pub async fn sealed(&self, id: LicenseId) -> Result<Option<SealedValues>, StoreError> {
        let Some(item) = self.get(keys::sealed(id)).await? else { return Ok(None) };
        let part = |name: &str| item.get(name).and_then(|value| Some(value.as_b().ok()?.as_ref().to_vec()));
        let sealed = part("token").zip(part("license_key"));
        let (token, license_key) =
            sealed.ok_or_else(|| StoreError::InvalidItem(format!("sealed values of license {id}")))?;
        Ok(Some(SealedValues { token, license_key }))
    }

    /// Reads a page of license keys, sorted by the time they were issued. Reads the partition `CUSTOMER#` of GSI1 if the
    /// filter has a customer, or else `LICENSES` of GSI2.
    pub async fn licenses(
        &self,
        filter: &LicenseFilter,
        now: Timestamp,
        paging: &PageRequest,
    ) -> Result<Page<License>, ListError> {
        let list = format!(
            "licenses {:?} {:?} {:?} {}",
            filter.customer_id, filter.product_id, filter.status, filter.oldest_first
        );
        let page = paginate_query(self, filter.query(now), &list, paging).await?;
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
    fn query(&self, now: Timestamp) -> Query {
        let (index, pk) = match self.customer_id {
            Some(customer) => ("GSI1", keys::customer_partition(customer)),
            None => ("GSI2", keys::LICENSES.to_owned()),
        };
        Query {
            index: Some(index),
            descending: !self.oldest_first,
            filter: self.condition(now),
            ..Query::prefix(pk, "LICENSE#")
        }
    }

    fn condition(&self, now: Timestamp) -> Option<Condition> {
        let mut parts = Vec::new();
        let mut values: Vec<(&str, AttributeValue)> = Vec::new();
        if let Some(product) = self.product_id {
            parts.push("product_id = :product");
            values.push((":product", s(product.to_string())));
        }
        if let Some(status) = self.status {
            let stored = match status {
                Status::Active | Status::Expired => ACTIVE,
                Status::Suspended => SUSPENDED,
                Status::Superseded => SUPERSEDED,
                Status::Revoked => REVOKED,
            };
            parts.push("#status = :status");
            values.push((":status", s(stored)));
            if stored == ACTIVE {
                parts.push(match status {
                    Status::Expired => "expires_at <= :now",
                    _ => "(attribute_not_exists(expires_at) OR expires_at > :now)",
                });
                values.push((":now", n(now.as_millisecond())));
            }
        }
        let condition = Condition::new(parts.join(" AND "));
        (!parts.is_empty())
            .then(|| values.into_iter().fold(condition, |condition, (name, value)| condition.value(name, value)))
    }
}
