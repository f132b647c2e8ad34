//! Effects of time on tokens, leases and license keys. The clock moves only when a test advances it.

use signet_local::DataDirectory;
use signet_tests::{IssuedLicense, START, Stack, Value, json, text};

/// Returns the time this many seconds after the start, in the JSON format.
fn at(seconds: i64) -> String {
    START.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap().to_string()
}

impl Machines for Stack {}

/// Requests of a machine that must succeed, and the operator's view of its activation.
trait Machines: std::borrow::Borrow<Stack> {
    async fn activate(&self, license: &IssuedLicense, machine: &str) -> Value {
        let response = self.borrow().anonymous.activate(&license.license_key, machine).await;
        assert!(matches!(response.status, 200 | 201), "{}", response.text);
        response.body
    }

    async fn heartbeat(&self, last: &Value, machine: &str) -> Value {
        self.borrow().anonymous.heartbeat(text(&last["token"]), machine).await.expect_status(200)
    }

    async fn activation(&self, activated: &Value) -> Value {
        let path = format!("license-activations/{}", text(&activated["activation"]["id"]));
        self.borrow().operator.get(&path).await.expect_status(200)
    }
}

#[tokio::test]
async fn heartbeat_renews_a_token_with_a_new_jti() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let first = stack.activate(&license, "one").await;
    assert_eq!((&first["token_type"], &first["heartbeat_interval_seconds"]), (&json!("JWT"), &json!(900)));
    assert_eq!((text(&first["token_expires_at"]), text(&first["next_heartbeat_at"])), (&*at(3600), &*at(900)));
    stack.advance(1800);
    let second = stack.heartbeat(&first, "one").await;
    let expected = json!({
        "token": second["token"], "token_type": "JWT", "token_expires_at": at(5400), "next_heartbeat_at": at(2700),
        "renewed": true, "in_grace": false, "grace_ends_at": null,
    });
    assert_eq!(second, expected);
    let (before, mut after) = (stack.claims(&first["token"]).await, stack.claims(&second["token"]).await);
    assert_ne!(before["jti"], after["jti"]);
    assert_eq!(
        [&after["iat"], &after["nbf"], &after["exp"]],
        [768_480_200_i64, 768_480_200, 768_483_800].map(|n| n + 1_000_000_000)
    );
    assert_eq!(after["enforcement"]["offline_until"], after["exp"], "the tier has no offline grace");
    for name in ["jti", "iat", "nbf", "exp"] {
        after[name] = before[name].clone();
    }
    after["enforcement"]["offline_until"] = before["enforcement"]["offline_until"].clone();
    assert_eq!(before, after);
    let activation = stack.activation(&first).await;
    assert_eq!([&activation["last_heartbeat_at"], &activation["lease_expires_at"]], [&at(1800), &at(5400)]);
    assert_eq!([&activation["activated_at"], &activation["status"]], [&at(0), "active"]);
}

#[tokio::test]
async fn heartbeat_returns_a_recent_token_unchanged() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let first = stack.activate(&license, "one").await;
    stack.advance(1799);
    let same = stack.heartbeat(&first, "one").await;
    assert_eq!((&same["token"], &same["renewed"]), (&first["token"], &json!(false)));
    assert_eq!((text(&same["token_expires_at"]), text(&same["next_heartbeat_at"])), (&*at(3600), &*at(2699)));
    assert_eq!(
        stack.activation(&first).await["last_heartbeat_at"],
        at(1799),
        "the heartbeat was recorded nevertheless"
    );
    stack.advance(1);
    assert_eq!(stack.heartbeat(&first, "one").await["renewed"], true);
}

#[tokio::test]
async fn heartbeat_renews_a_token_after_the_tiers_renew_after_seconds() {
    let stack = Stack::start().await;
    for (renew_after, age, renewed) in [(0, 0, true), (1000, 999, false), (1000, 1000, true)] {
        let license = stack.operator.issue_new_license_with(&json!({"renew_after_seconds": renew_after})).await;
        let first = stack.activate(&license, "one").await;
        stack.advance(age);
        assert_eq!(stack.heartbeat(&first, "one").await["renewed"], renewed, "{renew_after} {age}");
    }
}

/// The default is half the token lifetime, but early enough that one heartbeat can be missed.
#[tokio::test]
async fn by_default_a_token_is_renewed_at_half_of_its_lifetime_or_two_intervals_before_its_end() {
    let stack = Stack::start().await;
    for (interval, renew_after) in [(60, 1800), (900, 1800), (1200, 1200), (1800, 900), (3600, 1800)] {
        let license = stack.operator.issue_new_license_with(&json!({"heartbeat_interval_seconds": interval})).await;
        assert_eq!(license.tier["renew_after_seconds"], json!(null));
        let first = stack.activate(&license, "one").await;
        stack.advance(renew_after - 1);
        assert_eq!(stack.heartbeat(&first, "one").await["renewed"], false, "{interval}");
        stack.advance(1);
        assert_eq!(stack.heartbeat(&first, "one").await["renewed"], true, "{interval}");
    }
}

#[tokio::test]
async fn heartbeat_renews_a_recent_token_if_its_claims_changed() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let mut last = stack.activate(&license, "one").await;
    let feature = stack.operator.create_feature(&license.product, "api").await;
    let limit = stack.operator.create_limit(&license.product, "rows").await;
    let changes = [
        json!({"feature_limits": {text(&limit["id"]): 1000}}),
        json!({"feature_ids": [license.feature["id"], feature["id"]]}),
        json!({"feature_ids": []}),
        json!({"name": "Professional"}),
        json!({"heartbeat_interval_seconds": 600}),
        json!({"offline_grace_seconds": 60}),
    ];
    let mut tier = license.tier.clone();
    for change in changes {
        tier = stack.operator.replace("pricing-tiers", &tier, &change).await.expect_status(200);
        let heartbeat = stack.heartbeat(&last, "one").await;
        assert_eq!(heartbeat["renewed"], true, "{change}");
        let claims = stack.claims(&heartbeat["token"]).await;
        let in_token = json!({"feature_keys": claims["features"], "name": claims["tier"]["name"],
            "heartbeat_interval_seconds": claims["enforcement"]["heartbeat_interval_seconds"],
            "offline_grace_seconds": claims["enforcement"]["offline_until"].as_i64().unwrap() - claims["exp"].as_i64().unwrap()});
        for (name, value) in in_token.as_object().unwrap() {
            assert_eq!(&tier[name], value, "{change}");
        }
        last = heartbeat;
    }
    // Changes of other fields do not cause a renewal.
    stack
        .operator
        .replace("pricing-tiers", &tier, &json!({"monthly_price": 1, "max_users": 9}))
        .await
        .expect_status(200);
    assert_eq!(stack.heartbeat(&last, "one").await["renewed"], false, "the license has its own limit");
}

#[tokio::test]
async fn heartbeat_reflects_a_change_by_another_instance_within_60_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let folder = DataDirectory::open(folder.path()).unwrap();
    let [stack, other] = Stack::start_pair(&folder).await;
    let license = stack.operator.issue_new_license(1).await;
    let first = stack.activate(&license, "one").await;
    other.operator.replace("pricing-tiers", &license.tier, &json!({"feature_ids": []})).await.expect_status(200);
    stack.advance(59);
    assert_eq!(stack.heartbeat(&first, "one").await["renewed"], false);
    stack.advance(1);
    let heartbeat = stack.heartbeat(&first, "one").await;
    assert_eq!(heartbeat["renewed"], true);
    assert_eq!(stack.claims(&heartbeat["token"]).await["features"], json!([]));
}

#[tokio::test]
async fn heartbeat_accepts_an_expired_token() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let first = stack.activate(&license, "one").await;
    for days in [1, 100] {
        stack.advance(days * 86400);
        let heartbeat = stack.heartbeat(&first, "one").await;
        assert_eq!(
            (&heartbeat["renewed"], text(&heartbeat["token_expires_at"])),
            (&json!(true), &*{
                let now = stack.clock.now();
                now.checked_add(jiff::SignedDuration::from_secs(3600)).unwrap().to_string()
            })
        );
        assert_eq!(stack.activation(&first).await["status"], "active");
    }
}

#[tokio::test]
async fn heartbeat_never_returns_an_expired_token() {
    let stack = Stack::start().await;
    let tier = json!({"token_ttl_seconds": 2, "heartbeat_interval_seconds": 2, "renew_after_seconds": 1});
    let license = stack.operator.issue_new_license_with(&tier).await;
    let first = stack.activate(&license, "one").await;
    let tier = json!({"token_ttl_seconds": 3600, "heartbeat_interval_seconds": 2, "renew_after_seconds": 1800});
    stack.operator.replace("pricing-tiers", &license.tier, &tier).await.expect_status(200);
    stack.advance(2);
    let heartbeat = stack.heartbeat(&first, "one").await;
    assert_eq!((&heartbeat["renewed"], text(&heartbeat["token_expires_at"])), (&json!(true), &*at(3602)));
}

#[tokio::test]
async fn activate_returns_409_until_the_lease_ends_and_then_takes_over_the_seat() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license_with(&json!({"max_users": 1, "offline_grace_seconds": 600})).await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let old = stack.activate(&license, "old").await;
    assert_eq!(old["activation"]["lease_expires_at"], at(4200), "offline_until");
    stack.advance(4199);
    app.activate(&license.license_key, "new").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(stack.activation(&old).await["status"], "active");
    stack.advance(1);
    assert_eq!(stack.activation(&old).await["status"], "lapsed");
    let list = format!("license-activations?license_id={}", license.license_id);
    assert_eq!(operator.get(&list).await.expect_status(200)["items"][0]["status"], "lapsed");

    let new = app.activate(&license.license_key, "new").await.expect_status(201);
    app.heartbeat(text(&old["token"]), "old").await.expect_problem(403, "not_activated");
    app.activate(&license.license_key, "old").await.expect_problem(409, "seat_limit_reached");
    let old_id = text(&old["activation"]["id"]);
    operator.get(&format!("license-activations/{old_id}")).await.expect_problem(404, "not_found");
    let items = operator.get(&list).await.expect_status(200)["items"].clone();
    assert_eq!(items, json!([new["activation"]]));

    // A deactivation of the old machine must not free the seat of the new one.
    let deactivated =
        app.post(&format!("license-activations/{old_id}/deactivate"), json!({"token": old["token"]})).await;
    assert_eq!(deactivated.expect_status(200)["status"], "deactivated");
    stack.heartbeat(&new, "new").await;
    let path = format!("license-keys/{}", license.license_id);
    assert_eq!(operator.get(&path).await.expect_status(200)["seats_used"], 1);

    let events = stack.license_events(&license.license_id).await;
    let types: Vec<_> = events.iter().map(|event| text(&event["type"])).collect();
    let refused = "license.seat_limit_reached";
    assert_eq!(types, ["activation.created", "license.issued", refused, "activation.taken_over"]);
    let data = &events[3]["data"];
    assert_eq!(data["activation_id"], new["activation"]["id"]);
    assert_eq!(data["taken_from"], json!({"activation_id": old_id, "machine_id": "old"}));
    assert_eq!(data["seat"], 0);
    assert_eq!(events[3]["actor"], json!({"kind": "app", "id": new["activation"]["id"]}));
}

#[tokio::test]
async fn activate_returns_409_while_heartbeats_extend_the_lease() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let mut last = stack.activate(&license, "one").await;
    for _ in 0..5 {
        stack.advance(3599);
        last = stack.heartbeat(&last, "one").await;
        stack.anonymous.activate(&license.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    }
    // Activating again also extends the lease.
    stack.advance(3599);
    stack.anonymous.activate(&license.license_key, "one").await.expect_status(200);
    stack.advance(3599);
    stack.anonymous.activate(&license.license_key, "two").await.expect_problem(409, "seat_limit_reached");
}

#[tokio::test]
async fn a_lapsed_machine_keeps_its_seat_until_it_is_taken_over() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let first = stack.activate(&license, "one").await;
    stack.advance(10 * 86400);
    assert_eq!(stack.activation(&first).await["status"], "lapsed");
    assert_eq!(
        stack.anonymous.activate(&license.license_key, "one").await.expect_status(200)["activation"]["id"],
        first["activation"]["id"]
    );
    stack.advance(10 * 86400);
    stack.heartbeat(&first, "one").await;
    stack.anonymous.activate(&license.license_key, "two").await.expect_problem(409, "seat_limit_reached");
}

#[tokio::test]
async fn activate_prefers_a_free_seat_to_a_takeover() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let lapsed = stack.activate(&license, "lapsed").await;
    stack.advance(86400);
    stack.activate(&license, "new").await;
    stack.heartbeat(&lapsed, "lapsed").await;
}

#[tokio::test]
async fn concurrent_takeovers_of_one_lapsed_seat_succeed_once() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let old = stack.activate(&license, "old").await;
    stack.advance(3600);
    let tasks = (0..12).map(|number| {
        let (app, key) = (stack.anonymous.clone(), license.license_key.clone());
        tokio::spawn(async move { app.activate(&key, &format!("machine-{number}")).await })
    });
    let mut taken = 0;
    for task in tasks.collect::<Vec<_>>() {
        let response = task.await.unwrap();
        match response.status {
            201 => taken += 1,
            409 => drop(response.expect_problem(409, "seat_limit_reached").clone()),
            _ => drop(response.expect_problem(503, "unavailable").clone()),
        }
    }
    assert_eq!(taken, 1);
    stack.anonymous.heartbeat(text(&old["token"]), "old").await.expect_problem(403, "not_activated");
    let current = stack.operator.get(&format!("license-keys/{}", license.license_id)).await.expect_status(200);
    assert_eq!(current["seats_used"], 1);
}

#[tokio::test]
async fn an_expired_license_is_rejected_and_its_tokens_end_with_it() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license_with(&json!({"max_users": 2, "offline_grace_seconds": 60})).await;
    let customer = operator.create_customer().await;
    let issued = operator.issue(&customer, &license.tier, &json!({"expires_at": at(5000)})).await;
    let (id, key) = (text(&issued["license"]["id"]), text(&issued["license_key"]));
    assert_eq!(issued["token_expires_at"], at(3600));
    stack.advance(2000);
    let first = app.activate(key, "one").await.expect_status(201);
    assert_eq!(first["token_expires_at"], at(5000), "the token ends with the license");
    let claims = stack.claims(&first["token"]).await;
    assert_eq!(claims["exp"], START.as_second() + 5000);
    assert_eq!(claims["enforcement"]["license_expires_at"], at(5000));
    stack.advance(2999);
    let last = stack.heartbeat(&first, "one").await;
    assert_eq!((&last["renewed"], &last["token_expires_at"]), (&json!(true), &json!(at(5000))));
    let path = format!("license-keys/{id}");
    let listed = async |status: &str| {
        let list = operator.get(&format!("license-keys?customer_id={}&status={status}", text(&customer["id"]))).await;
        list.expect_status(200)["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|license| license["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(operator.get(&path).await.expect_status(200)["status"], "active");
    assert_eq!((listed("active").await, listed("expired").await), (vec![json!(id)], vec![]));

    stack.advance(1);
    app.heartbeat(text(&last["token"]), "one").await.expect_problem(403, "expired");
    app.activate(key, "one").await.expect_problem(403, "expired");
    app.activate(key, "two").await.expect_problem(403, "expired");
    let body = json!({"token": issued["token"], "machine_id": "two"});
    app.post("license-activations/activate", body).await.expect_problem(403, "expired");
    assert_eq!(operator.get(&path).await.expect_status(200)["status"], "expired");
    assert_eq!((listed("active").await, listed("expired").await), (vec![], vec![json!(id)]));
    let validation = app.post("license-keys/validate", json!({"license_key": key})).await.expect_status(200);
    assert_eq!((&validation["code"], &validation["license"]["status"]), (&json!("expired"), &json!("expired")));
}

#[tokio::test]
async fn times_are_truncated_to_milliseconds_everywhere() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    // Truncated to milliseconds, this time is not in the future.
    let now = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"], "expires_at": "2026-01-15T13:00:00.000999+01:00"});
    stack.operator.post("license-keys", now).await.expect_errors(422, &["/expires_at invalid_value"]);
    let fields = json!({"expires_at": "2026-01-15T13:20:00.987654321+01:00"});
    let customer = stack.operator.create_customer().await;
    let issued = stack.operator.issue(&customer, &license.tier, &fields).await;
    let path = format!("license-keys/{}", text(&issued["license"]["id"]));
    let read = stack.operator.get(&path).await.expect_status(200);
    assert_eq!(issued["license"]["expires_at"], read["expires_at"]);
    assert_eq!(read["expires_at"], "2026-01-15T12:20:00.987Z");
    let claims = stack.claims(&issued["token"]).await;
    assert_eq!(claims["enforcement"]["license_expires_at"], read["expires_at"]);
    assert_eq!(claims["exp"], START.as_second() + 1200, "the token does not outlive the license");
}

#[tokio::test]
async fn a_shorter_token_lifetime_does_not_shorten_the_lease() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let first = stack.activate(&license, "one").await;
    let tier = json!({"token_ttl_seconds": 60, "heartbeat_interval_seconds": 60});
    stack.operator.replace("pricing-tiers", &license.tier, &tier).await.expect_status(200);
    stack.advance(10);
    let heartbeat = stack.heartbeat(&first, "one").await;
    assert_eq!((&heartbeat["renewed"], text(&heartbeat["token_expires_at"])), (&json!(true), &*at(70)));
    let activation = stack.activation(&first).await;
    assert_eq!([&activation["lease_expires_at"], &activation["last_heartbeat_at"]], [&at(3600), &at(10)]);
    let renewed = stack.anonymous.activate(&license.license_key, "one").await.expect_status(200);
    assert_eq!(renewed["activation"]["lease_expires_at"], at(3600));
    stack.advance(3589);
    stack.anonymous.activate(&license.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    stack.advance(1);
    stack.anonymous.activate(&license.license_key, "two").await.expect_status(201);
}

#[tokio::test]
async fn a_longer_token_lifetime_or_offline_grace_extends_the_lease() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let first = stack.activate(&license, "one").await;
    let tier = json!({"token_ttl_seconds": 7200, "offline_grace_seconds": 100});
    stack.operator.replace("pricing-tiers", &license.tier, &tier).await.expect_status(200);
    stack.advance(10);
    let heartbeat = stack.heartbeat(&first, "one").await;
    assert_eq!(heartbeat["token_expires_at"], at(7210));
    assert_eq!(stack.activation(&first).await["lease_expires_at"], at(7310));
    stack.advance(7299);
    stack.anonymous.activate(&license.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    stack.advance(1);
    stack.anonymous.activate(&license.license_key, "two").await.expect_status(201);
}
