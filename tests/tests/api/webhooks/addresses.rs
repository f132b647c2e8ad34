//! Webhooks reach only addresses of the public internet: the address is checked when the connection is made.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use futures_util::{FutureExt, future::BoxFuture};
use shared::domain::webhooks::AddressPolicy;
use signet_local::{Options, WebhookOptions};
use signet_tests::{Behavior, Value, json};
use webhooks_sender::Resolve;

use super::Installation;

/// Resolves every name to addresses that the test sets.
#[derive(Debug, Clone, Default)]
struct TestResolver(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    addresses: Vec<IpAddr>,
    is_failing: bool,
    resolved: usize,
}

impl Resolve for TestResolver {
    fn resolve(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut state = self.0.lock().unwrap();
        state.resolved += 1;
        let result = if state.is_failing { Err(io::Error::other("no such host")) } else { Ok(state.addresses.clone()) };
        async { result }.boxed()
    }
}

impl TestResolver {
    fn set(&self, addresses: &[&str]) {
        self.0.lock().unwrap().addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    }

    fn resolved(&self) -> usize {
        self.0.lock().unwrap().resolved
    }
}

/// Starts an installation whose endpoint has the host name `localhost`, which the resolver resolves.
async fn start(resolver: &TestResolver) -> Installation {
    let webhooks = WebhookOptions { resolver: Arc::new(resolver.clone()), ..super::impatient() };
    let installation = Installation::start_with(Options { webhooks, ..Options::default() }).await;
    let url = installation.receiver.url.replace("127.0.0.1", "localhost");
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    installation.stack.operator.patch(&path, json!({"url": url})).await.expect_status(200);
    installation
}

async fn send_event(installation: &Installation) -> Value {
    installation.stack.advance(1);
    let event = installation.create_event().await;
    installation.send().await;
    installation.delivery(&event).await
}

#[tokio::test]
async fn names_that_resolve_to_addresses_of_private_networks_are_not_connected_to() {
    let resolver = TestResolver::default();
    let installation = start(&resolver).await;
    for address in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::",
    ] {
        resolver.set(&[address]);
        let delivery = send_event(&installation).await;
        assert_eq!(
            (&delivery["error"], &delivery["status"]),
            (&json!("address_forbidden"), &json!("pending")),
            "{address}"
        );
    }
    assert_eq!(installation.receiver.ids(), [""; 0]);
}

#[tokio::test]
async fn only_allowed_addresses_of_a_name_are_connected_to() {
    let resolver = TestResolver::default();
    let installation = start(&resolver).await;
    resolver.set(&["10.0.0.1", "127.0.0.1", "169.254.169.254"]);
    let delivery = send_event(&installation).await;
    assert_eq!((&delivery["status"], &delivery["response_status"]), (&json!("delivered"), &json!(204)));
    resolver.set(&[]);
    assert_eq!(send_event(&installation).await["error"], "address_forbidden");
    resolver.0.lock().unwrap().is_failing = true;
    assert_eq!(send_event(&installation).await["error"], "dns_failed");
}

#[tokio::test]
async fn name_that_resolves_to_another_address_later_is_checked_again() {
    let resolver = TestResolver::default();
    let installation = start(&resolver).await;
    resolver.set(&["127.0.0.1"]);
    assert_eq!(send_event(&installation).await["status"], "delivered");
    let before = resolver.resolved();
    // DNS rebinding.
    resolver.set(&["169.254.169.254"]);
    assert_eq!(send_event(&installation).await["error"], "address_forbidden");
    assert_eq!(
        resolver.resolved(),
        before + 1,
        "the name is resolved once per attempt: what was checked is connected to"
    );
    assert_eq!(installation.receiver.ids().len(), 1);
}

#[tokio::test]
async fn deployed_installation_does_not_connect_to_itself() {
    let resolver = TestResolver::default();
    let installation = start(&resolver).await;
    // The same table with the rules of a deployed installation, which would not have accepted the URL.
    let webhooks =
        WebhookOptions { addresses: AddressPolicy::Public, resolver: Arc::new(resolver.clone()), ..super::impatient() };
    let deployed = signet_local::WebhookWorker::new(&installation.stack.local.app, webhooks);
    resolver.set(&["127.0.0.1"]);
    let event = installation.create_event().await;
    deployed.run_once().await.unwrap();
    assert_eq!(installation.delivery(&event).await["error"], "url_forbidden");
    assert_eq!((resolver.resolved(), installation.receiver.ids()), (0, vec![]));
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    let url = "https://hooks.example.com/";
    installation.stack.operator.patch(&path, json!({"url": url})).await.expect_status(200);
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1"] {
        resolver.set(&[address]);
        installation.stack.advance(1);
        let event = installation.create_event().await;
        deployed.run_once().await.unwrap();
        assert_eq!(installation.delivery(&event).await["error"], "address_forbidden", "{address}");
    }
}

#[tokio::test]
async fn redirect_to_the_metadata_service_is_not_followed() {
    let installation = Installation::start().await;
    installation.receiver.set_behavior(Behavior::Redirect("http://169.254.169.254/latest/meta-data/".to_owned()));
    let delivery = send_event(&installation).await;
    assert_eq!((&delivery["response_status"], &delivery["response_body"]), (&json!(307), &json!("")));
}
