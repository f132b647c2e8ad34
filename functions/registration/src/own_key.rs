//! Shows customers the key string of their own license keys.

use shared::{
    auth::User,
    domain::{License, LicenseId, Secret},
    store::{StoreError, Table},
    tokens::{KeyStringError, KeyStrings},
};

/// A license key with its key string.
#[derive(Debug)]
pub struct OwnKey {
    /// The license key.
    pub license: License,
    /// The key string.
    pub license_key: Secret,
}

/// Returns a license key that belongs to the user; `None` for those of other customers.
pub async fn own_license(table: &Table, user: &User, id: LicenseId) -> Result<Option<License>, StoreError> {
    let Some(found) = table.customer_by_subject(&user.key()).await? else { return Ok(None) };
    Ok(table.license(id).await?.filter(|license| license.customer_id == Some(found.customer.id)))
}

/// Returns a license key that belongs to the user, with its key string; `None` for those of other customers.
///
/// # Errors
///
/// [`KeyStringError::NotStored`] if the key string was imported as a hash.
pub async fn own_key(
    table: &Table,
    key_strings: &KeyStrings,
    user: &User,
    id: LicenseId,
) -> Result<Option<OwnKey>, KeyStringError> {
    let Some(license) = own_license(table, user, id).await? else { return Ok(None) };
    let Some(sealed) = table.sealed(id).await? else {
        return if table.is_key_imported_as_hash(id).await? { Err(KeyStringError::NotStored) } else { Ok(None) };
    };
    let (license_key, _) = key_strings.open(id, &sealed).await?;
    Ok(Some(OwnKey { license, license_key }))
}
