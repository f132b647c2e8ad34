//! The statistics of the overview page: one item that is updated periodically.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    item::{from_item, n, to_item},
    keys,
    licenses::parse_license,
    table::{Query, Table},
    transaction::Condition,
};
use crate::domain::{
    CustomerId, EventType, License,
    statistics::{DayCounts, MAX_LATEST_EVENTS, Statistics, StatisticsBuilder, days_until, latest_events},
};

/// The number of concurrent queries. It is low, so that other requests are not throttled.
const MAX_CONCURRENCY: usize = 16;

/// How far the first update looks back for the latest events.
const INITIAL_LOOKBACK: SignedDuration = SignedDuration::from_hours(60 * 24);

/// The attribute of an event that is counted.
#[derive(Deserialize)]
struct EventTypeRecord {
    r#type: EventType,
}

/// The stored statistics, with their time as a number that conditions can compare.
#[derive(Serialize, Deserialize)]
struct StatisticsRecord {
    made_at_ms: i64,
    statistics: Statistics,
}

impl Table {
    /// Reads the statistics; `None` if they were never computed.
    pub async fn statistics(&self) -> Result<Option<Statistics>, StoreError> {
        let item = self.get(keys::statistics()).await?;
        Ok(item.map(from_item::<StatisticsRecord>).transpose()?.map(|record| record.statistics))
    }

    /// Computes and stores the statistics, unless newer ones are stored. Reads all license keys page by page, counts
    /// the seats of active license keys with a limit, and counts the events of the days that may have changed since the
    /// previous update. With 1,000 license keys, this costs about 600 read units and one write.
    pub async fn update_statistics(&self, now: Timestamp) -> Result<Statistics, StoreError> {
        let previous = self.statistics().await?;
        let latest = match &previous {
            Some(previous) => {
                latest_events(self.events_since(previous.made_at, now, MAX_LATEST_EVENTS).await?, &previous.latest)
            }
            None => self.events_since(now - INITIAL_LOOKBACK, now, MAX_LATEST_EVENTS).await?,
        };
        let previous = previous.map(|previous| previous.days).unwrap_or_default();
        let days =
            stream::iter(days_until(now)).map(|date| self.day(date, &previous, now)).buffered(2).try_collect().await?;
        let mut statistics = self.count_licenses(now).await?.build(days, latest);
        let ids = statistics.listed_licenses().map(|key| key.customer_id).collect::<Vec<_>>();
        let names = self.customer_names(ids).await?;
        for key in statistics.listed_licenses() {
            key.customer_name = names.get(&key.customer_id).cloned().unwrap_or_default();
        }
        let record = StatisticsRecord { made_at_ms: now.as_millisecond(), statistics };
        let not_newer = Condition::new("attribute_not_exists(PK) OR made_at_ms <= :made_at")
            .value(":made_at", n(record.made_at_ms));
        self.put(to_item(keys::statistics(), &record)?, &not_newer).await?;
        Ok(record.statistics)
    }

    async fn count_licenses(&self, now: Timestamp) -> Result<StatisticsBuilder, StoreError> {
        let mut builder = StatisticsBuilder::new(now);
        let mut query = Query::prefix(keys::LICENSES.to_owned(), "LICENSE#");
        query.index = Some("GSI2");
        loop {
            let page = self.query(query.clone()).await?;
            let licenses = page.items.into_iter().map(parse_license).collect::<Result<Vec<License>, _>>()?;
            let seats = licenses.iter().map(|license| {
                let is_needed = builder.needs_seats(license);
                async move { if is_needed { self.seats_used(license).await.map(Some) } else { Ok(None) } }
            });
            let seats: Vec<_> = stream::iter(seats).buffered(MAX_CONCURRENCY).try_collect().await?;
            for (license, seats) in licenses.iter().zip(seats) {
                builder.add(license, seats);
            }
            let Some(next) = page.next else { return Ok(builder) };
            query.after = Some(next);
        }
    }

    /// Counts the events of a day, or returns the previous counts if no event can have been added since.
    async fn day(&self, date: Date, previous: &[DayCounts], now: Timestamp) -> Result<DayCounts, StoreError> {
        if let Some(known) = previous.iter().find(|day| day.date == date && day.is_settled()) {
            return Ok(known.clone());
        }
        let shards = (0..keys::EVENT_SHARDS).map(|shard| self.event_types(date, shard));
        let mut day = DayCounts::new(date, now);
        for event_type in try_join_all(shards).await?.into_iter().flatten() {
            day.count(event_type);
        }
        Ok(day)
    }

    async fn event_types(&self, date: Date, shard: u8) -> Result<Vec<EventType>, StoreError> {
        let mut query = Query::prefix(keys::event_shard(date, shard), "");
        query.index = Some("GSI1");
        let items = self.query_all(query).await?;
        items.into_iter().map(|item| Ok(from_item::<EventTypeRecord>(item)?.r#type)).collect()
    }

    async fn customer_names(&self, ids: Vec<CustomerId>) -> Result<BTreeMap<CustomerId, String>, StoreError> {
        let found = try_join_all(ids.into_iter().map(|id| self.customer(id))).await?;
        Ok(found.into_iter().flatten().map(|found| (found.customer.id, found.customer.name)).collect())
    }
}
