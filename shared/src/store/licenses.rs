//! License keys as they lie in the table: finding and listing them. What changes them is in `license_writes`.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    keys,
    pagination::{ListError, Page, PageRequest, paginate_query},
    table::{Item, Query, StoreError, Table, from_item, n, s, to_item},
    transaction::Condition,
};
use crate::domain::{CustomerId, KeyString, License, LicenseId, ProductId, SealingContext, State, Status, TierId};

/// The stored statuses. `expired` is never one: it follows from the time.
pub(super) const ACTIVE: &str = State::Active.word();
pub(super) const SUSPENDED: &str = State::Suspended.word();
pub(super) const SUPERSEDED: &str = "superseded";
pub(super) const REVOKED: &str = "revoked";

/// A license key as it lies in the table.
#[derive(Serialize, Deserialize)]
struct LicenseRecord {
    id: LicenseId,
    customer_id: CustomerId,
    product_id: ProductId,
    tier_id: TierId,
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
    /// Milliseconds since 1970, as it is compared; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl LicenseRecord {
    fn of(license: &License) -> Self {
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
            status: license.state.word().to_owned(),
            superseded_by,
            revoked_at,
            revocation_reason,
            key_hint: license.key_hint.clone(),
            max_users: license.max_users,
            max_tenants: license.max_tenants,
            generation: license.generation,
            issued_at: license.issued_at,
            expires_at: license.expires_at.map(Timestamp::as_millisecond),
        }
    }

    fn license(self) -> Result<License, StoreError> {
        let damaged = |what: &str| StoreError::Damaged(format!("license {}: {what}", self.id));
        let state = match self.status.as_str() {
            ACTIVE => State::Active,
            SUSPENDED => State::Suspended,
            SUPERSEDED => State::Superseded { by: self.superseded_by.ok_or_else(|| damaged("superseded by none"))? },
            REVOKED => State::Revoked {
                at: self.revoked_at.ok_or_else(|| damaged("revoked at no time"))?,
                reason: self.revocation_reason,
                superseded_by: self.superseded_by,
            },
            _ => return Err(damaged("a status that is none")),
        };
        let expires_at = self.expires_at.map(Timestamp::from_millisecond).transpose();
        Ok(License {
            id: self.id,
            customer_id: self.customer_id,
            product_id: self.product_id,
            tier_id: self.tier_id,
            state,
            key_hint: self.key_hint,
            max_users: self.max_users,
            max_tenants: self.max_tenants,
            generation: self.generation,
            issued_at: self.issued_at,
            expires_at: expires_at.map_err(|error| StoreError::Damaged(error.to_string()))?,
        })
    }
}

pub(super) fn license_of(item: Item) -> Result<License, StoreError> {
    from_item::<LicenseRecord>(item)?.license()
}

pub(super) fn license_item(license: &License) -> Result<Item, StoreError> {
    let mut item = to_item(keys::license(license.id), &LicenseRecord::of(license))?;
    let place = keys::at("LICENSE", license.issued_at);
    item.insert("GSI1PK".to_owned(), s(keys::customer_partition(license.customer_id)));
    item.insert("GSI1SK".to_owned(), s(place.clone()));
    item.insert("GSI2PK".to_owned(), s(keys::LICENSES));
    item.insert("GSI2SK".to_owned(), s(place));
    Ok(item)
}

/// What a key string stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPointer {
    /// The license key.
    pub license_id: LicenseId,
    /// The generation that the string was made for.
    pub generation: u32,
}

/// What is sealed of a license key.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The token that issuing returned.
    pub token: Vec<u8>,
    /// The key string.
    pub license_key: Vec<u8>,
}

/// Which license keys a list shows.
#[derive(Debug, Clone, Default)]
pub struct LicenseFilter {
    /// Of this customer.
    pub customer_id: Option<CustomerId>,
    /// Of this product.
    pub product_id: Option<ProductId>,
    /// With this status, as callers see it.
    pub status: Option<Status>,
    /// Whether the oldest come first.
    pub oldest_first: bool,
}

impl Table {
    /// Where something that is sealed of a license key belongs.
    pub fn sealing_context(&self, license: LicenseId, purpose: &'static str) -> SealingContext {
        let key = keys::sealed(license);
        SealingContext { table: self.keys_name().to_owned(), item: format!("{}/{}", key.pk, key.sk), purpose }
    }

    /// A license key.
    pub async fn license(&self, id: LicenseId) -> Result<Option<License>, StoreError> {
        self.get(keys::license(id)).await?.map(license_of).transpose()
    }

    /// What a key string stands for.
    pub async fn key_pointer(&self, key: &KeyString) -> Result<Option<KeyPointer>, StoreError> {
        self.get(keys::key_string(&key.sha256())).await?.map(from_item).transpose()
    }

    /// The customer's current key for a product.
    pub async fn current_license(
        &self,
        customer: CustomerId,
        product: ProductId,
    ) -> Result<Option<LicenseId>, StoreError> {
        let item = self.get(keys::current(customer, product)).await?;
        Ok(item.map(from_item::<CurrentRecord>).transpose()?.map(|record| record.license_id))
    }

    /// The license key by which a customer claimed a tier.
    pub async fn claimed_license(&self, customer: CustomerId, tier: TierId) -> Result<Option<LicenseId>, StoreError> {
        let item = self.get(keys::claim(customer, tier)).await?;
        Ok(item.map(from_item::<CurrentRecord>).transpose()?.map(|record| record.license_id))
    }

    /// What is sealed of a license key.
    pub async fn sealed(&self, id: LicenseId) -> Result<Option<Sealed>, StoreError> {
        let Some(item) = self.get(keys::sealed(id)).await? else { return Ok(None) };
        let part = |name: &str| item.get(name).and_then(|value| Some(value.as_b().ok()?.as_ref().to_vec()));
        let sealed = part("token").zip(part("license_key"));
        let (token, license_key) = sealed.ok_or_else(|| StoreError::Damaged(format!("what is sealed of {id}")))?;
        Ok(Some(Sealed { token, license_key }))
    }

    /// License keys, by the time they were issued.
    pub async fn licenses(
        &self,
        filter: &LicenseFilter,
        now: Timestamp,
        paging: &PageRequest,
    ) -> Result<Page<License>, ListError> {
        let (index, pk) = match filter.customer_id {
            Some(customer) => ("GSI1", keys::customer_partition(customer)),
            None => ("GSI2", keys::LICENSES.to_owned()),
        };
        let query = Query {
            index: Some(index),
            descending: !filter.oldest_first,
            filter: filter.condition(now),
            ..Query::prefix(pk, "LICENSE#")
        };
        let list = format!(
            "licenses {:?} {:?} {:?} {}",
            filter.customer_id, filter.product_id, filter.status, filter.oldest_first
        );
        let page = paginate_query(self, query, &list, paging).await?;
        let items = page.items.into_iter().map(license_of).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, next: page.next })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct CurrentRecord {
    pub(super) license_id: LicenseId,
}

impl LicenseFilter {
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
