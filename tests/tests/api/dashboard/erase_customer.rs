//! The page that erases a customer.

use signet_tests::{Browser, Stack, json, text};

#[tokio::test]
async fn a_customer_is_erased_after_a_confirmation() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let (mut operator, name) = (Browser::operator(&stack).await, text(&license.customer["name"]).to_owned());
    let path = format!("/dashboard/customers/{}", text(&license.customer["id"]));
    let erase = format!("{path}/erase");
    assert!(operator.get(&path).await.expect_status(200).contains(&erase));
    let page = operator.get(&erase).await;
    let shown = page.expect_status(200);
    assert!(shown.contains(&name) && shown.contains("1 license") && shown.contains("can't be undone"), "{shown}");
    let rejected = operator.submit_form(&erase, &[]).await;
    assert!(rejected.expect_status(409).contains("Revoke them first"), "{}", rejected.expect_status(409));

    let done = operator.submit_form(&erase, &[("revoke", "on")]).await.redirect();
    let page = operator.get(&done).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("Customer erased.") && shown.contains("Erased customer"), "{shown}");
    assert!(!shown.contains(&name) && !shown.contains(&erase) && !shown.contains("Issue license"), "{shown}");
    let license = operator.get(&format!("/dashboard/license-keys/{}", license.license_id)).await;
    let shown = license.expect_status(200);
    assert!(shown.contains("Erased customer") && shown.contains("Revoked"), "{shown}");
    assert!(!operator.get("/dashboard/customers").await.expect_status(200).contains(&name));
}

#[tokio::test]
async fn a_license_without_a_customer_is_shown() {
    let stack = Stack::start().await;
    let tier = stack.operator.issue_new_license(2).await.tier;
    let batch = json!({ "tier_id": tier["id"], "count": 1, "tag": "reseller" });
    let batch = stack.operator.post("license-keys/batch", batch).await.expect_status(201);
    let mut operator = Browser::operator(&stack).await;
    let path = format!("/dashboard/license-keys/{}", text(&batch["items"][0]["license"]["id"]));
    let page = operator.get(&path).await;
    assert!(page.expect_status(200).contains("–"), "{}", page.expect_status(200));
    let hint = text(&batch["items"][0]["license"]["key_hint"]);
    assert!(operator.get("/dashboard/license-keys").await.expect_status(200).contains(hint));
}
