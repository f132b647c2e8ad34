use data_encoding::BASE64;
use signet_tests::{Stack, json, text};

use crate::services::TestServices;

async fn rotate(services: &TestServices) {
    let values = json!({"key": BASE64.encode(&rand::random::<[u8; 32]>())}).to_string();
    let put = services.secrets_manager().put_secret_value().secret_id(&services.table).secret_string(values);
    put.send().await.unwrap();
}

/// Returns a cursor of the product list, which needs at least two products.
async fn cursor(stack: &Stack) -> String {
    let page = stack.operator.get("products?limit=1").await.expect_status(200);
    text(&page["next_cursor"]).to_owned()
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn cursors_remain_valid_after_one_rotation_of_the_secret_on_every_instance() {
    let services = TestServices::new();
    let one = services.stack().await;
    one.operator.create_product().await;
    one.operator.create_product().await;
    let follow = async |stack: &Stack, cursor: &str| stack.operator.get(&format!("products?cursor={cursor}")).await;
    let old = cursor(&one).await;

    rotate(&services).await;
    let two = services.stack().await;
    let new = cursor(&two).await;
    assert_ne!(old, new);
    follow(&two, &old).await.expect_status(200);
    // The first instance has cached the secret. An unknown cursor makes it reload, at most once in five seconds.
    follow(&one, &old).await.expect_status(200);
    one.advance(5);
    follow(&one, &new).await.expect_status(200);
    assert_eq!(cursor(&one).await, new);

    // After another rotation, the oldest cursor is invalid.
    rotate(&services).await;
    one.advance(300);
    let newest = cursor(&one).await;
    assert!(newest != new);
    follow(&one, &new).await.expect_status(200);
    one.advance(5);
    follow(&one, &old).await.expect_errors(422, &["cursor cursor_invalid"]);
}
