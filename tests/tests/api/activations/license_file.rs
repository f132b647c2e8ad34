//! License files for machines that never reach the API.

use signet_tests::{IssuedLicense, START, Stack, TestResponse, Value, VerifiedToken, json, merged, text};

use super::seats_used;

const DAY: i64 = 86_400;

fn at(seconds: i64) -> String {
    (START + jiff::SignedDuration::from_secs(seconds)).to_string()
}

async fn issue(stack: &Stack) -> IssuedLicense {
    let tier = json!({"max_users": 1, "max_borrow_seconds": 30 * DAY, "offline_grace_seconds": 3 * DAY});
    stack.operator.issue_new_license_with(&tier).await
}

async fn file(stack: &Stack, license: &IssuedLicense, body: Value) -> TestResponse {
    let path = format!("license-keys/{}/offline-activations", license.license_id);
    stack.operator.post(&path, merged(json!({"machine_id": "press"}), &body)).await
}

#[tokio::test]
async fn a_license_file_has_a_token_and_the_keys_to_verify_it() {
    let stack = Stack::start().await;
    let license = issue(&stack).await;
    let response = file(&stack, &license, json!({"machine_name": "Press 3", "valid_until": at(20 * DAY)})).await;
    let code = text(&license.product["code"]).to_owned();
    assert_eq!(response.header("content-disposition"), format!("attachment; filename=\"{code}.signet-license\""));
    let file_body = response.expect_status(201);
    let expected = json!({"format": "signet-license/1", "issuer": stack.local.base_url, "product": code,
        "token": file_body["token"], "signed_jwks": file_body["signed_jwks"]});
    assert_eq!(file_body, expected);
    let set = stack.anonymous.get("/.well-known/jwks.jwt").await;
    assert_eq!(text(&file_body["signed_jwks"]), set.text);
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    let claims = VerifiedToken::verify(text(&file_body["token"]), &jwks).unwrap().claims;
    assert_eq!(claims["activation"]["machine_id"], "press");
    assert_eq!(
        [&claims["exp"], &claims["enforcement"]["offline_until"]],
        [START.as_second() + 20 * DAY; 2].map(|time| json!(time)).each_ref()
    );
    let list = stack.operator.get(&format!("license-activations?license_id={}", license.license_id)).await;
    let activation = list.expect_status(200)["items"][0].clone();
    assert_eq!([&activation["machine_name"], &activation["borrowed_until"]], ["Press 3", &*at(20 * DAY)]);

    // The same machine again renews its file.
    stack.advance(DAY);
    let renewed = file(&stack, &license, json!({"valid_until": at(25 * DAY)})).await.expect_status(200);
    assert_eq!(stack.claims(&renewed["token"]).await["exp"], START.as_second() + 25 * DAY);
    let earlier = file(&stack, &license, json!({"valid_until": at(2 * DAY)})).await.expect_status(200);
    assert_eq!(stack.claims(&earlier["token"]).await["exp"], START.as_second() + 25 * DAY);
    file(&stack, &license, json!({"machine_id": "other", "valid_until": at(2 * DAY)}))
        .await
        .expect_problem(409, "seat_limit_reached");
}

#[tokio::test]
async fn a_license_file_ends_before_an_ordinary_token_would() {
    let stack = Stack::start().await;
    let license = issue(&stack).await;
    let short = file(&stack, &license, json!({"valid_until": at(600)})).await.expect_status(201);
    let claims = stack.claims(&short["token"]).await;
    assert_eq!(
        [&claims["exp"], &claims["enforcement"]["offline_until"]],
        [START.as_second() + 600; 2].map(|time| json!(time)).each_ref()
    );
}

#[tokio::test]
async fn only_an_operator_frees_the_seat_of_a_license_file_before_it_ends() {
    let stack = Stack::start().await;
    let license = issue(&stack).await;
    let ada = stack.sign_in("ada@example.com", "openid email profile").await;
    let customer = ada.post("register", json!({"name": "Ada"})).await.expect_status(201);
    let issued = stack.operator.issue(&customer, &license.tier, &json!({})).await;
    let path = format!("license-keys/{}/offline-activations", text(&issued["license"]["id"]));
    let body = json!({"machine_id": "press", "valid_until": at(20 * DAY)});
    let file = ada.post(&path, body.clone()).await.expect_status(201);
    let id = stack.claims(&file["token"]).await["activation"]["id"].clone();
    let deactivate = format!("license-activations/{}/deactivate", text(&id));
    ada.post(&deactivate, json!({})).await.expect_problem(403, "offline_activation");
    let by_app = json!({"token": file["token"]});
    stack.anonymous.post(&deactivate, by_app.clone()).await.expect_problem(403, "offline_activation");
    // Also by an ordinary token of the machine.
    let ordinary = stack.anonymous.activate(text(&issued["license_key"]), "press").await.expect_status(200);
    let by_ordinary = json!({"token": ordinary["token"]});
    stack.anonymous.post(&deactivate, by_ordinary).await.expect_problem(403, "offline_activation");
    stack.operator.post(&deactivate, json!({})).await.expect_status(200);

    let somebody = stack.sign_in("grace@example.com", "openid email profile").await;
    somebody.post("register", json!({"name": "Grace"})).await.expect_status(201);
    somebody.post(&path, body.clone()).await.expect_problem(404, "not_found");
    assert_eq!(
        seats_used(&stack, &IssuedLicense { license_id: text(&issued["license"]["id"]).to_owned(), ..license }).await,
        0
    );

    let again = ada.post(&path, body).await.expect_status(201);
    let id = stack.claims(&again["token"]).await["activation"]["id"].clone();
    stack.advance(20 * DAY);
    let ada = stack.sign_in("ada@example.com", "openid email profile").await;
    ada.post(&format!("license-activations/{}/deactivate", text(&id)), json!({})).await.expect_status(200);
}

#[tokio::test]
async fn a_license_file_that_is_not_allowed_takes_no_seat() {
    let stack = Stack::start().await;
    let license = issue(&stack).await;
    file(&stack, &license, json!({"valid_until": at(30 * DAY + 1)})).await.expect_problem(403, "borrow_not_allowed");
    file(&stack, &license, json!({"valid_until": at(0)})).await.expect_errors(422, &["/valid_until invalid_value"]);
    file(&stack, &license, json!({"valid_until": at(DAY), "machine_id": ""}))
        .await
        .expect_errors(422, &["/machine_id invalid_value"]);
    file(&stack, &license, json!({"valid_until": at(DAY), "public_key": "x"}))
        .await
        .expect_errors(422, &["/public_key public_key_invalid"]);
    file(&stack, &license, json!({})).await.expect_errors(422, &["/valid_until invalid_value"]);
    let floating = stack.operator.issue_new_license_with(&json!({"seat_unit": "process"})).await;
    file(&stack, &floating, json!({"valid_until": at(DAY)})).await.expect_problem(403, "borrow_not_allowed");
    stack.operator.post(&format!("license-keys/{}/suspend", license.license_id), json!({})).await.expect_status(200);
    file(&stack, &license, json!({"valid_until": at(DAY)})).await.expect_problem(403, "suspended");
    assert_eq!(seats_used(&stack, &license).await, 0);
}
