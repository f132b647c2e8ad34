//! Who the events name, by the part of Signet that made the change, and what they contain.

use signet_tests::{Browser, Stack, Value, json, secret_fragments, text};

use super::{added_since, types};

/// Returns the only event that was added since `before`.
async fn only_event(stack: &Stack, before: &[Value]) -> Value {
    let added = added_since(stack, before).await;
    let [event] = &added[..] else { panic!("{added:#?}") };
    event.clone()
}

#[tokio::test]
async fn changes_in_the_dashboard_name_the_operator_and_the_request() {
    let stack = Stack::start().await;
    let first = stack.operator.create_product().await;
    stack.advance(1);
    let second = stack.operator.create_product().await;
    let mut grace = Browser::operator(&stack).await;
    stack.advance(1);
    let before = stack.event_items().await;
    let fields = [("name", "Ada"), ("email", "ada@example.com"), ("company", "Engines")];
    let page = grace.submit_form("/dashboard/customers/new", &fields).await;
    page.redirect();
    let event = only_event(&stack, &before).await;
    assert_eq!((&event["type"], &event["actor"]["kind"]), (&json!("customer.created"), &json!("user")));
    assert_eq!(event["request_id"], page.headers["x-request-id"].to_str().unwrap());
    let operator = &event["actor"];
    assert!(!operator.to_string().contains('@'), "{operator}");

    // The order of a list has no operation of the API.
    stack.advance(1);
    let before = stack.event_items().await;
    let csrf = grace.get("/dashboard/products").await.hidden_field("csrf_token");
    let fields = [("csrf_token", csrf.as_str()), ("id", text(&second["id"])), ("before", text(&first["id"]))];
    let page = grace.post("/dashboard/products/reorder", &fields).await;
    assert!(page.status < 400, "{}", page.text);
    let added = added_since(&stack, &before).await;
    assert!(!added.is_empty() && added.iter().all(|event| event["type"] == "product.updated"), "{added:#?}");
    for event in &added {
        assert_eq!(&event["actor"], operator);
        assert_eq!(event["request_id"], page.headers["x-request-id"].to_str().unwrap());
        let changed: Vec<_> = event["data"]["changes"].as_object().unwrap().keys().collect();
        assert_eq!(changed, ["sort_order"]);
    }
    assert!(added.iter().any(|event| event["subject"]["id"] == second["id"]), "{added:#?}");
}

#[tokio::test]
async fn an_update_has_the_values_before_and_after() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({"name": "Atlas", "metadata": {"a": "1"}})).await;
    let path = format!("products/{}", text(&product["id"]));
    stack.advance(1);
    let before = stack.event_items().await;
    let patch = json!({"name": "Atlas 2", "metadata": {"b": "2"}});
    stack.operator.patch(&path, patch.clone()).await.expect_status(200);
    let event = only_event(&stack, &before).await;
    let expected = json!({
        "name": {"from": "Atlas", "to": "Atlas 2"},
        "metadata": {"from": {"a": "1"}, "to": {"a": "1", "b": "2"}},
    });
    assert_eq!(event["data"]["changes"], expected);
    // The same once more changes nothing, but was requested.
    let before = stack.event_items().await;
    stack.operator.patch(&path, patch).await.expect_status(200);
    assert_eq!(only_event(&stack, &before).await["data"], json!({"changes": {}}));
}

#[tokio::test]
async fn events_of_customers_and_labels_contain_no_personal_data() {
    let stack = Stack::start().await;
    let email = "mary@example.com";
    let customer = json!({"name": "Mary Shelley", "email": email, "company": "Villa Diodati", "external_id": "crm-77"});
    let customer = stack.operator.post("customers", customer).await.expect_status(201);
    let path = format!("customers/{}", text(&customer["id"]));
    stack.advance(1);
    let before = stack.event_items().await;
    let patch = json!({"name": "Mary Godwin", "metadata": {"note": "Diodati"}});
    stack.operator.patch(&path, patch).await.expect_status(200);
    assert_eq!(only_event(&stack, &before).await["data"], json!({"fields": ["name", "metadata"]}));
    // A user with the same verified address is linked to the customer.
    stack.advance(1);
    let before = stack.event_items().await;
    let mary = stack.sign_in(email, "openid email").await;
    mary.post("register", json!({})).await.expect_status(200);
    let event = only_event(&stack, &before).await;
    assert_eq!((&event["type"], &event["data"]), (&json!("customer.updated"), &json!({"fields": ["subject"]})));
    assert_eq!((&event["actor"]["kind"], &event["subject"]["id"]), (&json!("user"), &customer["id"]));
    let product = stack.operator.create_product().await;
    let tier = stack.operator.create_tier(&product, &json!({})).await;
    let labels = json!({"name": "Shelley's laptop", "metadata": {"owner": "Godwin"}, "external_id": "order-77"});
    stack.operator.issue(&customer, &tier, &labels).await;
    let all = stack.event_items().await.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    for personal in ["Shelley", "Godwin", "Diodati", email, "crm-77", "order-77"] {
        assert!(!all.contains(personal), "{personal}: {all}");
    }
}

#[tokio::test]
async fn each_imported_resource_has_an_event_of_the_caller() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({"code": "atlas"})).await;
    stack.operator.create_tier(&product, &json!({"code": "pro"})).await;
    stack.advance(1);
    let before = stack.event_items().await;
    let lines = [
        json!({"type": "customer", "external_id": "c1", "name": "Ada", "email": "ada@example.com"}),
        json!({"type": "license", "external_id": "l1", "customer_external_id": "c1", "product_code": "atlas", "tier_code": "pro"}),
        json!({"type": "activation", "license_external_id": "l1", "machine_id": "m1"}),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let import = async || stack.operator.post_lines("imports", lines.clone()).await;
    let response = import().await;
    assert_eq!(response.body["created"], 3, "{}", response.text);
    let added = added_since(&stack, &before).await;
    assert_eq!(types(&added), ["activation.created", "customer.created", "license.issued"]);
    for event in &added {
        assert_eq!(event["actor"], json!({"kind": "api_key", "id": stack.operator_api_key_id()}));
        assert_eq!(event["request_id"], response.header("x-request-id"));
    }
    assert_eq!(added[1]["data"], json!({"origin": "import"}));
    let before = stack.event_items().await;
    assert_eq!(import().await.body["unchanged"], 3);
    assert_eq!(types(&added_since(&stack, &before).await), [""; 0], "a repeated import records nothing");
}

#[tokio::test]
async fn the_first_keys_of_an_installation_are_recorded() {
    let stack = Stack::start().await;
    let events = stack.event_items().await;
    let of_system = events.iter().filter(|event| event["actor"]["kind"] == "system");
    let mut found: Vec<_> = of_system.map(|event| (text(&event["type"]), text(&event["actor"]["id"]))).collect();
    found.sort_unstable();
    let expected = [
        ("api_key.created", "local_server"),
        ("signing_key.created", "rotation"),
        ("signing_key.created", "rotation"),
        ("signing_key.promoted", "rotation"),
        ("signing_key.published", "rotation"),
        ("signing_key.published", "rotation"),
    ];
    assert_eq!(found, expected);
    assert!(events.iter().all(|event| event["request_id"].is_null() && event["ip"].is_null()), "{events:#?}");
}

#[tokio::test]
async fn each_step_of_a_signing_key_is_recorded_with_who_caused_it() {
    let stack = Stack::start().await;
    let ring = stack.operator.get("signing-keys").await.expect_status(200);
    let kid = |state: &str| {
        ring["items"].as_array().unwrap().iter().find(|key| key["state"] == state).unwrap()["kid"].clone()
    };
    let (current, next) = (kid("current"), kid("next"));
    stack.advance(1);
    let before = stack.event_items().await;
    let path = format!("signing-keys/{}/condemn", text(&current));
    let condemned = stack.operator.post(&path, json!({"reason": "leaked"})).await;
    assert_eq!(condemned.status, 200, "{}", condemned.text);
    let added = added_since(&stack, &before).await;
    let (own, of_system): (Vec<_>, Vec<_>) =
        added.iter().cloned().partition(|event| event["actor"]["kind"] == "api_key");
    assert_eq!(types(&own), ["signing_key.condemned", "signing_key.promoted"]);
    assert!(own.iter().all(|event| event["request_id"] == condemned.header("x-request-id")));
    assert_eq!((&own[0]["subject"]["id"], &own[0]["data"]), (&current, &json!({"reason": "leaked"})));
    assert_eq!((&own[1]["subject"]["id"], &own[1]["data"]), (&next, &json!({"replaces": current})));
    // The next key is created by the maintenance that follows.
    assert_eq!(types(&of_system), ["signing_key.created", "signing_key.published"]);
    assert!(of_system.iter().all(|event| event["request_id"].is_null()));
}

#[tokio::test]
async fn the_erasure_of_a_customer_removes_addresses_from_their_own_events() {
    let stack = Stack::start().await;
    let customer = stack.operator.create_customer().await;
    let path = format!("customers/{}", text(&customer["id"]));
    stack.operator.patch(&path, json!({"company": "Engines"})).await.expect_status(200);
    assert_eq!(stack.operator.delete(&path).await.status, 204);
    let mut own = stack.event_items().await;
    own.retain(|event| event["subject"]["id"] == customer["id"]);
    assert_eq!(types(&own), ["customer.created", "customer.erased", "customer.updated"]);
    assert!(own.iter().all(|event| event["ip"].is_null()), "{own:#?}");
}

#[tokio::test]
async fn events_contain_no_secret() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let active = stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
    let key = json!({"name": "ci", "scopes": ["licenses:read"]});
    let key = stack.operator.post("api-keys", key).await.expect_status(201);
    let all = stack.event_items().await.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    for secret in [&license.license_key, text(&active["token"]), text(&key["api_key"])] {
        for fragment in secret_fragments(secret) {
            assert!(!all.contains(&fragment), "{fragment}");
        }
    }
}
