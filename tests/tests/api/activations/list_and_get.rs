//! `GET license-activations` and `GET license-activations/{id}`.

use signet_tests::{Stack, Value, json, text};

use super::paths;

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
    for unknown in ["customer_id=cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "machine_id=none"] {
        assert_eq!(get(&format!("?{unknown}")).await.expect_status(200), json!({"items": [], "next_cursor": null}));
    }
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
async fn list_license_activations_by_machine_or_customer() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let (one, other) = (operator.issue_new_license(3).await, operator.issue_new_license(3).await);
    let second = operator.issue(&one.customer, &other.tier, &json!({})).await;
    let mut activated = Vec::new();
    for (key, machine) in [
        (&one.license_key, "m-1"),
        (&one.license_key, "m-2"),
        (&other.license_key, "m-1"),
        (&text(&second["license_key"]).to_owned(), "m-1"),
    ] {
        activated.push(app.activate(key, machine).await.expect_status(201)["activation"].clone());
    }
    let listed = async |query: &str| {
        let (mut found, mut more) = (Vec::new(), String::new());
        loop {
            let page = operator.get(&format!("license-activations?{query}{more}")).await.expect_status(200);
            found.extend(page["items"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => more = format!("&cursor={next}"),
                None => break,
            }
        }
        found.sort_by_key(|row| activated.iter().position(|activated| activated["id"] == row["id"]));
        found
    };
    let rows = |indices: &[usize]| indices.iter().map(|index| activated[*index].clone()).collect::<Vec<_>>();
    let (customer, license) = (text(&one.customer["id"]), &one.license_id);
    for limit in [1, 25] {
        for (query, expected) in [
            ("machine_id=m-1".to_owned(), rows(&[0, 2, 3])),
            (format!("customer_id={customer}"), rows(&[0, 1, 3])),
            (format!("customer_id={customer}&machine_id=m-1"), rows(&[0, 3])),
            (format!("license_id={license}&machine_id=m-2"), rows(&[1])),
            (format!("license_id={license}&customer_id={}", text(&other.customer["id"])), rows(&[])),
        ] {
            assert_eq!(listed(&format!("{query}&limit={limit}")).await, expected, "{query} {limit}");
        }
    }
    let page = operator.get("license-activations?machine_id=m-1&limit=1").await.expect_status(200);
    let mixed = format!("license-activations?machine_id=m-2&limit=1&cursor={}", text(&page["next_cursor"]));
    operator.get(&mixed).await.expect_errors(422, &["cursor cursor_invalid"]);
    // The index of machines is one query, whatever the number of license keys.
    stack.faults.reset_calls();
    operator.get("license-activations?machine_id=m-1").await.expect_status(200);
    assert_eq!(stack.faults.calls().iter().filter(|call| *call == "Query").count(), 1);
    // Ended activations are not listed.
    let path = format!("license-activations/{}/deactivate", text(&activated[0]["id"]));
    operator.post(&path, json!({})).await.expect_status(200);
    assert_eq!(listed("machine_id=m-1").await, rows(&[2, 3]));
    app.activate(&one.license_key, "m-1").await.expect_status(201);
    assert_eq!(listed("machine_id=m-1").await.len(), 3);
    // A customer finds only own machines.
    let owner = stack.sign_in(text(&one.customer["email"]), "openid email profile").await;
    owner.post("register", json!({})).await.expect_status(200);
    for query in ["machine_id=m-1".to_owned(), format!("machine_id=m-1&customer_id={}", text(&other.customer["id"]))] {
        let own = owner.get(&format!("license-activations?{query}")).await.expect_status(200);
        let own = own["items"].as_array().unwrap().clone();
        assert!(own.iter().all(|row| row["license_id"] != json!(other.license_id)), "{own:?}");
    }
    let none = owner.get(&format!("license-activations?customer_id={}", text(&other.customer["id"]))).await;
    assert_eq!(none.expect_status(200)["items"], json!([]));
}
