//! The embedded DynamoDB: dynoxide over SQLite, served on a loopback port.

use std::{
    fs, io,
    net::Ipv4Addr,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use dynoxide::{Database, server::serve_with_shutdown};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime, sync::oneshot, time::timeout};

/// Time that running requests have to finish at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Time from the start to the first sweep of expired items.
const FIRST_SWEEP: Duration = Duration::from_mins(1);
/// Time between sweeps. A sweep reads the whole table; DynamoDB itself may take days to delete an expired item.
const SWEEP_INTERVAL: Duration = Duration::from_hours(6);

/// A running embedded DynamoDB. Stops on [`stop`](Self::stop) or on drop.
#[derive(Debug)]
pub(crate) struct EmbeddedDynamoDb {
    pub(crate) endpoint: String,
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
    /// Dropping it stops the sweeps.
    sweeping: mpsc::Sender<()>,
}

impl EmbeddedDynamoDb {
    /// Starts the server over a file, or in memory without one.
    ///
    /// It runs on its own thread and runtime because SQLite's writes block.
    pub(crate) fn start(file: Option<&Path>, table: &str) -> io::Result<Self> {
        let database = open(file)?;
        remove_incomplete_table(&database, table)?;
        disable_stream(&database, table)?;
        let sweeping = start_sweeping(&database, FIRST_SWEEP)?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stop_signal) = oneshot::channel();
        let (stopped_sender, stopped) = oneshot::channel();
        thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            let served = runtime.block_on(async {
                let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
                // A dropped sender stops the server as well.
                let stop = async { stop_signal.await.unwrap_or_default() };
                serve_with_shutdown(listener, database, stop).await
            });
            if let Err(cause) = served {
                tracing::error!(cause, "the embedded DynamoDB failed");
            }
            // Dropping the runtime closes the last connection to the database, and SQLite closes its file.
            drop(runtime);
            let _ = stopped_sender.send(());
        })?;
        Ok(Self { endpoint, stop, stopped, sweeping })
    }

    /// Stops the server and waits until its file is closed.
    pub(crate) async fn stop(self) {
        drop(self.sweeping);
        let _ = self.stop.send(());
        if timeout(SHUTDOWN_TIMEOUT, self.stopped).await.is_err() {
            tracing::warn!("the embedded DynamoDB did not stop in time; every acknowledged write is on disk");
        }
    }
}

/// Removes a table whose creation did not finish, because the process was killed or the disk was full, so that it is created
/// again. dynoxide creates the table and each index in a transaction of its own. Such a table has no items.
fn remove_incomplete_table(database: &Database, table: &str) -> io::Result<()> {
    let Some(metadata) = database.get_table_metadata(table).map_err(io::Error::other)? else { return Ok(()) };
    let indexes: Vec<Value> = metadata.gsi_definitions.as_deref().map_or(Ok(Vec::new()), serde_json::from_str)?;
    let is_missing = |scan: Value| -> io::Result<bool> {
        let result = database.scan(serde_json::from_value(scan)?);
        Ok(result.is_err_and(|error| error.to_string().contains("no such table")))
    };
    let mut is_incomplete = is_missing(json!({"TableName": table, "Limit": 1}))?;
    for index in indexes {
        is_incomplete |= is_missing(json!({"TableName": table, "IndexName": index["IndexName"], "Limit": 1}))?;
    }
    if is_incomplete {
        let request = serde_json::from_value(json!({"TableName": table}))?;
        database.delete_table(request).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Disables the stream of a table that an earlier version created. dynoxide keeps the records of a stream forever and
/// reads all of them at each write.
fn disable_stream(database: &Database, table: &str) -> io::Result<()> {
    let metadata = database.get_table_metadata(table).map_err(io::Error::other)?;
    if metadata.is_some_and(|metadata| metadata.stream_enabled) {
        let request = json!({"TableName": table, "StreamSpecification": {"StreamEnabled": false}});
        database.update_table(serde_json::from_value(request)?).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Deletes expired items after `first` and then from time to time, until the sender is dropped.
fn start_sweeping(database: &Database, first: Duration) -> io::Result<mpsc::Sender<()>> {
    let (sender, stop) = mpsc::channel();
    let database = database.clone();
    thread::Builder::new().name("dynamodb-ttl".to_owned()).spawn(move || {
        let mut wait = first;
        while stop.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            // Requests that wait for the database go first between pages.
            if let Err(error) = database.sweep_ttl() {
                tracing::error!(%error, "expired items could not be deleted");
            }
            wait = SWEEP_INTERVAL;
        }
    })?;
    Ok(sender)
}

/// Opens the database. dynoxide responds to a write after its commit, and uses SQLite's write-ahead log with
/// `synchronous = FULL`, so an acknowledged write survives a killed process and a power failure. `tests/local/process.rs`
/// tests the first; `strace` shows one `fsync` per write.
fn open(file: Option<&Path>) -> io::Result<Database> {
    let Some(file) = file else { return Database::memory().map_err(io::Error::other) };
    // Created here so that only the owner can read the file; SQLite gives its other files the same mode.
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file)?;
    let path = file.to_str().ok_or_else(|| io::Error::other("the path is not UTF-8"))?;
    Database::new(path).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use shared::Clock;

    use super::*;

    const TABLE: &str = "signet";

    /// Creates a table as earlier versions did: with a stream, and with items that expire.
    fn table_with_stream() -> Database {
        let database = Database::memory().unwrap();
        let create = json!({
            "TableName": TABLE,
            "KeySchema": [{"AttributeName": "PK", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "PK", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        });
        database.create_table(serde_json::from_value(create).unwrap()).unwrap();
        let ttl = json!({
            "TableName": TABLE,
            "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "expires_at_epoch"},
        });
        database.update_time_to_live(serde_json::from_value(ttl).unwrap()).unwrap();
        database
    }

    fn put(database: &Database, key: &str, expires_at_epoch: i64) {
        let item = json!({"PK": {"S": key}, "expires_at_epoch": {"N": expires_at_epoch.to_string()}});
        database.put_item(serde_json::from_value(json!({"TableName": TABLE, "Item": item})).unwrap()).unwrap();
    }

    fn keys(database: &Database) -> Vec<Value> {
        let scanned = database.scan(serde_json::from_value(json!({"TableName": TABLE})).unwrap()).unwrap();
        let scanned = serde_json::to_value(scanned).unwrap();
        scanned["Items"].as_array().unwrap().iter().map(|item| item["PK"]["S"].clone()).collect()
    }

    #[test]
    fn the_stream_of_an_earlier_version_is_disabled_and_items_are_kept() {
        let database = table_with_stream();
        put(&database, "kept", 4_102_444_800);
        assert!(database.get_table_metadata(TABLE).unwrap().unwrap().stream_enabled);
        for _ in 0..2 {
            disable_stream(&database, TABLE).unwrap();
            assert!(!database.get_table_metadata(TABLE).unwrap().unwrap().stream_enabled);
        }
        assert_eq!(keys(&database), ["kept"]);
        disable_stream(&database, "missing").unwrap();
    }

    #[test]
    fn expired_items_are_deleted() {
        let database = table_with_stream();
        put(&database, "kept", 4_102_444_800);
        // DynamoDB and dynoxide keep items that expired more than five years ago.
        put(&database, "expired", Clock::System.now().as_second() - 60);
        let sweeping = start_sweeping(&database, Duration::ZERO).unwrap();
        let begun = Instant::now();
        while keys(&database).len() > 1 {
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", keys(&database));
            thread::yield_now();
        }
        assert_eq!(keys(&database), ["kept"]);
        drop(sweeping);
    }
}
