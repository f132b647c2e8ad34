//! The key string of a license key of one's own, for whoever has lost the answer that showed it.

use shared::{
    Services,
    auth::User,
    domain::{License, LicenseId, Secret},
    http::Problem,
    keymaking::open_key,
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
pub async fn own_license(services: &Services, user: &User, id: LicenseId) -> Result<License, Problem> {
    let customer = services.table.customer_by_subject(&user.key()).await?;
    let customer = customer.ok_or_else(Problem::not_found)?.customer;
    let license = services.table.license(id).await?.filter(|license| license.customer_id == customer.id);
    license.ok_or_else(Problem::not_found)
}

/// A user's own license key, with its key string.
pub async fn own_key(services: &Services, user: &User, id: LicenseId) -> Result<OwnKey, Problem> {
    let license = own_license(services, user, id).await?;
    let sealed = services.table.sealed(id).await?.ok_or_else(Problem::not_found)?;
    let (license_key, _) = open_key(services, id, &sealed).await?;
    Ok(OwnKey { license, license_key })
}
