//! Errors of the store.

/// Why the table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB throttles, times out or is unreachable. A write may have taken effect.
    #[error("DynamoDB is unavailable: {0}")]
    Unavailable(String),
    /// DynamoDB rejected the request as invalid: a bug, missing permissions, or a table with another schema.
    #[error("DynamoDB rejected the request: {0}")]
    Rejected(String),
    /// The table does not exist or has another schema.
    #[error("table {table} can't be used: {reason}")]
    UnusableTable {
        /// The name of the table.
        table: String,
        /// What is wrong with the table.
        reason: String,
    },
    /// An item has missing or invalid attributes.
    #[error("invalid item: {0}")]
    InvalidItem(String),
    /// Another attempt of the same request took over its idempotency record.
    #[error("another attempt of this request is in progress")]
    ReservationLost,
    /// Concurrent writes prevented this write in every attempt.
    #[error("too many concurrent writes")]
    Contended,
}
