//! API keys. The table contains the hash of a secret, never the secret itself.

use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::{
    error::StoreError,
    events::event_item,
    idempotency::Completion,
    item::{Item, from_item, key_only_item, n, s, to_item},
    keys,
    pagination::{ListError, Page, PageRequest, paginate_query},
    table::{Query, Table},
    transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
};
use crate::domain::{ApiKey, ApiKeyId, ApiKeySecret, Event};

/// An API key and the hash of its secret.
#[derive(Debug, Clone)]
pub struct StoredApiKey {
    /// The metadata of the API key.
    pub key: ApiKey,
    /// The SHA-256 hash of its secret.
    pub sha256: [u8; 32],
}

/// The outcome of deleting an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The API key was deleted.
    Done,
    /// The API key does not exist.
    NotFound,
    /// It is the last API key that can manage API keys and never expires.
    LastAccessKey,
}

impl Table {
    /// Reads an API key. Keys are not cached: after the deletion of a key, the next request with it is rejected.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<Option<StoredApiKey>, StoreError> {
        let Some(item) = self.get(keys::api_key(id)).await? else { return Ok(None) };
        let hash = item.get("secret_sha256").and_then(|hash| hash.as_s().ok());
        let hash = hash.and_then(|hash| HEXLOWER.decode(hash.as_bytes()).ok()?.try_into().ok());
        let sha256 = hash.ok_or_else(|| StoreError::InvalidItem("API key without a hash".to_owned()))?;
        Ok(Some(StoredApiKey { key: from_item(item)?, sha256 }))
    }

    /// Reads a page of API keys, newest first.
    pub async fn api_keys(&self, paging: &PageRequest) -> Result<Page<ApiKey>, ListError> {
        let newest_first = Query { descending: true, ..Query::prefix(keys::API_KEYS.to_owned(), "key_") };
        let page = paginate_query(self, newest_first, "API keys", paging).await?;
        let items = page.items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Adds an API key. The ids of keys that can manage API keys and never expire are also stored in one set, so that
    /// the last of them can't be deleted.
    pub async fn add_api_key(
        &self,
        key: &ApiKey,
        secret: &ApiKeySecret,
        event: &Event,
        completion: Option<&Completion>,
    ) -> Result<(), StoreError> {
        let mut with_set = Transaction::new();
        with_set.put(api_key_item(key, secret)?, Condition::absent()).put_always(event_item(event)?);
        let mut with_new_set = with_set.clone();
        if key.is_permanent_access_key() {
            with_set.update(&ItemUpdate::new(keys::access_keys(), Condition::default()).add("ids", ids(key.id)));
            let mut set = key_only_item(keys::access_keys());
            set.insert("ids".to_owned(), ids(key.id));
            with_new_set.put(set, Condition::absent());
        }
        loop {
            for transaction in [&with_set, &with_new_set] {
                match self.commit_with_completion(transaction.clone(), completion).await? {
                    CommitOutcome::ConditionFailed(failures) if !failures.failed(0) => {}
                    _ => return Ok(()),
                }
            }
        }
    }

    /// Deletes an API key, unless it is the last one that can manage API keys and never expires. The condition also
    /// holds under concurrent deletions.
    pub async fn delete_api_key(&self, key: &ApiKey, event: &Event) -> Result<DeleteOutcome, StoreError> {
        let mut transaction = Transaction::new();
        transaction.delete(keys::api_key(key.id), Condition::present()).put_always(event_item(event)?);
        if key.is_permanent_access_key() {
            let others_stay = Condition::new("size(ids) > :one").value(":one", n(1));
            transaction.update(&ItemUpdate::new(keys::access_keys(), others_stay).remove_members("ids", ids(key.id)));
        }
        Ok(match self.commit(&transaction).await? {
            CommitOutcome::Done => DeleteOutcome::Done,
            CommitOutcome::ConditionFailed(failures) if failures.failed(0) => DeleteOutcome::NotFound,
            CommitOutcome::ConditionFailed(_) => DeleteOutcome::LastAccessKey,
        })
    }

    /// Updates when an API key was last used, unless another request has updated it since it was read.
    pub async fn update_api_key_last_used(&self, read: &ApiKey, at: Timestamp) -> Result<(), StoreError> {
        let as_read = match read.last_used_at {
            None => Condition::new("attribute_not_exists(last_used_at)"),
            Some(last_used) => Condition::new("last_used_at = :read").value(":read", s(last_used.to_string())),
        };
        let update = ItemUpdate::new(keys::api_key(read.id), as_read).set("last_used_at", s(at.to_string()));
        self.update(&update).await.map(|_| ())
    }
}

fn ids(id: ApiKeyId) -> AttributeValue {
    AttributeValue::Ss(vec![id.to_string()])
}

fn api_key_item(key: &ApiKey, secret: &ApiKeySecret) -> Result<Item, StoreError> {
    let mut item = to_item(keys::api_key(key.id), key)?;
    item.insert("secret_sha256".to_owned(), s(HEXLOWER.encode(&secret.sha256())));
    Ok(item)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::domain::Scopes;

    #[test]
    fn item_has_the_expected_attributes() {
        let id = "key_01JD8W0V5XK6Q3R7T2N4M8P9ZB".parse().unwrap();
        let key = ApiKey {
            id,
            name: "ci".to_owned(),
            scopes: Scopes::All,
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            last_used_at: None,
        };
        let secret = ApiKeySecret::generate(id, &mut StdRng::seed_from_u64(1));
        let item = api_key_item(&key, &secret).unwrap();
        let mut texts: Vec<String> = item.iter().map(|(name, value)| format!("{name} {value:?}")).collect();
        texts.sort();
        let expected = [
            "PK S(\"APIKEYS\")".to_owned(),
            "SK S(\"key_01JD8W0V5XK6Q3R7T2N4M8P9ZB\")".to_owned(),
            "created_at S(\"1970-01-01T00:00:00Z\")".to_owned(),
            "expires_at Null(true)".to_owned(),
            "id S(\"key_01JD8W0V5XK6Q3R7T2N4M8P9ZB\")".to_owned(),
            "name S(\"ci\")".to_owned(),
            "scopes L([S(\"*\")])".to_owned(),
            format!("secret_sha256 S(\"{}\")", HEXLOWER.encode(&secret.sha256())),
        ];
        assert_eq!(texts, expected);
        assert_eq!(from_item::<ApiKey>(item).unwrap(), key);
    }
}
