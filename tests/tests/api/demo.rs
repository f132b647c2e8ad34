//! The demo data of `--demo`: created once, and completed after an interrupted start.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use shared::domain::Secret;
use signet_local::{DataDirectory, LocalServer, Options};
use signet_tests::{Client, Fault, Faults, Rule, json, pregenerated_keys, selected};

/// Simulates a crash: no write succeeds.
const CRASH: Fault = Fault::Respond(400, "ValidationException");

async fn start(folder: &DataDirectory, faults: &Faults) -> Result<LocalServer, signet_local::LocalServerError> {
    let http_client = Some(faults.http_client());
    let options = Options {
        data: Some(folder),
        demo: true,
        http_client,
        pregenerated_keys: pregenerated_keys(Some(folder)),
        ..Options::default()
    };
    LocalServer::start(options).await
}

fn operator(stack: &LocalServer) -> Client {
    Client::in_process(&stack.base_url, stack.router.clone()).with_api_key(stack.operator_api_key.expose())
}

/// Lists all items.
async fn all(client: &Client, path: &str) -> Vec<Value> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let body = client.get(&format!("{path}{separator}limit=100")).await.expect_status(200);
    assert!(body["next_cursor"].is_null());
    body["items"].as_array().unwrap().clone()
}

/// Counts the values of a field.
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

/// Asserts that the demo data is complete, and returns its license keys.
async fn check(stack: &LocalServer) -> Vec<Value> {
    let client = operator(stack);
    let products = all(&client, "products").await;
    assert_eq!(products.iter().map(|product| &product["code"]).collect::<Vec<_>>(), ["lumen", "harbor"]);
    let tiers = all(&client, "pricing-tiers").await;
    assert_eq!(tiers.len(), 8);
    assert_eq!(all(&client, "product-features").await.len(), 13);
    let fleet = tiers.iter().find(|tier| tier["code"] == "fleet").unwrap();
    assert_eq!(fleet["effective_limits"][0]["limit"], Value::Null, "unlimited");
    assert_eq!(all(&client, "customers").await.len(), 8);
    let agency = tiers.iter().find(|tier| tier["code"] == "agency").unwrap();
    assert_eq!(
        agency["feature_keys"],
        json!(["api.access", "edit.batch", "export.pdf", "import.raw", "library.shared"]),
        "with inherited features, without display-only ones",
    );

    let licenses = all(&client, "license-keys").await;
    let statuses = [("active", 6), ("expired", 1), ("revoked", 1), ("superseded", 1)];
    assert_eq!(counts(&licenses, "status"), expected(&statuses));
    let (mut machines, mut overrides) = (Vec::new(), Vec::new());
    for license in &licenses {
        let full = client.get(&format!("license-keys/{}", license["id"].as_str().unwrap())).await.expect_status(200);
        overrides.extend(full["overrides"].as_array().unwrap().clone());
        machines
            .extend(all(&client, &format!("license-activations?license_id={}", license["id"].as_str().unwrap())).await);
    }
    assert_eq!(overrides.iter().map(|one| &one["limit"]).collect::<Vec<_>>(), [200]);
    assert_eq!(counts(&machines, "status"), expected(&[("active", 14), ("lapsed", 9)]));
    licenses
}

#[tokio::test]
async fn demo_data_is_created_only_once() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let data = DataDirectory::open(folder.path()).unwrap();
    let stack = start(&data, &faults).await.unwrap();
    let demo = stack.demo.as_ref().unwrap();
    assert_eq!(demo.summary, "2 products, 8 pricing tiers, 8 customers, 9 license keys, 23 machines");
    let licenses = check(&stack).await;
    let key = demo.license_key.as_ref().map(Secret::expose).unwrap().to_owned();
    operator(&stack).activate(&key, "my-machine").await.expect_status(201);
    // Changes to the demo data are not reverted: the customer of the shown key gets another email address.
    let customers = all(&operator(&stack), "customers").await;
    let shown = customers.iter().find(|customer| customer["email"] == "gita.moreau@example.com").unwrap();
    let body = json!({"name": "Gita Lind", "email": "gita.lind@example.com"});
    operator(&stack).put(&format!("customers/{}", shown["id"].as_str().unwrap()), body).await.expect_status(200);
    stack.stop().await;

    faults.reset_calls();
    let stack = start(&data, &faults).await.unwrap();
    // Every start writes once, to ensure that the operator's API key exists.
    assert_eq!(faults.calls().iter().filter(|call| *call == "TransactWriteItems").count(), 1);
    assert!(stack.demo.as_ref().unwrap().license_key.is_none());
    assert_eq!(all(&operator(&stack), "license-keys").await, licenses);
    stack.stop().await;
}

#[tokio::test]
async fn demo_data_is_completed_after_an_interrupted_start() {
    let total = count_transactions(tempfile::tempdir().unwrap().path()).await;
    assert!(total > 60, "{total} transactions");
    // The first transactions create the signing keys and the API key.
    let transactions =
        selected(0, (9..=total).step_by(8)).map(|first| Rule::new("TransactWriteItems", CRASH).nth(first));
    let heartbeat = Rule::new("UpdateItem", CRASH).nth(5);
    for rule in transactions.chain([heartbeat]) {
        let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
        let data = DataDirectory::open(folder.path()).unwrap();
        faults.add(rule.clone().always());
        let error = start(&data, &faults).await.unwrap_err().to_string();
        assert!(error.starts_with("adding the demo data failed"), "{rule:?}: {error}");
        faults.clear();
        let stack = start(&data, &faults).await.unwrap();
        check(&stack).await;
        stack.stop().await;
    }
}

/// Counts the transactions that create the demo data.
async fn count_transactions(folder: &Path) -> usize {
    let faults = Faults::default();
    let data = DataDirectory::open(folder).unwrap();
    start(&data, &faults).await.unwrap().stop().await;
    faults.calls().iter().filter(|call| *call == "TransactWriteItems").count()
}
