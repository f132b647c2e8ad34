//! The statistics of the overview page, which are updated periodically at a cost that depends on what has changed, not
//! on the number of license keys.
//!
//! The sums are in one item, and what each license key contributes to them in an item of its own, so that a change of
//! the license key replaces its contribution, and nothing is counted twice or lost if an update stops between two
//! writes. An update finds license keys whose contribution may have changed by the events since the previous update, and
//! by the time: those that expired, or that now expire soon.

mod contributions;
mod new_events;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    item::{from_item, n, to_item},
    keys,
    table::Table,
    transaction::Condition,
};
use crate::domain::{
    EventId,
    statistics::{DayCounts, MAX_LATEST_EVENTS, Statistics, days_from, latest_events},
};

/// How far the first update looks back for the latest events.
const INITIAL_LOOKBACK: SignedDuration = SignedDuration::from_hours(60 * 24);

/// How much work one update does at most.
#[derive(Debug, Clone, Copy)]
pub struct UpdateLimits {
    /// The number of license keys that are counted, at which an update stops. The next update continues. It is exceeded by
    /// less than a page, of up to 1 MB.
    pub max_counted: usize,
    /// The number of license keys that are counted again although nothing indicates a change. All license keys take
    /// turns, so that an event that was missed is made up for.
    pub recounted: usize,
}

impl Default for UpdateLimits {
    /// The limits of the scheduled function. It counts several hundred license keys per second.
    fn default() -> Self {
        Self { max_counted: 100_000, recounted: 200 }
    }
}

/// The stored statistics, with their time as a number that conditions can compare.
#[derive(Serialize, Deserialize)]
struct StatisticsRecord {
    made_at_ms: i64,
    statistics: Statistics,
    /// Absent in statistics of earlier versions.
    #[serde(default)]
    progress: Progress,
}

/// Up to where events and license keys have been counted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Progress {
    /// For each index partition of a day's events: the smallest id of an event that is not yet in `days`.
    next_events: Vec<EventId>,
    /// The events that have been counted, per day.
    days: Vec<DayCounts>,
    /// The expiry up to which license keys have been counted as expired; `None` before the first update, which counts all.
    expired_until: Option<Timestamp>,
    /// The expiry up to which license keys have been counted as expiring soon.
    ending_until: Option<Timestamp>,
    /// The index key of the license key that was recounted last; `None` starts with the oldest.
    recounted: Option<BTreeMap<String, String>>,
    /// Whether every license key has been counted.
    is_complete: bool,
}

impl Table {
    /// Reads the statistics; `None` if they were never computed.
    pub async fn statistics(&self) -> Result<Option<Statistics>, StoreError> {
        Ok(self.statistics_record().await?.map(|record| record.statistics))
    }

    /// Updates and stores the statistics, unless newer ones are stored. Costs about three reads and up to three writes
    /// for each license key with events since the previous update, three reads for each one that is recounted, and at
    /// least ten reads and one write.
    pub async fn update_statistics(&self, now: Timestamp, limits: UpdateLimits) -> Result<Statistics, StoreError> {
        let previous = self.statistics_record().await?;
        let (previous, mut progress) = match previous {
            Some(record) if record.statistics.made_at > now => return Ok(record.statistics),
            Some(record) => (Some(record.statistics), record.progress),
            None => (None, Progress::default()),
        };
        if !progress.is_complete {
            self.create_counts().await?;
        }
        let mut remaining = limits.max_counted;
        let days = self.count_new_events(&mut progress, &mut remaining, now).await?;
        self.count_changed_by_time(&mut progress, &mut remaining, now).await?;
        let recounted = if progress.is_complete { limits.recounted } else { remaining };
        self.recount(&mut progress, recounted, now).await?;
        let statistics = self.assemble(previous.as_ref(), &progress, days, now).await?;
        self.store_statistics(
            previous.as_ref(),
            StatisticsRecord { made_at_ms: now.as_millisecond(), statistics, progress },
        )
        .await
    }

    async fn assemble(
        &self,
        previous: Option<&Statistics>,
        progress: &Progress,
        days: Vec<DayCounts>,
        now: Timestamp,
    ) -> Result<Statistics, StoreError> {
        let since = previous.map_or(now - INITIAL_LOOKBACK, |previous| previous.made_at);
        let newer = self.events_since(since, now, MAX_LATEST_EVENTS).await?;
        let latest = latest_events(newer, previous.map_or(&[], |previous| &previous.latest));
        let counts = self.counts().await?;
        Ok(Statistics {
            made_at: now,
            is_complete: progress.is_complete,
            statuses: counts.statuses(),
            ending: counts.ending(self.first_ending(now).await?),
            nearly_full: counts.nearly_full(self.fullest(now).await?),
            days: days_from(&days, now),
            latest,
        })
    }

    async fn statistics_record(&self) -> Result<Option<StatisticsRecord>, StoreError> {
        self.get(keys::statistics()).await?.map(from_item).transpose()
    }

    /// Stores statistics, on condition that no other update has stored any since `previous` was read.
    async fn store_statistics(
        &self,
        previous: Option<&Statistics>,
        record: StatisticsRecord,
    ) -> Result<Statistics, StoreError> {
        let unchanged = match previous {
            None => Condition::absent(),
            Some(previous) => Condition::new("made_at_ms = :read").value(":read", n(previous.made_at.as_millisecond())),
        };
        self.put(to_item(keys::statistics(), &record)?, &unchanged).await?;
        Ok(record.statistics)
    }
}
