//! Clients that send too slowly, or nothing. The server closes their connections and still serves others.

use std::time::{Duration, Instant};

use signet_local::{ConnectionTimeouts, Options};
use signet_tests::Stack;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// The timeout under test.
const SHORT: Duration = Duration::from_millis(500);
/// Shorter than the default timeouts, so that a connection closed within this time was closed by the timeout under test.
const TOO_LONG: Duration = Duration::from_secs(9);

async fn start(connection_timeouts: ConnectionTimeouts) -> Stack {
    Stack::start_with(Options { connection_timeouts, ..Options::default() }).await
}

/// Connects and sends these bytes.
async fn send(stack: &Stack, bytes: &[u8]) -> TcpStream {
    let address = stack.local.base_url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads until the server closes the connection, and returns what was read.
async fn read_until_closed(mut stream: TcpStream) -> String {
    let mut read = Vec::new();
    // A connection that is closed while the client sends is reset.
    let _ = timeout(TOO_LONG, stream.read_to_end(&mut read)).await.expect("the server closes the connection");
    String::from_utf8(read).unwrap()
}

async fn assert_serves_others(stack: &Stack) {
    stack.operator.over_tcp().get("products").await.expect_status(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_complete_headers_are_closed() {
    let stack = start(ConnectionTimeouts { headers: SHORT, ..ConnectionTimeouts::default() }).await;
    for sent in ["", "GET /api/v1.0/products HTTP/1.1\r\nHost: a\r\nX-Api-"] {
        let slow = send(&stack, sent.as_bytes()).await;
        assert_serves_others(&stack).await;
        assert_eq!(read_until_closed(slow).await, "", "after {sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_sent_byte_by_byte_do_not_extend_the_timeout() {
    let stack = start(ConnectionTimeouts { headers: SHORT, ..ConnectionTimeouts::default() }).await;
    let mut slow = send(&stack, b"GET /api/v1.0/products HTTP/1.1\r\nX-Slow: ").await;
    let send_slowly = async {
        while slow.write_all(b"a").await.is_ok() {
            sleep(SHORT / 10).await;
        }
    };
    timeout(TOO_LONG, send_slowly).await.expect("the server closes the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_complete_body_are_closed_and_write_nothing() {
    let stack = start(ConnectionTimeouts { body: SHORT, ..ConnectionTimeouts::default() }).await;
    let before = stack.snapshot_items().await;
    let key = stack.local.operator_api_key.expose();
    for rest in [
        "Content-Length: 32\r\n\r\n{\"code\":\"atlas\",\"name\":\"Atlas\"}",
        "Content-Length: 31\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1f\r\n{\"code\":\"atlas\",\"name\":\"Atlas\"}\r\n",
    ] {
        let head = "POST /api/v1.0/products HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
        let slow = send(&stack, format!("{head}X-Api-Key: {key}\r\n{rest}").as_bytes()).await;
        assert_serves_others(&stack).await;
        assert_eq!(read_until_closed(slow).await, "", "after {rest:?}");
    }
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_closed_by_their_own_timeout() {
    let stack = start(ConnectionTimeouts { headers: SHORT, idle: SHORT * 3, ..ConnectionTimeouts::default() }).await;
    let begun = Instant::now();
    let idle = send(&stack, b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_serves_others(&stack).await;
    let read = read_until_closed(idle).await;
    assert!(read.starts_with("HTTP/1.1 200 OK\r\n"), "{read}");
    assert!(begun.elapsed() >= SHORT * 3, "an idle connection has more time than one that sends headers");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_of_a_connection_has_the_timeout_of_headers() {
    let stack = start(ConnectionTimeouts { headers: SHORT, ..ConnectionTimeouts::default() }).await;
    let mut stream = send(&stack, b"GET /api/v1.0/unknown HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut start_of_response = [0; 12];
    stream.read_exact(&mut start_of_response).await.unwrap();
    assert_eq!(&start_of_response, b"HTTP/1.1 404");
    stream.write_all(b"GET /api").await.unwrap();
    let read = read_until_closed(stream).await;
    assert!(!read.contains("HTTP/1.1"), "one response: {read}");
}
