//! DynamoDB inside the process: dynoxide over SQLite, served on a loopback port.

use std::{fs, io, net::Ipv4Addr, os::unix::fs::OpenOptionsExt, path::Path, thread, time::Duration};

use dynoxide::{Database, server::serve_with_shutdown};
use tokio::{net::TcpListener, runtime, sync::oneshot, time::timeout};

/// How long requests that are under way may take when it is told to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running one. It stops when it is told to, or when this is dropped.
#[derive(Debug)]
pub(crate) struct EmbeddedTable {
    pub(crate) endpoint: String,
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

impl EmbeddedTable {
    /// Starts it over a file, or in memory.
    ///
    /// It has a thread and a runtime of its own, as SQLite's writes block: nothing that waits for the table is kept
    /// from the processor by the table itself.
    pub(crate) fn start(file: Option<&Path>) -> io::Result<Self> {
        let database = open(file)?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, told_to_stop) = oneshot::channel();
        let (say_stopped, stopped) = oneshot::channel();
        thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            let served = runtime.block_on(async {
                let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
                // A sender that was dropped says the same.
                let stop = async { told_to_stop.await.unwrap_or_default() };
                serve_with_shutdown(listener, database, stop).await
            });
            if let Err(cause) = served {
                tracing::error!(cause, "the embedded DynamoDB has failed");
            }
            // With the runtime, the last connection lets go of the database, and SQLite closes its file.
            drop(runtime);
            let _ = say_stopped.send(());
        })?;
        Ok(Self { endpoint, stop, stopped })
    }

    /// Stops it, and comes back when its file is closed.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        if timeout(PATIENCE, self.stopped).await.is_err() {
            tracing::warn!("the embedded DynamoDB did not stop in time; nothing that it answered for is lost");
        }
    }
}

/// Opens the database. An answer to a write is sent after its commit, and dynoxide keeps SQLite's write-ahead log
/// under SQLite's own `synchronous = FULL`, so a commit is on the disk: neither a killed process nor a machine that
/// loses its power loses a write that was answered. `tests/restart.rs` kills a process to see, and `strace` shows one
/// `fsync` for each write.
fn open(file: Option<&Path>) -> io::Result<Database> {
    let Some(file) = file else { return Database::memory().map_err(io::Error::other) };
    // Made here, so that the customers in it are its owner's alone to read; SQLite's other files get the same mode.
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file)?;
    let path = file.to_str().ok_or_else(|| io::Error::other("the path is not UTF-8"))?;
    Database::new(path).map_err(io::Error::other)
}
