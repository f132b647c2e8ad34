//! The invocations of the Lambda function: messages that name endpoints.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    domain::WebhookEndpointId,
    queue::{WakeUp, WakeUps, WebhookQueue},
    store::webhooks::attempts::SLOTS,
};
use tokio::time::Instant;

use crate::Sender;

/// The time in which an invocation begins attempts. The rest of the function's timeout is for the last ones.
pub const MAX_SENDING: Duration = Duration::from_secs(30);

/// Handles the invocations of an instance of the function.
#[derive(Debug)]
pub struct Invocations {
    sender: Sender,
    queue: WebhookQueue,
}

/// A message of the queue, as Lambda passes it on.
#[derive(Debug, Deserialize)]
struct Message {
    #[serde(rename = "messageId")]
    id: String,
    body: String,
}

#[derive(Debug, Deserialize)]
struct Messages {
    #[serde(rename = "Records", default)]
    messages: Vec<Message>,
}

impl Invocations {
    /// Creates the handler.
    pub fn new(sender: Sender, queue: WebhookQueue) -> Self {
        Self { sender, queue }
    }

    /// Attempts what is due to the endpoints of the messages: those of different endpoints at the same time, so that none delays
    /// another. The response names the messages that failed, which SQS delivers again.
    pub async fn handle(&self, payload: Value) -> Result<Value, serde_json::Error> {
        let Messages { messages } = serde_json::from_value(payload)?;
        let mut endpoints = BTreeMap::<WebhookEndpointId, Vec<String>>::new();
        let mut failed = Vec::new();
        for Message { id, body } in messages {
            match serde_json::from_str::<WakeUp>(&body) {
                Ok(WakeUp { endpoint_id }) => endpoints.entry(endpoint_id).or_default().push(id),
                // Reaches the dead-letter queue.
                Err(_) => failed.push(id),
            }
        }
        let until = Instant::now() + MAX_SENDING;
        let lanes = endpoints.into_iter().flat_map(|(endpoint, ids)| {
            // The messages of an endpoint share its lanes.
            let count = ids.len().min(usize::from(SLOTS));
            let mut shares = vec![Vec::new(); count];
            for (index, id) in ids.into_iter().enumerate() {
                shares[index % count].push(id);
            }
            shares.into_iter().map(move |ids| self.send_due(endpoint, until, ids))
        });
        failed.extend(join_all(lanes).await.into_iter().flatten());
        let failures: Vec<_> = failed.into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
        Ok(json!({ "batchItemFailures": failures }))
    }

    /// Attempts what is due to an endpoint. Returns the ids of its messages if it fails.
    async fn send_due(&self, endpoint: WebhookEndpointId, until: Instant, ids: Vec<String>) -> Vec<String> {
        if let Err(error) = self.sender.send_due(endpoint, || Instant::now() < until).await {
            tracing::error!(%error, %endpoint, "sending webhooks failed");
            return ids;
        }
        if Instant::now() < until {
            return Vec::new();
        }
        // Another invocation goes on.
        let mut wake_ups = WakeUps::default();
        wake_ups.add(endpoint, SignedDuration::ZERO);
        match self.queue.send(&wake_ups).await {
            Ok(()) => Vec::new(),
            Err(error) => {
                tracing::error!(%error, %endpoint, "waking the sender failed");
                ids
            }
        }
    }
}
