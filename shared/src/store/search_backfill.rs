//! Adds the words of the resources of an installation that is older than the search: in a pass over all customers and license
//! keys, which can stop and continue at any time. Newer resources have events, from which their words are written.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    item::{Item, from_item, n, s, to_item},
    keys,
    table::{Query, Table, UpdateOutcome},
    transaction::Condition,
};
use crate::domain::{CustomerId, LicenseId, SearchResource};

/// The number of customers or license keys that are read at a time.
const PAGE: usize = 200;

/// How far the pass has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Progress {
    /// Customers are read, by name: from this beginning of a name on. The name of a customer would be personal data.
    Customers { from: String },
    /// License keys are read, by time: after the one with this index key.
    Licenses { after: BTreeMap<String, String> },
    /// All words were added.
    Done,
}

/// The stored position of the pass.
#[derive(Serialize, Deserialize)]
struct BackfillRecord {
    /// Is incremented by each write.
    version: u64,
    progress: Progress,
}

impl Table {
    /// Continues the pass with about `max` customers and license keys. Returns whether it is complete: then, it costs one read.
    pub async fn continue_search_backfill(&self, now: Timestamp, max: usize) -> Result<bool, StoreError> {
        let stored = self.get(keys::search_backfill()).await?.map(from_item::<BackfillRecord>).transpose()?;
        let mut version = stored.as_ref().map_or(0, |stored| stored.version);
        let mut progress = stored.map_or(Progress::Customers { from: String::new() }, |stored| stored.progress);
        let mut left = max;
        while progress != Progress::Done && left > 0 {
            progress = match progress {
                Progress::Customers { from } => self.index_customers(from, &mut left, now).await?,
                Progress::Licenses { after } => self.index_licenses(after, &mut left, now).await?,
                Progress::Done => Progress::Done,
            };
            let as_read = Condition::new("attribute_not_exists(PK) OR version = :read").value(":read", n(version));
            version += 1;
            let record = BackfillRecord { version, progress: progress.clone() };
            let written = self.put(to_item(keys::search_backfill(), &record)?, &as_read).await?;
            if let UpdateOutcome::ConditionFailed(_) = written {
                // Another process continues the pass.
                return Ok(false);
            }
        }
        Ok(progress == Progress::Done)
    }

    /// Adds the words of the customers from the beginning of a name on. Stops between two beginnings only, because the position is
    /// one.
    async fn index_customers(&self, from: String, left: &mut usize, now: Timestamp) -> Result<Progress, StoreError> {
        let mut query =
            Query::between(keys::CUSTOMERS.to_owned(), format!("NAME#{from}"), "NAME#\u{10ffff}".to_owned());
        query.index = Some("GSI1");
        loop {
            query.limit = page_size(*left);
            let page = self.query(query.clone()).await?;
            let ids = page.items.iter().filter_map(id::<CustomerId>).map(SearchResource::Customer);
            self.index_words(ids.collect::<Vec<_>>(), now).await?;
            *left = left.saturating_sub(page.items.len());
            let Some(next) = page.next else { return Ok(Progress::Licenses { after: BTreeMap::new() }) };
            let reached = beginning_of_name(&next);
            if *left == 0 && reached != from {
                return Ok(Progress::Customers { from: reached });
            }
            query.after = Some(next);
        }
    }

    /// Adds the words of the next license keys, and of their machines.
    async fn index_licenses(
        &self,
        after: BTreeMap<String, String>,
        left: &mut usize,
        now: Timestamp,
    ) -> Result<Progress, StoreError> {
        let query = Query {
            index: Some("GSI2"),
            limit: page_size(*left),
            after: (!after.is_empty()).then(|| after.into_iter().map(|(name, value)| (name, s(value))).collect()),
            ..Query::prefix(keys::LICENSES.to_owned(), "LICENSE#")
        };
        let page = self.query(query).await?;
        *left = left.saturating_sub(page.items.len());
        for id in page.items.iter().filter_map(id::<LicenseId>) {
            self.index_license_and_machines(id, now).await?;
        }
        let texts =
            |key: Item| key.into_iter().filter_map(|(name, value)| Some((name, value.as_s().ok()?.clone()))).collect();
        Ok(page.next.map_or(Progress::Done, |next| Progress::Licenses { after: texts(next) }))
    }
}

/// Returns how many items are read at a time.
fn page_size(left: usize) -> Option<i32> {
    i32::try_from(left.clamp(1, PAGE)).ok()
}

/// Parses the id of a listed item.
fn id<T: std::str::FromStr>(item: &Item) -> Option<T> {
    item.get("id")?.as_s().ok()?.parse().ok()
}

/// Returns the first two characters of the name in an index key.
fn beginning_of_name(key: &Item) -> String {
    let sort_key = key.get("GSI1SK").and_then(|key| key.as_s().ok());
    let name = sort_key.and_then(|key| key.strip_prefix("NAME#")).unwrap_or_default();
    name.chars().take(2).collect()
}
