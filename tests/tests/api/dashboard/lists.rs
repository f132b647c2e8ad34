//! Filtered lists.

use signet_tests::{Browser, Stack, Value, json, merged, text};

/// More licenses than a page of a filtered list reads.
const COUNT: usize = 2100;

/// Adds copies of a license to the table. They are newer, and never expire.
async fn add_newer_copies(stack: &Stack, license_id: &str) {
    let items = stack.items().await;
    let is_license = |item: &&Value| item["PK"]["S"] == format!("LICENSE#{license_id}") && item["SK"]["S"] == "LICENSE";
    let item = items.iter().find(is_license).unwrap();
    let newer = |name: &str| json!({ "S": text(&item[name]["S"]).replace("2026-01-15", "2026-01-16") });
    let numbers: Vec<usize> = (0..COUNT).collect();
    for numbers in numbers.chunks(25) {
        let puts = numbers.iter().map(|number| {
            let id = format!("lic_{number:026}");
            let own = json!({
                "PK": {"S": format!("LICENSE#{id}")}, "id": {"S": id}, "GSI2SK": newer("GSI2SK"), "GSI3SK": newer("GSI3SK"),
            });
            json!({"PutRequest": {"Item": merged(item.clone(), &own)}})
        });
        let requests = json!({stack.local.table.clone(): puts.collect::<Vec<_>>()});
        stack.call_dynamodb("BatchWriteItem", json!({"RequestItems": requests})).await;
    }
}

/// The path of the first link of this relation.
fn next_link(page: &str) -> String {
    let before = page.split("rel=\"next\"").next().unwrap();
    before.rsplit("href=\"").next().unwrap().split('"').next().unwrap().replace("&amp;", "&")
}

#[tokio::test]
async fn a_filtered_list_never_has_an_empty_page_without_an_explanation() {
    let stack = Stack::start_without_rate_limits().await;
    let setup = stack.operator.issue_new_license(2).await;
    add_newer_copies(&stack, &setup.license_id).await;
    stack.operator.post(&format!("license-keys/{}/revoke", setup.license_id), json!({})).await.expect_status(200);
    let mut grace = Browser::operator(&stack).await;
    let license = format!("/dashboard/license-keys/{}", setup.license_id);

    // A single filter reads its index, also in the link of an order that it does not have.
    for query in ["status=revoked", "status=revoked&order=oldest"] {
        let page = grace.get(&format!("/dashboard/license-keys?{query}")).await;
        let shown = page.expect_status(200);
        assert!(shown.contains(&license) && shown.contains("Sorted by expiry"), "{query}: {shown}");
        assert!(!shown.contains("rel=\"next\""), "{query}: {shown}");
    }

    // A combination can find its first match on a later page, and says so.
    let product = text(&setup.product["id"]);
    let page = grace.get(&format!("/dashboard/license-keys?status=revoked&product_id={product}")).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("No matches so far") && shown.contains("Keep searching"), "{shown}");
    assert!(!shown.contains("<table"), "{shown}");
    let next = grace.get(&next_link(shown)).await;
    assert!(next.expect_status(200).contains(&license), "{}", next.text);

    let none = grace.get("/dashboard/license-keys?status=suspended").await;
    assert!(none.expect_status(200).contains("No matching licenses"), "{}", none.text);
}

#[tokio::test]
async fn invalid_filters_are_explained_once() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    for path in [
        "license-keys?status=odd",
        "license-keys?product_id=x",
        "license-keys?cursor=x",
        "license-keys?limit=0",
        "activity?type=odd",
        "activity?subject_id=x",
        "activity?since=soon",
        "customers?order=odd",
    ] {
        let page = grace.get(&format!("/dashboard/{path}")).await;
        let main = page.expect_status(422).split("<main").nth(1).unwrap();
        assert!(main.contains("Invalid link"), "{path}: {main}");
        let paragraphs: Vec<_> = main.split("<p").skip(1).map(|rest| rest.split("</p>").next().unwrap()).collect();
        let texts: Vec<_> = paragraphs.iter().filter_map(|text| Some(text.rsplit_once(": ")?.1)).collect();
        assert_eq!(texts.len(), 1, "{path}: {main}");
        assert_eq!(main.matches(texts[0]).count(), 1, "{path}: {main}");
    }
}
