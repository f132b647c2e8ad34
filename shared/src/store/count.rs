//! Counts of items, which DynamoDB makes without transferring them.

use aws_sdk_dynamodb::types::Select;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    error::StoreError,
    table::{Query, Table, next_key, store_error},
};

/// The number of queries of one license key that run at the same time. It is low, because one partition answers them, which
/// has 3,000 read units a second.
pub const MAX_CONCURRENCY: usize = 4;

impl Table {
    /// Counts the items of a query without transferring them. Reading them is billed nevertheless.
    pub async fn count(&self, mut query: Query) -> Result<usize, StoreError> {
        query.attributes = None;
        let mut total = 0;
        loop {
            let request = self.query_request(query.clone()).select(Select::Count);
            let response = request.send().await.map_err(|error| store_error(&error))?;
            total += usize::try_from(response.count).unwrap_or_default();
            query.after = next_key(response.last_evaluated_key);
            if query.after.is_none() {
                return Ok(total);
            }
        }
    }

    /// Counts the items of several queries, a few of them at a time.
    pub(super) async fn count_concurrently(&self, queries: Vec<Query>) -> Result<usize, StoreError> {
        let counts = stream::iter(queries.into_iter().map(|query| self.count(query)));
        counts.buffer_unordered(MAX_CONCURRENCY).try_fold(0, async |total, count| Ok(total + count)).await
    }
}
