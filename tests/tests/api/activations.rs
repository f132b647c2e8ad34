//! Activations: activate, refused heartbeats, list, get and deactivate.

use shared::domain::Scope;
use signet_tests::{IssuedLicense, Stack, TestResponse, Value, json, merged, text};

const ACTIVATE: &str = "license-activations/activate";

/// Returns the path of an activation and of its `deactivate` endpoint.
fn paths(activated: &Value) -> [String; 2] {
    let path = format!("license-activations/{}", text(&activated["activation"]["id"]));
    [path.clone(), format!("{path}/deactivate")]
}

async fn seats_used(stack: &Stack, license: &IssuedLicense) -> Value {
    stack.operator.get(&format!("license-keys/{}", license.license_id)).await.expect_status(200)["seats_used"].clone()
}

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
            "id": id, "license_id": license.license_id, "machine_id": "m-1", "machine_name": "build-07", "ip": "127.0.0.1",
            "last_ip": "127.0.0.1", "activated_at": "2026-01-15T12:00:00Z",
            "last_heartbeat_at": "2026-01-15T12:00:00Z", "lease_expires_at": "2026-01-15T13:00:00Z", "status": "active",
        },
        "token": first["token"], "token_type": "JWT", "token_expires_at": "2026-01-15T13:00:00Z",
        "heartbeat_interval_seconds": 900, "next_heartbeat_at": "2026-01-15T12:15:00Z",
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
    assert_eq!(events.iter().filter(|event| event["type"] == "activated").count(), 1, "a renewal writes no event");
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
            headers.remove("date");
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

#[tokio::test]
async fn heartbeat_returns_401_403_and_422() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let license = stack.operator.issue_new_license(1).await;
    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    let token = text(&activated["token"]);
    app.heartbeat("x", "one").await.expect_problem(401, "token_invalid");
    app.heartbeat(&license.license_key, "one").await.expect_problem(401, "token_invalid");
    app.heartbeat(&"x".repeat(60_000), "one").await.expect_problem(401, "token_invalid");
    app.heartbeat(token, "two").await.expect_problem(403, "machine_mismatch");
    app.heartbeat(token, "ONE").await.expect_problem(403, "machine_mismatch");
    app.heartbeat(text(&license.issued["token"]), "one").await.expect_problem(403, "not_activated");
    let valid = json!({"token": token, "machine_id": "one"});
    let post = async |change: Value| app.post("license-keys/heartbeat", merged(valid.clone(), &change)).await;
    post(json!({"token": 5})).await.expect_errors(422, &["/token invalid_value"]);
    post(json!({"machine_id": null})).await.expect_errors(422, &["/machine_id invalid_value"]);
    post(json!({"license_key": "x"})).await.expect_errors(422, &["/license_key unknown_field"]);
    app.post("license-keys/heartbeat", json!({"token": token}))
        .await
        .expect_errors(422, &["/machine_id invalid_value"]);
    app.post("license-keys/heartbeat", json!({"machine_id": "one"}))
        .await
        .expect_errors(422, &["/token invalid_value"]);
    post(json!({})).await.expect_status(200);
}

#[tokio::test]
async fn list_license_activations_omits_ended_activations() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(10).await;
    let list = format!("license-activations?license_id={}", license.license_id);
    assert_eq!(operator.get(&list).await.expect_status(200), json!({"items": [], "next_cursor": null}));
    let mut created = Vec::new();
    for number in 0..7 {
        created.push(
            app.activate(&license.license_key, &format!("m-{number}")).await.expect_status(201)["activation"].clone(),
        );
    }
    app.activate(&operator.issue_new_license(1).await.license_key, "m-0").await.expect_status(201);
    let ended = created.remove(3);
    operator
        .post(&format!("license-activations/{}/deactivate", text(&ended["id"])), json!({}))
        .await
        .expect_status(200);
    let (mut listed, mut more) = (Vec::new(), String::new());
    loop {
        let page = operator.get(&format!("{list}&limit=2{more}")).await.expect_status(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        listed.extend(items.clone());
        match page["next_cursor"].as_str() {
            Some(next) => more = format!("&cursor={next}"),
            None => break,
        }
    }
    let machine_id = |activation: &Value| text(&activation["machine_id"]).to_owned();
    listed.sort_by_key(machine_id);
    assert_eq!(listed, created, "a list item is the complete resource");
    // Activations of an earlier generation hold no seat.
    operator.post(&format!("license-keys/{}/regenerate", license.license_id), json!({})).await.expect_status(200);
    assert_eq!(operator.get(&list).await.expect_status(200)["items"], json!([]));
}

#[tokio::test]
async fn list_license_activations_returns_404_and_422() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let (one, other) = (operator.issue_new_license(3).await, operator.issue_new_license(3).await);
    for license in [&one, &other] {
        for machine in ["one", "two"] {
            app.activate(&license.license_key, machine).await.expect_status(201);
        }
    }
    let get = async |query: &str| operator.get(&format!("license-activations{query}")).await;
    get("?license_id=lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB").await.expect_problem(404, "not_found");
    for query in ["", "?license_id=", "?license_id=x", "?license_id=cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB"] {
        get(query).await.expect_errors(422, &["license_id invalid_value"]);
    }
    let (one, other) = (&one.license_id, &other.license_id);
    get(&format!("?license_id={one}&status=active")).await.expect_errors(422, &["status unknown_field"]);
    get(&format!("?license_id={one}&limit=0")).await.expect_errors(422, &["limit invalid_value"]);
    get(&format!("?license_id={one}&cursor=x")).await.expect_errors(422, &["cursor cursor_invalid"]);
    let page = get(&format!("?license_id={one}&limit=1")).await.expect_status(200);
    let cursor = text(&page["next_cursor"]);
    get(&format!("?license_id={other}&cursor={cursor}")).await.expect_errors(422, &["cursor cursor_invalid"]);
    get(&format!("?license_id={one}&cursor={cursor}")).await.expect_status(200);
}

#[tokio::test]
async fn get_license_activation_returns_200_and_404() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    let [path, deactivate] = paths(&activated);
    let read = operator.get(&path).await;
    assert!(!read.header("etag").is_empty());
    assert_eq!(read.expect_status(200), activated["activation"]);
    stack.advance(5);
    let ended = operator.post(&deactivate, json!({})).await.expect_status(200);
    assert_eq!(operator.get(&path).await.expect_status(200), ended);
    // The next activation of the machine replaces the item.
    let second = app.activate(&license.license_key, "one").await.expect_status(201);
    operator.get(&path).await.expect_problem(404, "not_found");
    operator.get(&paths(&second)[0]).await.expect_status(200);

    let id = text(&second["activation"]["id"]);
    let nonce = &id[id.len() - 20..];
    let upper = id.to_uppercase().replace("ACT_", "act_");
    let other_nonce = id.replace(nonce, "00000000000000000000");
    for wrong in ["x", "act_", &id[..id.len() - 1], &upper, &other_nonce, &license.license_id, "act_a_b_c"] {
        operator.get(&format!("license-activations/{wrong}")).await.expect_problem(404, "not_found");
        operator
            .post(&format!("license-activations/{wrong}/deactivate"), json!({}))
            .await
            .expect_problem(404, "not_found");
    }
    assert_eq!(operator.get(&paths(&second)[0]).await.expect_status(200)["status"], "active");
}

#[tokio::test]
async fn deactivate_by_an_operator_returns_200_and_is_idempotent() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    app.activate(&license.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    let [_, deactivate] = paths(&activated);
    stack.advance(5);
    let first = operator.post(&deactivate, json!({})).await;
    assert_eq!(
        first.clone().expect_status(200),
        merged(activated["activation"].clone(), &json!({"status": "deactivated"}))
    );
    assert_eq!(seats_used(&stack, &license).await, 0);
    stack.advance(5);
    for body in [json!({}), json!({"token": null}), json!({"token": activated["token"]})] {
        assert_eq!(operator.post(&deactivate, body).await.text, first.text);
    }
    let events = stack.license_events(&license.license_id).await;
    let deactivations: Vec<_> = events.iter().filter(|event| event["type"] == "deactivated").collect();
    let [event] = deactivations[..] else { panic!("expected one event: {events:?}") };
    assert_eq!((&event["actor"]["kind"], &event["data"]["machine_id"]), (&json!("api_key"), &json!("one")));
    app.heartbeat(text(&activated["token"]), "one").await.expect_problem(403, "not_activated");
    app.activate(&license.license_key, "two").await.expect_status(201);
    // The tombstone still determines the response after the seat was assigned to another machine.
    assert_eq!(operator.post(&deactivate, json!({})).await.text, first.text);
    assert_eq!(seats_used(&stack, &license).await, 1);
}

#[tokio::test]
async fn deactivate_returns_200_with_the_activations_token() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    let [path, deactivate] = paths(&activated);
    let body = json!({"token": activated["token"]});
    // The token has expired and the license is revoked.
    stack.advance(86400);
    operator.post(&format!("license-keys/{}/revoke", license.license_id), json!({})).await.expect_status(200);
    let first = app.post(&deactivate, body.clone()).await;
    assert_eq!(first.body["status"], "deactivated", "{}", first.text);
    assert_eq!(operator.get(&path).await.expect_status(200), first.body);
    stack.advance(86400);
    assert_eq!(app.post(&deactivate, body).await.text, first.text);
    let events = stack.license_events(&license.license_id).await;
    let event = events.iter().find(|event| event["type"] == "deactivated").unwrap();
    assert_eq!(event["actor"], json!({"kind": "app", "id": activated["activation"]["id"]}));
}

#[tokio::test]
async fn deactivate_does_not_affect_a_later_activation() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let first = app.activate(&license.license_key, "one").await.expect_status(201);
    let [_, deactivate_first] = paths(&first);
    operator.post(&deactivate_first, json!({})).await.expect_status(200);
    let second = app.activate(&license.license_key, "one").await.expect_status(201);
    operator.post(&deactivate_first, json!({})).await.expect_problem(404, "not_found");
    let response_to_app = app.post(&deactivate_first, json!({"token": first["token"]})).await.expect_status(200);
    let minimal = json!({
        "id": first["activation"]["id"], "license_id": license.license_id, "machine_id": "one", "machine_name": null,
        "ip": null, "last_ip": null, "activated_at": null, "last_heartbeat_at": null, "lease_expires_at": null,
        "status": "deactivated",
    });
    assert_eq!(response_to_app, minimal);
    app.heartbeat(text(&first["token"]), "one").await.expect_problem(403, "not_activated");
    app.heartbeat(text(&second["token"]), "one").await.expect_status(200);
    assert_eq!(seats_used(&stack, &license).await, 1);
    // The token of one activation does not deactivate the other.
    app.post(&deactivate_first, json!({"token": second["token"]})).await.expect_problem(404, "not_found");
    app.post(&paths(&second)[1], json!({"token": first["token"]})).await.expect_problem(404, "not_found");
    assert_eq!(seats_used(&stack, &license).await, 1);
}

#[tokio::test]
async fn tombstone_has_a_ttl_that_a_new_activation_does_not_inherit() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let first = app.activate(&license.license_key, "one").await.expect_status(201);
    operator.post(&paths(&first)[1], json!({})).await.expect_status(200);
    let machine_item = async || {
        let items = stack.items().await;
        items.into_iter().find(|item| text(&item["SK"]["S"]).starts_with("MACHINE#")).unwrap()
    };
    let expected = stack.clock.now().as_second() + 30 * 86400;
    assert_eq!(machine_item().await["expires_at_epoch"]["N"], expected.to_string());
    app.activate(&license.license_key, "one").await.expect_status(201);
    let item = machine_item().await;
    assert!(item.get("expires_at_epoch").is_none() && item.get("ended_at").is_none(), "{item}");
}

#[tokio::test]
async fn deactivate_returns_401_403_404_and_422() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(2).await;
    let one = app.activate(&license.license_key, "one").await.expect_status(201);
    let two = app.activate(&license.license_key, "two").await.expect_status(201);
    let other_license = operator.issue_new_license(1).await;
    let foreign = app.activate(&other_license.license_key, "one").await.expect_status(201);
    let [_, deactivate] = paths(&one);
    app.post(&deactivate, json!({})).await.expect_problem(401, "unauthenticated");
    app.post(&deactivate, json!({"token": "x"})).await.expect_problem(401, "token_invalid");
    app.post(&deactivate, json!({"token": license.license_key})).await.expect_problem(401, "token_invalid");
    for token in [&two["token"], &foreign["token"], &license.issued["token"]] {
        app.post(&deactivate, json!({"token": token})).await.expect_problem(404, "not_found");
        // If an operator sends a token, the token decides.
        operator.post(&deactivate, json!({"token": token})).await.expect_problem(404, "not_found");
    }
    let reader = stack.client_with_scopes(&[Scope::LicensesRead]).await;
    reader.post(&deactivate, json!({})).await.expect_problem(403, "forbidden");
    app.post(&deactivate, json!({"token": 5})).await.expect_errors(422, &["/token invalid_value"]);
    app.post(&deactivate, json!({"tokn": "x"})).await.expect_errors(422, &["/tokn unknown_field"]);
    assert_eq!(seats_used(&stack, &license).await, 2);
    let writer = stack.client_with_scopes(&[Scope::LicensesWrite]).await;
    writer.post(&deactivate, json!({})).await.expect_status(200);
}
