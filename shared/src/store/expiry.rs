//! Announcements of the expiry of license keys: a job that reads the license keys that have reached a threshold since its last run
//! from the indexes by time, and writes an event for each.
//!
//! Each announcement writes a marker in the transaction of its event, so that it is made once, also after a run that failed or was
//! repeated. A run begins an hour before the end of the last one: a renewal can be missing in an index for some time, and clocks
//! differ.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{
    backoff::Backoff,
    error::StoreError,
    events::event_item,
    item::{Item, TTL_ATTRIBUTE, from_item, key_only_item, n},
    keys,
    license_writes::{active_or_suspended, end_as_read},
    licenses::{ACTIVE, EXPIRY_SET_AT, SUSPENDED, parse_license},
    table::{Query, Table},
    transaction::{CommitOutcome, Condition, Transaction},
};
use crate::{
    Clock,
    domain::{EventSource, IdGenerator, LicenseId, Subject, expiry::ExpiryThreshold},
};

/// How far before the end of the last run a run begins.
const OVERLAP: SignedDuration = SignedDuration::from_hours(1);
/// How far back the first run of an installation begins.
const FIRST_RUN: SignedDuration = SignedDuration::from_hours(24);
/// How long a marker is kept after the end that it is about. Runs were not missed for longer.
const MARKER_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 400);
/// The number of license keys that are read from an index at a time.
const PAGE: i32 = 200;
/// The number of announcements that are written at the same time.
const CONCURRENCY: usize = 8;
/// The attribute of the position.
const UNTIL: &str = "announced_until";

/// The id of a license key in an index.
#[derive(serde::Deserialize)]
struct Indexed {
    id: LicenseId,
}

impl Table {
    /// Writes the events of all license keys that have reached a threshold. Returns the number of events.
    pub async fn announce_expiries(&self, clock: &Clock) -> Result<usize, StoreError> {
        let now = clock.now();
        let mut announced = 0;
        // One generator for the run, so that the thresholds that a license key has reached are in their order.
        let ids = Mutex::new(IdGenerator::new(now));
        for threshold in ExpiryThreshold::ALL {
            let position = self.announced_until(threshold).await?;
            let from = position.map_or(now - FIRST_RUN, |position| position - OVERLAP);
            for mut query in reaching(threshold, from, now) {
                loop {
                    let page = self.query(Query { limit: Some(PAGE), ..query.clone() }).await?;
                    // Webhooks are sent of events that are written soon after their time.
                    let written_at = clock.now();
                    lock(&ids).continue_at(written_at);
                    announced += self.announce_page(page.items, threshold, &ids, written_at).await?;
                    match page.next {
                        Some(next) => query.after = Some(next),
                        None => break,
                    }
                }
            }
            self.set_announced_until(threshold, now).await?;
        }
        Ok(announced)
    }

    async fn announce_page(
        &self,
        items: Vec<Item>,
        threshold: ExpiryThreshold,
        ids: &Mutex<IdGenerator>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let announce = async |item| {
            let Indexed { id } = from_item(item)?;
            self.announce_expiry(id, threshold, ids, now).await
        };
        let results = stream::iter(items.into_iter().map(announce)).buffer_unordered(CONCURRENCY);
        results.try_fold(0, async |sum, is_announced| Ok(sum + usize::from(is_announced))).await
    }

    /// Writes the event of a license key that has reached a threshold, unless that was done. Returns whether it was written.
    async fn announce_expiry(
        &self,
        id: LicenseId,
        threshold: ExpiryThreshold,
        ids: &Mutex<IdGenerator>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut backoff = Backoff::default();
        loop {
            let Some(item) = self.get(keys::license(id)).await? else { return Ok(false) };
            let set_at = expiry_set_at(&item);
            let license = parse_license(item)?;
            let data = threshold.event(&license, set_at.unwrap_or(license.issued_at), now);
            let (Some(data), Some(end)) = (data, threshold.end(&license)) else { return Ok(false) };
            let marker = keys::expiry_marker(id, threshold, end);
            if self.get(marker.clone()).await?.is_some() {
                return Ok(false);
            }
            let mut marker = key_only_item(marker);
            marker.insert(TTL_ATTRIBUTE.to_owned(), n((end + MARKER_LIFETIME).as_second()));
            let source = EventSource::system("expiry", now);
            let event = source.event(&mut lock(ids), Subject::License(id), data);
            let mut transaction = Transaction::new();
            transaction
                .check(keys::license(id), end_as_read(active_or_suspended(), &license))
                .put(marker, Condition::absent())
                .put_always(event_item(&event)?);
            if let CommitOutcome::Done = self.commit(&transaction).await? {
                return Ok(true);
            }
            backoff.retry().await?;
        }
    }

    async fn announced_until(&self, threshold: ExpiryThreshold) -> Result<Option<Timestamp>, StoreError> {
        let Some(item) = self.get(keys::expiry_position(threshold)).await? else { return Ok(None) };
        let position = item.get(UNTIL).and_then(|until| until.as_n().ok()?.parse().ok());
        let position = position.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        position
            .map(Some)
            .ok_or_else(|| StoreError::InvalidItem("position of the announcements of expiries".to_owned()))
    }

    /// Records the end of a run. It never goes back.
    async fn set_announced_until(&self, threshold: ExpiryThreshold, until: Timestamp) -> Result<(), StoreError> {
        let later = Condition::new(format!("attribute_not_exists(PK) OR {UNTIL} < :until"));
        let mut item = key_only_item(keys::expiry_position(threshold));
        item.insert(UNTIL.to_owned(), n(until.as_millisecond()));
        self.put(item, &later.value(":until", n(until.as_millisecond()))).await.map(|_| ())
    }
}

fn lock(ids: &Mutex<IdGenerator>) -> MutexGuard<'_, IdGenerator> {
    ids.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the queries of the license keys that reach a threshold after one time and up to another, and can be used.
fn reaching(threshold: ExpiryThreshold, after: Timestamp, until: Timestamp) -> Vec<Query> {
    let (from, to) = (after + threshold.lead_time(), until + threshold.lead_time());
    match threshold {
        ExpiryThreshold::DaysBefore(_) => {
            let [from, to] = [from, to].map(|time| keys::time_sort_key(keys::EXPIRING, time));
            vec![Query { index: Some("GSI6"), ..Query::between(keys::EXPIRING.to_owned(), from, to) }]
        }
        ExpiryThreshold::Expired => {
            let [from, to] = [from, to].map(|time| keys::honoured_sort_key(Some(time)));
            let of_status = |status| {
                let query = Query::between(keys::licenses_with_status(status), from.clone(), to.clone());
                Query { index: Some("GSI5"), ..query }
            };
            vec![of_status(ACTIVE), of_status(SUSPENDED)]
        }
    }
}

/// Returns when the expiry of a license key was set; `None` if that was when it was issued.
fn expiry_set_at(item: &Item) -> Option<Timestamp> {
    let millis = item.get(EXPIRY_SET_AT)?.as_n().ok()?.parse().ok()?;
    Timestamp::from_millisecond(millis).ok()
}
