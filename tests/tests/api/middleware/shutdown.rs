//! The shutdown of the local server.

use signet_tests::{Fault, Gate, Rule, Stack};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test(flavor = "multi_thread")]
async fn stop_closes_idle_connections_and_waits_for_running_requests() {
    let stack = Stack::start().await;
    let address = stack.local.base_url.trim_start_matches("http://").to_owned();
    let mut idle = TcpStream::connect(&address).await.unwrap();
    idle.write_all(b"GET /api/v1.0/unknown HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    idle.read_exact(&mut [0; 12]).await.unwrap();
    let (gate, operator) = (Gate::default(), stack.operator.over_tcp());
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let running = tokio::spawn(async move { operator.create_product().await });
    gate.wait_for_request().await;

    let stopping = tokio::spawn(stack.stop());
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(TcpStream::connect(&address).await.is_err(), "new connections are refused");
    gate.open();
    running.await.expect("the running request is completed");
    stopping.await.unwrap();
}
