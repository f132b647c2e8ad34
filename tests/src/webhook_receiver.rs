//! A receiver of webhooks on loopback, which records what it receives and responds as a test tells it.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, time::timeout};

use crate::Gate;

/// The time that a test waits for a webhook before it fails.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A webhook that was received.
#[derive(Debug, Clone)]
pub struct ReceivedWebhook {
    /// The headers.
    pub headers: HeaderMap,
    /// The bytes of the body.
    pub bytes: Vec<u8>,
    /// The body as JSON.
    pub event: Value,
}

impl ReceivedWebhook {
    /// Returns a header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns `webhook-id`.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }
}

/// How a receiver responds.
#[derive(Debug, Clone)]
pub enum Behavior {
    /// With a status and an empty body.
    Status(u16),
    /// With a status and a body.
    Body(u16, Vec<u8>),
    /// With a redirect to a URL.
    Redirect(String),
    /// With a status, when the gate opens.
    Hold(Gate, u16),
    /// With 200 and a body that never ends.
    EndlessBody,
    /// With 200 and the beginning of a body; nothing follows.
    UnfinishedBody,
}

/// A running receiver. It stops when the test's runtime ends.
#[derive(Debug, Clone)]
pub struct WebhookReceiver {
    /// The URL that receives webhooks.
    pub url: String,
    state: Arc<Mutex<Received>>,
    count: watch::Sender<usize>,
}

#[derive(Debug)]
struct Received {
    behavior: Behavior,
    webhooks: Vec<ReceivedWebhook>,
    /// The number of webhooks without a response, and the largest such number.
    in_flight: [usize; 2],
}

impl WebhookReceiver {
    /// Starts a receiver that responds with 204.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a local address");
        let received = Received { behavior: Behavior::Status(204), webhooks: Vec::new(), in_flight: [0, 0] };
        let receiver = Self {
            url: format!("http://{address}/webhooks"),
            state: Arc::new(Mutex::new(received)),
            count: watch::Sender::new(0),
        };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        receiver
    }

    /// Sets how the receiver responds from now on.
    pub fn set_behavior(&self, behavior: Behavior) {
        self.lock().behavior = behavior;
    }

    /// Returns the webhooks that were received, in their order.
    pub fn received(&self) -> Vec<ReceivedWebhook> {
        self.lock().webhooks.clone()
    }

    /// Returns the `webhook-id` of each webhook that was received, in their order.
    pub fn ids(&self) -> Vec<String> {
        self.lock().webhooks.iter().map(|webhook| webhook.id().to_owned()).collect()
    }

    /// Forgets the webhooks that were received.
    pub fn clear(&self) {
        self.lock().webhooks.clear();
    }

    /// Returns the largest number of webhooks that were received and not responded to at the same time.
    pub fn most_in_flight(&self) -> usize {
        self.lock().in_flight[1]
    }

    /// Waits until this many webhooks were received since the start.
    pub async fn wait_for(&self, count: usize) {
        let mut counts = self.count.subscribe();
        let waited = timeout(MAX_WAIT, counts.wait_for(|found| *found >= count)).await;
        waited.unwrap_or_else(|_| panic!("{count} webhooks in time")).expect("the receiver keeps the sender");
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        self.state.lock().expect("no thread panics while it holds the lock")
    }
}

async fn receive(State(receiver): State<WebhookReceiver>, headers: HeaderMap, body: Bytes) -> Response {
    let event = serde_json::from_slice(&body).unwrap_or_default();
    let behavior = {
        let mut state = receiver.lock();
        state.webhooks.push(ReceivedWebhook { headers, bytes: body.to_vec(), event });
        let [now, most] = state.in_flight;
        state.in_flight = [now + 1, most.max(now + 1)];
        state.behavior.clone()
    };
    receiver.count.send_modify(|count| *count += 1);
    let response = respond(behavior).await;
    receiver.lock().in_flight[0] -= 1;
    response
}

async fn respond(behavior: Behavior) -> Response {
    let status = |status: u16| StatusCode::from_u16(status).expect("a valid status");
    match behavior {
        Behavior::Status(code) => status(code).into_response(),
        Behavior::Body(code, body) => (status(code), body).into_response(),
        Behavior::Redirect(url) => {
            let location = HeaderValue::from_str(&url).expect("a valid URL");
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response()
        }
        Behavior::Hold(gate, code) => {
            gate.wait_until_open().await;
            status(code).into_response()
        }
        Behavior::EndlessBody => {
            let chunks = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'a'; 4096])));
            Body::from_stream(chunks).into_response()
        }
        Behavior::UnfinishedBody => {
            let beginning = stream::iter([Ok::<_, std::io::Error>(Bytes::from("beginning"))]);
            Body::from_stream(futures_util::StreamExt::chain(beginning, stream::pending())).into_response()
        }
    }
}
