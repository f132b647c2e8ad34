//! Key strings with their tokens, as issue, claim, regenerate and audit need them.
//!
//! Both are stored sealed: encrypted and bound to the item that they belong to, see [`Sealer`].

use std::sync::Arc;

use jiff::Timestamp;

use super::{SealError, Sealer, TokenError, Tokens, VerifyError};
use crate::{
    domain::{Catalog, Claims, IdGenerator, KeyString, License, LicenseId, Product, Secret, Tier, seat::whole_second},
    store::{StoreError, Table, licenses::SealedValues},
};

/// The purposes of the two sealed values, as part of their sealing contexts.
pub(super) const TOKEN: &str = "token";
pub(super) const LICENSE_KEY: &str = "license_key";

/// Issues, refreshes and opens key strings with their tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyStrings {
    table: Table,
    tokens: Tokens,
    sealer: Arc<dyn Sealer>,
}

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

/// A license key with its key string and a token, for the person who receives it.
#[derive(Debug)]
pub struct IssuedLicense {
    /// The license key.
    pub license: License,
    /// The key string.
    pub key: Secret,
    /// A license token that is not bound to a machine.
    pub token: Secret,
    /// The claims of the token.
    pub claims: Claims,
    /// The license key that it supersedes, as it was before.
    pub superseded: Option<License>,
}

impl IssuedLicense {
    /// Combines a license key with its new key string.
    pub fn new(license: License, new: &NewKeyString) -> Self {
        let key = Secret::new(new.key.expose().to_owned());
        Self { license, key, token: new.token.clone(), claims: new.claims.clone(), superseded: None }
    }
}

/// The outcome of refreshing a stored token.
#[derive(Debug)]
pub enum RefreshOutcome {
    /// The stored token is valid and its content is current.
    Unchanged(Secret, Claims),
    /// A new token was signed and stored.
    Signed(Secret, Claims),
    /// The key string was regenerated concurrently. A token was signed and discarded.
    Regenerated,
}

/// An error while issuing, refreshing or opening a key string.
#[derive(Debug, thiserror::Error)]
pub enum KeyStringError {
    /// The token could not be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A value could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key string was imported as a hash.
    #[error("the key string was imported as a hash and is not stored: regenerate the license key to get a new one")]
    NotStored,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyStrings {
    /// Creates the service from the parts that it uses.
    pub fn new(table: Table, tokens: Tokens, sealer: Arc<dyn Sealer>) -> Self {
        Self { table, tokens, sealer }
    }

    /// Signs a token for the license and seals it with the key string: one signature. Writes nothing, so an error has
    /// no effect.
    pub async fn issue(
        &self,
        license: &License,
        product_and_tier: (&Catalog, &Product, &Tier),
        key: KeyString,
        ids: &mut IdGenerator,
        now: Timestamp,
    ) -> Result<NewKeyString, KeyStringError> {
        let claims = Claims::new(self.tokens.issuer(), ids.text(), license, product_and_tier, None, now);
        let token = self.tokens.sign(&claims, now).await?;
        let sealed_token = self.sealer.seal(&self.table.sealing_context(license.id, TOKEN), &token).await?;
        let sealed = SealedValues { token: Some(sealed_token), ..self.seal(license.id, &key).await? };
        Ok(NewKeyString { key, token, claims, sealed })
    }

    /// Seals the key string of a license key for which no token is signed yet.
    pub async fn seal(&self, id: LicenseId, key: &KeyString) -> Result<SealedValues, SealError> {
        self.seal_text(id, &Secret::new(key.expose().to_owned())).await
    }

    /// Seals a key string of any format.
    pub async fn seal_text(&self, id: LicenseId, text: &Secret) -> Result<SealedValues, SealError> {
        let license_key = self.sealer.seal(&self.table.sealing_context(id, LICENSE_KEY), text).await?;
        Ok(SealedValues { token: None, license_key })
    }

    /// Returns the stored token of a license key, or signs and stores a new one if the stored token has expired or its
    /// content is outdated. Repeated calls thereby cost no signature.
    pub async fn refresh(
        &self,
        license: &License,
        product_and_tier: (&Catalog, &Product, &Tier),
        (sealed, stored): (&SealedValues, Option<Secret>),
        now: Timestamp,
    ) -> Result<RefreshOutcome, KeyStringError> {
        let (id, (_, _, tier)) = (IdGenerator::new(now).text(), product_and_tier);
        let fresh = Claims::new(self.tokens.issuer(), id, license, product_and_tier, None, now);
        if let Some(stored) = stored {
            match self.tokens.verify(&stored, now).await {
                Ok(claims) if whole_second(now) < claims.exp && claims.is_current(&fresh, tier, license, None) => {
                    return Ok(RefreshOutcome::Unchanged(stored, claims));
                }
                Ok(_) | Err(VerifyError::Invalid(_) | VerifyError::Condemned) => {}
                Err(VerifyError::Store(error)) => return Err(error.into()),
            }
        }
        let token = self.tokens.sign(&fresh, now).await?;
        let context = self.table.sealing_context(license.id, TOKEN);
        let resealed = self.sealer.seal(&context, &token).await?;
        let is_stored = self.table.replace_sealed_token(license.id, sealed, resealed).await?;
        Ok(if is_stored { RefreshOutcome::Signed(token, fresh) } else { RefreshOutcome::Regenerated })
    }

    /// Opens the sealed values of a license key. Returns the key string, and the token if one was signed.
    pub async fn open(&self, id: LicenseId, sealed: &SealedValues) -> Result<(Secret, Option<Secret>), SealError> {
        let context = |purpose| self.table.sealing_context(id, purpose);
        let key = self.sealer.open(&context(LICENSE_KEY), &sealed.license_key).await?;
        let token = match &sealed.token {
            Some(token) => Some(self.sealer.open(&context(TOKEN), token).await?),
            None => None,
        };
        Ok((key, token))
    }
}
