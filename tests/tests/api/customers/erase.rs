//! `DELETE customers/{id}`: what is erased, when it is refused, and how the job continues.

use signet_tests::{Client, Fault, IssuedLicense, Rule, Stack, Value, json, text};

const SCOPE: &str = "openid email profile";
/// Texts that must not be in the table after the erasure of Ada.
const PERSONAL: [&str; 10] = [
    "Augusta King",
    "ada@example.com",
    "Bernoulli Works",
    "crm-1",
    "research",
    "Berlin office",
    "adas-laptop",
    "ada.example.com",
    "order-1",
    "call her at home",
];
const ADDRESS: &str = "203.0.113.77";

/// A customer who has signed in, with a license key and a machine, all of which have personal data.
struct Ada {
    id: String,
    client: Client,
    license: Value,
    token: String,
    activation: String,
}

async fn ada(stack: &Stack) -> Ada {
    let client = stack.sign_in("ada@example.com", SCOPE).await;
    let customer = client.post("register", json!({"name": "Augusta King", "company": "Bernoulli Works"})).await;
    let id = text(&customer.expect_status(201)["id"]).to_owned();
    let patch = json!({"external_id": "crm-1", "metadata": {"segment": "research"}});
    stack.operator.patch(&format!("customers/{id}"), patch).await.expect_status(200);
    let IssuedLicense { tier, feature, .. } = stack.operator.issue_new_license(2).await;
    let fields = json!({"name": "Berlin office", "external_id": "order-1", "metadata": {"note": "Augusta King"}});
    let license = stack.operator.issue(&json!({"id": id}), &tier, &fields).await;
    let overrides = json!({"overrides": [{"feature_id": feature["id"], "enabled": false, "note": "call her at home"}]});
    let path = format!("license-keys/{}/overrides", text(&license["license"]["id"]));
    stack.operator.put(&path, overrides).await.expect_status(200);
    let body = json!({"license_key": license["license_key"], "machine_id": "m-1", "machine_name": "adas-laptop",
        "app_version": "4.2.1", "hostname": "ada.example.com"});
    let app = stack.anonymous.from(ADDRESS.parse().unwrap());
    let activated = app.post("license-activations/activate", body).await.expect_status(201);
    let token = text(&activated["token"]).to_owned();
    app.heartbeat(&token, "m-1").await.expect_status(200);
    let activation = text(&activated["activation"]["id"]).to_owned();
    Ada { id, client, license: license["license"].clone(), token, activation }
}

/// Returns the personal texts of Ada that items other than idempotency records contain.
async fn remains(stack: &Stack) -> Vec<String> {
    let mut found = Vec::new();
    for item in stack.items().await {
        let item = item.to_string();
        found.extend(PERSONAL.iter().filter(|word| item.contains(**word)).map(|word| format!("{word} in {item}")));
        if item.contains(ADDRESS) && !item.contains("RATE#") {
            found.push(format!("{ADDRESS} in {item}"));
        }
    }
    found
}

#[tokio::test]
async fn erasure_removes_personal_data_and_keeps_ids_and_events() {
    let stack = Stack::start().await;
    let ada = ada(&stack).await;
    let (path, operator) = (format!("customers/{}", ada.id), &stack.operator);
    assert!(!remains(&stack).await.is_empty());
    operator.delete(&path).await.expect_problem(409, "customer_has_active_licenses");
    let license_path = format!("license-keys/{}", text(&ada.license["id"]));
    operator.post(&format!("{license_path}/suspend"), json!({})).await.expect_status(200);
    operator.delete(&path).await.expect_problem(409, "customer_has_active_licenses");
    let before = operator.get(&path).await.expect_status(200);

    let erased = operator.delete(&format!("{path}?revoke=true")).await;
    assert_eq!((erased.status, &*erased.text), (204, ""));
    assert_eq!(remains(&stack).await, [""; 0]);
    let read = operator.get(&path).await.expect_status(200);
    let mut expected = before.clone();
    for field in ["name", "email", "company", "subject", "external_id"] {
        expected[field] = Value::Null;
    }
    expected["metadata"] = json!({});
    for field in ["erased_at", "updated_at"] {
        expected[field] = read[field].clone();
    }
    assert_eq!(read, expected);
    assert!(read["erased_at"].is_string());

    let license = operator.get(&license_path).await.expect_status(200);
    assert_eq!((&license["status"], &license["customer_id"]), (&json!("revoked"), &json!(ada.id)));
    assert_eq!((&license["name"], &license["external_id"]), (&Value::Null, &Value::Null));
    assert_eq!((&license["metadata"], &license["seats_used"]), (&json!({}), &json!(0)));
    assert_eq!(
        (&license["overrides"][0]["enabled"], &license["overrides"][0]["note"]),
        (&json!(false), &Value::Null),
        "the override stays, its note is erased"
    );
    let events = stack.license_events(text(&ada.license["id"])).await;
    let types: Vec<&str> = events.iter().map(|event| text(&event["type"])).collect();
    for kind in [
        "license.issued",
        "activation.created",
        "license.suspended",
        "license.revoked",
        "activation.deactivated",
        "license.updated",
    ] {
        assert!(types.contains(&kind), "{kind}: {types:?}");
    }
    assert!(events.iter().all(|event| event["ip"].is_null()), "{events:#?}");
    // The app of the machine is refused, and leaves no address.
    let app = stack.anonymous.from(ADDRESS.parse().unwrap());
    let body = json!({"token": ada.token, "machine_id": "m-1", "hostname": "ada.example.com"});
    app.post("license-keys/heartbeat", body).await.expect_problem(403, "revoked");
    assert_eq!(remains(&stack).await, [""; 0]);
    let activation = operator.get(&format!("license-activations/{}", ada.activation)).await.expect_status(200);
    assert_eq!((&activation["machine_name"], &activation["status"]), (&Value::Null, &json!("deactivated")));
    assert_eq!((&activation["hostname"], &activation["app_version"]), (&Value::Null, &json!("4.2.1")));
    let items = stack.items().await;
    let machine = items.iter().find(|item| text(&item["SK"]["S"]).starts_with("MACHINE#")).unwrap();
    assert!(machine.get("facts").is_none(), "no digest of the hostname: {machine}");
}

#[tokio::test]
async fn an_erased_customer_is_in_no_list_and_cannot_be_changed() {
    let stack = Stack::start().await;
    let ada = ada(&stack).await;
    let (path, operator) = (format!("customers/{}", ada.id), &stack.operator);
    operator.delete(&format!("{path}?revoke=true")).await.expect_status(204);
    for list in ["customers", "customers?q=ada", "customers?email=ada@example.com", "customers?external_id=crm-1"] {
        let rows = operator.get(list).await.expect_status(200);
        assert!(!rows["items"].as_array().unwrap().iter().any(|row| row["id"] == json!(ada.id)), "{list}: {rows}");
    }
    let rows = operator.get("license-keys?external_id=order-1").await.expect_status(200);
    assert_eq!(rows["items"], json!([]));
    operator.patch(&path, json!({"company": "A"})).await.expect_problem(409, "state_conflict");
    let body = json!({"name": "Ada", "email": "ada2@example.com"});
    operator.put(&path, body).await.expect_problem(409, "state_conflict");
    let body = json!({"customer_id": ada.id, "tier_id": ada.license["tier_id"]});
    operator.post("license-keys", body).await.expect_errors(422, &["/customer_id invalid_value"]);
    let batch = json!({"tier_id": ada.license["tier_id"], "count": 1, "tag": "a"});
    let batch = operator.post("license-keys/batch", batch).await.expect_status(201);
    let assign = format!("license-keys/{}", text(&batch["items"][0]["license"]["id"]));
    operator.patch(&assign, json!({"customer_id": ada.id})).await.expect_errors(422, &["/customer_id invalid_value"]);
    // The user is unknown, and can register again as another customer; the external id is free.
    assert_eq!(ada.client.get("user/licenses").await.expect_status(200)["items"], json!([]));
    let again = ada.client.post("register", json!({"name": "Ada"})).await.expect_status(201);
    assert_ne!(again["id"], json!(ada.id));
    let again = format!("customers/{}", text(&again["id"]));
    operator.patch(&again, json!({"external_id": "crm-1"})).await.expect_status(200);
    // Repeating the erasure changes nothing.
    let items = stack.items().await;
    operator.delete(&path).await.expect_status(204);
    assert_eq!(stack.items().await, items);
}

#[tokio::test]
async fn erasure_returns_403_404_and_422() {
    let stack = Stack::start().await;
    let customer = stack.operator.create_customer().await;
    let path = format!("customers/{}", text(&customer["id"]));
    let key = json!({"name": "crm", "scopes": ["customers:write"]});
    let key = stack.operator.post("api-keys", key).await.expect_status(201);
    let crm = stack.anonymous.with_api_key(text(&key["api_key"]));
    crm.delete(&format!("{path}?revoke=true")).await.expect_problem(403, "forbidden");
    stack.operator.delete(&format!("{path}?revoke=yes")).await.expect_problem(422, "invalid_value");
    stack.operator.delete(&format!("{path}?cursor=x")).await.expect_problem(422, "unknown_field");
    stack.operator.delete("customers/cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB").await.expect_problem(404, "not_found");
    crm.delete(&path).await.expect_status(204);
}

#[tokio::test]
async fn the_job_continues_after_a_failure_and_ends() {
    let stack = Stack::start().await;
    let ada = ada(&stack).await;
    let table = &stack.local.app.table;
    // The license key is revoked and the customer's own data are erased, then all writes fail.
    let license_path = format!("license-keys/{}", text(&ada.license["id"]));
    stack.operator.post(&format!("{license_path}/revoke"), json!({})).await.expect_status(200);
    stack.faults.add(Rule::new("TransactWriteItems", Fault::SERVER_ERROR).nth(2).always());
    stack.operator.delete(&format!("customers/{}", ada.id)).await.expect_problem(503, "unavailable");
    stack.faults.clear();
    let read = stack.operator.get(&format!("customers/{}", ada.id)).await.expect_status(200);
    assert_eq!(read["name"], Value::Null, "the customer's own data are erased first");
    assert!(!remains(&stack).await.is_empty());
    // Each run makes a few writes.
    let mut runs = 0;
    loop {
        stack.advance(61);
        runs += 1;
        if table.continue_erasures(stack.clock.now(), 1).await.unwrap() == 0 {
            break;
        }
        assert!(runs < 50);
    }
    assert!(runs > 3, "{runs}");
    assert_eq!(remains(&stack).await, [""; 0]);
    let items = stack.items().await;
    assert_eq!(table.continue_erasures(stack.clock.now(), 1).await.unwrap(), 0);
    assert_eq!(stack.items().await, items);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_license_key_that_is_issued_at_the_same_moment_is_not_active_afterwards() {
    let stack = Stack::start().await;
    let IssuedLicense { tier, .. } = stack.operator.issue_new_license(2).await;
    for _ in 0..10 {
        let customer = stack.operator.create_customer().await;
        let (id, path) = (customer["id"].clone(), format!("customers/{}", text(&customer["id"])));
        let issue = json!({"customer_id": id, "tier_id": tier["id"]});
        let (issued, erased) = tokio::join!(stack.operator.post("license-keys", issue), stack.operator.delete(&path));
        match (issued.status, erased.status) {
            (201, 409) => assert_eq!(stack.operator.get(&path).await.expect_status(200)["erased_at"], Value::Null),
            (422, 204) => {}
            other => panic!("{other:?}: {} {}", issued.text, erased.text),
        }
    }
}

#[tokio::test]
async fn an_expired_license_key_is_revoked_and_cannot_be_renewed() {
    let stack = Stack::start().await;
    let IssuedLicense { tier, .. } = stack.operator.issue_new_license(2).await;
    let customer = stack.operator.create_customer().await;
    let license = stack.operator.issue(&customer, &tier, &json!({"expires_at": "2026-01-16T00:00:00Z"})).await;
    stack.advance(2 * 86_400);
    stack.operator.delete(&format!("customers/{}", text(&customer["id"]))).await.expect_status(204);
    let path = format!("license-keys/{}", text(&license["license"]["id"]));
    assert_eq!(stack.operator.get(&path).await.expect_status(200)["status"], "revoked");
    let renewal = json!({"expires_at": "2099-01-01T00:00:00Z"});
    stack.operator.post(&format!("{path}/renew"), renewal).await.expect_problem(409, "state_conflict");
}

#[tokio::test]
async fn a_license_key_that_is_issued_after_the_check_stops_the_erasure() {
    let stack = Stack::start().await;
    let IssuedLicense { tier, .. } = stack.operator.issue_new_license(2).await;
    let customer = stack.operator.create_customer().await;
    let path = format!("customers/{}", text(&customer["id"]));
    // The erasure has found no license key, and its transaction is on the way.
    let (operator, erased) = (stack.operator.clone(), path.clone());
    let erasure = async move { operator.delete(&erased).await };
    let issue = async {
        stack.operator.issue(&customer, &tier, &json!({})).await;
    };
    let refused = stack.faults.interleave(("TransactWriteItems", "ERASURES"), erasure, issue).await;
    refused.expect_problem(409, "customer_has_active_licenses");
    assert_eq!(stack.operator.get(&path).await.expect_status(200)["erased_at"], Value::Null);
}
