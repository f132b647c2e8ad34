//! A stand-in for SQS: accepts messages over HTTP and keeps them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Json, Router, body::Bytes, extract::State, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A queue on loopback. It stops when the test's runtime ends.
#[derive(Debug, Clone)]
pub struct FakeQueue {
    /// The endpoint of SQS.
    pub endpoint: String,
    messages: Arc<Mutex<Vec<Value>>>,
}

impl FakeQueue {
    /// Starts an empty queue.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("a local address"));
        let queue = Self { endpoint, messages: Arc::default() };
        let router = Router::new().route("/", post(send_batch)).with_state(queue.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        queue
    }

    /// Returns the URL of the queue.
    pub fn url(&self) -> String {
        format!("{}/111122223333/webhooks", self.endpoint)
    }

    /// Removes and returns the messages, each with its `MessageBody` and `DelaySeconds`.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns messages as Lambda passes them to a function.
    pub fn lambda_event(messages: &[Value]) -> Value {
        let records = messages.iter().enumerate();
        let records: Vec<_> = records
            .map(|(index, message)| json!({"messageId": format!("message-{index}"), "body": message["MessageBody"]}))
            .collect();
        json!({ "Records": records })
    }
}

async fn send_batch(State(queue): State<FakeQueue>, body: Bytes) -> Json<Value> {
    // Its type is that of the AWS JSON protocol, which the extractor for JSON does not accept.
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    let entries = request["Entries"].as_array().cloned().unwrap_or_default();
    let sent: Vec<_> = entries
        .iter()
        .map(|entry| json!({"Id": entry["Id"], "MessageId": entry["Id"], "MD5OfMessageBody": ""}))
        .collect();
    queue.messages.lock().unwrap_or_else(PoisonError::into_inner).extend(entries);
    Json(json!({ "Successful": sent, "Failed": [] }))
}
