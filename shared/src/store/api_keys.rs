//! The operator's API keys. The table has the hash of a secret, never the secret.

use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::{
    idempotency::Completion,
    keys,
    pagination::{ListError, Page, PageRequest, paginate_query},
    table::{Item, Query, StoreError, Table, bare_item, from_item, n, s, to_item},
    transaction::{Change, CommitOutcome, Condition, Transaction},
};
use crate::domain::{ApiKey, ApiKeyId, ApiKeySecret};

/// An API key and the hash of its secret.
#[derive(Debug, Clone)]
pub struct StoredApiKey {
    /// The key.
    pub key: ApiKey,
    /// SHA-256 of its secret.
    pub sha256: [u8; 32],
}

/// What became of the end of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// It is gone.
    Done,
    /// There is no such key.
    Absent,
    /// It is the last that manages access and does not end by itself.
    LastAccessKey,
}

impl Table {
    /// An API key, by its id. Nothing is kept of it: once it is deleted, the next request is refused.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<Option<StoredApiKey>, StoreError> {
        let Some(item) = self.get(keys::api_key(id)).await? else { return Ok(None) };
        let hash = item.get("secret_sha256").and_then(|hash| hash.as_s().ok());
        let hash = hash.and_then(|hash| HEXLOWER.decode(hash.as_bytes()).ok()?.try_into().ok());
        let sha256 = hash.ok_or_else(|| StoreError::Damaged("an API key without its hash".to_owned()))?;
        Ok(Some(StoredApiKey { key: from_item(item)?, sha256 }))
    }

    /// A page of the API keys, newest first.
    pub async fn api_keys(&self, paging: &PageRequest) -> Result<Page<ApiKey>, ListError> {
        let newest_first = Query { descending: true, ..Query::prefix(keys::API_KEYS.to_owned(), "key_") };
        let page = paginate_query(self, newest_first, "API keys", paging).await?;
        let items = page.items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Adds an API key, unless there is one of its id. Those that keep access are also listed in one item, so that
    /// the last of them can be told.
    pub async fn add_api_key(
        &self,
        key: &ApiKey,
        secret: &ApiKeySecret,
        done: Option<&Completion>,
    ) -> Result<(), StoreError> {
        let mut with_list = Transaction::new();
        with_list.put(api_key_item(key, secret)?, Condition::absent());
        let mut with_first = with_list.clone();
        if key.keeps_access() {
            with_list.change(&Change::new(keys::access(), Condition::default()).add("ids", ids(key.id)));
            let mut first = bare_item(keys::access());
            first.insert("ids".to_owned(), ids(key.id));
            with_first.put(first, Condition::absent());
        }
        loop {
            for transaction in [&with_list, &with_first] {
                match self.commit_once(transaction.clone(), done).await? {
                    CommitOutcome::Refused(refused) if !refused.failed(0) => {}
                    _ => return Ok(()),
                }
            }
        }
    }

    /// Deletes an API key for good. Of those that keep access, one stays, whoever else deletes at the same time.
    pub async fn delete_api_key(&self, key: &ApiKey) -> Result<DeleteOutcome, StoreError> {
        let mut transaction = Transaction::new();
        transaction.delete(keys::api_key(key.id), Condition::present());
        if key.keeps_access() {
            let others_stay = Condition::new("size(ids) > :one").value(":one", n(1));
            transaction.change(&Change::new(keys::access(), others_stay).take("ids", ids(key.id)));
        }
        Ok(match self.commit(&transaction).await? {
            CommitOutcome::Done => DeleteOutcome::Done,
            CommitOutcome::Refused(refused) if refused.failed(0) => DeleteOutcome::Absent,
            CommitOutcome::Refused(_) => DeleteOutcome::LastAccessKey,
        })
    }

    /// Notes that an API key is used, unless another request has since it was read.
    pub async fn note_api_key_use(&self, read: &ApiKey, at: Timestamp) -> Result<(), StoreError> {
        let as_read = match read.last_used_at {
            None => Condition::new("attribute_not_exists(last_used_at)"),
            Some(metrics) => Condition::new("last_used_at = :read").value(":read", s(metrics.to_string())),
        };
        let change = Change::new(keys::api_key(read.id), as_read).set("last_used_at", s(at.to_string()));
        self.update(&change).await.map(|_| ())
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
    fn an_item_lies_in_the_table_like_this() {
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
