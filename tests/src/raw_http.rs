//! Sends raw bytes over a socket, for requests that no HTTP client would send.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{Stack, TestResponse};

/// Longer than any response takes.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

impl Stack {
    /// Sends these bytes and reads until the connection is closed. Returns `None` if there is no response. The request
    /// should be malformed or have `Connection: close`.
    pub async fn send_raw(&self, bytes: &[u8]) -> Option<TestResponse> {
        let address = self.local.base_url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.expect("the stack accepts connections");
        // The server may respond and close the connection before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut read = Vec::new();
        // A server that waits for the rest of a truncated request never responds.
        let _ = timeout(READ_TIMEOUT, stream.read_to_end(&mut read)).await;
        let (head, text) = split_response(&read)?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let headers = pairs.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let request = String::from_utf8_lossy(bytes).chars().take(200).collect();
        Some(TestResponse { request, status, headers, bytes: text.clone().into_bytes(), text, body })
    }

    /// Sends a GET request for this unencoded target with the operator's API key.
    pub async fn send_raw_get(&self, target: &[u8]) -> Option<TestResponse> {
        let key = self.local.operator_api_key.expose();
        let rest = format!(" HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n");
        self.send_raw(&[b"GET ", target, rest.as_bytes()].concat()).await
    }
}

/// Splits the last response into head and body, and skips a `100 Continue` before it.
fn split_response(read: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(read).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    if head.starts_with("HTTP/1.1 100") {
        return split_response(body.as_bytes());
    }
    Some((head.to_owned(), body.to_owned()))
}
