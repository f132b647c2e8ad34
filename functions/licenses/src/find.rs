//! Search for the dashboard: finds a license key or customer by id, email address or complete key string. Every search
//! is one lookup by key; nothing is scanned.

use shared::{
    domain::{ActivationId, CustomerId, KeyString, LicenseId, Secret},
    store::{StoreError, Table},
};

/// The result of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchResult {
    /// A license key, found by its id, its key string or the id of one of its activations.
    License(LicenseId),
    /// A customer, found by its id or email address.
    Customer(CustomerId),
    /// No match. The text can still be a prefix of a customer's name.
    NotFound,
}

/// Finds the item that a text identifies. The text is a secret because it can be a key string, which must not appear in
/// URLs or logs.
pub async fn find(table: &Table, text: &Secret) -> Result<SearchResult, StoreError> {
    let text = text.expose().trim();
    if let Ok(id) = text.parse::<LicenseId>() {
        return Ok(table
            .license(id)
            .await?
            .map_or(SearchResult::NotFound, |license| SearchResult::License(license.id)));
    }
    if let Ok(id) = text.parse::<ActivationId>() {
        return Ok(table
            .license(id.license)
            .await?
            .map_or(SearchResult::NotFound, |license| SearchResult::License(license.id)));
    }
    if let Ok(id) = text.parse::<CustomerId>() {
        return Ok(table
            .customer(id)
            .await?
            .map_or(SearchResult::NotFound, |found| SearchResult::Customer(found.customer.id)));
    }
    if let Ok(key) = KeyString::parse(text) {
        return Ok(table
            .key_pointer(&key)
            .await?
            .map_or(SearchResult::NotFound, |pointer| SearchResult::License(pointer.license_id)));
    }
    if text.contains('@') {
        let found = table.customer_by_email(text).await?;
        return Ok(found.map_or(SearchResult::NotFound, |found| SearchResult::Customer(found.customer.id)));
    }
    Ok(SearchResult::NotFound)
}
