//! What an operator looks for, by whatever they have of it: an id, an e-mail address, the whole key string that a
//! customer read out, or the beginning of a name. Each is one look into an index; nothing is scanned.

use shared::{
    domain::{ActivationId, CustomerId, KeyString, LicenseId, Secret},
    http::Problem,
    store::Table,
};

/// What a text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A license key, by its id, its key string or one of its machines.
    License(LicenseId),
    /// A customer, by its id or e-mail address.
    Customer(CustomerId),
    /// Nothing, unless it is how a customer's name begins.
    Nothing,
}

/// Finds what a text names. It may be a key string, which belongs into no address and no log.
pub async fn find(table: &Table, text: &Secret) -> Result<Found, Problem> {
    let typed = text.expose().trim();
    if let Ok(id) = typed.parse::<LicenseId>() {
        return Ok(table.license(id).await?.map_or(Found::Nothing, |license| Found::License(license.id)));
    }
    if let Ok(id) = typed.parse::<ActivationId>() {
        return Ok(table.license(id.license).await?.map_or(Found::Nothing, |license| Found::License(license.id)));
    }
    if let Ok(id) = typed.parse::<CustomerId>() {
        return Ok(table.customer(id).await?.map_or(Found::Nothing, |found| Found::Customer(found.customer.id)));
    }
    if let Ok(key) = KeyString::parse(typed) {
        return Ok(table.key_pointer(&key).await?.map_or(Found::Nothing, |pointer| Found::License(pointer.license_id)));
    }
    if typed.contains('@') {
        let found = table.customer_by_email(typed).await?;
        return Ok(found.map_or(Found::Nothing, |found| Found::Customer(found.customer.id)));
    }
    Ok(Found::Nothing)
}
