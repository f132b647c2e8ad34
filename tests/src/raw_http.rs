//! Bytes on a socket, as no client would send them.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{Stack, TestResponse};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(5);

impl Stack {
    /// Sends these bytes, and reads until the connection is closed; none where no word comes. What is sent should ask for
    /// the end of the connection, or be broken.
    pub async fn wire(&self, bytes: &[u8]) -> Option<TestResponse> {
        let address = self.local.base_url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        // It may be answered, and closed, before all is sent.
        let _ = stream.write_all(bytes).await;
        let mut read = Vec::new();
        // One that waits for the rest of what was cut short is not waited for.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut read)).await;
        let (head, text) = parts(&read)?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let headers = pairs.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let asked = String::from_utf8_lossy(bytes).chars().take(200).collect();
        Some(TestResponse { asked, status, headers, bytes: text.clone().into_bytes(), text, body })
    }

    /// A request of an operator's for this target, as it stands, without a body.
    pub async fn wire_get(&self, target: &[u8]) -> Option<TestResponse> {
        let key = self.local.operator_api_key.expose();
        let rest = format!(" HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n");
        self.wire(&[b"GET ", target, rest.as_bytes()].concat()).await
    }
}

/// Head and body of the last answer: one that was told to go on has two.
fn parts(read: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(read).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    if head.starts_with("HTTP/1.1 100") {
        return parts(body.as_bytes());
    }
    Some((head.to_owned(), body.to_owned()))
}
