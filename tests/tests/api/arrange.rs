//! Lists that operators put in order by hand.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use catalog::arrange::{Move, arrange};
use signet_tests::{Fault, Rule, Stack, Value, json, text};

async fn names(stack: &Stack, list: &str) -> Vec<String> {
    let body = stack.operator.get(list).await.body;
    body["items"].as_array().unwrap().iter().map(|item| text(&item["name"]).to_owned()).collect()
}

async fn tiers(stack: &Stack, count: usize) -> Vec<Value> {
    let product = stack.operator.create_product_with(&json!({})).await;
    let mut made = Vec::new();
    for number in 0..count {
        // Where numbers are the same, what was made first comes first.
        stack.advance(1);
        let name = char::from(b'a' + u8::try_from(number).unwrap()).to_string();
        made.push(stack.operator.create_tier(&product, &json!({ "name": name })).await);
    }
    made
}

async fn put(stack: &Stack, tier: &Value, before: Option<&Value>) -> Result<Vec<String>, shared::http::Problem> {
    let id = |value: &Value| text(&value["id"]).parse().unwrap();
    let app = &stack.local.app;
    arrange(&app.table, &app.catalog, stack.clock.now(), Move::Tier(id(tier), before.map(id))).await
}

#[tokio::test]
async fn one_is_put_before_another_and_stays_there() {
    let stack = Stack::start().await;
    let made = tiers(&stack, 4).await;
    assert_eq!(names(&stack, "pricing-tiers").await, ["a", "b", "c", "d"]);
    for (from, before, order) in [
        (3, Some(0), ["d", "a", "b", "c"]),
        (3, None, ["a", "b", "c", "d"]),
        (1, Some(3), ["a", "c", "b", "d"]),
        (0, Some(1), ["c", "a", "b", "d"]),
    ] {
        let told = put(&stack, &made[from], before.map(|at: usize| &made[at])).await.unwrap();
        assert_eq!(names(&stack, "pricing-tiers").await, order);
        assert_eq!(told.len(), 4);
    }
    // Where it stands already, nothing is written.
    let before = stack.snapshot_items().await;
    put(&stack, &made[0], Some(&made[1])).await.unwrap();
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test]
async fn where_numbers_end_the_one_that_is_in_the_way_gives_way_and_no_other() {
    let stack = Stack::start().await;
    let made = tiers(&stack, 4).await;
    stack.operator.replace("pricing-tiers", &made[3], &json!({ "sort_order": i32::MAX })).await.expect_status(200);
    let changed = async || -> Vec<Value> {
        let body = stack.operator.get("pricing-tiers").await.body;
        body["items"].as_array().unwrap().iter().map(|tier| tier["updated_at"].clone()).collect()
    };
    let before = changed().await;
    stack.advance(60);
    put(&stack, &made[0], None).await.unwrap();
    assert_eq!(names(&stack, "pricing-tiers").await, ["b", "c", "d", "a"]);
    assert_eq!(changed().await[..2], before[1..3], "b and c are as they were");
}

#[tokio::test]
async fn a_place_in_another_list_is_none() {
    let stack = Stack::start().await;
    let (own, other) = (tiers(&stack, 2).await, tiers(&stack, 1).await);
    let refused = put(&stack, &own[0], Some(&other[0])).await.unwrap_err();
    assert_eq!(refused.code, shared::domain::Code::NotFound);
}

#[tokio::test]
async fn two_moves_at_once_both_hold() {
    let stack = Stack::start().await;
    let made = tiers(&stack, 5).await;
    let (one, other) = tokio::join!(put(&stack, &made[4], Some(&made[0])), put(&stack, &made[1], None));
    one.unwrap();
    other.unwrap();
    assert_eq!(names(&stack, "pricing-tiers").await, ["e", "a", "c", "d", "b"]);
}

#[tokio::test]
async fn a_long_list_is_moved_in_parts_each_of_which_leaves_the_others_in_their_order() {
    let stack = Stack::start_without_rate_limits().await;
    let product = stack.operator.create_product_with(&json!({})).await;
    let mut made = Vec::new();
    for number in 0..230 {
        stack.advance(1);
        let feature =
            json!({ "product_id": product["id"], "key": format!("f{number}"), "name": format!("{number:03}") });
        made.push(stack.operator.post("product-features", feature).await.expect_status(201));
    }
    let id = |at: usize| text(&made[at]["id"]).parse().unwrap();
    let app = &stack.local.app;
    let (table, copy, now) = (&app.table, &app.catalog, stack.clock.now());
    let shown = async || -> Vec<String> { names(&stack, "product-features?limit=100").await };
    // The second of its writes fails: the first has been made.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::Respond(400, "AccessDeniedException")).nth(2));
    let moved = Move::Feature(id(229), Some(id(115)));
    assert!(arrange(table, copy, now, moved).await.is_err());
    stack.faults.clear();
    let first: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    assert_eq!(shown().await, first);
    let order = arrange(table, copy, now, moved).await.unwrap();
    let wanted: Vec<usize> = (0..115).chain([229]).chain(115..229).collect();
    let wanted: Vec<&str> = wanted.into_iter().map(|at| text(&made[at]["id"])).collect();
    assert_eq!(order, wanted);
}
