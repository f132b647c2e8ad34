//! A license key's string and token, made and sealed: what issuing, claiming and regenerating have in common.

use jiff::Timestamp;

use crate::{
    Services,
    domain::{Catalog, Claims, Ids, KeyString, License, LicenseId, Product, Secret, Tier},
    http::Problem,
    store::licenses::Sealed,
};

/// What each sealed part is, in its context.
const TOKEN: &str = "token";
const LICENSE_KEY: &str = "license_key";

/// A key string, its token, and both sealed.
#[derive(Debug)]
pub struct MadeKey {
    /// The secret that a person types.
    pub key: KeyString,
    /// A token that names no machine.
    pub token: Secret,
    /// What the token says.
    pub claims: Claims,
    /// What is kept.
    pub sealed: Sealed,
}

/// Signs and seals for a license as it will be. Nothing is written yet, so whatever fails here changes nothing.
pub async fn make_key(
    services: &Services,
    license: &License,
    sold: (&Catalog, &Product, &Tier),
    key: KeyString,
    ids: &mut Ids,
    now: Timestamp,
) -> Result<MadeKey, Problem> {
    let claims = Claims::new(services.issuer(), ids.text(), license, sold, None, now);
    let token = services.tokens.sign(&claims, now).await?;
    let context = |purpose| services.table.sealing_context(license.id, purpose);
    let text = Secret::new(key.expose().to_owned());
    let sealed = Sealed {
        token: services.sealer.seal(&context(TOKEN), &token).await?,
        license_key: services.sealer.seal(&context(LICENSE_KEY), &text).await?,
    };
    Ok(MadeKey { key, token, claims, sealed })
}

/// What is sealed of a license key, opened: the key string, then the token.
pub async fn open_key(services: &Services, id: LicenseId, sealed: &Sealed) -> Result<(Secret, Secret), Problem> {
    let context = |purpose| services.table.sealing_context(id, purpose);
    let key = services.sealer.open(&context(LICENSE_KEY), &sealed.license_key).await?;
    let token = services.sealer.open(&context(TOKEN), &sealed.token).await?;
    Ok((key, token))
}
