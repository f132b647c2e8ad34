//! The table: its format, outages of DynamoDB, and concurrent writes.

mod concurrency;
mod outages;
mod table_format;
