//! Manual ordering of catalog lists.

use catalog::{
    errors::CatalogError,
    reorder::{Move, reorder},
};
use shared::domain::EventSource;
use signet_tests::{Fault, Rule, Stack, Value, json, text};

async fn names(stack: &Stack, list: &str) -> Vec<String> {
    let body = stack.operator.get(list).await.body;
    body["items"].as_array().unwrap().iter().map(|item| text(&item["name"]).to_owned()).collect()
}

async fn tiers(stack: &Stack, count: usize) -> Vec<Value> {
    let product = stack.operator.create_product_with(&json!({})).await;
    let mut created = Vec::new();
    for number in 0..count {
        // Items with the same sort order are listed by creation time.
        stack.advance(1);
        let name = char::from(b'a' + u8::try_from(number).unwrap()).to_string();
        created.push(stack.operator.create_tier(&product, &json!({ "name": name })).await);
    }
    created
}

fn source(stack: &Stack) -> EventSource {
    EventSource::system("test", stack.clock.now())
}

async fn move_tier(stack: &Stack, tier: &Value, before: Option<&Value>) -> Result<Vec<String>, CatalogError> {
    let id = |value: &Value| text(&value["id"]).parse().unwrap();
    let app = &stack.local.app;
    reorder(&app.table, &app.catalog, &source(stack), Move::Tier(id(tier), before.map(id))).await
}

#[tokio::test]
async fn reorder_moves_a_tier_before_another() {
    let stack = Stack::start().await;
    let created = tiers(&stack, 4).await;
    assert_eq!(names(&stack, "pricing-tiers").await, ["a", "b", "c", "d"]);
    for (from, before, order) in [
        (3, Some(0), ["d", "a", "b", "c"]),
        (3, None, ["a", "b", "c", "d"]),
        (1, Some(3), ["a", "c", "b", "d"]),
        (0, Some(1), ["c", "a", "b", "d"]),
    ] {
        let order_of_ids = move_tier(&stack, &created[from], before.map(|at: usize| &created[at])).await.unwrap();
        assert_eq!(names(&stack, "pricing-tiers").await, order);
        assert_eq!(order_of_ids.len(), 4);
    }
    // A move to the present position writes nothing.
    let before = stack.snapshot_items().await;
    move_tier(&stack, &created[0], Some(&created[1])).await.unwrap();
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test]
async fn reorder_at_the_largest_sort_order_changes_only_the_last_tier() {
    let stack = Stack::start().await;
    let created = tiers(&stack, 4).await;
    stack.operator.replace("pricing-tiers", &created[3], &json!({ "sort_order": i32::MAX })).await.expect_status(200);
    let updated_at = async || -> Vec<Value> {
        let body = stack.operator.get("pricing-tiers").await.body;
        body["items"].as_array().unwrap().iter().map(|tier| tier["updated_at"].clone()).collect()
    };
    let before = updated_at().await;
    stack.advance(60);
    move_tier(&stack, &created[0], None).await.unwrap();
    assert_eq!(names(&stack, "pricing-tiers").await, ["b", "c", "d", "a"]);
    assert_eq!(updated_at().await[..2], before[1..3], "b and c are unchanged");
}

#[tokio::test]
async fn reorder_returns_not_found_for_a_tier_of_another_product() {
    let stack = Stack::start().await;
    let (own, other) = (tiers(&stack, 2).await, tiers(&stack, 1).await);
    let refused = move_tier(&stack, &own[0], Some(&other[0])).await.unwrap_err();
    assert!(matches!(refused, CatalogError::NotFound));
}

#[tokio::test]
async fn concurrent_moves_both_take_effect() {
    let stack = Stack::start().await;
    let created = tiers(&stack, 5).await;
    let (one, other) =
        tokio::join!(move_tier(&stack, &created[4], Some(&created[0])), move_tier(&stack, &created[1], None));
    one.unwrap();
    other.unwrap();
    assert_eq!(names(&stack, "pricing-tiers").await, ["e", "a", "c", "d", "b"]);
}

#[tokio::test]
async fn reorder_of_a_long_list_keeps_the_order_when_a_write_fails() {
    let stack = Stack::start_without_rate_limits().await;
    let product = stack.operator.create_product_with(&json!({})).await;
    let mut created = Vec::new();
    for number in 0..230 {
        stack.advance(1);
        let feature =
            json!({ "product_id": product["id"], "key": format!("f{number}"), "name": format!("{number:03}") });
        created.push(stack.operator.post("product-features", feature).await.expect_status(201));
    }
    let id = |at: usize| text(&created[at]["id"]).parse().unwrap();
    let app = &stack.local.app;
    let (table, copy, source) = (&app.table, &app.catalog, &source(&stack));
    let first_page = async || -> Vec<String> { names(&stack, "product-features?limit=100").await };
    // The second write fails after the first has succeeded.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::Respond(400, "AccessDeniedException")).nth(2));
    let moved = Move::Feature(id(229), Some(id(115)));
    assert!(reorder(table, copy, source, moved).await.is_err());
    stack.faults.clear();
    let first: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    assert_eq!(first_page().await, first);
    let order = reorder(table, copy, source, moved).await.unwrap();
    let expected: Vec<usize> = (0..115).chain([229]).chain(115..229).collect();
    let expected: Vec<&str> = expected.into_iter().map(|at| text(&created[at]["id"])).collect();
    assert_eq!(order, expected);
}
