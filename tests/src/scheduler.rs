//! A scheduler of calls to DynamoDB. Calls of scheduled requests wait until the test decides which one takes effect next,
//! and how, so that a test can try every interleaving.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::dynamodb::{InProcessDynamoDb, json_response};

tokio::task_local! {
    /// The scheduled process that makes the calls of this task.
    static PROCESS: usize;
}

/// A call that waits.
#[derive(Debug)]
pub struct ScheduledCall {
    /// The process that makes the call.
    pub process: usize,
    /// The position of the call among the calls of the process's request, counted from 0.
    pub ordinal: usize,
    /// The operation, such as `GetItem`.
    pub operation: String,
    /// The input of the operation.
    pub input: Value,
}

/// What a process receives for a call.
#[derive(Debug)]
pub enum Reply {
    /// The status and the JSON of the response.
    Response(u16, String),
    /// A timeout. The SDK retries.
    Timeout,
}

/// Lets the calls of scheduled processes wait. Other calls, and calls about other items than the watched ones, pass. Clones
/// share the state.
#[derive(Clone)]
pub struct Scheduler {
    database: InProcessDynamoDb,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    watched: String,
    waiting: Vec<(Arc<ScheduledCall>, oneshot::Sender<Reply>)>,
    /// The number of calls of each process's request.
    calls: BTreeMap<usize, usize>,
}

impl Scheduler {
    pub(crate) fn new(database: InProcessDynamoDb) -> Self {
        Self { database, state: Arc::default() }
    }

    /// Returns the connector through which the SDK calls the database.
    pub(crate) fn connector(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    /// Schedules only calls whose input contains this text, such as a license id.
    pub fn watch(&self, text: &str) {
        text.clone_into(&mut self.state().watched);
    }

    /// Runs a request as this process, whose calls are numbered from 0 again.
    pub fn scope<F: Future>(&self, process: usize, request: F) -> impl Future<Output = F::Output> + use<F> {
        self.state().calls.remove(&process);
        PROCESS.scope(process, request)
    }

    /// Returns the calls that wait, without those of requests that were canceled, in order of process and number.
    pub fn waiting(&self) -> Vec<Arc<ScheduledCall>> {
        let mut state = self.state();
        state.waiting.retain(|(_, reply)| !reply.is_closed());
        let mut calls: Vec<_> = state.waiting.iter().map(|(call, _)| Arc::clone(call)).collect();
        calls.sort_by_key(|call| (call.process, call.ordinal));
        calls
    }

    /// Lets a call take effect. Returns the status and the JSON of the response.
    pub fn execute(&self, operation: &str, input: &Value) -> (u16, String) {
        self.database.call(operation, input.to_string().as_bytes())
    }

    /// Ends the waiting of a call.
    pub fn reply(&self, call: &ScheduledCall, reply: Reply) {
        let mut state = self.state();
        let is_call = |(one, _): &(Arc<ScheduledCall>, _)| (one.process, one.ordinal) == (call.process, call.ordinal);
        if let Some(index) = state.waiting.iter().position(is_call) {
            let (_, sender) = state.waiting.swap_remove(index);
            // Fails if the request was canceled.
            let _ = sender.send(reply);
        }
    }

    /// Forgets all calls that wait.
    pub fn clear(&self) {
        self.state().waiting.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the lock")
    }

    /// Registers a call, unless it is not scheduled.
    fn register(&self, request: &HttpRequest) -> Option<oneshot::Receiver<Reply>> {
        let process = PROCESS.try_with(|process| *process).ok()?;
        let body = request.body().bytes().unwrap_or_default();
        let mut state = self.state();
        let is_watched = std::str::from_utf8(body).is_ok_and(|body| body.contains(&state.watched));
        if !is_watched {
            return None;
        }
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let input = serde_json::from_slice(body).expect("the SDK sends JSON");
        let calls = state.calls.entry(process).or_default();
        let call = ScheduledCall { process, ordinal: *calls, operation, input };
        *calls += 1;
        let (sender, receiver) = oneshot::channel();
        state.waiting.push((Arc::new(call), sender));
        Some(receiver)
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scheduler")
    }
}

impl HttpConnector for Scheduler {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(reply) = self.register(&request) else { return HttpConnector::call(&self.database, request) };
        HttpConnectorFuture::new(async move {
            match reply.await {
                Ok(Reply::Response(status, body)) => Ok(json_response(status, body)),
                Ok(Reply::Timeout) => Err(ConnectorError::timeout("response lost by the test".into())),
                // The call was forgotten, so the request is about to be canceled.
                Err(_) => std::future::pending().await,
            }
        })
    }
}
