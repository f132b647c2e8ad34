//! What a signed-in customer does alone: register, claim a license key, look after machines. Nobody gets at what is
//! someone else's, gets round an operator, or gets more by asking twice.

use std::sync::Arc;

use signet_tests::{Client, Fault, Gate, Rule, Stack, TestResponse, Value, json, text};

const SCOPE: &str = "openid email profile";

/// Ada, signed in and registered, and her customer.
async fn ada(stack: &Stack) -> (Client, Value) {
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let customer = ada.post("register", json!({ "name": "Ada Lovelace" })).await.expect_status(201);
    (ada, customer)
}

/// A product with a tier that may be claimed, and one that is sold.
async fn shop(stack: &Stack, product: &Value) -> (Value, Value, Value) {
    let product = stack.operator.create_product_with(product).await;
    let tier = |fields: Value| {
        let (operator, product) = (stack.operator.clone(), product.clone());
        async move { operator.create_tier(&product, &fields).await }
    };
    let free = tier(json!({ "is_claimable": true, "max_users": 2, "billing_period": "monthly" })).await;
    let paid = tier(json!({ "max_users": 5, "billing_period": "annual" })).await;
    (product, free, paid)
}

fn claim(tier: &Value) -> Value {
    json!({ "tier_id": tier["id"] })
}

#[tokio::test]
async fn register_201_then_200_with_the_same_customer() {
    let stack = Stack::start().await;
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let made = ada.post("register", json!({ "name": "Ada Lovelace", "company": "Analytical Engines" })).await;
    assert_eq!(made.header("location"), format!("/api/v1.0/customers/{}", text(&made.body["id"])));
    let made = made.expect_status(201);
    assert_eq!([&made["email"], &made["company"]], ["ada@example.com", "Analytical Engines"]);
    assert!(made["subject"].is_string());
    assert_eq!(ada.post("register", json!({ "name": "Someone Else" })).await.expect_status(200), made);
    let seen = stack.operator.get(&format!("customers/{}", text(&made["id"]))).await.expect_status(200);
    assert_eq!(seen, made);

    // Without a word about oneself, the name is the issuer's.
    let bob = stack.sign_in("Bob@example.com", SCOPE).await.post("register", json!({})).await.expect_status(201);
    assert_eq!(
        [&bob["name"], &bob["email"], &bob["company"]],
        [&json!("Bob"), &json!("Bob@example.com"), &Value::Null]
    );
}

#[tokio::test]
async fn register_is_for_people_who_sign_in() {
    let stack = Stack::start().await;
    stack.anonymous.post("register", json!({})).await.expect_problem(401, "unauthenticated");
    stack.operator.post("register", json!({})).await.expect_problem(403, "forbidden");
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    ada.post("register", json!({ "email": "eve@example.com" })).await.expect_problem(422, "unknown_field");
}

#[tokio::test]
async fn register_links_a_customer_of_the_operators_once_and_only_with_a_verified_address() {
    let stack = Stack::start().await;
    let body = json!({ "name": "Ada Lovelace", "email": "Ada@Example.com" });
    let customer = stack.operator.post("customers", body).await.expect_status(201);
    let unverified = stack.sign_in("ada@example.com", &format!("{SCOPE} unverified")).await;
    unverified.post("register", json!({ "name": "Ada" })).await.expect_problem(409, "email_taken");
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let linked = ada.post("register", json!({ "name": "Ada" })).await.expect_status(200);
    assert_eq!([&linked["id"], &linked["name"]], [&customer["id"], &json!("Ada Lovelace")]);
    assert_eq!(ada.post("register", json!({})).await.expect_status(200), linked);
    // Who a person is does not hang on the address any more.
    assert_eq!(unverified.post("register", json!({})).await.expect_status(200), linked);

    // The customer has a subject now: someone else's address is none of a third one's business.
    let body = json!({ "name": "Ada Lovelace", "email": "grace@example.com" });
    stack.operator.put(&format!("customers/{}", text(&customer["id"])), body).await.expect_status(200);
    let grace = stack.sign_in("grace@example.com", SCOPE).await;
    grace.post("register", json!({ "name": "Grace" })).await.expect_problem(409, "email_taken");
}

#[tokio::test]
async fn register_403_with_an_address_that_nobody_has_verified_which_stays_its_owners() {
    let stack = Stack::start().await;
    let unverified = format!("{SCOPE} unverified");
    let squatter = stack.sign_in("ada@example.com", &unverified).await.with_header("idempotency-key", "mine");
    squatter.post("register", json!({ "name": "Eve" })).await.expect_problem(403, "forbidden");
    // Who has verified it meanwhile may ask again, under the same key too.
    let ada = stack.sign_in("ada@example.com", SCOPE).await.with_header("idempotency-key", "mine");
    let customer = ada.post("register", json!({ "name": "Eve" })).await.expect_status(201);
    assert_eq!(customer["email"], "ada@example.com");
    let list = stack.operator.get("customers").await.expect_status(200);
    assert_eq!(list["items"], json!([customer]));
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_at_once_give_one_customer() {
    let stack = Stack::start().await;
    let ada = Arc::new(stack.sign_in("ada@example.com", SCOPE).await);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let ada = Arc::clone(&ada);
            tokio::spawn(async move { ada.post("register", json!({ "name": "Ada" })).await })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
        made += usize::from(answer.status == 201);
    }
    assert_eq!(made, 1);
    assert_eq!(stack.operator.get("customers").await.expect_status(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn claim_201_then_200_with_the_same_key() {
    let stack = Stack::start().await;
    let (_, free, _) = shop(&stack, &json!({})).await;
    let (ada, customer) = ada(&stack).await;
    let first = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    assert_eq!(first["license"]["customer_id"], customer["id"]);
    assert_eq!(first["license"]["max_users"], 2);
    stack.anonymous.activate(text(&first["license_key"]), "one").await.expect_status(201);
    stack.advance(7200);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let again = ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    assert_eq!([&again["license_key"], &again["license"]["id"]], [&first["license_key"], &first["license"]["id"]]);
    stack.claims(&again["token"]).await;
}

#[tokio::test]
async fn a_claim_that_is_repeated_gives_the_token_that_is_kept_while_that_is_good() {
    let stack = Stack::start().await;
    let (_, free, _) = shop(&stack, &json!({})).await;
    let (ada, _) = ada(&stack).await;
    let first = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    stack.advance(3599);
    assert_eq!(ada.post("user/claim-license", claim(&free)).await.expect_status(200), first);

    // Past its exp a new one is made, once, and kept in its place.
    stack.advance(1);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let second = ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    assert_eq!(stack.claims(&second["token"]).await["exp"], stack.clock.now().as_second() + 3600);
    stack.advance(10);
    assert_eq!(ada.post("user/claim-license", claim(&free)).await.expect_status(200), second);
    // What is kept is sound to who audits it.
    let path = format!("license-keys/{}/audit", text(&first["license"]["id"]));
    assert_eq!(stack.operator.post(&path, json!({})).await.expect_status(200)["ok"], true);

    // So it is where it does not say any more what a new one would.
    stack.operator.replace("pricing-tiers", &free, &json!({ "grace_period_seconds": 60 })).await.expect_status(200);
    let third = ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    assert_eq!(stack.claims(&third["token"]).await["enforcement"]["grace_period_seconds"], 60);
    assert_eq!(ada.post("user/claim-license", claim(&free)).await.expect_status(200), third);
}

#[tokio::test]
async fn a_claim_that_is_repeated_while_the_key_is_regenerated_gives_the_new_one() {
    let stack = Stack::start().await;
    let (_, free, _) = shop(&stack, &json!({})).await;
    let (ada, _) = ada(&stack).await;
    let first = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    stack.advance(7200);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let path = format!("license-keys/{}/regenerate", text(&first["license"]["id"]));
    let mut regenerated = Value::Null;
    let body = claim(&free);
    let late = async move { ada.post("user/claim-license", body).await.expect_status(200) };
    let meanwhile = async { regenerated = stack.operator.post(&path, json!({})).await.expect_status(200) };
    let late = stack.faults.interleave(("UpdateItem", "SEALED"), late, meanwhile).await;
    assert_eq!(late, regenerated);
}

#[tokio::test]
async fn claim_403_and_409() {
    let stack = Stack::start().await;
    let (product, free, paid) = shop(&stack, &json!({})).await;
    let stranger = stack.sign_in("bob@example.com", SCOPE).await;
    stranger.post("user/claim-license", claim(&free)).await.expect_problem(409, "customer_not_registered");
    stack.operator.post("user/claim-license", claim(&free)).await.expect_problem(403, "forbidden");
    stack.anonymous.post("user/claim-license", claim(&free)).await.expect_problem(401, "unauthenticated");

    let (ada, customer) = ada(&stack).await;
    ada.post("user/claim-license", claim(&paid)).await.expect_problem(403, "tier_not_claimable");
    let unknown = json!({ "tier_id": "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB" });
    ada.post("user/claim-license", unknown).await.expect_problem(403, "tier_not_claimable");

    // A paid key is not replaced, be it active or suspended; nor is one that is not the current one.
    let issued = stack.operator.issue(&customer, &paid, &json!({})).await;
    let path = format!("license-keys/{}", text(&issued["license"]["id"]));
    ada.post("user/claim-license", claim(&free)).await.expect_problem(409, "already_licensed");
    stack.operator.post(&format!("{path}/suspend"), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(409, "already_licensed");
    stack.advance(400 * 86_400);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    ada.post("user/claim-license", claim(&free)).await.expect_problem(409, "already_licensed");
    assert_eq!(stack.operator.get(&path).await.expect_status(200)["status"], "suspended");
    stack.operator.replace("products", &product, &json!({ "is_active": false })).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "tier_not_claimable");
}

#[tokio::test]
async fn a_claim_takes_the_place_of_an_expired_key() {
    let stack = Stack::start().await;
    let (_, free, paid) = shop(&stack, &json!({})).await;
    let (_, customer) = ada(&stack).await;
    let issued = stack.operator.issue(&customer, &paid, &json!({})).await;
    stack.advance(400 * 86_400);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    let path = format!("license-keys/{}", text(&issued["license"]["id"]));
    let old = stack.operator.get(&path).await.expect_status(200);
    assert_eq!([&old["status"], &old["superseded_by"]], [&json!("superseded"), &claimed["license"]["id"]]);
}

#[tokio::test]
async fn a_claim_is_for_once() {
    let stack = Stack::start().await;
    let (_, free, _) = shop(&stack, &json!({})).await;
    let (ada, _) = ada(&stack).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    let path = format!("license-keys/{}", text(&claimed["license"]["id"]));
    stack.operator.post(&format!("{path}/suspend"), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "already_claimed");
    stack.operator.post(&format!("{path}/reinstate"), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    stack.advance(60 * 86_400);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "already_claimed");
    stack.operator.post(&format!("{path}/revoke"), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "already_claimed");
}

#[tokio::test]
async fn a_claimed_key_is_shown_as_it_is_now_while_it_is_active() {
    let stack = Stack::start().await;
    let (_, free, paid) = shop(&stack, &json!({})).await;
    let (ada, customer) = ada(&stack).await;
    let first = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    let path = format!("license-keys/{}", text(&first["license"]["id"]));

    // What is claimed stays, also when the tier is no more to be had.
    stack.operator.replace("pricing-tiers", &free, &json!({ "is_claimable": false })).await.expect_status(200);
    let again = ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    assert_eq!(again["license_key"], first["license_key"]);
    let regenerated = stack.operator.post(&format!("{path}/regenerate"), json!({})).await.expect_status(200);
    assert_ne!(regenerated["license_key"], first["license_key"]);
    let again = ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    assert_eq!([&again["license_key"], &again["license"]], [&regenerated["license_key"], &regenerated["license"]]);

    // One that gave way to a paid one was claimed all the same.
    stack.operator.issue(&customer, &paid, &json!({})).await;
    assert_eq!(stack.operator.get(&path).await.expect_status(200)["status"], "superseded");
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "already_claimed");
}

#[tokio::test]
async fn a_revoked_claim_is_not_made_again() {
    let stack = Stack::start().await;
    let (product, free, _) = shop(&stack, &json!({})).await;
    let (ada, _) = ada(&stack).await;
    let other = stack.operator.create_tier(&product, &json!({ "is_claimable": true })).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    ada.post("user/claim-license", claim(&other)).await.expect_problem(409, "already_licensed");
    let path = format!("license-keys/{}", text(&claimed["license"]["id"]));
    stack.operator.post(&format!("{path}/revoke"), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "already_claimed");
    // Each tier is claimed for itself, and what was revoked is not superseded.
    ada.post("user/claim-license", claim(&other)).await.expect_status(201);
    let old = stack.operator.get(&path).await.expect_status(200);
    assert_eq!([&old["status"], &old["superseded_by"]], [&json!("revoked"), &Value::Null]);
}

#[tokio::test]
async fn a_tier_that_is_not_sold_is_not_claimed() {
    let stack = Stack::start().await;
    let (product, free, _) = shop(&stack, &json!({})).await;
    let (ada, _) = ada(&stack).await;
    for (list, resource) in [("pricing-tiers", &free), ("products", &product)] {
        stack.operator.replace(list, resource, &json!({ "is_active": false })).await.expect_status(200);
        ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "tier_not_claimable");
        stack.operator.replace(list, resource, &json!({})).await.expect_status(200);
    }
    ada.post("user/claim-license", claim(&free)).await.expect_status(201);
}

#[tokio::test]
async fn where_several_keys_are_allowed_any_of_them_stands_in_a_claims_way() {
    let stack = Stack::start().await;
    let (_, free, paid) = shop(&stack, &json!({ "one_key_per_customer": false })).await;
    let (ada, customer) = ada(&stack).await;
    let older = stack.operator.issue(&customer, &paid, &json!({})).await;
    let newer = stack.operator.issue(&customer, &paid, &json!({})).await;
    let path = |issued: &Value| format!("license-keys/{}", text(&issued["license"]["id"]));
    stack.operator.post(&format!("{}/revoke", path(&newer)), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(409, "already_licensed");
    stack.operator.post(&format!("{}/suspend", path(&older)), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(409, "already_licensed");
    stack.operator.post(&format!("{}/reinstate", path(&older)), json!({})).await.expect_status(200);
    assert_eq!(stack.operator.get(&path(&older)).await.expect_status(200)["status"], "active");

    stack.advance(400 * 86_400);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    assert_eq!(
        stack.operator.get(&path(&older)).await.expect_status(200)["status"],
        "expired",
        "nothing is superseded here"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_at_once_give_one_key() {
    let stack = Stack::start().await;
    for several in [false, true] {
        let (product, free, _) = shop(&stack, &json!({ "one_key_per_customer": !several })).await;
        let ada = stack.sign_in("ada@example.com", SCOPE).await;
        ada.post("register", json!({})).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (ada, body) = (ada.clone(), claim(&free));
            tasks.spawn(async move { ada.post("user/claim-license", body).await });
        }
        one_key(&stack, &product, tasks.join_all().await).await;
    }
}

#[tokio::test]
async fn a_claim_that_another_overtakes_gives_the_others_key() {
    let stack = Stack::start().await;
    let (ada, _) = ada(&stack).await;
    // Just before it looks for a key that stands in its way, and just before it writes.
    for (operation, about) in [("GetItem", "CURRENT#"), ("Query", "CUSTOMER#"), ("TransactWriteItems", "CLAIM#")] {
        let (product, free, _) = shop(&stack, &json!({})).await;
        let gate = Gate::default();
        stack.faults.add(Rule::new(operation, Fault::HoldRequest(gate.clone())).containing(about));
        let late = ada.post("user/claim-license", claim(&free));
        let early = async {
            gate.wait_for_request().await;
            let early = ada.post("user/claim-license", claim(&free)).await;
            gate.open();
            early
        };
        let (late, early) = tokio::join!(late, early);
        assert_eq!((late.status, early.status), (200, 201), "{operation}: {}", late.text);
        one_key(&stack, &product, vec![late, early]).await;
    }
}

/// Checks that all claims got the same key, one of them as the first, and that there is no other of the product.
async fn one_key(stack: &Stack, product: &Value, claims: Vec<TestResponse>) {
    let new = claims.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(new, 1, "{claims:#?}");
    let key = claims[0].body["license_key"].clone();
    for answer in claims {
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
        assert_eq!(answer.body["license_key"], key);
    }
    let list =
        stack.operator.get(&format!("license-keys?product_id={}", text(&product["id"]))).await.expect_status(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
}

#[tokio::test]
async fn an_expired_key_that_is_renewed_while_it_is_replaced_stays() {
    let stack = Stack::start().await;
    let (_, free, paid) = shop(&stack, &json!({})).await;
    let (_, customer) = ada(&stack).await;
    let issued = stack.operator.issue(&customer, &paid, &json!({})).await;
    let path = format!("license-keys/{}", text(&issued["license"]["id"]));
    stack.advance(400 * 86_400);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).containing("CLAIM#"));
    let renew = async {
        gate.wait_for_request().await;
        stack.operator.post(&format!("{path}/renew"), json!({})).await.expect_status(200);
        gate.open();
    };
    let (answer, ()) = tokio::join!(ada.post("user/claim-license", claim(&free)), renew);
    answer.expect_problem(409, "already_licensed");
    assert_eq!(stack.operator.get(&path).await.expect_status(200)["status"], "active");
}

#[tokio::test]
async fn a_customer_sees_and_frees_what_is_their_own_and_nothing_else() {
    let stack = Stack::start().await;
    let (_, free, _) = shop(&stack, &json!({})).await;
    let (ada, _) = ada(&stack).await;
    let bob = stack.sign_in("bob@example.com", SCOPE).await;
    bob.post("register", json!({ "name": "Bob" })).await.expect_status(201);
    let stranger = stack.sign_in("eve@example.com", SCOPE).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    let activated = stack.anonymous.activate(text(&claimed["license_key"]), "laptop").await.expect_status(201);

    let own = ada.get("user/licenses").await.expect_status(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    assert_eq!(own["items"][0]["license"]["seats_used"], Value::Null, "seats are counted for operators");
    assert_eq!(own["items"][0]["license"]["id"], claimed["license"]["id"]);
    assert_eq!(own["items"][0]["activations"], json!([activated["activation"]]));
    assert!(own.get("license_key").is_none());
    for other in [&bob, &stranger] {
        assert_eq!(other.get("user/licenses").await.expect_status(200)["items"], json!([]));
    }

    let license = text(&claimed["license"]["id"]);
    let id = text(&activated["activation"]["id"]);
    let missing = format!("{}{}", &id[..id.len() - 1], if id.ends_with('0') { '1' } else { '0' });
    let none = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB";
    assert_eq!(
        ada.get(&format!("license-activations?license_id={license}")).await.expect_status(200)["items"][0]["id"],
        id
    );
    assert_eq!(ada.get(&format!("license-activations/{id}")).await.expect_status(200)["id"], id);
    for other in [&bob, &stranger] {
        same(&[
            other.get(&format!("license-activations?license_id={license}")).await,
            other.get(&format!("license-activations?license_id={none}")).await,
        ]);
        same(&[
            other.get(&format!("license-activations/{id}")).await,
            other.get(&format!("license-activations/{missing}")).await,
            ada.get(&format!("license-activations/{missing}")).await,
        ]);
        same(&[
            other.post(&format!("license-activations/{id}/deactivate"), json!({})).await,
            other.post(&format!("license-activations/{missing}/deactivate"), json!({})).await,
            ada.post(&format!("license-activations/{missing}/deactivate"), json!({})).await,
        ]);
    }
    assert_eq!(ada.get(&format!("license-activations/{id}")).await.expect_status(200)["status"], "active");
    let path = format!("license-activations/{id}/deactivate");
    let ended = ada.post(&path, json!({})).await.expect_status(200);
    assert_eq!(ended["status"], "deactivated");
    assert_eq!(ada.post(&path, json!({})).await.expect_status(200), ended);
    assert_eq!(ada.get("user/licenses").await.expect_status(200)["items"][0]["activations"], json!([]));
    assert_eq!(
        ada.get(&format!("license-activations?license_id={license}")).await.expect_status(200)["items"],
        json!([])
    );
}

/// "Not yours" and "not there" are one answer, byte for byte, but for the name by which the log knows the request.
#[track_caller]
fn same(answers: &[TestResponse]) {
    let untraced = |answer: &TestResponse| {
        let trace = text(&answer.expect_problem(404, "not_found")["trace_id"]).to_owned();
        let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
        let headers = headers.map(|(name, value)| format!("{name}: {value:?}").replace(&trace, "…"));
        (headers.collect::<Vec<_>>(), answer.text.replace(&trace, "…"))
    };
    let first = untraced(&answers[0]);
    assert!(answers.iter().all(|answer| untraced(answer) == first), "{answers:#?}");
}
