//! The key string of a license key of one's own, for whoever has lost the answer that showed it.

use shared::{
    AppState,
    auth::User,
    domain::{License, LicenseId, Secret},
    http::Problem,
    key_issuance::open_key,
};

/// A license key and its key string.
#[derive(Debug)]
pub struct OwnKey {
    /// The license key.
    pub license: License,
    /// What a person types.
    pub license_key: Secret,
}

/// A user's own license key. Someone else's is not there.
pub async fn own_license(app: &AppState, user: &User, id: LicenseId) -> Result<License, Problem> {
    let customer = app.table.customer_by_subject(&user.key()).await?;
    let customer = customer.ok_or_else(Problem::not_found)?.customer;
    let license = app.table.license(id).await?.filter(|license| license.customer_id == customer.id);
    license.ok_or_else(Problem::not_found)
}

/// A user's own license key, with its key string.
pub async fn own_key(app: &AppState, user: &User, id: LicenseId) -> Result<OwnKey, Problem> {
    let license = own_license(app, user, id).await?;
    let sealed = app.table.sealed(id).await?.ok_or_else(Problem::not_found)?;
    let (license_key, _) = open_key(app, id, &sealed).await?;
    Ok(OwnKey { license, license_key })
}
