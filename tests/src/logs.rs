//! What a stack logs, taken down while a test runs.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use shared::http::log::{Format, dispatch};
use tracing::dispatcher::{self, DefaultGuard};
use tracing_subscriber::EnvFilter;

/// The log of everything that runs on this thread, from when this is made until it is dropped: of a stack that the same
/// test starts, as a test's runtime has one thread. The embedded DynamoDB has one of its own, and is not heard.
#[derive(Debug)]
pub struct Logs {
    text: Sink,
    _guard: DefaultGuard,
}

impl Logs {
    /// Takes down all from `info` on, as JSON.
    pub fn of_this_thread() -> Self {
        Self::with(Format::Json)
    }

    /// The same in another form.
    pub fn with(format: Format) -> Self {
        let text = Sink::default();
        let writer = text.clone();
        let lines = dispatch(format, EnvFilter::new("info"), move || writer.clone());
        Self { text, _guard: dispatcher::set_default(&lines) }
    }

    /// All of it, as it is written.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Every line.
    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("each line is a JSON object")).collect()
    }

    /// The lines of requests alone.
    pub fn requests(&self) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["message"] == "request").collect()
    }

    /// The line of the last request.
    pub fn last(&self) -> Value {
        self.requests().pop().expect("a request was made")
    }

    /// Forgets what there is.
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
