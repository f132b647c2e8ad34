//! Sends webhooks in this process: the code of the functions `webhooks-feed` and `webhooks-sender`, woken by writes of this process
//! and by the time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use shared::{
    AppState, Clock,
    domain::{
        WebhookEndpointId,
        webhooks::{AddressPolicy, WebhookEndpoint},
    },
    store::{StoreError, Table, webhooks::attempts::SLOTS},
};
use tokio::{sync::Notify, task::JoinSet};
use webhooks_feed::Feed;
use webhooks_sender::{ClientSettings, Resolve, Sender, SystemResolver, WebhookClient, client::DEFAULT_TIMEOUT};

/// The time after which events of other processes and deliveries that have become due are looked for.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The least time between two looks, however many writes there are.
const MIN_INTERVAL: Duration = Duration::from_millis(200);

/// How webhooks are sent.
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// The timeout of an attempt.
    pub timeout: Duration,
    /// The addresses to which webhooks may be sent.
    pub addresses: AddressPolicy,
    /// Resolves host names.
    pub resolver: Arc<dyn Resolve>,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        let resolver = Arc::new(SystemResolver);
        Self { timeout: DEFAULT_TIMEOUT, addresses: AddressPolicy::PublicAndLoopback, resolver }
    }
}

/// Turns events into deliveries and attempts them. Clones share their state.
#[derive(Debug, Clone)]
pub struct WebhookWorker {
    table: Table,
    clock: Clock,
    feed: Arc<Feed>,
    sender: Sender,
    wake: Arc<Notify>,
}

impl WebhookWorker {
    /// Creates the worker of an installation.
    pub fn new(app: &AppState, WebhookOptions { timeout, addresses, resolver }: WebhookOptions) -> Self {
        let client = WebhookClient::new(ClientSettings { timeout, addresses, resolver });
        let (table, clock) = (app.table.clone(), app.clock.clone());
        let sender = Sender::new(table.clone(), Arc::clone(&app.sealer), client, clock.clone());
        Self { feed: Arc::new(Feed::new(table.clone())), table, clock, sender, wake: Arc::default() }
    }

    /// Turns events into deliveries, and attempts those that are due now. Returns the number of attempts.
    pub async fn run_once(&self) -> Result<usize, StoreError> {
        let mut lanes = JoinSet::new();
        for endpoint in self.feed.run(self.clock.now()).await? {
            for _ in 0..SLOTS {
                lanes.spawn(send_due(self.sender.clone(), endpoint.id, Arc::default()));
            }
        }
        Ok(lanes.join_all().await.into_iter().sum())
    }

    /// Runs until `stop` ends, and then waits for the attempts that are being made.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut lanes = Lanes::default();
        let mut stop = std::pin::pin!(stop);
        loop {
            if let Err(error) = self.start_lanes(&mut lanes).await {
                tracing::warn!(%error, "reading the events for webhooks failed");
            }
            let next = async {
                tokio::time::sleep(MIN_INTERVAL).await;
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(POLL_INTERVAL) => {}
                }
            };
            tokio::select! {
                () = &mut stop => break,
                () = lanes.join_until(next) => {}
            }
        }
        lanes.stop().await;
    }

    /// Turns events into deliveries, and starts lanes for the endpoints that have deliveries due: an endpoint that is slow to
    /// respond delays no other.
    async fn start_lanes(&self, lanes: &mut Lanes) -> Result<(), StoreError> {
        let now = self.clock.now();
        for WebhookEndpoint { id, .. } in self.feed.run(now).await? {
            let free = usize::from(SLOTS).saturating_sub(lanes.count(id));
            if free == 0 {
                continue;
            }
            let due = self.table.due_webhook_deliveries(id, now, free).await?.len();
            for _ in 0..due {
                lanes.start(id, self.sender.clone());
            }
        }
        Ok(())
    }
}

/// Wakes the worker after requests that may have written events.
pub(crate) async fn wake_after_writes(State(worker): State<WebhookWorker>, request: Request, next: Next) -> Response {
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let response = next.run(request).await;
    if is_write && !response.status().is_client_error() {
        worker.wake.notify_one();
    }
    response
}

/// Attempts the deliveries to an endpoint one after the other, until none is due or the worker stops. Returns the number of
/// attempts.
async fn send_due(sender: Sender, endpoint: WebhookEndpointId, is_stopping: Arc<AtomicBool>) -> usize {
    let sent = sender.send_due(endpoint, || !is_stopping.load(Ordering::SeqCst)).await;
    sent.unwrap_or_else(|error| {
        tracing::warn!(%error, %endpoint, "sending webhooks failed");
        0
    })
}

/// The lanes that are running: at most as many per endpoint as it has slots.
#[derive(Default)]
struct Lanes {
    running: JoinSet<WebhookEndpointId>,
    counts: BTreeMap<WebhookEndpointId, usize>,
    is_stopping: Arc<AtomicBool>,
}

impl Lanes {
    fn count(&self, endpoint: WebhookEndpointId) -> usize {
        self.counts.get(&endpoint).copied().unwrap_or(0)
    }

    fn start(&mut self, endpoint: WebhookEndpointId, sender: Sender) {
        *self.counts.entry(endpoint).or_default() += 1;
        let is_stopping = Arc::clone(&self.is_stopping);
        self.running.spawn(async move {
            send_due(sender, endpoint, is_stopping).await;
            endpoint
        });
    }

    /// Collects lanes that end until `next` does.
    async fn join_until(&mut self, next: impl Future<Output = ()>) {
        let mut next = std::pin::pin!(next);
        loop {
            tokio::select! {
                () = &mut next => return,
                Some(Ok(endpoint)) = self.running.join_next() => {
                    self.counts.entry(endpoint).and_modify(|count| *count = count.saturating_sub(1));
                }
            }
        }
    }

    /// Waits for the attempts that are being made.
    async fn stop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        while self.running.join_next().await.is_some() {}
    }
}
