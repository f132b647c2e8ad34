//! The search for activations whose lease has lapsed, when all seats are taken.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    activations::{live_condition, machine_ranges, parse_activation},
    count::MAX_CONCURRENCY,
    error::StoreError,
    item::{Item, n},
    keys,
    seats::{SeatHolder, taken_seats_query},
    table::{Query, Table},
};
use crate::domain::{
    Activation, License, MachineHash, SeatStatus, Timestamp,
    seat::{SeatWindow, seat_windows, whole_second},
};

/// The number of machines that are read by each of the first queries for lapsed activations: enough for most license keys,
/// and few where many leases have lapsed.
const SMALL_LAPSED_PAGE: i32 = 200;
/// The number of machines that are read per query where the first found none. It bounds the size of a response.
const LARGE_LAPSED_PAGE: i32 = 1000;

/// The result of a search.
#[derive(Debug, Default)]
pub struct LapsedSearch {
    /// Live activations whose lease has lapsed. Empty only if there was none.
    pub lapsed: Vec<Activation>,
    /// The earliest end of the leases that were read and have not lapsed.
    pub earliest_lease: Option<Timestamp>,
}

impl LapsedSearch {
    fn of(live: Vec<Activation>, lapsed_before: Timestamp) -> Self {
        let (lapsed, others): (Vec<_>, Vec<_>) =
            live.into_iter().partition(|activation| activation.lease_expires_at <= lapsed_before);
        Self { lapsed, earliest_lease: others.iter().map(|activation| activation.lease_expires_at).min() }
    }

    fn and(self, other: Self) -> Self {
        let leases = [self.earliest_lease, other.earliest_lease].into_iter().flatten();
        Self { lapsed: [self.lapsed, other.lapsed].concat(), earliest_lease: leases.min() }
    }
}

impl Table {
    /// Searches for live activations whose lease ended at `lapsed_before` or earlier, in one page of the machines, starting at
    /// `start` and wrapping around. Two pages cover a license key with few machines; the machines of a larger one are read in
    /// parts, a few of them at a time.
    pub async fn search_lapsed_machines(
        &self,
        license: &License,
        lapsed_before: Timestamp,
        start: MachineHash,
    ) -> Result<LapsedSearch, StoreError> {
        let live = live_condition(license);
        let lapsed = live.clone().and("lease_expires_at <= :lapsed").value(":lapsed", n(whole_second(lapsed_before)));
        let query = |filter, from, to, limit| Query {
            filter: Some(filter),
            limit: Some(limit),
            ..Query::between(keys::license_partition(license.id), from, to)
        };
        let start = format!("{}{start}", keys::ACTIVATION);
        let [(first, _), .., (_, last)] = machine_ranges();
        let mut found = LapsedSearch::default();
        for (from, to) in [(start.clone(), last), (first, start)] {
            let page = self.query(query(live.clone(), from, to, SMALL_LAPSED_PAGE)).await?;
            let activations = page.items.iter().map(parse_activation).collect::<Result<_, _>>()?;
            found = found.and(LapsedSearch::of(activations, lapsed_before));
            if !found.lapsed.is_empty() {
                return Ok(found);
            }
            if page.next.is_some() {
                let parts = machine_ranges().map(|(from, to)| query(lapsed.clone(), from, to, LARGE_LAPSED_PAGE));
                // Boxed, because the future is large.
                let items = Box::pin(self.first_page_of_any(parts)).await?;
                let lapsed = items.iter().map(parse_activation).collect::<Result<_, _>>()?;
                return Ok(LapsedSearch { lapsed, ..found });
            }
        }
        Ok(found)
    }

    /// Searches for live activations whose lease ended at `lapsed_before` or earlier, by the seats, window by window until one is
    /// found. Its cost does not depend on the activations that have ended, of which a floating license has many.
    pub async fn search_lapsed_seats(
        &self,
        license: &License,
        lapsed_before: Timestamp,
        ranges: &[SeatWindow],
    ) -> Result<LapsedSearch, StoreError> {
        let mut found = LapsedSearch::default();
        for window in ranges.iter().flat_map(seat_windows) {
            let seats = self.query_all(taken_seats_query(license, &window)).await?;
            let read = seats.into_iter().map(|seat| async move {
                let holder = SeatHolder::parse(license.id, &seat)?;
                let activation = self.activation(license.id, holder.id.machine).await?;
                Ok::<_, StoreError>(activation.filter(|activation| {
                    activation.id == holder.id && activation.seat_status(license) == SeatStatus::Live
                }))
            });
            let read: Vec<_> = stream::iter(read).buffered(MAX_CONCURRENCY).try_collect().await?;
            found = found.and(LapsedSearch::of(read.into_iter().flatten().collect(), lapsed_before));
            if !found.lapsed.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// Returns the first page with items of one of the queries, a few of which run at the same time; empty if there is none.
    async fn first_page_of_any<const N: usize>(&self, queries: [Query; N]) -> Result<Vec<Item>, StoreError> {
        let mut pages = stream::iter(queries.map(|query| self.first_page(query))).buffer_unordered(MAX_CONCURRENCY);
        while let Some(found) = pages.try_next().await? {
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// Returns the first page of a query that has items; empty if there is none.
    async fn first_page(&self, mut query: Query) -> Result<Vec<Item>, StoreError> {
        loop {
            let page = self.query(query.clone()).await?;
            if !page.items.is_empty() || page.next.is_none() {
                return Ok(page.items);
            }
            query.after = page.next;
        }
    }
}
