use std::{fmt, io, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{error::Cause, time::Seconds};

/// Stores small files for the client. The default is a folder; an app can pass its own to
/// [`Options::storage`](crate::Options::storage).
///
/// If a method fails, the client goes on with what it has in memory.
pub trait Storage: Send + Sync {
    /// Returns the content, or `None` if there is none.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Replaces the content. Another process must see the old or the new content, never a part.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()>;
    /// Removes the content. Removing what does not exist succeeds.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Describes the storage for support, for example with its path.
    fn describe(&self) -> String {
        "of the app".to_owned()
    }
}

/// Sends requests.
pub(crate) trait Transport: Send + Sync {
    fn send(&self, request: &Request) -> Result<Response, NetworkError>;
    /// Returns a transport that shares no lock and no connection with this one.
    fn for_forked_child(&self) -> Arc<dyn Transport>;
}

/// The requests to the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Activate,
    Heartbeat,
    Deactivate,
    FetchKeys,
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Activate => "activate",
            Self::Heartbeat => "heartbeat",
            Self::Deactivate => "deactivate",
            Self::FetchKeys => "fetch keys",
        })
    }
}

/// A request to the API.
pub(crate) struct Request {
    pub(crate) kind: RequestKind,
    /// Path below the URL of the API.
    pub(crate) path: String,
    /// JSON body. A request without body is a GET, every other one a POST.
    pub(crate) body: Option<Value>,
    /// Time-out of the whole request, if it is not the default.
    pub(crate) timeout: Option<Duration>,
}

/// A complete response.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// There was no complete response, and why.
pub(crate) struct NetworkError(pub(crate) Cause);

/// Reads the clocks.
pub(crate) trait TimeSource: Send + Sync {
    fn read(&self) -> ClockReading;
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockReading {
    /// The wall clock, since 1970.
    pub(crate) wall: Seconds,
    /// A clock that is never set, since an arbitrary time.
    pub(crate) monotonic: Seconds,
}

/// Generates random values.
pub(crate) trait Random: Send + Sync {
    /// Returns a number from 0 up to 1.
    fn fraction(&self) -> f64;
    /// Returns an id of 32 hex digits.
    fn id(&self) -> String;
}

/// What the pure core needs of the outside world.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) time: Arc<dyn TimeSource>,
    pub(crate) random: Arc<dyn Random>,
}
