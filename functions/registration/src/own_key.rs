//! Shows customers the key string of their own license keys.

use axum::extract::FromRef;
use shared::{
    AppState,
    auth::User,
    domain::{License, LicenseId, Secret},
    http::Problem,
    tokens::KeyStrings,
};

/// A license key with its key string.
#[derive(Debug)]
pub struct OwnKey {
    /// The license key.
    pub license: License,
    /// The key string.
    pub license_key: Secret,
}

/// Returns a license key that belongs to the user. Returns `not_found` for those of other customers.
pub async fn own_license(app: &AppState, user: &User, id: LicenseId) -> Result<License, Problem> {
    let customer = app.table.customer_by_subject(&user.key()).await?;
    let customer = customer.ok_or_else(Problem::not_found)?.customer;
    let license = app.table.license(id).await?.filter(|license| license.customer_id == customer.id);
    license.ok_or_else(Problem::not_found)
}

/// Returns a license key that belongs to the user, with its key string.
pub async fn own_key(app: &AppState, user: &User, id: LicenseId) -> Result<OwnKey, Problem> {
    let license = own_license(app, user, id).await?;
    let sealed = app.table.sealed(id).await?.ok_or_else(Problem::not_found)?;
    let (license_key, _) = KeyStrings::from_ref(app).open(id, &sealed).await?;
    Ok(OwnKey { license, license_key })
}
