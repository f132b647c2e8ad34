//! Issues key strings with their tokens, for the use cases issue, claim and regenerate.
//!
//! Key strings and tokens are stored sealed: encrypted and bound to the item that they belong to, see
//! [`Sealer`](crate::tokens::Sealer).

use crate::{
    AppState,
    domain::{Catalog, Claims, IdGenerator, KeyString, License, LicenseId, Product, Secret, Tier, seat::whole_second},
    http::{Problem, RequestContext},
    store::licenses::SealedValues,
    tokens::VerifyError,
};

/// The purposes of the two sealed values, as part of their sealing contexts.
pub(crate) const TOKEN: &str = "token";
pub(crate) const LICENSE_KEY: &str = "license_key";

/// A new key string with its token.
#[derive(Debug)]
pub struct NewKeyString {
    /// The key string: the secret that a user enters in the app.
    pub key: KeyString,
    /// A license token that is not bound to a machine.
    pub token: Secret,
    /// The claims of the token.
    pub claims: Claims,
    /// The key string and the token in sealed form, for storage.
    pub sealed: SealedValues,
}

/// Signs a token for the license and seals it with the key string. Writes nothing, so an error has no effect.
pub async fn issue_key_string(
    app: &AppState,
    license: &License,
    product_and_tier: (&Catalog, &Product, &Tier),
    key: KeyString,
    ids: &mut IdGenerator,
    ctx: &RequestContext,
) -> Result<NewKeyString, Problem> {
    let claims = Claims::new(app.issuer(), ids.text(), license, product_and_tier, None, ctx.now);
    let token = ctx.sign(&app.tokens, &claims).await?;
    let context = |purpose| app.table.sealing_context(license.id, purpose);
    let text = Secret::new(key.expose().to_owned());
    let sealed = SealedValues {
        token: app.sealer.seal(&context(TOKEN), &token).await?,
        license_key: app.sealer.seal(&context(LICENSE_KEY), &text).await?,
    };
    Ok(NewKeyString { key, token, claims, sealed })
}

/// Returns the stored token of a license key, or signs and stores a new one if the stored token has expired or its
/// content is outdated. Repeated calls thereby cost no signature. Returns `None` if the key was regenerated
/// concurrently.
pub async fn refresh_stored_token(
    app: &AppState,
    license: &License,
    product_and_tier: (&Catalog, &Product, &Tier),
    (sealed, stored): (&SealedValues, Secret),
    ctx: &RequestContext,
) -> Result<Option<(Secret, Claims)>, Problem> {
    let now = ctx.now;
    let fresh = Claims::new(app.issuer(), IdGenerator::new(now).text(), license, product_and_tier, None, now);
    match app.tokens.verify(&stored, now).await {
        Ok(claims) if whole_second(now) < claims.exp && claims.has_same_content(&fresh) => {
            return Ok(Some((stored, claims)));
        }
        Ok(_) | Err(VerifyError::Invalid(_) | VerifyError::Condemned) => {}
        Err(VerifyError::Store(error)) => return Err(error.into()),
    }
    let token = ctx.sign(&app.tokens, &fresh).await?;
    let context = app.table.sealing_context(license.id, TOKEN);
    let is_stored =
        app.table.replace_sealed_token(license.id, sealed, app.sealer.seal(&context, &token).await?).await?;
    Ok(is_stored.then_some((token, fresh)))
}

/// Opens the sealed values of a license key. Returns the key string and the token.
pub async fn open_key_string(
    app: &AppState,
    id: LicenseId,
    sealed: &SealedValues,
) -> Result<(Secret, Secret), Problem> {
    let context = |purpose| app.table.sealing_context(id, purpose);
    let key = app.sealer.open(&context(LICENSE_KEY), &sealed.license_key).await?;
    let token = app.sealer.open(&context(TOKEN), &sealed.token).await?;
    Ok((key, token))
}
