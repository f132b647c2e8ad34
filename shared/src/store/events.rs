//! Events: the append-only audit log of license keys.

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use ulid::Ulid;

use super::{
    error::StoreError,
    item::{Item, from_item, s, to_item},
    keys,
    pagination::{ListError, Page, PageRequest, paginate_query},
    table::{Query, Table},
};
use crate::domain::{Event, LicenseId, time::utc_date};

/// Creates the item of an event. It is written in the transaction of the change that it records.
pub fn event_item(event: &Event) -> Result<Item, StoreError> {
    let mut item = to_item(keys::event(event), event)?;
    item.insert("GSI1PK".to_owned(), s(keys::event_partition(event)));
    item.insert("GSI1SK".to_owned(), s(event.id.ulid().to_string()));
    Ok(item)
}

/// The maximum number of days that are searched for one page. If it is reached, the page may be short and has a cursor.
const MAX_DAYS: usize = 60;

impl Table {
    /// Reads a page of the events of a license key, newest first.
    pub async fn events_of(&self, license: LicenseId, paging: &PageRequest) -> Result<Page<Event>, ListError> {
        let query = Query { descending: true, ..Query::prefix(keys::license_partition(license), keys::EVENT) };
        let page = paginate_query(self, query, &format!("events {license}"), paging).await?;
        let items = page.items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Reads a page of the events of all license keys, newest first. Reads one day at a time and merges its partitions.
    /// A page can have fewer items than the limit, or none, and still have a cursor: each request reads a limited number
    /// of days.
    pub async fn all_events(&self, paging: &PageRequest, now: Timestamp) -> Result<Page<Event>, ListError> {
        let list = "events of all";
        let after = paging.position::<1>(list)?.map(|[ulid]| ulid);
        // A function whose clock is ahead may have written events with tomorrow's date.
        let newest = utc_date(now + SignedDuration::from_hours(24));
        let mut day = after
            .as_deref()
            .and_then(|text| date_of_ulid(Ulid::from_string(text).ok()?))
            .map_or(newest, |day| day.min(newest));
        let oldest = self.oldest_product().await?.map_or(newest, utc_date);
        let mut events: Vec<Event> = Vec::new();
        for _ in 0..MAX_DAYS {
            if day < oldest {
                return Ok(Page { items: events, next: None });
            }
            let remaining = paging.limit + 1 - events.len();
            events.extend(self.events_of_day(day, after.as_deref(), remaining).await?);
            if events.len() > paging.limit {
                events.truncate(paging.limit);
                let last = events.last().map(|event| event.id.ulid().to_string());
                return Ok(Page { items: events, next: last.map(|ulid| paging.encode_cursor(list, vec![ulid])) });
            }
            let Ok(yesterday) = day.yesterday() else { break };
            day = yesterday;
        }
        let next = paging.encode_cursor(list, vec![first_ulid_after(day)]);
        Ok(Page { items: events, next: Some(next) })
    }

    /// Reads the latest events, newest first: at most `max`, from the day of `since` on.
    pub async fn events_since(&self, since: Timestamp, now: Timestamp, max: usize) -> Result<Vec<Event>, StoreError> {
        let mut day = utc_date(now + SignedDuration::from_hours(24));
        let mut events = Vec::new();
        while day >= utc_date(since) && events.len() < max {
            events.extend(self.events_of_day(day, None, max - events.len()).await?);
            let Ok(yesterday) = day.yesterday() else { break };
            day = yesterday;
        }
        Ok(events)
    }

    async fn events_of_day(&self, day: Date, after: Option<&str>, limit: usize) -> Result<Vec<Event>, StoreError> {
        let shards = (0..keys::EVENT_SHARDS).map(|shard| {
            // Events below the last one of the previous page; `~` sorts after all ULIDs.
            let end = after.map_or_else(|| "~".to_owned(), str::to_owned);
            let mut query = Query::between(keys::event_shard(day, shard), "0".to_owned(), end);
            query.index = Some("GSI1");
            query.descending = true;
            query.limit = i32::try_from(limit + 1).ok();
            self.query(query)
        });
        let mut events = Vec::new();
        for page in try_join_all(shards).await? {
            for item in page.items {
                events.push(from_item::<Event>(item)?);
            }
        }
        events.retain(|event| after.is_none_or(|after| event.id.ulid().to_string().as_str() < after));
        events.sort_by_key(|event| std::cmp::Reverse(event.id));
        events.truncate(limit);
        Ok(events)
    }

    /// Reads when the first product was created. There are no license keys before that, and no events; an imported license key
    /// can have been issued earlier.
    async fn oldest_product(&self) -> Result<Option<Timestamp>, StoreError> {
        // Products are sorted by id, which has the time of the creation.
        let mut query = Query::prefix(keys::CATALOG.to_owned(), "PRODUCT#");
        query.limit = Some(1);
        let page = self.query(query).await?;
        let created_at = page.items.first().and_then(|item| item.get("created_at")?.as_s().ok()?.parse().ok());
        Ok(created_at)
    }
}

/// Returns the date in a ULID.
pub(super) fn date_of_ulid(ulid: Ulid) -> Option<Date> {
    let millis = i64::try_from(ulid.timestamp_ms()).ok()?;
    Timestamp::from_millisecond(millis).ok().map(utc_date)
}

/// Returns a ULID greater than all ULIDs of `day`, from which a cursor continues with that day.
fn first_ulid_after(day: Date) -> String {
    let next =
        day.tomorrow().ok().and_then(|day| day.to_zoned_datetime(TimeZone::UTC).ok()).map(|start| start.timestamp());
    let millis = next.and_then(|start| u64::try_from(start.as_millisecond()).ok()).unwrap_or(u64::MAX);
    Ulid::from_parts(millis.saturating_sub(1), u128::MAX).to_string()
}
