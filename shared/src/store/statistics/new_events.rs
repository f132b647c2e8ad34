//! Counting events: each exactly once, in the order of their ids.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, civil::Date};
use ulid::Ulid;

use super::Progress;
use crate::{
    domain::{
        Event, EventId, Id,
        statistics::{DAYS, DayCounts, count_event, days_from},
        time::utc_date,
    },
    store::{StoreError, Table, events::date_of_ulid, item::from_item, keys, table::Query},
};

/// After this time, every event of a time can be read: a request is answered or has failed, the clocks of functions
/// differ by less than a second, and an index lags behind the table by less than that in nearly all cases.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_mins(2);

impl Table {
    /// Counts the events since the previous update, and the license keys that they belong to. Returns the counts
    /// including events that are too recent to be counted for good. Stops reading when `remaining` license keys have been
    /// counted.
    pub(super) async fn count_new_events(
        &self,
        progress: &mut Progress,
        remaining: &mut usize,
        now: Timestamp,
    ) -> Result<Vec<DayCounts>, StoreError> {
        let first = first_id_at(now - SignedDuration::from_hours(24 * i64::try_from(DAYS).unwrap_or(0)));
        progress.next_events.resize(usize::from(keys::EVENT_SHARDS), first);
        progress.days = days_from(&progress.days, now);
        let mut days = progress.days.clone();
        for shard in 0..keys::EVENT_SHARDS {
            self.count_shard(shard, progress, &mut days, remaining, now).await?;
        }
        Ok(days)
    }

    async fn count_shard(
        &self,
        shard: u8,
        progress: &mut Progress,
        days: &mut [DayCounts],
        remaining: &mut usize,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let settled = first_id_at(now - SETTLED_AFTER);
        let start = progress.next_events[usize::from(shard)];
        let Some(mut day) = date_of_ulid(start.ulid()) else { return Ok(()) };
        while day <= utc_date(now) {
            let mut query = events_from(day, shard, start);
            loop {
                if *remaining == 0 {
                    return Ok(());
                }
                let page = self.query(query.clone()).await?;
                let events: Vec<Event> = page.items.into_iter().map(from_item).collect::<Result<_, _>>()?;
                let licenses: BTreeSet<_> = events.iter().filter_map(|event| event.license_id).collect();
                self.count_licenses(licenses.iter().copied(), now).await?;
                *remaining = remaining.saturating_sub(licenses.len());
                for event in &events {
                    count_event(days, event.event_type(), event.at);
                    if event.id < settled {
                        count_event(&mut progress.days, event.event_type(), event.at);
                        progress.next_events[usize::from(shard)] = next_id(event.id);
                    }
                }
                let Some(next) = page.next else { break };
                query.after = Some(next);
            }
            let Ok(tomorrow) = day.tomorrow() else { break };
            day = tomorrow;
        }
        let next = &mut progress.next_events[usize::from(shard)];
        *next = settled.max(*next);
        Ok(())
    }
}

/// Queries the events of a day from an id on.
fn events_from(day: Date, shard: u8, from: EventId) -> Query {
    // `~` sorts after all ULIDs.
    let query = Query::between(keys::event_shard(day, shard), from.ulid().to_string(), "~".to_owned());
    Query { index: Some("GSI1"), ..query }
}

/// Returns the smallest id of an event at a time.
fn first_id_at(time: Timestamp) -> EventId {
    Id::from_ulid(Ulid::from_parts(u64::try_from(time.as_millisecond()).unwrap_or(0), 0))
}

fn next_id(id: EventId) -> EventId {
    Id::from_ulid(Ulid(id.ulid().0.saturating_add(1)))
}
