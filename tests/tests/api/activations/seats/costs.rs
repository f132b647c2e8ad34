//! The cost of an app's requests: calls to DynamoDB, and signatures.

use data_encoding::BASE64;
use signet_tests::{AppKey, IssuedLicense, Logs, Stack, TestResponse, Value, json, merged, text};

/// Returns a request's response, and its DynamoDB operations, sorted because some are concurrent.
async fn measure(stack: &Stack, request: impl Future<Output = TestResponse>) -> (TestResponse, Vec<String>) {
    stack.faults.reset_calls();
    let response = request.await;
    let mut calls = stack.faults.calls();
    calls.sort();
    (response, calls)
}

/// Returns a stack with warm caches, and a license key with two seats, one of which machine `one` holds.
async fn warm_stack() -> (Stack, IssuedLicense, Value) {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    (stack, license, activated)
}

#[tokio::test]
async fn heartbeat_takes_one_read_and_one_write() {
    let (stack, license, activated) = warm_stack().await;
    let heartbeat = async || measure(&stack, stack.anonymous.heartbeat(text(&activated["token"]), "one")).await;
    let read_and_write = ["GetItem", "UpdateItem"];
    for renewed in [false, true] {
        // The catalog cache is fresh for one minute.
        stack
            .operator
            .replace("pricing-tiers", &license.tier, &json!({"renew_after_seconds": 30}))
            .await
            .expect_status(200);
        stack.anonymous.activate(&license.license_key, "one").await.expect_status(200);
        let (response, calls) = heartbeat().await;
        assert_eq!(
            (response.expect_status(200)["renewed"].clone(), calls),
            (json!(renewed), read_and_write.map(str::to_owned).into())
        );
        stack.advance(40);
    }
    let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    stack.operator.post(&path, json!({})).await.expect_status(200);
    let (response, calls) = heartbeat().await;
    response.expect_problem(403, "not_activated");
    assert_eq!(calls, read_and_write);
}

/// The license item with the longest texts, 20 overrides and 50 pairs of metadata is read with one read unit.
#[tokio::test]
async fn heartbeat_with_overrides_and_metadata_takes_one_read_unit_one_write_unit_and_one_signature() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let (operator, app) = (&stack.operator, &stack.anonymous);
    let product = operator.create_product_with(&json!({"code": format!("{:040}", 7)})).await;
    let tier = operator.create_tier(&product, &json!({"renew_after_seconds": 30})).await;
    let metadata: Value = (0..50).map(|n| (format!("{n:040}"), json!("x".repeat(100)))).collect();
    let batch = json!({"tier_id": tier["id"], "count": 1, "tag": "t".repeat(255), "max_users": 100_000});
    let batch = operator.post("license-keys/batch", batch).await.expect_status(201);
    let (id, key) = (text(&batch["items"][0]["license"]["id"]), text(&batch["items"][0]["license_key"]));
    let labels = json!({
        "customer_id": operator.create_customer().await["id"], "name": "é".repeat(100), "external_id": "x".repeat(255),
        "metadata": metadata,
    });
    operator.patch(&format!("license-keys/{id}"), labels).await.expect_status(200);
    let mut overrides = Vec::new();
    for n in 0..20 {
        let limit = operator.create_limit(&product, &format!("{n:064}")).await;
        overrides.push(json!({
            "feature_id": limit["id"], "limit": 9_007_199_254_740_991_u64, "expires_at": "9999-12-30T22:00:00Z",
            "note": "é".repeat(100),
        }));
    }
    let path = format!("license-keys/{id}/overrides");
    operator.put(&path, json!({"overrides": overrides})).await.expect_status(200);
    let machine_id = "m".repeat(256);
    let body = json!({"license_key": key, "machine_id": machine_id, "machine_name": "n".repeat(100)});
    let activated = app.post("license-activations/activate", body).await.expect_status(201);
    assert_eq!(stack.claims(&activated["token"]).await["feature_limits"].as_object().unwrap().len(), 20);

    for (renewed, signatures) in [(false, 0), (true, 1)] {
        logs.clear();
        let (response, calls) = measure(&stack, app.heartbeat(text(&activated["token"]), &machine_id)).await;
        assert_eq!(
            (&response.expect_status(200)["renewed"], &*calls.join(" ")),
            (&json!(renewed), "GetItem UpdateItem")
        );
        assert_eq!(logs.last_request()["signatures"].as_u64().unwrap_or_default(), signatures);
        // The catalog cache is fresh for one minute.
        stack.advance(40);
    }
    // DynamoDB's own numbers of these two calls.
    let key = |sort: &str| json!({"PK": {"S": format!("LICENSE#{id}")}, "SK": {"S": sort}});
    let read = json!({"Key": key("LICENSE"), "ConsistentRead": true, "ReturnConsumedCapacity": "TOTAL"});
    let read = stack.call_dynamodb("GetItem", read).await;
    assert_eq!(read["ConsumedCapacity"]["CapacityUnits"], 1.0, "{read}");
    let machine = stack.items().await.into_iter().find(|item| text(&item["SK"]["S"]).starts_with("MACHINE#")).unwrap();
    let write = json!({
        "Key": key(text(&machine["SK"]["S"])), "ReturnConsumedCapacity": "TOTAL",
        "UpdateExpression": "SET last_ip = :ip", "ExpressionAttributeValues": {":ip": {"S": "203.0.113.177"}},
    });
    let write = stack.call_dynamodb("UpdateItem", write).await;
    assert_eq!(write["ConsumedCapacity"]["CapacityUnits"], 1.0, "{write}");
}

/// Returns the size of an item, as DynamoDB computes it.
fn size(item: &Value) -> usize {
    fn of(value: &Value) -> usize {
        let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
        match (&**kind, value) {
            ("S", value) => text(value).len(),
            // At most: one byte for each two digits, one more, and one for an odd number of digits.
            ("N", value) => text(value).len() / 2 + 2,
            ("B", value) => BASE64.decode(text(value).as_bytes()).unwrap().len(),
            ("M", value) => {
                3 + value.as_object().unwrap().iter().map(|(name, value)| 1 + name.len() + of(value)).sum::<usize>()
            }
            other => panic!("{other:?}"),
        }
    }
    item.as_object().unwrap().iter().map(|(name, value)| name.len() + of(value)).sum()
}

/// Returns the only item with a prefix of its sort key.
async fn only_item(stack: &Stack, prefix: &str) -> Value {
    let mut items = stack.items().await;
    items.retain(|item| text(&item["SK"]["S"]).starts_with(prefix));
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0)
}

#[tokio::test]
async fn the_activation_with_the_longest_texts_is_smaller_than_a_write_unit() {
    let address = "2001:db8:1234:5678:9abc:def0:1234:5678";
    for is_process in [false, true] {
        let stack = Stack::start().await;
        let app = stack.anonymous.from(address.parse().unwrap());
        let (tier, ids) = if is_process {
            let ids = json!({"machine_id": "m".repeat(192), "instance_id": "i".repeat(64)});
            (json!({"seat_unit": "process", "max_users": null}), ids)
        } else {
            let ids = json!({"machine_id": "m".repeat(256)});
            (json!({"max_users": 100_000, "max_borrow_seconds": 31_536_000}), ids)
        };
        let license = stack.operator.issue_new_license_with(&tier).await;
        let facts = json!({"app_version": "v".repeat(32), "os": "o".repeat(64), "hostname": "h".repeat(64)});
        let mut body = merged(merged(json!({"license_key": license.license_key}), &ids), &facts);
        body["machine_name"] = json!("n".repeat(100));
        body["public_key"] = AppKey::generate(2048).jwk();
        if !is_process {
            body["borrow_until"] = json!("2026-06-01T00:00:00Z");
        }
        let activated = app.post("license-activations/activate", body.clone()).await.expect_status(201);
        if !is_process {
            let path = format!("license-keys/{}/offline-activations", license.license_id);
            let offline = json!({"machine_id": ids["machine_id"], "valid_until": "2026-07-01T00:00:00Z"});
            stack.operator.post(&path, offline).await.expect_status(200);
        }
        let item = only_item(&stack, "MACHINE#").await;
        assert!(item.get("facts").is_some() && item.get("public_key").is_some(), "{item}");
        assert!(size(&item) < 1024, "{}: {item}", size(&item));
        let write = json!({
            "Key": {"PK": item["PK"], "SK": item["SK"]}, "ReturnConsumedCapacity": "TOTAL",
            "UpdateExpression": "SET last_ip = :ip", "ExpressionAttributeValues": {":ip": {"S": address}},
        });
        let write = stack.call_dynamodb("UpdateItem", write).await;
        assert_eq!(write["ConsumedCapacity"]["CapacityUnits"], 1.0, "{write}");
        if !is_process {
            let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
            stack.operator.post(&path, json!({})).await.expect_status(200);
            let ended = only_item(&stack, "MACHINE#").await;
            assert!(size(&ended) < 1024, "{}: {ended}", size(&ended));
        }
    }
}

#[tokio::test]
async fn a_heartbeat_writes_facts_only_when_they_have_changed() {
    let (stack, _, activated) = warm_stack().await;
    let ordinary = "GetItem UpdateItem";
    let heartbeat = async |facts: Value| {
        let body = merged(json!({"token": activated["token"], "machine_id": "one"}), &facts);
        let (response, calls) = measure(&stack, stack.anonymous.post("license-keys/heartbeat", body)).await;
        response.expect_status(200);
        calls.join(" ")
    };
    assert_eq!(heartbeat(json!({})).await, ordinary, "nothing is reported");
    let facts = json!({"app_version": "4.2.1", "os": "Windows 11", "hostname": "build-07"});
    assert_eq!(heartbeat(facts.clone()).await, "GetItem TransactWriteItems UpdateItem");
    assert_eq!(heartbeat(facts.clone()).await, ordinary, "the same is reported");
    assert_eq!(heartbeat(json!({})).await, ordinary);
    let updated = merged(facts, &json!({"app_version": "4.2.2"}));
    assert_eq!(heartbeat(updated.clone()).await, "GetItem TransactWriteItems UpdateItem");
    assert_eq!(heartbeat(updated).await, ordinary);
}

#[tokio::test]
async fn a_list_of_activations_takes_one_query_for_the_facts_about_all_machines() {
    let (stack, license, _) = warm_stack().await;
    stack.anonymous.activate(&license.license_key, "two").await.expect_status(201);
    let (operator, id) = (&stack.operator, &license.license_id);
    let path = format!("license-activations?license_id={id}");
    let (response, calls) = measure(&stack, operator.get(&path)).await;
    assert_eq!(response.expect_status(200)["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        calls,
        ["GetItem", "GetItem", "Query", "Query"],
        "the API key, the license key, the activations, the facts"
    );
}

#[tokio::test]
async fn an_invalid_heartbeat_reads_nothing() {
    let (stack, license, activated) = warm_stack().await;
    let token = text(&activated["token"]);
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    let counted = ["UpdateItem"].map(str::to_owned);
    for (token, machine, status, calls) in [
        (token, "two", 403, &[][..]),
        (&*forged, "one", 401, &counted),
        ("x", "one", 401, &counted),
        (text(&license.issued["token"]), "one", 403, &[]),
    ] {
        let (response, found) = measure(&stack, stack.anonymous.heartbeat(token, machine)).await;
        assert_eq!((response.status, &*found), (status, calls), "{}", response.text);
    }
}

#[tokio::test]
async fn validate_only_reads() {
    let (stack, license, activated) = warm_stack().await;
    let key = &license.license_key;
    for (body, reads) in [
        (json!({"token": activated["token"], "machine_id": "one"}), 2),
        (json!({"token": license.issued["token"]}), 1),
        (json!({"license_key": key}), 2),
        (json!({"license_key": key, "machine_id": "one"}), 3),
        (json!({"license_key": key, "machine_id": "two"}), 3),
    ] {
        let (response, calls) = measure(&stack, stack.anonymous.post("license-keys/validate", body.clone())).await;
        response.expect_status(200);
        assert_eq!(calls, vec!["GetItem"; reads], "{body}");
    }
    // Failed attempts are counted, and key strings with invalid check characters are not looked up.
    for body in [json!({"license_key": "x"}), json!({"token": "x"})] {
        let (response, calls) = measure(&stack, stack.anonymous.post("license-keys/validate", body.clone())).await;
        response.expect_status(200);
        assert_eq!(calls, ["UpdateItem"], "{body}");
    }
    // Expired caches are read as well.
    stack.advance(3600);
    let body = json!({"token": activated["token"]});
    let (_, calls) = measure(&stack, stack.anonymous.post("license-keys/validate", body)).await;
    assert!(calls.iter().all(|call| matches!(call.as_str(), "GetItem" | "Query")), "{calls:?}");
}

#[tokio::test]
async fn activate_takes_its_reads_one_counter_update_and_one_transaction() {
    let (stack, license, activated) = warm_stack().await;
    let app = &stack.anonymous;
    let activate = async |machine: &str| measure(&stack, app.activate(&license.license_key, machine)).await;
    let reads = ["GetItem", "GetItem", "GetItem"];

    let (response, calls) = activate("one").await;
    response.expect_status(200);
    assert_eq!(calls, [&reads[..], &["GetItem", "UpdateItem"]].concat(), "a renewal, with the facts about the machine");

    let (response, calls) = activate("two").await;
    response.expect_status(201);
    assert_eq!(calls, [&reads[..], &["Query", "TransactWriteItems", "UpdateItem"]].concat(), "a free seat");

    let (response, calls) = activate("three").await;
    response.expect_problem(409, "seat_limit_reached");
    // It reads the seats, the machines from a random position on and those before it; then the license, the machine and the
    // seats are read again. The refusal is counted for the machine and for the license key, and recorded once an hour.
    let search = ["GetItem", "GetItem", "GetItem", "Query", "Query", "Query", "Query"];
    let counts = ["UpdateItem", "UpdateItem"];
    assert_eq!(calls, [&reads[..], &search, &["TransactWriteItems"], &counts].concat(), "no seat");
    let (response, calls) = activate("four").await;
    response.expect_problem(409, "seat_limit_reached");
    assert_eq!(calls, [&reads[..], &search, &counts].concat(), "no seat, within an hour");

    let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    let (response, calls) = measure(&stack, app.post(&path, json!({"token": activated["token"]}))).await;
    response.expect_status(200);
    assert_eq!(calls, ["GetItem", "GetItem", "TransactWriteItems"], "a deactivation");
}

/// Sets the handle of the current signing key. With an unknown handle, signing fails and verification still works.
async fn set_handle(stack: &Stack, handle: &str) {
    let kid = stack.local.app.table.ring().await.unwrap().keys[0].kid.clone();
    let input = json!({
        "Key": {"PK": {"S": "KEYRING"}, "SK": {"S": format!("KEY#{kid}")}},
        "UpdateExpression": "SET #handle = :handle",
        "ExpressionAttributeNames": {"#handle": "handle"},
        "ExpressionAttributeValues": {":handle": {"S": handle}},
    });
    stack.call_dynamodb("UpdateItem", input).await;
    // Past the refresh interval, so that the key ring is reloaded.
    stack.advance(301);
}

#[tokio::test]
async fn rejected_requests_sign_nothing_and_an_activation_keeps_its_seat_if_signing_fails() {
    let (stack, license, one) = warm_stack().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let full = operator.issue_new_license(1).await;
    let ended = app.activate(&full.license_key, "ended").await.expect_status(201);
    let path = format!("license-activations/{}/deactivate", text(&ended["activation"]["id"]));
    operator.post(&path, json!({})).await.expect_status(200);
    app.activate(&full.license_key, "one").await.expect_status(201);
    let revoked = operator.issue_new_license(1).await;
    let activated = app.activate(&revoked.license_key, "one").await.expect_status(201);
    operator.post(&format!("license-keys/{}/revoke", revoked.license_id), json!({})).await.expect_status(200);
    let handle = stack.local.app.table.ring().await.unwrap().keys[0].handle.clone();

    set_handle(&stack, "none").await;
    app.activate(&full.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    app.activate(&revoked.license_key, "one").await.expect_problem(403, "revoked");
    app.heartbeat(text(&activated["token"]), "one").await.expect_problem(403, "revoked");
    app.heartbeat(text(&ended["token"]), "ended").await.expect_problem(403, "not_activated");
    let unchanged = app.heartbeat(text(&one["token"]), "one").await.expect_status(200);
    assert_eq!((&unchanged["renewed"], &unchanged["token"]), (&json!(false), &one["token"]));
    let validation = app.post("license-keys/validate", json!({"token": one["token"]})).await.expect_status(200);
    assert_eq!(validation["code"], "valid");

    let unsigned = app.activate(&license.license_key, "two").await;
    unsigned.expect_problem(503, "unavailable");
    let held = stack.check_seats(&license.license_id).await.held;
    set_handle(&stack, &handle).await;
    let signed = app.activate(&license.license_key, "two").await.expect_status(200);
    assert_eq!(held["two"], text(&signed["activation"]["id"]), "the repeated activation is a renewal");
    app.heartbeat(text(&signed["token"]), "two").await.expect_status(200);
}
