//! The operator's API keys. The table has the hash of a secret, never the secret.

use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::HEXLOWER;

use super::{
    keys,
    table::{Change, Committed, Condition, StoreError, Table, Transaction, bare_item, from_item, s, to_item},
};
use crate::domain::{ApiKey, ApiKeySecret, KeyId};

/// An API key and the hash of its secret.
#[derive(Debug, Clone)]
pub struct StoredApiKey {
    /// The key.
    pub key: ApiKey,
    /// SHA-256 of its secret.
    pub sha256: [u8; 32],
}

impl Table {
    /// An API key, by its id.
    pub async fn api_key(&self, id: KeyId) -> Result<Option<StoredApiKey>, StoreError> {
        let Some(item) = self.get(keys::api_key(id)).await? else { return Ok(None) };
        let hash = item.get("secret_sha256").and_then(|hash| hash.as_s().ok());
        let hash = hash.and_then(|hash| HEXLOWER.decode(hash.as_bytes()).ok()?.try_into().ok());
        let sha256 = hash.ok_or_else(|| StoreError::Damaged("an API key without its hash".to_owned()))?;
        Ok(Some(StoredApiKey { key: from_item(item)?, sha256 }))
    }

    /// Adds an API key, unless there is one of its id. Those that keep access are also listed in one item, so that
    /// the last of them can be told.
    pub async fn add_api_key(&self, key: &ApiKey, secret: &ApiKeySecret) -> Result<(), StoreError> {
        let mut item = to_item(keys::api_key(key.id), key)?;
        item.insert("secret_sha256".to_owned(), s(HEXLOWER.encode(&secret.sha256())));
        let id = AttributeValue::Ss(vec![key.id.to_string()]);
        let mut with_list = Transaction::new();
        with_list.put(item.clone(), Condition::absent());
        let mut with_first = with_list.clone();
        if key.keeps_access() {
            with_list.change(&Change::new(keys::access(), Condition::default()).add("ids", id.clone()));
            let mut first = bare_item(keys::access());
            first.insert("ids".to_owned(), id);
            with_first.put(first, Condition::absent());
        }
        loop {
            match self.commit(&with_list).await? {
                Committed::Refused(refused) if !refused.failed(0) => {}
                _ => return Ok(()),
            }
            match self.commit(&with_first).await? {
                Committed::Refused(refused) if !refused.failed(0) => {}
                _ => return Ok(()),
            }
        }
    }
}
