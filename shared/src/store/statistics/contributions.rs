//! What license keys contribute to the statistics.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Progress;
use crate::{
    domain::{
        License, LicenseId, Status,
        statistics::{Contribution, Counts, ENDING_WITHIN, LicenseSummary, MAX_SHORTLIST},
    },
    store::{
        StoreError, Table,
        item::{Item, attributes, from_item, n, s, to_item},
        keys,
        licenses::parse_license,
        table::Query,
        transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
    },
};

/// The number of license keys that are read at a time. It is low, so that other requests are not throttled.
const MAX_CONCURRENCY: usize = 16;
/// The number of contributions that are written in one transaction, which can have 100 writes.
const MAX_WRITES: usize = 50;
/// The number of attempts to write contributions that another update writes at the same time.
const MAX_ATTEMPTS: usize = 3;
/// The number of license keys that are read per request while they are recounted.
const MAX_RECOUNT_PAGE: usize = 500;
/// From this percentage on, license keys are listed as equally full.
const MAX_PERCENT: usize = 99_999;
/// The prefix of the index sort keys of active license keys that expire, by expiry.
const BY_EXPIRY: &str = "EXPIRY";
/// The prefix of the index sort keys of license keys that are nearly full, fullest first.
const BY_FULLNESS: &str = "FULL#";

/// A stored contribution.
#[derive(Serialize, Deserialize)]
struct ContributionRecord {
    license_id: LicenseId,
    contribution: Contribution,
    /// When the contribution was found to be this one, as Unix time in milliseconds.
    counted_at_ms: i64,
    /// Is incremented by each write.
    version: u64,
}

/// A contribution that is to be written.
struct Change {
    old: Option<ContributionRecord>,
    new: ContributionRecord,
}

/// The attributes of a listed contribution that are used.
#[derive(Deserialize)]
struct ListedRecord {
    license_id: LicenseId,
    contribution: Contribution,
}

impl Table {
    /// Counts license keys: replaces their contributions to the sums.
    pub(super) async fn count_licenses(
        &self,
        ids: impl IntoIterator<Item = LicenseId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ids: Vec<_> = ids.into_iter().collect();
        for ids in ids.chunks(MAX_WRITES) {
            self.replace_contributions(ids, now).await?;
        }
        Ok(())
    }

    async fn replace_contributions(&self, ids: &[LicenseId], now: Timestamp) -> Result<(), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let changes = stream::iter(ids.iter().map(|id| self.change(*id, now))).buffered(MAX_CONCURRENCY);
            let changes: Vec<Change> = changes.try_filter_map(async |change| Ok(change)).try_collect().await?;
            if changes.is_empty() {
                return Ok(());
            }
            if self.commit_changes(&changes).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }

    /// Reads what a license key contributes; `None` if its stored contribution is still right, or of a later time: then
    /// this update is older than another that runs at the same time.
    async fn change(&self, id: LicenseId, now: Timestamp) -> Result<Option<Change>, StoreError> {
        let Some(license) = self.license(id).await? else { return Ok(None) };
        let seats_used = self.counted_seats(&license, now).await?;
        let old: Option<ContributionRecord> = self.get(keys::contribution(id)).await?.map(from_item).transpose()?;
        let contribution = Contribution::of(&license, seats_used, now);
        let counted_at_ms = now.as_millisecond();
        if old.as_ref().is_some_and(|old| old.contribution == contribution || old.counted_at_ms > counted_at_ms) {
            return Ok(None);
        }
        let version = old.as_ref().map_or(0, |old| old.version) + 1;
        Ok(Some(Change { old, new: ContributionRecord { license_id: id, contribution, counted_at_ms, version } }))
    }

    /// Writes contributions and the sums in one transaction. Returns `false` if another update has written one of the
    /// contributions since it was read.
    async fn commit_changes(&self, changes: &[Change]) -> Result<bool, StoreError> {
        let mut difference = Counts::default();
        let mut transaction = Transaction::new();
        for Change { old, new } in changes {
            let unchanged = match old {
                None => Condition::absent(),
                Some(old) => Condition::new("version = :version").value(":version", n(old.version)),
            };
            if let Some(old) = old {
                old.contribution.add_to(&mut difference, -1);
            }
            new.contribution.add_to(&mut difference, 1);
            transaction.put(contribution_item(new)?, unchanged);
        }
        if difference != Counts::default() {
            transaction.update(&counts_update(&difference)?);
        }
        Ok(matches!(self.commit(&transaction).await?, CommitOutcome::Done))
    }

    /// Counts the license keys whose contribution has changed without an event by `now`: those that expired, and those that
    /// now expire soon. Stops when `remaining` license keys have been counted.
    pub(super) async fn count_changed_by_time(
        &self,
        progress: &mut Progress,
        remaining: &mut usize,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let expired = (progress.expired_until.get_or_insert(now), now);
        let ending_soon = (progress.ending_until.get_or_insert(now + ENDING_WITHIN), now + ENDING_WITHIN);
        for (counted_until, end) in [expired, ending_soon] {
            let mut query = by_expiry(*counted_until, end);
            loop {
                if *remaining == 0 {
                    return Ok(());
                }
                let page = self.query(query.clone()).await?;
                let listed = listed(page.items)?;
                self.count_licenses(listed.iter().map(|record| record.license_id), now).await?;
                *remaining = remaining.saturating_sub(listed.len());
                let Some(next) = page.next else { break };
                if let Some(honoured_until) = listed.last().and_then(|record| record.contribution.honoured_until) {
                    *counted_until = honoured_until;
                }
                query.after = Some(next);
            }
            *counted_until = end;
        }
        Ok(())
    }

    /// Counts the next license keys in the order of their issuance, at most `max` and a page more.
    pub(super) async fn recount(&self, progress: &mut Progress, max: usize, now: Timestamp) -> Result<(), StoreError> {
        let mut counted = 0;
        while counted < max {
            let query = Query {
                index: Some("GSI2"),
                limit: i32::try_from(max.min(MAX_RECOUNT_PAGE)).ok(),
                after: progress.recounted.clone().map(index_key),
                ..Query::prefix(keys::LICENSES.to_owned(), "LICENSE#")
            };
            let page = self.query(query).await?;
            let licenses = page.items.into_iter().map(parse_license).collect::<Result<Vec<License>, _>>()?;
            self.count_licenses(licenses.iter().map(|license| license.id), now).await?;
            counted += licenses.len();
            progress.recounted = page.next.map(stored_index_key);
            if progress.recounted.is_none() {
                progress.is_complete = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Creates the sums if they do not exist.
    pub(super) async fn create_counts(&self) -> Result<(), StoreError> {
        self.put(to_item(keys::counts(), &Counts::default())?, &Condition::absent()).await?;
        Ok(())
    }

    /// Reads the sums.
    pub(super) async fn counts(&self) -> Result<Counts, StoreError> {
        let item = self.get(keys::counts()).await?;
        Ok(item.map(from_item).transpose()?.unwrap_or_default())
    }

    /// Reads the license keys that expire first, of those that expire soon.
    pub(super) async fn first_ending(&self, now: Timestamp) -> Result<Vec<LicenseSummary>, StoreError> {
        self.summaries(by_expiry(now, now + ENDING_WITHIN), now).await
    }

    /// Reads the fullest license keys, of those that are nearly full.
    pub(super) async fn fullest(&self, now: Timestamp) -> Result<Vec<LicenseSummary>, StoreError> {
        let query = Query { index: Some("GSI2"), ..Query::prefix(keys::STATISTICS.to_owned(), BY_FULLNESS) };
        self.summaries(query, now).await
    }

    async fn summaries(&self, query: Query, now: Timestamp) -> Result<Vec<LicenseSummary>, StoreError> {
        let query = Query { limit: i32::try_from(MAX_SHORTLIST).ok(), ..query };
        let listed = listed(self.query(query).await?.items)?;
        let summaries = try_join_all(listed.into_iter().map(|record| self.summary(record.license_id, now))).await?;
        Ok(summaries.into_iter().flatten().collect())
    }

    /// Reads the summary of a license key; `None` if it is no longer active.
    async fn summary(&self, id: LicenseId, now: Timestamp) -> Result<Option<LicenseSummary>, StoreError> {
        let license = self.license(id).await?.filter(|license| license.status(now) == Status::Active);
        let Some(license) = license else { return Ok(None) };
        let customer = match license.customer_id {
            Some(id) => self.customer(id).await?,
            None => None,
        };
        let name = customer.and_then(|found| found.customer.name).unwrap_or_default();
        let seats_used = self.counted_seats(&license, now).await?;
        Ok(Some(LicenseSummary::new(license, name, seats_used)))
    }

    /// Counts the used seats of an active license key with a limit.
    async fn counted_seats(&self, license: &License, now: Timestamp) -> Result<Option<usize>, StoreError> {
        let is_counted = license.max_users.is_some() && license.status(now) == Status::Active;
        if is_counted { self.seats_used(license).await.map(Some) } else { Ok(None) }
    }
}

fn contribution_item(record: &ContributionRecord) -> Result<Item, StoreError> {
    let mut item = to_item(keys::contribution(record.license_id), record)?;
    let mut index = |name: &str, sort_key: String| {
        item.insert(format!("{name}PK"), s(keys::STATISTICS));
        item.insert(format!("{name}SK"), s(format!("{sort_key}#{}", record.license_id)));
    };
    if let Some(end) = record.contribution.honoured_until {
        index("GSI1", keys::time_sort_key(BY_EXPIRY, end));
    }
    if let Some(percent) = record.contribution.nearly_full_percent {
        // More than 100 percent are used after the number of seats was reduced.
        index("GSI2", format!("{BY_FULLNESS}{:05}", MAX_PERCENT.saturating_sub(percent)));
    }
    Ok(item)
}

fn counts_update(difference: &Counts) -> Result<ItemUpdate, StoreError> {
    let update = ItemUpdate::new(keys::counts(), Condition::default());
    Ok(attributes(difference)?.into_iter().fold(update, |update, (name, value)| update.add(&name, value)))
}

/// Queries the active license keys that stop being honoured in a range of times, in this order.
fn by_expiry(from: Timestamp, to: Timestamp) -> Query {
    // `~` sorts after the license ids.
    let to = format!("{}~", keys::time_sort_key(BY_EXPIRY, to));
    let query = Query::between(keys::STATISTICS.to_owned(), keys::time_sort_key(BY_EXPIRY, from), to);
    Query { index: Some("GSI1"), ..query }
}

fn listed(items: Vec<Item>) -> Result<Vec<ListedRecord>, StoreError> {
    items.into_iter().map(from_item).collect()
}

/// Converts an index key, whose attributes are all strings, to a form that can be stored.
fn stored_index_key(key: Item) -> BTreeMap<String, String> {
    key.into_iter().filter_map(|(name, value)| Some((name, value.as_s().ok()?.clone()))).collect()
}

fn index_key(stored: BTreeMap<String, String>) -> Item {
    stored.into_iter().map(|(name, value)| (name, s(value))).collect()
}
