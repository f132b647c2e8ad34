//! The Lambda functions `webhooks-feed` and `webhooks-sender`: stream, queue and schedule.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::config::Credentials;
use shared::{Aws, Timeouts, http_client, queue::WebhookQueue};
use signet_tests::{Behavior, FakeQueue, Fault, Rule, Value, WebhookReceiver, json, text};
use webhooks_sender::{ClientSettings, Sender, WebhookClient};

use super::{Installation, deliveries_of};

/// The functions of a deployment, with the table of a stack.
struct Functions {
    installation: Installation,
    feed: webhooks_feed::Invocations,
    sender: webhooks_sender::Invocations,
    queue: FakeQueue,
    /// The items that the stream has shown, by key.
    shown: Mutex<BTreeMap<String, Value>>,
}

/// A record of the stream.
fn change(old: Option<Value>, new: &Value, sequence: usize) -> Value {
    let mut change = json!({"NewImage": new, "SequenceNumber": sequence.to_string()});
    if let Some(old) = old {
        change["OldImage"] = old;
    }
    json!({ "eventSource": "aws:dynamodb", "dynamodb": change })
}

impl Functions {
    async fn start() -> Self {
        let installation = Installation::start().await;
        let queue = FakeQueue::start().await;
        let credentials = Credentials::new("test", "test", None, None, "test");
        let http_client = http_client(&[Some(&queue.endpoint)]).unwrap();
        let aws = Aws::new("eu-west-1", Some(credentials), http_client, Timeouts::default());
        let webhook_queue = WebhookQueue::connect(&aws, &queue.url(), Some(queue.endpoint.clone()));
        let app = installation.stack.local.app.clone();
        let client = WebhookClient::new(ClientSettings::new(app.settings.webhook_addresses));
        let sender = Sender::new(app.table.clone(), Arc::clone(&app.sealer), client, app.clock.clone());
        let functions = Self {
            feed: webhooks_feed::Invocations::new(app.table, webhook_queue.clone(), app.clock),
            sender: webhooks_sender::Invocations::new(sender, webhook_queue),
            installation,
            queue,
            shown: Mutex::default(),
        };
        functions.changes().await;
        functions
    }

    /// Returns the records of the stream since the previous call.
    async fn changes(&self) -> Vec<Value> {
        let items = self.installation.stack.snapshot_items().await;
        let mut shown = self.shown.lock().unwrap();
        let mut records = Vec::new();
        for (key, item) in &items {
            let mut old = shown.get(key).cloned();
            if old.as_ref() == Some(item) {
                continue;
            }
            // An attempt has written its delivery twice: when it began and when it ended.
            if let Some(before) = old.clone().filter(|before| before["attempts"] != item["attempts"]) {
                let mut begun = before.clone();
                begun["attempts"] = item["attempts"].clone();
                records.push(change(Some(before), &begun, records.len() + 1));
                old = Some(begun);
            }
            records.push(change(old, item, records.len() + 1));
        }
        *shown = items;
        records
    }

    /// Passes the records of the stream to the feed until there are none. Returns the messages that it sends.
    async fn run_stream(&self) -> Vec<Value> {
        loop {
            let records = self.changes().await;
            if records.is_empty() {
                return self.queue.take();
            }
            let response = self.feed.handle(json!({ "Records": records })).await.unwrap();
            assert_eq!(response, json!({"batchItemFailures": []}));
        }
    }

    /// Passes messages to the sender. Returns the ids of those that failed.
    async fn run_queue(&self, messages: &[Value]) -> Value {
        self.sender.handle(FakeQueue::lambda_event(messages)).await.unwrap()["batchItemFailures"].clone()
    }
}

#[tokio::test]
async fn event_reaches_the_receiver_through_stream_and_queue() {
    let functions = Functions::start().await;
    let event = functions.installation.create_event().await;
    let messages = functions.run_stream().await;
    let body = json!({"endpoint_id": functions.installation.endpoint_id()}).to_string();
    assert_eq!(messages, [json!({"Id": "0", "MessageBody": body, "DelaySeconds": 0})]);
    assert_eq!(functions.run_queue(&messages).await, json!([]));
    assert_eq!(functions.installation.receiver.ids(), [event]);
    assert_eq!(functions.run_stream().await, [Value::Null; 0], "nothing is due after the attempt");
}

#[tokio::test]
async fn failed_attempt_is_repeated_by_a_delayed_message_and_later_ones_by_the_schedule() {
    let functions = Functions::start().await;
    let Installation { stack, receiver, .. } = &functions.installation;
    receiver.set_behavior(Behavior::Status(500));
    functions.installation.create_event().await;
    let mut messages = functions.run_stream().await;
    for pause in [5, 30, 120, 600] {
        functions.run_queue(&messages).await;
        messages = functions.run_stream().await;
        let delay = messages[0]["DelaySeconds"].as_i64().unwrap();
        assert!((pause..=pause + pause / 10 + 1).contains(&delay), "{delay} seconds instead of {pause}");
        stack.advance(delay);
    }
    functions.run_queue(&messages).await;
    assert_eq!(functions.run_stream().await, [Value::Null; 0], "SQS delays a message by at most 15 minutes");
    let schedule = async || functions.feed.handle(json!({})).await.unwrap();
    stack.advance(3_500);
    schedule().await;
    assert_eq!(functions.queue.take(), [Value::Null; 0]);
    stack.advance(420);
    schedule().await;
    let messages = functions.queue.take();
    assert_eq!(messages.len(), 1);
    stack.advance(messages[0]["DelaySeconds"].as_i64().unwrap());
    functions.run_queue(&messages).await;
    assert_eq!(receiver.ids().len(), 6);
}

#[tokio::test]
async fn retry_wakes_the_sender_at_once() {
    let functions = Functions::start().await;
    let event = functions.installation.create_event().await;
    let messages = functions.run_stream().await;
    functions.run_queue(&messages).await;
    functions.run_stream().await;
    let delivery = functions.installation.delivery(&event).await;
    let path = format!("webhook-deliveries/{}/retry", text(&delivery["id"]));
    functions.installation.stack.operator.post(&path, json!({})).await.expect_status(200);
    let messages = functions.run_stream().await;
    assert_eq!(messages[0]["DelaySeconds"], 0);
    functions.run_queue(&messages).await;
    assert_eq!(functions.installation.receiver.ids().len(), 2);
}

#[tokio::test]
async fn schedule_adds_deliveries_that_the_stream_has_missed() {
    let functions = Functions::start().await;
    let event = functions.installation.create_event().await;
    // The records are lost.
    functions.changes().await;
    functions.feed.handle(json!({})).await.unwrap();
    let messages = functions.run_stream().await;
    functions.run_queue(&messages).await;
    assert_eq!(functions.installation.receiver.ids(), [event]);
}

#[tokio::test]
async fn repeated_records_and_messages_send_an_event_once() {
    let functions = Functions::start().await;
    functions.installation.create_event().await;
    let records = functions.changes().await;
    for _ in 0..3 {
        functions.feed.handle(json!({ "Records": records })).await.unwrap();
    }
    let messages = functions.run_stream().await;
    for _ in 0..3 {
        assert_eq!(functions.run_queue(&messages).await, json!([]));
    }
    assert_eq!(functions.installation.receiver.ids().len(), 1);
}

#[tokio::test]
async fn records_from_the_first_that_failed_are_repeated() {
    let functions = Functions::start().await;
    let Installation { stack, .. } = &functions.installation;
    for _ in 0..3 {
        functions.installation.create_event().await;
        stack.advance(1);
    }
    let mut records = functions.changes().await;
    records.retain(|record| text(&record["dynamodb"]["NewImage"]["SK"]["S"]).starts_with("EVENT#"));
    assert_eq!(records.len(), 3);
    stack.faults.add(Rule::new("PutItem", Fault::SERVER_ERROR).nth(2).times(3));
    let response = functions.feed.handle(json!({ "Records": records.clone() })).await.unwrap();
    let second = &records[1]["dynamodb"]["SequenceNumber"];
    assert_eq!(response, json!({"batchItemFailures": [{"itemIdentifier": second}]}));
    stack.faults.clear();
    let rest = json!({ "Records": records[1..] });
    assert_eq!(functions.feed.handle(rest).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!(functions.installation.deliveries().await.len(), 3);
}

#[tokio::test]
async fn message_of_a_failing_attempt_is_delivered_again_and_others_are_not() {
    let functions = Functions::start().await;
    let Installation { stack, .. } = &functions.installation;
    let other = WebhookReceiver::start().await;
    let second = stack.operator.create_webhook_endpoint(&other.url).await;
    functions.installation.create_event().await;
    let messages = functions.run_stream().await;
    assert_eq!(messages.len(), 2);
    let failing = Rule::new("TransactWriteItems", Fault::SERVER_ERROR).containing(functions.installation.endpoint_id());
    stack.faults.add(failing.always());
    let failed = functions.run_queue(&messages).await;
    let index = messages
        .iter()
        .position(|message| text(&message["MessageBody"]).contains(functions.installation.endpoint_id()));
    assert_eq!(failed, json!([{"itemIdentifier": format!("message-{}", index.unwrap())}]));
    assert_eq!(other.ids().len(), 1);
    stack.faults.clear();
    assert_eq!(functions.run_queue(&messages).await, json!([]));
    assert_eq!(functions.installation.receiver.ids().len(), 1);
    assert_eq!(deliveries_of(stack, text(&second["id"])).await[0]["attempts"], 1);
}

#[tokio::test]
async fn invalid_message_reaches_the_dead_letter_queue() {
    let functions = Functions::start().await;
    let messages = [json!({"MessageBody": "{}"}), json!({"MessageBody": "not JSON"})];
    let failed = functions.run_queue(&messages).await;
    let ids: BTreeSet<_> = failed.as_array().unwrap().iter().map(|one| text(&one["itemIdentifier"])).collect();
    assert_eq!(ids, BTreeSet::from(["message-0", "message-1"]));
}

#[tokio::test]
async fn lost_messages_are_made_up_for_by_the_schedule() {
    let functions = Functions::start().await;
    let event = functions.installation.create_event().await;
    // The messages are lost. The schedule finds the delivery.
    functions.run_stream().await;
    functions.installation.stack.advance(60);
    functions.feed.handle(json!({})).await.unwrap();
    functions.run_queue(&functions.queue.take()).await;
    assert_eq!(functions.installation.receiver.ids(), [event]);
}
