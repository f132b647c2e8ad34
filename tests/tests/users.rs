//! What a signed-in customer does alone: register, claim a license key, look after machines. Nobody gets at what is
//! someone else's, gets round an operator, or gets more by asking twice.

use std::sync::Arc;

use signet_tests::{Client, Stack, Value, json, text};

const SCOPE: &str = "openid email profile";

/// Ada, signed in and registered, and her customer.
async fn ada(stack: &Stack) -> (Client, Value) {
    let ada = stack.signed_in("ada@example.com", SCOPE).await;
    let customer = ada.post("register", json!({ "name": "Ada Lovelace" })).await.expect(201);
    (ada, customer)
}

/// A product with a tier that may be claimed, and one that is sold.
async fn shop(stack: &Stack, product: &Value) -> (Value, Value, Value) {
    let product = stack.operator.product_with(product).await;
    let tier = |fields: Value| {
        let (operator, product) = (stack.operator.clone(), product.clone());
        async move { operator.tier_with(&product, &fields).await }
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
    let ada = stack.signed_in("ada@example.com", SCOPE).await;
    let made = ada.post("register", json!({ "name": "Ada Lovelace", "company": "Analytical Engines" })).await;
    assert_eq!(made.header("location"), format!("/api/v1.0/customers/{}", text(&made.body["id"])));
    let made = made.expect(201);
    assert_eq!([&made["email"], &made["company"]], ["ada@example.com", "Analytical Engines"]);
    assert!(made["subject"].is_string());
    assert_eq!(ada.post("register", json!({ "name": "Someone Else" })).await.expect(200), made);
    let seen = stack.operator.get(&format!("customers/{}", text(&made["id"]))).await.expect(200);
    assert_eq!(seen, made);
}

#[tokio::test]
async fn register_is_for_people_who_sign_in() {
    let stack = Stack::start().await;
    stack.anonymous.post("register", json!({})).await.problem(401, "unauthenticated");
    stack.operator.post("register", json!({})).await.problem(403, "forbidden");
    let ada = stack.signed_in("ada@example.com", SCOPE).await;
    ada.post("register", json!({ "email": "eve@example.com" })).await.problem(422, "unknown_field");
}

#[tokio::test]
async fn register_links_a_customer_of_the_operators_once_and_only_with_a_verified_address() {
    let stack = Stack::start().await;
    let body = json!({ "name": "Ada Lovelace", "email": "Ada@Example.com" });
    let customer = stack.operator.post("customers", body).await.expect(201);
    let unverified = stack.signed_in("ada@example.com", &format!("{SCOPE} unverified")).await;
    unverified.post("register", json!({ "name": "Ada" })).await.problem(409, "email_taken");
    let ada = stack.signed_in("ada@example.com", SCOPE).await;
    let linked = ada.post("register", json!({ "name": "Ada" })).await.expect(200);
    assert_eq!([&linked["id"], &linked["name"]], [&customer["id"], &json!("Ada Lovelace")]);

    // The customer has a subject now: someone else's address is none of a third one's business.
    let body = json!({ "name": "Ada Lovelace", "email": "grace@example.com" });
    stack.operator.put(&format!("customers/{}", text(&customer["id"])), body).await.expect(200);
    let grace = stack.signed_in("grace@example.com", SCOPE).await;
    grace.post("register", json!({ "name": "Grace" })).await.problem(409, "email_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_at_once_give_one_customer() {
    let stack = Stack::start().await;
    let ada = Arc::new(stack.signed_in("ada@example.com", SCOPE).await);
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
    assert_eq!(stack.operator.get("customers").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn claim_201_then_200_with_the_same_key() {
    let stack = Stack::start().await;
    let (_, free, _) = shop(&stack, &json!({})).await;
    let (ada, customer) = ada(&stack).await;
    let first = ada.post("user/claim-license", claim(&free)).await.expect(201);
    assert_eq!(first["license"]["customer_id"], customer["id"]);
    assert_eq!(first["license"]["max_users"], 2);
    stack.anonymous.activate(text(&first["license_key"]), "one").await.expect(201);
    stack.advance(7200);
    let ada = stack.signed_in("ada@example.com", SCOPE).await;
    let again = ada.post("user/claim-license", claim(&free)).await.expect(200);
    assert_eq!([&again["license_key"], &again["license"]["id"]], [&first["license_key"], &first["license"]["id"]]);
    stack.claims(&again["token"]).await;
}

#[tokio::test]
async fn claim_403_and_409() {
    let stack = Stack::start().await;
    let (product, free, paid) = shop(&stack, &json!({})).await;
    let stranger = stack.signed_in("bob@example.com", SCOPE).await;
    stranger.post("user/claim-license", claim(&free)).await.problem(409, "customer_not_registered");
    stack.operator.post("user/claim-license", claim(&free)).await.problem(403, "forbidden");
    stack.anonymous.post("user/claim-license", claim(&free)).await.problem(401, "unauthenticated");

    let (ada, customer) = ada(&stack).await;
    ada.post("user/claim-license", claim(&paid)).await.problem(403, "tier_not_claimable");
    let unknown = json!({ "tier_id": "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB" });
    ada.post("user/claim-license", unknown).await.problem(403, "tier_not_claimable");

    // A paid key is not replaced, be it active or suspended; nor is one that is not the current one.
    let issued = stack.operator.issue(&customer, &paid, &json!({})).await;
    let path = format!("license-keys/{}", text(&issued["license"]["id"]));
    ada.post("user/claim-license", claim(&free)).await.problem(409, "already_licensed");
    stack.operator.post(&format!("{path}/suspend"), json!({})).await.expect(200);
    ada.post("user/claim-license", claim(&free)).await.problem(409, "already_licensed");
    stack.advance(400 * 86_400);
    let ada = stack.signed_in("ada@example.com", SCOPE).await;
    ada.post("user/claim-license", claim(&free)).await.problem(409, "already_licensed");
    assert_eq!(stack.operator.get(&path).await.expect(200)["status"], "suspended");
    stack.operator.replace("products", &product, &json!({ "is_active": false })).await.expect(200);
    ada.post("user/claim-license", claim(&free)).await.problem(403, "tier_not_claimable");
}

#[tokio::test]
async fn a_claim_takes_the_place_of_an_expired_key() {
    let stack = Stack::start().await;
    let (_, free, paid) = shop(&stack, &json!({})).await;
    let (_, customer) = ada(&stack).await;
    let issued = stack.operator.issue(&customer, &paid, &json!({})).await;
    stack.advance(400 * 86_400);
    let ada = stack.signed_in("ada@example.com", SCOPE).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect(201);
    let path = format!("license-keys/{}", text(&issued["license"]["id"]));
    let old = stack.operator.get(&path).await.expect(200);
    assert_eq!([&old["status"], &old["superseded_by"]], [&json!("superseded"), &claimed["license"]["id"]]);
}

#[tokio::test]
async fn a_claim_is_for_once() {
    let stack = Stack::start().await;
    let (_, free, _) = shop(&stack, &json!({})).await;
    let (ada, _) = ada(&stack).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect(201);
    let path = format!("license-keys/{}", text(&claimed["license"]["id"]));
    stack.operator.post(&format!("{path}/suspend"), json!({})).await.expect(200);
    ada.post("user/claim-license", claim(&free)).await.problem(403, "already_claimed");
    stack.operator.post(&format!("{path}/reinstate"), json!({})).await.expect(200);
    ada.post("user/claim-license", claim(&free)).await.expect(200);
    stack.advance(60 * 86_400);
    let ada = stack.signed_in("ada@example.com", SCOPE).await;
    ada.post("user/claim-license", claim(&free)).await.problem(403, "already_claimed");
    stack.operator.post(&format!("{path}/revoke"), json!({})).await.expect(200);
    ada.post("user/claim-license", claim(&free)).await.problem(403, "already_claimed");
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_at_once_give_one_key() {
    let stack = Stack::start().await;
    let (_, free, _) = shop(&stack, &json!({ "one_key_per_customer": false })).await;
    let (ada, customer) = ada(&stack).await;
    let ada = Arc::new(ada);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (ada, body) = (Arc::clone(&ada), claim(&free));
            tokio::spawn(async move { ada.post("user/claim-license", body).await })
        })
        .collect();
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(matches!(answer.status, 200 | 201 | 409), "{}", answer.text);
    }
    let list = stack.operator.get(&format!("license-keys?customer_id={}", text(&customer["id"]))).await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_customer_sees_and_frees_what_is_their_own_and_nothing_else() {
    let stack = Stack::start().await;
    let (_, free, _) = shop(&stack, &json!({})).await;
    let (ada, _) = ada(&stack).await;
    let bob = stack.signed_in("bob@example.com", SCOPE).await;
    bob.post("register", json!({ "name": "Bob" })).await.expect(201);
    let stranger = stack.signed_in("eve@example.com", SCOPE).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect(201);
    let activated = stack.anonymous.activate(text(&claimed["license_key"]), "laptop").await.expect(201);

    let own = ada.get("user/licenses").await.expect(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    assert_eq!(own["items"][0]["license"]["id"], claimed["license"]["id"]);
    assert_eq!(own["items"][0]["activations"], json!([activated["activation"]]));
    assert!(own.get("license_key").is_none());
    for other in [&bob, &stranger] {
        assert_eq!(other.get("user/licenses").await.expect(200)["items"], json!([]));
    }

    let license = text(&claimed["license"]["id"]);
    let id = text(&activated["activation"]["id"]);
    let missing = format!("{}{}", &id[..id.len() - 1], if id.ends_with('0') { '1' } else { '0' });
    let none = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB";
    assert_eq!(ada.get(&format!("license-activations?license_id={license}")).await.expect(200)["items"][0]["id"], id);
    assert_eq!(ada.get(&format!("license-activations/{id}")).await.expect(200)["id"], id);
    for other in [&bob, &stranger] {
        same(&[
            other.get(&format!("license-activations?license_id={license}")).await.body,
            other.get(&format!("license-activations?license_id={none}")).await.body,
        ]);
        same(&[
            other.get(&format!("license-activations/{id}")).await.body,
            other.get(&format!("license-activations/{missing}")).await.body,
            ada.get(&format!("license-activations/{missing}")).await.body,
        ]);
        same(&[
            other.post(&format!("license-activations/{id}/deactivate"), json!({})).await.body,
            other.post(&format!("license-activations/{missing}/deactivate"), json!({})).await.body,
        ]);
    }
    let path = format!("license-activations/{id}/deactivate");
    let ended = ada.post(&path, json!({})).await.expect(200);
    assert_eq!(ended["status"], "deactivated");
    assert_eq!(ada.post(&path, json!({})).await.expect(200), ended);
}

/// "Not yours" and "not there" are one answer, but for the name by which the log knows the request.
#[track_caller]
fn same(problems: &[Value]) {
    let mut problems = problems.to_vec();
    for problem in &mut problems {
        assert_eq!(problem["code"], "not_found", "{problem}");
        problem["trace_id"] = Value::Null;
    }
    assert!(problems.windows(2).all(|pair| pair[0] == pair[1]), "{problems:?}");
}
