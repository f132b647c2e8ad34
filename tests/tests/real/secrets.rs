use data_encoding::BASE64;
use signet_tests::{Stack, json, text};

use crate::parts::Parts;

async fn rotate(parts: &Parts) {
    let values = json!({"key": BASE64.encode(&rand::random::<[u8; 32]>())}).to_string();
    let put = parts.secrets_manager().put_secret_value().secret_id(&parts.table).secret_string(values);
    put.send().await.unwrap();
}

/// A cursor of the list of products, in which there are two.
async fn cursor(stack: &Stack) -> String {
    let page = stack.operator.get("products?limit=1").await.expect_status(200);
    text(&page["next_cursor"]).to_owned()
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn cursors_outlive_a_rotation_of_their_key_and_no_instance_is_behind() {
    let parts = Parts::new();
    let one = parts.stack().await;
    one.operator.create_product().await;
    one.operator.create_product().await;
    let follow = async |stack: &Stack, cursor: &str| stack.operator.get(&format!("products?cursor={cursor}")).await;
    let old = cursor(&one).await;

    rotate(&parts).await;
    let two = parts.stack().await;
    let new = cursor(&two).await;
    assert_ne!(old, new);
    follow(&two, &old).await.expect_status(200);
    // The first has a copy that is not old enough to be read again, but is shown what it does not know.
    follow(&one, &old).await.expect_status(200);
    one.advance(5);
    follow(&one, &new).await.expect_status(200);
    assert_eq!(cursor(&one).await, new);

    // After another rotation, the oldest is at its end.
    rotate(&parts).await;
    one.advance(300);
    let newest = cursor(&one).await;
    assert!(newest != new);
    follow(&one, &new).await.expect_status(200);
    one.advance(5);
    follow(&one, &old).await.expect_errors(422, &["cursor cursor_invalid"]);
}
