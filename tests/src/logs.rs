//! Captures what a stack logs during a test.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use shared::http::log::{Format, dispatch};
use tracing::dispatcher::{self, DefaultGuard};
use tracing_subscriber::EnvFilter;

/// The log output of the current thread, from creation until drop. It includes a stack that the test starts, because a
/// test's runtime has a single thread. The embedded DynamoDB runs on its own thread and is not captured.
#[derive(Debug)]
pub struct Logs {
    text: Sink,
    _guard: DefaultGuard,
}

impl Logs {
    /// Captures everything at level `info` and above, as JSON.
    pub fn capture() -> Self {
        Self::capture_as(Format::Json)
    }

    /// Captures everything at level `info` and above, in this format.
    pub fn capture_as(format: Format) -> Self {
        let text = Sink::default();
        let writer = text.clone();
        let lines = dispatch(format, EnvFilter::new("info"), move || writer.clone());
        Self { text, _guard: dispatcher::set_default(&lines) }
    }

    /// Returns the captured output.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Returns the captured lines, parsed as JSON.
    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("each line is a JSON object")).collect()
    }

    /// Returns only the request log lines.
    pub fn requests(&self) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["message"] == "request").collect()
    }

    /// Returns the log line of the last request.
    pub fn last_request(&self) -> Value {
        self.requests().pop().expect("a request was logged")
    }

    /// Discards the captured output.
    pub fn clear(&self) {
        self.text.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
