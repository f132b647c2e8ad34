//! The words by which customers, license keys and machines are found.
//!
//! Each word of a resource is an item, whose partition holds the words that begin with the same two characters. One more item has
//! all words of the resource, so that a change replaces exactly those that differ. Words are written after the change of the
//! resource, from its event: a request never waits for them.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    backoff::Backoff,
    error::StoreError,
    item::{Item, TTL_ATTRIBUTE, from_item, key_only_item, n, s, to_item},
    keys,
    table::{Query, Table},
    transaction::{CommitOutcome, Condition, Transaction},
};
use crate::domain::{LicenseId, SearchResource, SearchWords};

/// The attribute of a word with all words of its resource, each after a space.
pub(super) const TEXT: &str = "words";
/// The number of resources whose words are replaced at the same time.
const CONCURRENCY: usize = 8;
/// How long the record of a resource without words is kept: longer than a write that has read it takes.
const EMPTY_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The words of a resource as they are stored.
#[derive(Default, Serialize, Deserialize)]
struct WordsRecord {
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    words: String,
    /// Is incremented by each write.
    version: u64,
}

impl Table {
    /// Replaces the words of resources by those that they have now. Costs two or three reads for each resource, and, if its words
    /// have changed, two write units for each of its words, each word that it no longer has, and one item more.
    pub async fn index_words(
        &self,
        resources: impl IntoIterator<Item = SearchResource>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let replace = resources.into_iter().map(|resource| self.replace_words(resource, now));
        stream::iter(replace).buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Replaces the words of a license key and of its machines.
    pub(super) async fn index_license_and_machines(&self, id: LicenseId, now: Timestamp) -> Result<(), StoreError> {
        let machines = self.query_all(Query::prefix(keys::license_partition(id), keys::ACTIVATION)).await?;
        let machine = |item: &Item| item.get("SK")?.as_s().ok()?.strip_prefix(keys::ACTIVATION)?.parse().ok();
        let machines = machines.iter().filter_map(machine).map(|machine| SearchResource::Machine(id, machine));
        self.index_words(machines.chain([SearchResource::License(id)]).collect::<Vec<_>>(), now).await
    }

    /// Replaces the words of a resource. The stored words are read before the resource: if the resource is changed
    /// and its words are replaced after it was read, this write fails, and the resource is read again.
    async fn replace_words(&self, resource: SearchResource, now: Timestamp) -> Result<(), StoreError> {
        let mut backoff = Backoff::default();
        loop {
            let stored = self.get(keys::search_words(resource)).await?;
            let stored: Option<WordsRecord> = stored.map(from_item).transpose()?;
            let words = self.words_of(resource).await?;
            let known = stored.as_ref().map_or("", |stored| &stored.words);
            if known == words.text {
                return Ok(());
            }
            let transaction = replacement(resource, stored.as_ref(), words, now)?;
            match self.commit(&transaction).await? {
                CommitOutcome::Done => return Ok(()),
                CommitOutcome::ConditionFailed(_) => backoff.retry().await?,
            }
        }
    }

    /// Reads the words that a resource has now; none if it does not exist.
    async fn words_of(&self, resource: SearchResource) -> Result<SearchWords, StoreError> {
        Ok(match resource {
            SearchResource::Customer(id) => {
                self.customer(id).await?.map(|found| SearchWords::of_customer(&found.customer)).unwrap_or_default()
            }
            SearchResource::License(id) => {
                self.license(id).await?.as_ref().map(SearchWords::of_license).unwrap_or_default()
            }
            SearchResource::Machine(license, machine) => {
                let found = self.described_activation(license, machine).await?;
                found.as_ref().map(SearchWords::of_machine).unwrap_or_default()
            }
        })
    }
}

/// Returns the writes that replace the stored words of a resource, on condition that no other process has replaced them.
fn replacement(
    resource: SearchResource,
    stored: Option<&WordsRecord>,
    words: SearchWords,
    now: Timestamp,
) -> Result<Transaction, StoreError> {
    let unchanged = match stored {
        None => Condition::absent(),
        Some(stored) => Condition::new("version = :read").value(":read", n(stored.version)),
    };
    let mut transaction = Transaction::new();
    for key in &words.keys {
        transaction.put_always(entry_item(resource, key, &words.text));
    }
    for key in stored.iter().flat_map(|stored| &stored.keys).filter(|key| !words.keys.contains(key)) {
        transaction.delete_always(keys::search_entry(resource, key));
    }
    let version = stored.map_or(0, |stored| stored.version) + 1;
    let is_empty = words.text.is_empty();
    let mut item =
        to_item(keys::search_words(resource), &WordsRecord { keys: words.keys, words: words.text, version })?;
    if is_empty {
        item.insert(TTL_ATTRIBUTE.to_owned(), n((now + EMPTY_FOR).as_second()));
    }
    transaction.put(item, unchanged);
    Ok(transaction)
}

/// Returns the item of a word of a resource.
fn entry_item(resource: SearchResource, word: &str, text: &str) -> Item {
    let mut item = key_only_item(keys::search_entry(resource, word));
    item.insert(TEXT.to_owned(), s(text));
    item
}
