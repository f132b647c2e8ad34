//! A license key's string and token, made and sealed: what issuing, claiming and regenerating have in common.

use crate::{
    AppState,
    domain::{Catalog, Claims, IdGenerator, KeyString, License, LicenseId, Product, Secret, Tier, seat::whole_second},
    http::{Problem, RequestContext},
    store::licenses::Sealed,
    tokens::VerifyError,
};

/// What each sealed part is, in its context.
pub(crate) const TOKEN: &str = "token";
pub(crate) const LICENSE_KEY: &str = "license_key";

/// A key string, its token, and both sealed.
#[derive(Debug)]
pub struct NewKeyString {
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
    app: &AppState,
    license: &License,
    sold: (&Catalog, &Product, &Tier),
    key: KeyString,
    ids: &mut IdGenerator,
    ctx: &RequestContext,
) -> Result<NewKeyString, Problem> {
    let claims = Claims::new(app.issuer(), ids.text(), license, sold, None, ctx.now);
    let token = ctx.sign(&app.tokens, &claims).await?;
    let context = |purpose| app.table.sealing_context(license.id, purpose);
    let text = Secret::new(key.expose().to_owned());
    let sealed = Sealed {
        token: app.sealer.seal(&context(TOKEN), &token).await?,
        license_key: app.sealer.seal(&context(LICENSE_KEY), &text).await?,
    };
    Ok(NewKeyString { key, token, claims, sealed })
}

/// A token that names no machine, as it is to be had again of a license key: the one that is kept, as long as it counts
/// and says what a new one would, so that asking again and again costs no signature. Else a new one, which is kept in
/// its place; none where the license key has another key string by then.
pub async fn token_again(
    app: &AppState,
    license: &License,
    sold: (&Catalog, &Product, &Tier),
    (sealed, kept): (&Sealed, Secret),
    ctx: &RequestContext,
) -> Result<Option<(Secret, Claims)>, Problem> {
    let now = ctx.now;
    let fresh = Claims::new(app.issuer(), IdGenerator::new(now).text(), license, sold, None, now);
    match app.tokens.verify(&kept, now).await {
        Ok(claims) if whole_second(now) < claims.exp && claims.has_same_content(&fresh) => {
            return Ok(Some((kept, claims)));
        }
        Ok(_) | Err(VerifyError::Invalid(_) | VerifyError::Condemned) => {}
        Err(VerifyError::Store(error)) => return Err(error.into()),
    }
    let token = ctx.sign(&app.tokens, &fresh).await?;
    let context = app.table.sealing_context(license.id, TOKEN);
    let is_kept = app.table.reseal(license.id, sealed, app.sealer.seal(&context, &token).await?).await?;
    Ok(is_kept.then_some((token, fresh)))
}

/// What is sealed of a license key, opened: the key string, then the token.
pub async fn open_key(app: &AppState, id: LicenseId, sealed: &Sealed) -> Result<(Secret, Secret), Problem> {
    let context = |purpose| app.table.sealing_context(id, purpose);
    let key = app.sealer.open(&context(LICENSE_KEY), &sealed.license_key).await?;
    let token = app.sealer.open(&context(TOKEN), &sealed.token).await?;
    Ok((key, token))
}
