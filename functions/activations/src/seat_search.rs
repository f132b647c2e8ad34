//! The search for a free seat.

use futures_util::{StreamExt, TryStreamExt, stream};
use shared::{
    domain::{
        License,
        seat::{SEAT_WINDOW_SIZE, SeatWindow, choose_free_seat, seat_ranges, seat_windows},
    },
    store::{StoreError, Table, count::MAX_CONCURRENCY, full_licenses::SearchBasis},
};

/// The outcome of a search.
pub(crate) enum SearchOutcome {
    /// This seat was seen free.
    Free(u32),
    /// Every seat number below the limit was seen taken. Contains the basis of the search if it read more than one window:
    /// only such a search is expensive enough to remember its outcome.
    AllTaken(Option<SearchBasis>),
}

/// A search for a free seat: in one window of seats, in which most searches find one, and only then in all of them.
pub(crate) struct SeatSearch<'a> {
    table: &'a Table,
    license: &'a License,
    ranges: Vec<SeatWindow>,
}

impl<'a> SeatSearch<'a> {
    pub(crate) fn new(table: &'a Table, license: &'a License, max_users: u32) -> Self {
        Self { table, license, ranges: seat_ranges(max_users, &mut rand::rng()) }
    }

    /// Searches the first window, in one request.
    pub(crate) async fn first_window(&self) -> Result<Option<u32>, StoreError> {
        let window = self.ranges.first().and_then(|range| seat_windows(range).next());
        let Some(window) = window else { return Ok(None) };
        free_seat(self.table, self.license, &window).await
    }

    /// Searches all seats, after the first window had no free one: counts a few ranges at a time, and reads a range in
    /// windows where a seat of it is free.
    pub(crate) async fn all(self) -> Result<SearchOutcome, StoreError> {
        let Self { table, license, ranges } = self;
        if license.max_users.is_none_or(|max_users| max_users <= SEAT_WINDOW_SIZE) {
            return Ok(SearchOutcome::AllTaken(None));
        }
        // A seat of the first window may have been freed before the basis was read, so that window is counted again.
        let basis = table.search_basis(license).await?;
        let counts = ranges.into_iter().map(|range| async move {
            let is_taken = table.is_range_taken(license, &range).await?;
            Ok::<_, StoreError>((range, is_taken))
        });
        let mut counts = stream::iter(counts).buffered(MAX_CONCURRENCY);
        while let Some((range, is_taken)) = counts.try_next().await? {
            if !is_taken && let Some(number) = free_seat_of_range(table, license, &range).await? {
                return Ok(SearchOutcome::Free(number));
            }
        }
        Ok(SearchOutcome::AllTaken(Some(basis)))
    }
}

async fn free_seat_of_range(table: &Table, license: &License, range: &SeatWindow) -> Result<Option<u32>, StoreError> {
    for window in seat_windows(range) {
        if let Some(number) = free_seat(table, license, &window).await? {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// Chooses a random free seat of a window.
async fn free_seat(table: &Table, license: &License, window: &SeatWindow) -> Result<Option<u32>, StoreError> {
    let taken = table.taken_seats(license, window).await?;
    Ok(choose_free_seat(window, &taken, &mut rand::rng()))
}
