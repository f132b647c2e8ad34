//! Fault injection at the SDK's HTTP client. It is below the SDK's retries, so that these are tested too.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
        http_client_fn,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use tokio::sync::{Semaphore, watch};

/// What happens to a request that matches a [`Rule`].
#[derive(Debug, Clone)]
pub enum Fault {
    /// The request is not sent; the connection fails.
    RefuseConnection,
    /// The request takes effect, but its response is lost.
    LoseResponse,
    /// The request is not sent; the response has this status and exception, such as `ThrottlingException`.
    Respond(u16, &'static str),
    /// The request is not sent; the response reports a transaction canceled for this reason, such as
    /// `TransactionConflict`.
    Cancel(&'static str),
    /// The request is not sent until the gate opens.
    HoldRequest(Gate),
    /// The request takes effect, but its response is delayed until the gate opens.
    HoldResponse(Gate),
    /// The request is sent after this delay.
    Delay(Duration),
}

impl Fault {
    /// DynamoDB throttles the request.
    pub const THROTTLE: Self = Self::Respond(400, "ProvisionedThroughputExceededException");
    /// DynamoDB reports an internal error.
    pub const SERVER_ERROR: Self = Self::Respond(500, "InternalServerError");
}

/// Blocks requests until it is opened. The SDK cancels an attempt after two seconds and retries.
#[derive(Debug, Clone)]
pub struct Gate {
    arrived: Arc<Semaphore>,
    open: watch::Sender<bool>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), open: watch::Sender::new(false) }
    }
}

impl Gate {
    /// Waits until one more request is blocked at the gate.
    pub async fn wait_for_request(&self) {
        self.arrived.acquire().await.expect("the semaphore is never closed").forget();
    }

    /// Releases all blocked requests, and lets later ones through.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    pub(crate) async fn wait_until_open(&self) {
        self.arrived.add_permits(1);
        // `wait_for` fails only if the sender is dropped, and `self` owns it.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

/// Which requests a fault applies to: by default, only the first request of the operation. Each of the SDK's retries
/// counts as a request.
#[derive(Debug, Clone)]
pub struct Rule {
    operation: &'static str,
    containing: Option<String>,
    skip: usize,
    times: usize,
    fault: Fault,
}

impl Rule {
    /// Returns a rule for the first request of an operation, such as `TransactWriteItems`; `*` matches any operation.
    pub fn new(operation: &'static str, fault: Fault) -> Self {
        Self { operation, containing: None, skip: 0, times: 1, fault }
    }

    /// Matches only requests whose JSON contains this text, such as `SEAT#00000`.
    pub fn containing(self, text: &str) -> Self {
        Self { containing: Some(text.to_owned()), ..self }
    }

    /// Starts with the `n`th matching request, counted from 1 since the rule was added.
    pub fn nth(self, n: usize) -> Self {
        Self { skip: n - 1, ..self }
    }

    /// Applies to this many consecutive matching requests.
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Applies to all matching requests until the rules are cleared.
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Returns the fault if the rule applies to this request, and counts the request.
    fn fault_for(&mut self, operation: &str, body: &[u8]) -> Option<Fault> {
        let contains = |text: &String| body.windows(text.len()).any(|part| part == text.as_bytes());
        let matches = matches!(self.operation, "*") || self.operation == operation;
        if self.times == 0 || !matches || !self.containing.as_ref().is_none_or(contains) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.fault.clone())
    }
}

/// The rules and the recorded calls. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    calls: Vec<String>,
}

impl Faults {
    /// Adds a rule. If several rules match, the first applies.
    pub fn add(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.state().rules.clear();
    }

    /// Returns the AWS operations called since [`Faults::reset_calls`], in order, including retries.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Clears the recorded calls.
    pub fn reset_calls(&self) {
        self.state().calls.clear();
    }

    /// Runs `slow` up to its first request of an operation that contains a text, then all of `concurrent`, then the
    /// rest of `slow`, whose reads are stale by then. Returns the result of `slow`.
    pub async fn interleave<T: Send + 'static>(
        &self,
        (operation, containing): (&'static str, &str),
        slow: impl Future<Output = T> + Send + 'static,
        concurrent: impl Future<Output = ()>,
    ) -> T {
        let gate = Gate::default();
        self.add(Rule::new(operation, Fault::HoldRequest(gate.clone())).containing(containing));
        let slow = tokio::spawn(slow);
        gate.wait_for_request().await;
        concurrent.await;
        gate.open();
        slow.await.expect("the task does not panic")
    }

    /// Returns an HTTP client for the SDK that injects these faults.
    pub fn http_client(&self) -> SharedHttpClient {
        let inner = aws_smithy_http_client::Builder::new().build_http();
        SharedHttpClient::new(FaultyClient { inner, faults: self.clone() })
    }

    /// Like [`Faults::http_client`], for a database that is called in process.
    pub(crate) fn in_process_client(&self, inner: SharedHttpConnector) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(FaultyConnector { inner, faults: self.clone() });
        http_client_fn(move |_, _| connector.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no thread panics while it holds the lock")
    }

    fn record(&self, request: &HttpRequest) -> Option<Fault> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let mut state = self.state();
        state.calls.push(operation.to_owned());
        state.rules.iter_mut().find_map(|rule| rule.fault_for(operation, body))
    }
}

#[derive(Debug)]
struct FaultyClient {
    inner: SharedHttpClient,
    faults: Faults,
}

impl HttpClient for FaultyClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, parts);
        SharedHttpConnector::new(FaultyConnector { inner, faults: self.faults.clone() })
    }
}

#[derive(Debug)]
struct FaultyConnector {
    inner: SharedHttpConnector,
    faults: Faults,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fault = self.faults.record(&request);
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            match fault {
                None => inner.call(request).await,
                Some(Fault::RefuseConnection) => Err(ConnectorError::io("connection refused by the test".into())),
                Some(Fault::LoseResponse) => {
                    // A response means that the request has taken effect.
                    let _ = inner.call(request).await?;
                    Err(ConnectorError::timeout("response lost by the test".into()))
                }
                Some(Fault::Respond(status, exception)) => exception_response(status, exception, ""),
                Some(Fault::Cancel(reason)) => {
                    let reasons = format!(r#","CancellationReasons":[{{"Code":"{reason}"}}]"#);
                    exception_response(400, "TransactionCanceledException", &reasons)
                }
                Some(Fault::HoldRequest(gate)) => {
                    gate.wait_until_open().await;
                    inner.call(request).await
                }
                Some(Fault::Delay(time)) => {
                    tokio::time::sleep(time).await;
                    inner.call(request).await
                }
                Some(Fault::HoldResponse(gate)) => {
                    let response = inner.call(request).await;
                    gate.wait_until_open().await;
                    response
                }
            }
        })
    }
}

/// Builds the error response of an AWS service.
fn exception_response(status: u16, exception: &str, members: &str) -> Result<HttpResponse, ConnectorError> {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{exception}");
    let body = format!(r#"{{"__type":"{kind}","message":"injected by the test"{members}}}"#);
    let status = status.try_into().map_err(|_| ConnectorError::user("invalid HTTP status".into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}
