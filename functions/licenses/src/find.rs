//! Search for the dashboard: finds a license key or customer by id, email address or complete key string. A
//! search is a lookup by key, or several; nothing is scanned.

use shared::{
    domain::{ActivationId, CustomerId, LicenseId, Secret},
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
    if let Some(pointer) = table.key_pointer_of_text(text).await? {
        return Ok(SearchResult::License(pointer.license_id));
    }
    if text.contains('@')
        && let Some(found) = table.customer_by_email(text).await?
    {
        return Ok(SearchResult::Customer(found.customer.id));
    }
    Ok(SearchResult::NotFound)
}
