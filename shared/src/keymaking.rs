//! A license key's string and token, made and sealed: what issuing, claiming and regenerating have in common.

use crate::{
    Services,
    domain::{Catalog, Claims, Ids, KeyString, License, LicenseId, Product, Secret, Tier, seat::whole_second},
    http::{Call, Problem},
    store::licenses::Sealed,
    tokens::VerifyError,
};

/// What each sealed part is, in its context.
pub(crate) const TOKEN: &str = "token";
pub(crate) const LICENSE_KEY: &str = "license_key";

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
    call: &Call,
) -> Result<MadeKey, Problem> {
    let claims = Claims::new(services.issuer(), ids.text(), license, sold, None, call.now);
    let token = call.sign(&services.tokens, &claims).await?;
    let context = |purpose| services.table.sealing_context(license.id, purpose);
    let text = Secret::new(key.expose().to_owned());
    let sealed = Sealed {
        token: services.sealer.seal(&context(TOKEN), &token).await?,
        license_key: services.sealer.seal(&context(LICENSE_KEY), &text).await?,
    };
    Ok(MadeKey { key, token, claims, sealed })
}

/// A token that names no machine, as it is to be had again of a license key: the one that is kept, as long as it counts
/// and says what a new one would, so that asking again and again costs no signature. Else a new one, which is kept in
/// its place; none where the license key has another key string by then.
pub async fn token_again(
    services: &Services,
    license: &License,
    sold: (&Catalog, &Product, &Tier),
    (sealed, kept): (&Sealed, Secret),
    call: &Call,
) -> Result<Option<(Secret, Claims)>, Problem> {
    let now = call.now;
    let fresh = Claims::new(services.issuer(), Ids::new(now).text(), license, sold, None, now);
    match services.tokens.verify(&kept, now).await {
        Ok(claims) if whole_second(now) < claims.exp && claims.says_the_same(&fresh) => {
            return Ok(Some((kept, claims)));
        }
        Ok(_) | Err(VerifyError::Invalid(_) | VerifyError::Condemned) => {}
        Err(VerifyError::Store(error)) => return Err(error.into()),
    }
    let token = call.sign(&services.tokens, &fresh).await?;
    let context = services.table.sealing_context(license.id, TOKEN);
    let is_kept = services.table.reseal(license.id, sealed, services.sealer.seal(&context, &token).await?).await?;
    Ok(is_kept.then_some((token, fresh)))
}

/// What is sealed of a license key, opened: the key string, then the token.
pub async fn open_key(services: &Services, id: LicenseId, sealed: &Sealed) -> Result<(Secret, Secret), Problem> {
    let context = |purpose| services.table.sealing_context(id, purpose);
    let key = services.sealer.open(&context(LICENSE_KEY), &sealed.license_key).await?;
    let token = services.sealer.open(&context(TOKEN), &sealed.token).await?;
    Ok((key, token))
}
