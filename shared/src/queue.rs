//! The queue that wakes the function `webhooks-sender`. Its messages carry no events: they name an endpoint, and the sender reads
//! from the table what is due. A message that is lost or repeated changes when a webhook is sent, not whether.

use std::collections::BTreeMap;

use aws_sdk_sqs::{Client, types::SendMessageBatchRequestEntry};
use futures_util::future::try_join_all;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, classify, error_chain},
    domain::WebhookEndpointId,
    retries::sdk_budget,
};

/// The longest time by which SQS delays a message.
pub const MAX_DELAY: SignedDuration = SignedDuration::from_mins(15);
/// The number of messages that SQS accepts in a request.
const MAX_BATCH: usize = 10;
/// The number of messages that wake the sender for one endpoint at the same time. It makes that many attempts at the same time.
const MAX_WAKE_UPS: usize = 2;

/// The queue of an installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebhookQueue {
    client: Client,
    url: String,
}

/// A message: the sender attempts what is due to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeUp {
    /// The endpoint.
    pub endpoint_id: WebhookEndpointId,
}

/// Messages could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("SQS is unavailable: {0}")]
pub struct QueueError(String);

/// The messages to send: for each endpoint and delay in seconds, how many deliveries become due then. A few messages wake the sender
/// for many deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WakeUps(BTreeMap<(WebhookEndpointId, i32), usize>);

impl WakeUps {
    /// Adds a delivery that is due after a time. One that is due after [`MAX_DELAY`] is left to the schedule.
    pub fn add(&mut self, endpoint: WebhookEndpointId, due_after: SignedDuration) {
        if due_after > MAX_DELAY {
            return;
        }
        // Not before the delivery is due.
        let millis = due_after.as_millis().max(0);
        let seconds = i32::try_from((millis + 999) / 1000).unwrap_or(0);
        *self.0.entry((endpoint, seconds)).or_default() += 1;
    }

    /// Returns the messages with their delays in seconds.
    fn messages(&self) -> Vec<(WakeUp, i32)> {
        let messages = self.0.iter().flat_map(|((endpoint, delay), count)| {
            std::iter::repeat_n((WakeUp { endpoint_id: *endpoint }, *delay), (*count).min(MAX_WAKE_UPS))
        });
        messages.collect()
    }
}

impl WebhookQueue {
    /// Creates a client for the queue with this URL. `endpoint` replaces the regional endpoint of SQS. Sends nothing.
    pub fn connect(aws: &Aws, url: &str, endpoint: Option<String>) -> Self {
        let mut config = aws_sdk_sqs::config::Builder::from(aws.config());
        config.set_endpoint_url(endpoint);
        config.set_retry_partition(Some(sdk_budget("sqs".to_owned())));
        #[expect(clippy::disallowed_methods, reason = "the only place that creates this client")]
        let client = Client::from_conf(config.build());
        Self { client, url: url.to_owned() }
    }

    /// Sends messages.
    pub async fn send(&self, wake_ups: &WakeUps) -> Result<(), QueueError> {
        let messages = wake_ups.messages();
        try_join_all(messages.chunks(MAX_BATCH).map(|batch| self.send_batch(batch))).await.map(|_| ())
    }

    async fn send_batch(&self, batch: &[(WakeUp, i32)]) -> Result<(), QueueError> {
        let mut request = self.client.send_message_batch().queue_url(&self.url);
        for (index, (wake_up, delay)) in batch.iter().enumerate() {
            let body = serde_json::to_string(wake_up).map_err(|error| QueueError(error.to_string()))?;
            let entry = SendMessageBatchRequestEntry::builder();
            let entry = entry.id(index.to_string()).message_body(body).delay_seconds(*delay).build();
            request = request.entries(entry.map_err(|error| QueueError(error_chain(&error)))?);
        }
        let sent = request.send().await.map_err(|error| QueueError(classify(&error).into_message()))?;
        match sent.failed.first() {
            None => Ok(()),
            Some(failed) => Err(QueueError(format!("{}: {}", failed.code, failed.message().unwrap_or_default()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use ulid::Ulid;

    use super::*;
    use crate::aws::stub::Stub;

    fn endpoint(number: u128) -> WebhookEndpointId {
        WebhookEndpointId::from_ulid(Ulid(number))
    }

    fn queue(stub: &Stub) -> WebhookQueue {
        WebhookQueue::connect(&stub.aws(), "https://sqs.eu-west-1.amazonaws.com/111122223333/webhooks", None)
    }

    #[tokio::test]
    async fn messages_name_the_endpoint_and_are_delayed_until_the_delivery_is_due() {
        let stub = Stub::new(|_, _| (200, json!({"Successful": [], "Failed": []})));
        let mut wake_ups = WakeUps::default();
        for millis in [-5000, 0, 1, 4999, 5001, 900_000, 900_001, 86_400_000] {
            wake_ups.add(endpoint(1), SignedDuration::from_millis(millis));
        }
        queue(&stub).send(&wake_ups).await.unwrap();
        let [(operation, body)] = &stub.requests()[..] else { panic!("not one request") };
        assert_eq!(operation, "SendMessageBatch");
        let entries = body["Entries"].as_array().unwrap();
        let delays: Vec<_> = entries.iter().map(|entry| entry["DelaySeconds"].as_i64().unwrap()).collect();
        assert_eq!(delays, [0, 0, 1, 5, 6, 900], "those that are due later are left to the schedule");
        let wake_up: WakeUp = serde_json::from_str(entries[0]["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!(wake_up, WakeUp { endpoint_id: endpoint(1) });
    }

    #[tokio::test]
    async fn many_deliveries_need_two_messages_per_endpoint_in_batches_of_ten() {
        let stub = Stub::new(|_, _| (200, json!({"Successful": [], "Failed": []})));
        let mut wake_ups = WakeUps::default();
        for number in 0..7 {
            for _ in 0..100 {
                wake_ups.add(endpoint(number), SignedDuration::ZERO);
            }
        }
        queue(&stub).send(&wake_ups).await.unwrap();
        let mut sizes: Vec<_> =
            stub.requests().iter().map(|(_, body)| body["Entries"].as_array().unwrap().len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [4, 10]);
        queue(&stub).send(&WakeUps::default()).await.unwrap();
        assert_eq!(stub.requests().len(), 2, "nothing to send");
    }

    #[tokio::test]
    async fn message_that_sqs_refuses_is_an_error() {
        let failed = json!({"Successful": [], "Failed": [{"Id": "0", "SenderFault": true, "Code": "InternalError"}]});
        let stub = Stub::new(move |_, _| (200, failed.clone()));
        let mut wake_ups = WakeUps::default();
        wake_ups.add(endpoint(1), SignedDuration::ZERO);
        assert!(queue(&stub).send(&wake_ups).await.is_err());
    }
}
