//! `POST license-activations/activate`.

use signet_tests::{Stack, TestResponse, Value, json, merged, text};

use super::{paths, seats_used};

const ACTIVATE: &str = "license-activations/activate";

/// Returns the body of a problem without its trace id.
fn without_trace_id(response: &TestResponse) -> String {
    response.text.replace(text(&response.body["trace_id"]), "")
}

#[tokio::test]
async fn activate_returns_201_then_200_for_the_same_machine() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let license = stack.operator.issue_new_license(2).await;
    let body = json!({"license_key": license.license_key, "machine_id": "m-1", "machine_name": "build-07"});
    let first = app.post(ACTIVATE, body.clone()).await;
    assert_eq!(first.header("cache-control"), "no-store");
    let first = first.expect_status(201);
    let id = text(&first["activation"]["id"]).to_owned();
    assert!(id.starts_with("act_") && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{id}");
    let expected = json!({
        "activation": {
            "id": id, "license_id": license.license_id, "machine_id": "m-1", "instance_id": null, "machine_name": "build-07",
            "app_version": null, "os": null, "hostname": null, "ip": "127.0.0.1", "last_ip": "127.0.0.1", "activated_at": "2026-01-15T12:00:00Z",
            "last_heartbeat_at": "2026-01-15T12:00:00Z", "lease_expires_at": "2026-01-15T13:00:00Z",
            "borrowed_until": null, "status": "active",
        },
        "token": first["token"], "token_type": "JWT", "token_expires_at": "2026-01-15T13:00:00Z",
        "heartbeat_interval_seconds": 900, "next_heartbeat_at": "2026-01-15T12:15:00Z", "in_grace": false,
        "grace_ends_at": null,
    });
    assert_eq!(first, expected);
    stack.advance(60);
    let again = app.activate(&license.license_key, "m-1").await.expect_status(200);
    let renewed = json!({"last_heartbeat_at": "2026-01-15T12:01:00Z", "lease_expires_at": "2026-01-15T13:01:00Z"});
    assert_eq!(again["activation"], merged(first["activation"].clone(), &renewed), "the machine name is unchanged");
    assert_ne!(again["token"], first["token"]);
    assert_eq!(again["token_expires_at"], "2026-01-15T13:01:00Z");
    let named = app.post(ACTIVATE, merged(body, &json!({"machine_name": "build-08"}))).await.expect_status(200);
    assert_eq!(named["activation"]["machine_name"], "build-08");
    assert_eq!(seats_used(&stack, &license).await, 1);
    let events = stack.license_events(&license.license_id).await;
    assert_eq!(
        events.iter().filter(|event| event["type"] == "activation.created").count(),
        1,
        "a renewal writes no event"
    );
    let unnamed = app.activate(&license.license_key, "m-2").await.expect_status(201);
    assert_eq!(unnamed["activation"]["machine_name"], Value::Null);
}

#[tokio::test]
async fn activate_returns_201_with_a_license_token() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let license = stack.operator.issue_new_license(2).await;
    let activate =
        async |token: &Value, machine: &str| app.post(ACTIVATE, json!({"token": token, "machine_id": machine})).await;
    // The token from issuing, after its `exp`.
    stack.advance(86400);
    let one = activate(&license.issued["token"], "one").await.expect_status(201);
    let again = activate(&license.issued["token"], "one").await.expect_status(200);
    assert_eq!(again["activation"]["id"], one["activation"]["id"]);
    assert_eq!(activate(&one["token"], "one").await.expect_status(200)["activation"]["id"], one["activation"]["id"]);
    // The token of an ended activation activates the machine again, and also activates another machine.
    app.post(&paths(&one)[1], json!({"token": one["token"]})).await.expect_status(200);
    let second = activate(&one["token"], "one").await.expect_status(201);
    assert_ne!(second["activation"]["id"], one["activation"]["id"]);
    let claims = stack.claims(&activate(&one["token"], "two").await.expect_status(201)["token"]).await;
    assert_eq!(claims["activation"]["machine_id"], "two");
}

#[tokio::test]
async fn activate_accepts_key_strings_in_any_case_and_grouping() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product_with(&json!({"code": "oil-10"})).await;
    let tier = operator.create_tier(&product, &json!({})).await;
    let issued = operator.issue(&operator.create_customer().await, &tier, &json!({})).await;
    let key = text(&issued["license_key"]);
    assert!(key.starts_with("OIL-10-"));
    stack.anonymous.activate(key, "one").await.expect_status(201);
    let replace_any = |from: &[char], to: &str| key.replace(from, to);
    for input in [
        key.to_lowercase(),
        key.replace('-', ""),
        key.replace('-', " "),
        key.replace('-', " — "),
        format!("  {}\n", key.to_lowercase().replace('-', "\t")),
        replace_any(&['0', 'O'], "O"),
        replace_any(&['0', 'O'], "o"),
        replace_any(&['0', 'O'], "0"),
        replace_any(&['1', 'I', 'L'], "I"),
        replace_any(&['1', 'I', 'L'], "l"),
        replace_any(&['1', 'I', 'L'], "1"),
    ] {
        stack.anonymous.activate(&input, "one").await.expect_status(200);
        let validation =
            stack.anonymous.post("license-keys/validate", json!({"license_key": input})).await.expect_status(200);
        assert_eq!(validation["code"], "valid", "{input}");
    }
}

#[tokio::test]
async fn activate_returns_identical_404_for_unknown_and_malformed_keys() {
    let stack = Stack::start().await;
    let other_stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let unknown = stack.anonymous.activate(&other_stack.operator.issue_new_license(1).await.license_key, "one").await;
    unknown.expect_problem(404, "not_found");
    let key = &license.license_key;
    let mistyped = format!("{}{}", &key[..key.len() - 1], if key.ends_with('7') { "8" } else { "7" });
    let other_product = key.replacen('P', "Q", 1);
    for wrong in
        [mistyped.as_str(), &other_product, &key[..key.len() - 1], "", "x", "é", &"7".repeat(2000), &key.repeat(2)]
    {
        let response = stack.anonymous.activate(wrong, "one").await;
        response.expect_problem(404, "not_found");
        assert_eq!(without_trace_id(&response), without_trace_id(&unknown), "{wrong}");
        let headers = |response: &TestResponse| {
            let mut headers = response.headers.clone();
            // They differ between any two requests.
            for name in ["date", "x-request-id", "ratelimit-remaining"] {
                headers.remove(name);
            }
            headers
        };
        assert_eq!(headers(&response), headers(&unknown));
    }
}

#[tokio::test]
async fn activate_returns_409_when_all_seats_are_taken() {
    let stack = Stack::start().await;
    let (app, license) = (&stack.anonymous, stack.operator.issue_new_license(3).await);
    for machine in ["one", "two", "three"] {
        app.activate(&license.license_key, machine).await.expect_status(201);
    }
    app.activate(&license.license_key, "four").await.expect_problem(409, "seat_limit_reached");
    app.activate(&license.license_key, "two").await.expect_status(200);
    assert_eq!(seats_used(&stack, &license).await, 3);
    let unlimited = stack.operator.issue_new_license_with(&json!({"max_users": null})).await;
    for number in 0..10 {
        app.activate(&unlimited.license_key, &format!("m-{number}")).await.expect_status(201);
    }
    assert_eq!(seats_used(&stack, &unlimited).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_activations_assign_each_seat_once() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(4).await;
    let activate = |number: usize| {
        let (app, key) = (stack.anonymous.clone(), license.license_key.clone());
        // Each machine sends two requests.
        tokio::spawn(async move { app.activate(&key, &format!("m-{}", number / 2)).await })
    };
    let mut holders = std::collections::BTreeSet::new();
    for response in (0..16).map(activate).collect::<Vec<_>>() {
        let response = response.await.unwrap();
        match response.status {
            200 | 201 => drop(holders.insert(text(&response.body["activation"]["id"]).to_owned())),
            409 => drop(response.expect_problem(409, "seat_limit_reached").clone()),
            _ => drop(response.expect_problem(503, "unavailable").clone()),
        }
    }
    assert_eq!(holders.len(), 4);
    assert_eq!(seats_used(&stack, &license).await, 4);
    let list =
        stack.operator.get(&format!("license-activations?license_id={}", license.license_id)).await.expect_status(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn activate_and_heartbeat_return_403_with_the_first_applicable_reason() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let token = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201)["token"].clone();
    let assert_refused = async |code: &str| {
        stack.anonymous.activate(&license.license_key, "one").await.expect_problem(403, code);
        stack.anonymous.activate(&license.license_key, "two").await.expect_problem(403, code);
        stack.anonymous.heartbeat(text(&token), "one").await.expect_problem(403, code);
        let with_token = json!({"token": token, "machine_id": "two"});
        stack.anonymous.post(ACTIVATE, with_token).await.expect_problem(403, code);
    };
    stack.set_license_attribute(&license.license_id, "generation", json!({"N": "2"})).await;
    assert_refused("generation_outdated").await;
    stack.operator.replace("products", &license.product, &json!({"is_active": false})).await.expect_status(200);
    assert_refused("product_inactive").await;
    stack.advance(366 * 86400);
    assert_refused("expired").await;
    stack.set_license_attribute(&license.license_id, "status", json!({"S": "suspended"})).await;
    assert_refused("suspended").await;
    stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    assert_refused("superseded").await;
    stack.operator.post(&format!("license-keys/{}/revoke", license.license_id), json!({})).await.expect_status(200);
    assert_refused("revoked").await;
}

#[tokio::test]
async fn activate_returns_422_for_invalid_fields() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(5).await;
    let valid = json!({"license_key": license.license_key, "machine_id": "one"});
    let post = async |change: Value| stack.anonymous.post(ACTIVATE, merged(valid.clone(), &change)).await;
    for machine in ["", "a\u{0}", "a\nb", "\u{7f}", "\u{85}", &"é".repeat(129), &"a".repeat(257)] {
        post(json!({"machine_id": machine})).await.expect_errors(422, &["/machine_id invalid_value"]);
    }
    for machine in [json!(5), json!({}), Value::Null] {
        post(json!({"machine_id": machine})).await.expect_errors(422, &["/machine_id invalid_value"]);
    }
    for name in [json!(""), json!("a\tb"), json!("é".repeat(51)), json!(5)] {
        post(json!({"machine_name": name})).await.expect_errors(422, &["/machine_name invalid_value"]);
    }
    let both = ["/license_key invalid_value", "/token invalid_value"];
    post(json!({"token": "x"})).await.expect_errors(422, &both);
    post(json!({"license_key": null})).await.expect_errors(422, &both);
    post(json!({"license_key": 5})).await.expect_errors(422, &["/license_key invalid_value"]);
    post(json!({"license_key": null, "token": []})).await.expect_errors(422, &["/token invalid_value"]);
    post(json!({"machineid": "x"})).await.expect_errors(422, &["/machineid unknown_field"]);
    let all = [
        "/machine_id invalid_value",
        "/machine_name invalid_value",
        "/license_key invalid_value",
        "/token invalid_value",
    ];
    post(json!({"machine_id": "", "machine_name": "", "token": "x"})).await.expect_errors(422, &all);
    stack
        .anonymous
        .post(ACTIVATE, json!({"license_key": "x"}))
        .await
        .expect_errors(422, &["/machine_id invalid_value"]);
    assert_eq!(seats_used(&stack, &license).await, 0);
    for machine in ["é".repeat(128), "a".repeat(256), " ".to_owned(), "<\"'&%/\\>".to_owned(), "🦀".to_owned()] {
        let created = post(json!({"machine_id": machine, "machine_name": "é".repeat(50)})).await.expect_status(201);
        assert_eq!(created["activation"]["machine_id"], machine);
        stack.anonymous.heartbeat(text(&created["token"]), &machine).await.expect_status(200);
    }
}
