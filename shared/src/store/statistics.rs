//! The figures of the overview: one item, made anew now and then.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::{
    keys,
    licenses::license_of,
    table::{Query, StoreError, Table, from_item, n, to_item},
    transaction::Condition,
};
use crate::domain::{
    CustomerId, EventType, License,
    statistics::{Day, LATEST, Statistics, Tally, days_until, latest},
};

/// How many questions are under way at once: a run is in no hurry, and takes nothing from whoever is.
const AT_ONCE: usize = 16;

/// How far the first run looks back for the latest events.
const LONG_AGO: SignedDuration = SignedDuration::from_hours(60 * 24);

/// What is read of an event to count it.
#[derive(Deserialize)]
struct Kind {
    r#type: EventType,
}

/// The figures, as they lie in the table: a time to compare, and the rest as it is.
#[derive(Serialize, Deserialize)]
struct Record {
    made_at_ms: i64,
    statistics: Statistics,
}

impl Table {
    /// The figures of the last run; none before the first.
    pub async fn statistics(&self) -> Result<Option<Statistics>, StoreError> {
        let item = self.get(keys::statistics()).await?;
        Ok(item.map(from_item::<Record>).transpose()?.map(|record| record.statistics))
    }

    /// Makes the figures and keeps them, unless a later run has. It reads the list of all license keys page by page, counts
    /// the seats of active ones that have a limit, and the events of those days that may have changed since the run
    /// before: for 1,000 license keys, some 600 read units, and one write.
    pub async fn make_statistics(&self, now: Timestamp) -> Result<Statistics, StoreError> {
        let before = self.statistics().await?;
        let latest = match &before {
            Some(before) => latest(self.events_since(before.made_at, now, LATEST).await?, &before.latest),
            None => self.events_since(now - LONG_AGO, now, LATEST).await?,
        };
        let before = before.map(|before| before.days).unwrap_or_default();
        let days =
            stream::iter(days_until(now)).map(|date| self.day(date, &before, now)).buffered(2).try_collect().await?;
        let mut statistics = self.tally(now).await?.finish(days, latest);
        let ids = statistics.named().map(|key| key.customer_id).collect::<Vec<_>>();
        let names = self.names_of(ids).await?;
        for key in statistics.named() {
            key.customer_name = names.get(&key.customer_id).cloned().unwrap_or_default();
        }
        let record = Record { made_at_ms: now.as_millisecond(), statistics };
        let not_newer = Condition::new("attribute_not_exists(PK) OR made_at_ms <= :made_at")
            .value(":made_at", n(record.made_at_ms));
        self.put(to_item(keys::statistics(), &record)?, &not_newer).await?;
        Ok(record.statistics)
    }

    async fn tally(&self, now: Timestamp) -> Result<Tally, StoreError> {
        let mut tally = Tally::new(now);
        let mut query = Query::prefix(keys::LICENSES.to_owned(), "LICENSE#");
        query.index = Some("GSI2");
        loop {
            let page = self.query(query.clone()).await?;
            let licenses = page.items.into_iter().map(license_of).collect::<Result<Vec<License>, _>>()?;
            let seats = licenses.iter().map(|license| {
                let is_needed = tally.needs_seats(license);
                async move { if is_needed { self.seats_used(license).await.map(Some) } else { Ok(None) } }
            });
            let seats: Vec<_> = stream::iter(seats).buffered(AT_ONCE).try_collect().await?;
            for (license, seats) in licenses.iter().zip(seats) {
                tally.count(license, seats);
            }
            let Some(next) = page.next else { return Ok(tally) };
            query.after = Some(next);
        }
    }

    /// A day's figures: those of the run before where nothing can have been added to them.
    async fn day(&self, date: Date, before: &[Day], now: Timestamp) -> Result<Day, StoreError> {
        if let Some(known) = before.iter().find(|day| day.date == date && day.is_settled()) {
            return Ok(known.clone());
        }
        let shards = (0..keys::EVENT_SHARDS).map(|shard| self.kinds(date, shard));
        let mut day = Day::new(date, now);
        for kind in try_join_all(shards).await?.into_iter().flatten() {
            day.count(kind);
        }
        Ok(day)
    }

    async fn kinds(&self, date: Date, shard: u8) -> Result<Vec<EventType>, StoreError> {
        let mut query = Query::prefix(keys::event_shard(date, shard), "");
        query.index = Some("GSI1");
        let items = self.query_all(query).await?;
        items.into_iter().map(|item| Ok(from_item::<Kind>(item)?.r#type)).collect()
    }

    async fn names_of(&self, ids: Vec<CustomerId>) -> Result<BTreeMap<CustomerId, String>, StoreError> {
        let found = try_join_all(ids.into_iter().map(|id| self.customer(id))).await?;
        Ok(found.into_iter().flatten().map(|found| (found.customer.id, found.customer.name)).collect())
    }
}
