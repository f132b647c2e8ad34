//! What a signed-in customer can read.

use signet_tests::{Stack, TestResponse, Value, json, text};

use super::{SCOPE, claim, create_tiers, register_ada};

#[tokio::test]
async fn a_customer_can_access_only_their_own_licenses_and_activations() {
    let stack = Stack::start().await;
    let (_, free, _) = create_tiers(&stack, &json!({})).await;
    let (ada, _) = register_ada(&stack).await;
    let bob = stack.sign_in("bob@example.com", SCOPE).await;
    bob.post("register", json!({ "name": "Bob" })).await.expect_status(201);
    let stranger = stack.sign_in("eve@example.com", SCOPE).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    let activated = stack.anonymous.activate(text(&claimed["license_key"]), "laptop").await.expect_status(201);

    let own = ada.get("user/licenses").await.expect_status(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    assert_eq!(own["items"][0]["license"]["seats_used"], Value::Null, "seats are counted only for operators");
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
        assert_identical(&[
            other.get(&format!("license-activations?license_id={license}")).await,
            other.get(&format!("license-activations?license_id={none}")).await,
        ]);
        assert_identical(&[
            other.get(&format!("license-activations/{id}")).await,
            other.get(&format!("license-activations/{missing}")).await,
            ada.get(&format!("license-activations/{missing}")).await,
        ]);
        assert_identical(&[
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

/// Asserts that all responses are 404 and identical except for the trace id, so that resources of others are
/// indistinguishable from missing ones.
#[track_caller]
fn assert_identical(responses: &[TestResponse]) {
    let without_trace_id = |response: &TestResponse| {
        let trace = text(&response.expect_problem(404, "not_found")["trace_id"]).to_owned();
        let headers = response.headers.iter().filter(|(name, _)| *name != "date");
        let headers = headers.map(|(name, value)| format!("{name}: {value:?}").replace(&trace, "…"));
        (headers.collect::<Vec<_>>(), response.text.replace(&trace, "…"))
    };
    let first = without_trace_id(&responses[0]);
    assert!(responses.iter().all(|response| without_trace_id(response) == first), "{responses:#?}");
}
