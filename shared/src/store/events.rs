//! Events: the append-only audit log of all resources.

use std::cmp::Reverse;

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
use crate::domain::{
    Event, LicenseId, Subject,
    event::{EventType, EventTypePattern},
    time::utc_date,
};

/// Creates the item of an event. It is written in the transaction of the change that it records.
pub fn event_item(event: &Event) -> Result<Item, StoreError> {
    let mut item = to_item(keys::event(event), event)?;
    item.insert("GSI1PK".to_owned(), s(keys::event_partition(event)));
    item.insert("GSI1SK".to_owned(), s(event.id.ulid().to_string()));
    Ok(item)
}

/// The maximum number of days and parts of days that are read for one page. If it is reached, the page may be short and has a
/// cursor.
const MAX_READS: usize = 60;
/// How long before the creation of the key ring the list of events begins. The first API key can be older than it.
const BEFORE_KEY_RING: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The events that a list contains. Filters can be combined.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only events of these types.
    pub event_type: Option<EventTypePattern>,
    /// Only events about this resource.
    pub subject: Option<Subject>,
    /// Only events at this time or later.
    pub since: Option<Timestamp>,
    /// Only events at this time or earlier.
    pub until: Option<Timestamp>,
}

impl EventFilter {
    /// Returns whether the list contains an event.
    pub fn matches(&self, event: &Event) -> bool {
        self.event_type.is_none_or(|pattern| pattern.matches(event.event_type()))
            && self.subject.as_ref().is_none_or(|subject| *subject == event.subject)
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at <= until)
    }

    /// Returns the name of the list in cursors.
    fn list_name(&self) -> String {
        let millis = |time: Option<Timestamp>| time.map_or_else(String::new, |time| time.as_millisecond().to_string());
        let event_type = self.event_type.map_or_else(String::new, |pattern| pattern.to_string());
        let subject = self.subject.as_ref().map_or_else(String::new, Subject::id);
        format!("events {event_type} {subject} {} {}", millis(self.since), millis(self.until))
    }

    /// Returns the smallest ULID of an event in the list.
    fn first_ulid(&self) -> Ulid {
        self.since.map_or(Ulid(0), |since| Ulid::from_parts(millis(since), 0))
    }

    /// Returns the largest ULID of an event in the list.
    fn last_ulid(&self) -> Ulid {
        self.until.map_or(Ulid(u128::MAX), |until| Ulid::from_parts(millis(until), u128::MAX))
    }
}

/// Events of a day, in the order in which they were read.
pub(super) struct DayEvents<T> {
    pub(super) events: Vec<T>,
    /// Whether none follow.
    is_end: bool,
}

impl Table {
    /// Reads a page of the events of a license key, newest first.
    pub async fn events_of(&self, license: LicenseId, paging: &PageRequest) -> Result<Page<Event>, ListError> {
        let query = Query { descending: true, ..Query::prefix(keys::license_partition(license), keys::EVENT) };
        let page = paginate_query(self, query, &format!("events {license}"), paging).await?;
        let items = page.items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Reads the newest event of a type in the history of a license key.
    pub async fn latest_event_of(
        &self,
        license: LicenseId,
        event_type: EventType,
    ) -> Result<Option<Event>, StoreError> {
        let newest_first = Query::prefix(keys::license_partition(license), keys::EVENT);
        let mut query = Query { descending: true, limit: Some(100), ..newest_first };
        for _ in 0..MAX_READS {
            let page = self.query(query.clone()).await?;
            for item in page.items {
                let event: Event = from_item(item)?;
                if event.event_type() == event_type {
                    return Ok(Some(event));
                }
            }
            if page.next.is_none() {
                break;
            }
            query.after = page.next;
        }
        Ok(None)
    }

    /// Reads a page of the events that match a filter, newest first: those of a resource from its partition, and otherwise one
    /// day at a time, merging its partitions. A page can have fewer items than the limit, or none, and still have a cursor:
    /// each request reads a limited number of events and days.
    pub async fn events(
        &self,
        filter: &EventFilter,
        paging: &PageRequest,
        now: Timestamp,
    ) -> Result<Page<Event>, ListError> {
        // DynamoDB rejects a range that ends before it begins.
        if filter.first_ulid() > filter.last_ulid() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        match &filter.subject {
            Some(subject) => self.events_about(subject, filter, paging).await,
            None => self.events_by_day(filter, paging, now).await,
        }
    }

    async fn events_about(
        &self,
        subject: &Subject,
        filter: &EventFilter,
        paging: &PageRequest,
    ) -> Result<Page<Event>, ListError> {
        let [from, to] = [filter.first_ulid(), filter.last_ulid()].map(keys::event_sort_key);
        let query = Query { descending: true, ..Query::between(keys::event_history(subject), from, to) };
        let page = paginate_query(self, query, &filter.list_name(), paging).await?;
        let items: Vec<Event> = page.items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(Page { items: items.into_iter().filter(|event| filter.matches(event)).collect(), next: page.next })
    }

    async fn events_by_day(
        &self,
        filter: &EventFilter,
        paging: &PageRequest,
        now: Timestamp,
    ) -> Result<Page<Event>, ListError> {
        let list = filter.list_name();
        let next_page = |before: String| Some(paging.encode_cursor(&list, vec![before]));
        // A function whose clock is ahead may have written events with tomorrow's date.
        let newest = utc_date(now + SignedDuration::from_hours(24));
        let mut before = paging.position::<1>(&list)?.map(|[ulid]| ulid);
        if before.is_none() && filter.until.is_some() {
            before = Some(Ulid(filter.last_ulid().0.saturating_add(1)).to_string());
        }
        let day_of = |text: &String| date_of_ulid(Ulid::from_string(text).ok()?);
        let mut day = before.as_ref().and_then(day_of).map_or(newest, |day| day.min(newest));
        let oldest = self.first_event_day(now).await?.max(filter.since.map_or(Date::MIN, utc_date));
        let mut events: Vec<Event> = Vec::new();
        for _ in 0..MAX_READS {
            if day < oldest {
                return Ok(Page { items: events, next: None });
            }
            let DayEvents { events: read, is_end: is_end_of_day } =
                self.events_of_day(day, before.as_deref(), paging.limit + 1).await?;
            before = read.last().map(|event| event.id.ulid().to_string());
            events.extend(read.into_iter().filter(|event| filter.matches(event)));
            if events.len() > paging.limit {
                events.truncate(paging.limit);
                let last = events.last().map(|event| event.id.ulid().to_string());
                return Ok(Page { items: events, next: last.and_then(next_page) });
            }
            if is_end_of_day {
                let Ok(yesterday) = day.yesterday() else { return Ok(Page { items: events, next: None }) };
                (day, before) = (yesterday, None);
            }
        }
        let next = next_page(before.unwrap_or_else(|| first_ulid_after(day)));
        Ok(Page { items: events, next })
    }

    /// Returns the day on which events begin, about: a week before the key ring was created, which every installation does at first.
    /// Earlier versions did not record that, and only license keys had events then: those begin with the first product.
    pub(super) async fn first_event_day(&self, now: Timestamp) -> Result<Date, StoreError> {
        let created_at = match self.ring().await?.created_at {
            Some(created_at) => Some(created_at),
            None => self.oldest_product().await?,
        };
        Ok(utc_date(created_at.unwrap_or(now) - BEFORE_KEY_RING))
    }

    /// Reads the latest events, newest first: at most `max`, from the day of `since` on.
    pub async fn events_since(&self, since: Timestamp, now: Timestamp, max: usize) -> Result<Vec<Event>, StoreError> {
        let mut day = utc_date(now + SignedDuration::from_hours(24));
        let mut events = Vec::new();
        while day >= utc_date(since) && events.len() < max {
            events.extend(self.events_of_day(day, None, max - events.len()).await?.events);
            let Ok(yesterday) = day.yesterday() else { break };
            day = yesterday;
        }
        Ok(events)
    }

    /// Reads the latest events of a day, newest first: those before `before`, and at most `limit`.
    async fn events_of_day(
        &self,
        day: Date,
        before: Option<&str>,
        limit: usize,
    ) -> Result<DayEvents<Event>, StoreError> {
        let query = |partition| {
            // Events below the last one of the previous page; `~` sorts after all ULIDs.
            let end = before.map_or_else(|| "~".to_owned(), str::to_owned);
            let query = Query::between(partition, "0".to_owned(), end);
            Query { descending: true, limit: i32::try_from(limit + 1).ok(), ..query }
        };
        let mut read = self.read_day(day, query, from_item::<Event>, |event| Reverse(event.id)).await?;
        read.events.retain(|event| before.is_none_or(|before| event.id.ulid().to_string().as_str() < before));
        read.is_end &= read.events.len() <= limit;
        read.events.truncate(limit);
        Ok(read)
    }

    /// Reads events of a day from its partitions, each with one query, in the order of `key`, which is that of the queries. Ends where
    /// a partition has more, because events that were not read could precede those that follow.
    pub(super) async fn read_day<T, K: Ord>(
        &self,
        day: Date,
        query: impl Fn(String) -> Query,
        parse: fn(Item) -> Result<T, StoreError>,
        key: impl Fn(&T) -> K,
    ) -> Result<DayEvents<T>, StoreError> {
        let shards = (0..keys::EVENT_SHARDS)
            .map(|shard| self.query(Query { index: Some("GSI1"), ..query(keys::event_shard(day, shard)) }));
        let mut events = Vec::new();
        let mut complete_until: Option<K> = None;
        for page in try_join_all(shards).await? {
            let has_more = page.next.is_some();
            let read = page.items.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
            if let Some(last) = read.last().filter(|_| has_more).map(&key) {
                complete_until = Some(match complete_until {
                    Some(until) => until.min(last),
                    None => last,
                });
            }
            events.extend(read);
        }
        events.retain(|event| complete_until.as_ref().is_none_or(|until| key(event) <= *until));
        events.sort_by_key(&key);
        Ok(DayEvents { events, is_end: complete_until.is_none() })
    }

    /// Reads when the first product was created. There are no license keys before that; an imported one can have been issued
    /// earlier.
    async fn oldest_product(&self) -> Result<Option<Timestamp>, StoreError> {
        // Products are sorted by id, which has the time of the creation.
        let mut query = Query::prefix(keys::CATALOG.to_owned(), "PRODUCT#");
        query.limit = Some(1);
        let page = self.query(query).await?;
        let created_at = page.items.first().and_then(|item| item.get("created_at")?.as_s().ok()?.parse().ok());
        Ok(created_at)
    }
}

/// Returns the time in the ULIDs of events at a time, in milliseconds.
pub(super) fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
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
