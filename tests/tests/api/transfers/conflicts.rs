//! Imports that meet concurrent changes.

use signet_tests::{check_each, json, merged, text};

use super::{Shop, counts, customer, errors, import_text, license, to_lines};

#[tokio::test]
async fn a_license_key_issued_during_an_import_is_not_lost_as_the_current_one() {
    let shop = Shop::start().await;
    shop.import_new(vec![customer("c")]).await;
    let owner = shop.customer("c").await;
    let (operator, lines) = (shop.operator().clone(), to_lines(&[license("a", "c", &json!({}))]));
    let import = async move { import_text(&operator, &lines).await };
    let issue = async { drop(shop.operator().issue(&owner, &shop.tier, &json!({})).await) };
    let result = shop.stack.faults.interleave(("TransactWriteItems", "LICENSE_EXTERNAL_ID#"), import, issue).await;
    assert_eq!(counts(&result), [1, 0, 0]);
    // The next license key supersedes the imported one, which became the current one after the issued one.
    shop.stack.advance(1);
    let next = shop.operator().issue(&owner, &shop.tier, &json!({})).await;
    assert_eq!(shop.license("a").await["superseded_by"], next["license"]["id"]);
}

#[tokio::test]
async fn an_external_id_that_is_taken_during_an_import_is_reported() {
    let shop = Shop::start().await;
    let (operator, lines) = (shop.operator().clone(), to_lines(&[customer("c")]));
    let import = async move { import_text(&operator, &lines).await };
    let create = async {
        let body = json!({"name": "Bob", "email": "bob@example.com", "external_id": "c"});
        shop.operator().post("customers", body).await.expect_status(201);
    };
    let result = shop.stack.faults.interleave(("TransactWriteItems", "CUSTOMER_EXTERNAL_ID#"), import, create).await;
    assert_eq!(errors(&result), ["1 /external_id external_id_taken"]);
}

#[tokio::test]
async fn an_external_id_is_no_longer_imported_when_it_moves_to_another_resource() {
    let shop = Shop::start().await;
    shop.import_new(vec![customer("c")]).await;
    let path = format!("customers/{}", text(&shop.customer("c").await["id"]));
    shop.operator().patch(&path, json!({"external_id": "d"})).await.expect_status(200);
    let result = shop.import(&[customer("c"), merged(customer("d"), &json!({"email": "d@example.com"}))]).await;
    assert_eq!(errors(&result), ["1 /email email_taken", "2 /external_id external_id_taken"]);
}

#[tokio::test]
async fn a_license_key_is_not_imported_for_a_customer_that_is_erased_at_the_same_moment() {
    check_each(["active", "revoked"], async |status| {
        let shop = Shop::start().await;
        shop.import_new(vec![customer("c")]).await;
        let path = format!("customers/{}", text(&shop.customer("c").await["id"]));
        let line = license("a", "c", &json!({"status": status}));
        let (operator, lines) = (shop.operator().clone(), to_lines(&[line]));
        let import = async move { import_text(&operator, &lines).await };
        let erase = async { drop(shop.operator().delete(&path).await.expect_status(204)) };
        let result = shop.stack.faults.interleave(("TransactWriteItems", "LICENSE_EXTERNAL_ID#"), import, erase).await;
        assert_eq!(errors(&result), ["1 /customer_external_id reference_not_found"], "{status}");
    })
    .await;
}

#[tokio::test]
async fn an_erased_customer_is_not_exported_and_its_line_can_be_imported_again() {
    let shop = Shop::start().await;
    shop.import_new(vec![customer("c"), license("a", "c", &json!({}))]).await;
    let path = format!("customers/{}?revoke=true", text(&shop.customer("c").await["id"]));
    shop.operator().delete(&path).await.expect_status(204);
    let customers = shop.operator().get("exports?type=customers").await;
    assert_eq!((customers.status, &*customers.text), (200, ""));
    let licenses = shop.operator().get("exports?type=licenses").await.text;
    assert!(licenses.contains("revoked") && !licenses.contains("customer_external_id"), "{licenses}");
    assert_eq!(counts(&shop.import(&[customer("c")]).await), [1, 0, 0]);
}
