//! Breaks things where the SDK hands a request to the network: below its retries, so that these are tested too.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use tokio::sync::{Semaphore, watch};

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is not sent: no connection.
    Refuse,
    /// It is sent and done, and the answer is lost.
    LoseAnswer,
    /// It is not sent; AWS answers with this status and this exception, as in `ThrottlingException`.
    TestResponse(u16, &'static str),
    /// It is not sent; DynamoDB cancels the transaction with this reason, as in `TransactionConflict`.
    Cancel(&'static str),
    /// It waits, unsent, until the gate opens.
    HoldRequest(Gate),
    /// It is sent and done, and the answer waits until the gate opens.
    HoldAnswer(Gate),
    /// It is sent after so long.
    Delay(Duration),
}

impl Fault {
    /// DynamoDB throttles.
    pub const THROTTLE: Self = Self::TestResponse(400, "ProvisionedThroughputExceededException");
    /// DynamoDB has a fault of its own.
    pub const SERVER_ERROR: Self = Self::TestResponse(500, "InternalServerError");
}

/// Holds requests up until it is opened. The SDK gives up on an attempt after two seconds, and sends it again.
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
    /// Comes back when one more request waits.
    pub async fn reached(&self) {
        self.arrived.acquire().await.expect("the semaphore is never closed").forget();
    }

    /// Lets all go on that wait, or will.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    async fn pass(&self) {
        self.arrived.add_permits(1);
        // The sender lives as long as this.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

/// Which requests a fault hits: by default, the first of its operation and no other. Every attempt counts, also those
/// that the SDK makes again by itself.
#[derive(Debug, Clone)]
pub struct Rule {
    operation: &'static str,
    about: Option<String>,
    skip: usize,
    times: usize,
    fault: Fault,
}

impl Rule {
    /// A rule for an operation, as in `TransactWriteItems`; `*` is any.
    pub fn new(operation: &'static str, fault: Fault) -> Self {
        Self { operation, about: None, skip: 0, times: 1, fault }
    }

    /// Only requests whose JSON has this in it, as in `SEAT#00000`.
    pub fn about(self, text: &str) -> Self {
        Self { about: Some(text.to_owned()), ..self }
    }

    /// From the `n`th on that matches, counted from 1 since the rule was set.
    pub fn nth(self, n: usize) -> Self {
        Self { skip: n - 1, ..self }
    }

    /// So many in a row.
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// All, until the rules are cleared.
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// The fault for this request, if it is one of those.
    fn hit(&mut self, operation: &str, body: &[u8]) -> Option<Fault> {
        let is_about = |text: &String| body.windows(text.len()).any(|part| part == text.as_bytes());
        let matches = matches!(self.operation, "*") || self.operation == operation;
        if self.times == 0 || !matches || !self.about.as_ref().is_none_or(is_about) {
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

/// The rules, and what has passed. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    calls: Vec<String>,
}

impl Faults {
    /// Adds a rule. Of several that match, the first decides.
    pub fn set(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.state().rules.clear();
    }

    /// The operations that were tried since [`Faults::forget_calls`], in order: what something costs.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Begins to count anew.
    pub fn forget_calls(&self) {
        self.state().calls.clear();
    }

    /// Lets `slow` run up to its first request of an operation that has `about` in it, then all of `meanwhile`, then
    /// the rest of it: what it read is old by then. Gives what it comes to.
    pub async fn overtake<T: Send + 'static>(
        &self,
        (operation, about): (&'static str, &str),
        slow: impl Future<Output = T> + Send + 'static,
        meanwhile: impl Future<Output = ()>,
    ) -> T {
        let gate = Gate::default();
        self.set(Rule::new(operation, Fault::HoldRequest(gate.clone())).about(about));
        let slow = tokio::spawn(slow);
        gate.reached().await;
        meanwhile.await;
        gate.open();
        slow.await.expect("it does not panic")
    }

    /// The SDK's HTTP client with these faults before it.
    pub fn http_client(&self) -> SharedHttpClient {
        let inner = aws_smithy_http_client::Builder::new().build_http();
        SharedHttpClient::new(BreakableClient { inner, faults: self.clone() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }

    fn next(&self, request: &HttpRequest) -> Option<Fault> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let mut state = self.state();
        state.calls.push(operation.to_owned());
        state.rules.iter_mut().find_map(|rule| rule.hit(operation, body))
    }
}

#[derive(Debug)]
struct BreakableClient {
    inner: SharedHttpClient,
    faults: Faults,
}

impl HttpClient for BreakableClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, parts);
        SharedHttpConnector::new(BreakableConnector { inner, faults: self.faults.clone() })
    }
}

#[derive(Debug)]
struct BreakableConnector {
    inner: SharedHttpConnector,
    faults: Faults,
}

impl HttpConnector for BreakableConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fault = self.faults.next(&request);
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            match fault {
                None => inner.call(request).await,
                Some(Fault::Refuse) => Err(ConnectorError::io("no connection, says the test".into())),
                Some(Fault::LoseAnswer) => {
                    // Read whole, so that it is done and not only sent.
                    let _ = inner.call(request).await?;
                    Err(ConnectorError::timeout("the answer is lost, says the test".into()))
                }
                Some(Fault::TestResponse(status, exception)) => exceptional(status, exception, ""),
                Some(Fault::Cancel(reason)) => {
                    let reasons = format!(r#","CancellationReasons":[{{"Code":"{reason}"}}]"#);
                    exceptional(400, "TransactionCanceledException", &reasons)
                }
                Some(Fault::HoldRequest(gate)) => {
                    gate.pass().await;
                    inner.call(request).await
                }
                Some(Fault::Delay(time)) => {
                    tokio::time::sleep(time).await;
                    inner.call(request).await
                }
                Some(Fault::HoldAnswer(gate)) => {
                    let answer = inner.call(request).await;
                    gate.pass().await;
                    answer
                }
            }
        })
    }
}

/// The answer of a service that does not do what it is asked.
fn exceptional(status: u16, exception: &str, more: &str) -> Result<HttpResponse, ConnectorError> {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{exception}");
    let body = format!(r#"{{"__type":"{kind}","message":"says the test"{more}}}"#);
    let status = status.try_into().map_err(|_| ConnectorError::user("no HTTP status".into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}
