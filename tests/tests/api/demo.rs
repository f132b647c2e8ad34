//! What `--demo` fills in: once, and whole also where a start was cut short.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use shared::domain::Secret;
use signet_local::{Folder, Options, Stack};
use signet_tests::{Client, Fault, Faults, Rule, json};

/// For what is seen from outside, nothing is written any more.
const CRASH: Fault = Fault::Respond(400, "ValidationException");

async fn start(folder: &Folder, faults: &Faults) -> Result<Stack, signet_local::StartError> {
    let http_client = Some(faults.http_client());
    let options = Options { data: Some(folder), demo: true, http_client, ..Options::default() };
    Stack::start(options).await
}

fn operator(stack: &Stack) -> Client {
    Client::new(&stack.base_url).with_api_key(stack.operator_api_key.expose())
}

/// Everything on a list.
async fn all(client: &Client, path: &str) -> Vec<Value> {
    let between = if path.contains('?') { '&' } else { '?' };
    let body = client.get(&format!("{path}{between}limit=100")).await.expect_status(200);
    assert!(body["next_cursor"].is_null());
    body["items"].as_array().unwrap().clone()
}

/// How often each value of a field is there.
fn counts(items: &[Value], field: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item[field].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn expected(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

/// Counts what is there, and checks that it is what is promised.
async fn check(stack: &Stack) -> Vec<Value> {
    let client = operator(stack);
    let products = all(&client, "products").await;
    assert_eq!(products.iter().map(|product| &product["code"]).collect::<Vec<_>>(), ["lumen", "harbor"]);
    let tiers = all(&client, "pricing-tiers").await;
    assert_eq!(tiers.len(), 7);
    assert_eq!(all(&client, "product-features").await.len(), 12);
    assert_eq!(all(&client, "customers").await.len(), 8);
    let agency = tiers.iter().find(|tier| tier["code"] == "agency").unwrap();
    assert_eq!(
        agency["feature_keys"],
        json!(["api.access", "edit.batch", "export.pdf", "import.raw", "library.shared"]),
        "inherited ones too, display-only ones not",
    );

    let licenses = all(&client, "license-keys").await;
    let states = [("active", 6), ("expired", 1), ("revoked", 1), ("superseded", 1)];
    assert_eq!(counts(&licenses, "status"), expected(&states));
    let mut machines = Vec::new();
    for license in &licenses {
        machines
            .extend(all(&client, &format!("license-activations?license_id={}", license["id"].as_str().unwrap())).await);
    }
    assert_eq!(counts(&machines, "status"), expected(&[("active", 14), ("lapsed", 9)]));
    licenses
}

#[tokio::test]
async fn it_is_filled_in_once() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let taken = Folder::take(folder.path()).unwrap();
    let stack = start(&taken, &faults).await.unwrap();
    let demo = stack.demo.as_ref().unwrap();
    assert_eq!(demo.summary, "2 products, 7 pricing tiers, 8 customers, 9 license keys, 23 machines");
    let licenses = check(&stack).await;
    let key = demo.license_key.as_ref().map(Secret::expose).unwrap().to_owned();
    operator(&stack).activate(&key, "my-machine").await.expect_status(201);
    // Whatever is done with it, it is not done over: the customer whose key is shown has another address now.
    let customers = all(&operator(&stack), "customers").await;
    let shown = customers.iter().find(|customer| customer["email"] == "gita.moreau@example.com").unwrap();
    let body = json!({"name": "Gita Lind", "email": "gita.lind@example.com"});
    operator(&stack).put(&format!("customers/{}", shown["id"].as_str().unwrap()), body).await.expect_status(200);
    stack.stop().await;

    faults.reset_calls();
    let stack = start(&taken, &faults).await.unwrap();
    // The one write of any start: that the operator's API key is there.
    assert_eq!(faults.calls().iter().filter(|call| *call == "TransactWriteItems").count(), 1);
    assert!(stack.demo.as_ref().unwrap().license_key.is_none());
    assert_eq!(all(&operator(&stack), "license-keys").await, licenses);
    stack.stop().await;
}

#[tokio::test]
async fn a_start_that_was_cut_short_is_made_good() {
    let whole = writes(tempfile::tempdir().unwrap().path()).await;
    assert!(whole > 60, "{whole} writes");
    // The first ones are the signing keys' and the API key's; those with these steps hit each kind of what follows.
    let transactions = (9..=whole).step_by(16).map(|first| Rule::new("TransactWriteItems", CRASH).nth(first));
    let heartbeat = Rule::new("UpdateItem", CRASH).nth(5);
    for rule in transactions.chain([heartbeat]) {
        let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
        let taken = Folder::take(folder.path()).unwrap();
        faults.add(rule.clone().always());
        let error = start(&taken, &faults).await.unwrap_err().to_string();
        assert!(error.starts_with("the demo data can't be filled in"), "{rule:?}: {error}");
        faults.clear();
        let stack = start(&taken, &faults).await.unwrap();
        check(&stack).await;
        stack.stop().await;
    }
}

/// How many transactions it takes.
async fn writes(folder: &Path) -> usize {
    let faults = Faults::default();
    let taken = Folder::take(folder).unwrap();
    start(&taken, &faults).await.unwrap().stop().await;
    faults.calls().iter().filter(|call| *call == "TransactWriteItems").count()
}
