//! The items of imported resources, besides those of other customers and license keys.

use signet_tests::{Value, json, text};

use super::{Shop, activation, customer, license};

/// Returns the only item whose key starts with these texts, without its key.
fn item(items: &[Value], pk: &str, sk: &str) -> Value {
    let starts_with = |item: &Value, name: &str, start: &str| text(&item[name]["S"]).starts_with(start);
    let found: Vec<&Value> =
        items.iter().filter(|item| starts_with(item, "PK", pk) && starts_with(item, "SK", sk)).collect();
    let [item] = found[..] else { panic!("{pk} {sk}: {found:?}") };
    let mut item = item.clone();
    item.as_object_mut().unwrap().retain(|name, _| name != "PK" && name != "SK");
    item
}

#[tokio::test]
async fn records_of_an_import_have_the_expected_attributes() {
    let shop = Shop::start().await;
    let key = json!({"license_key_sha256": "ab".repeat(32)});
    shop.import_new(vec![customer("c"), license("a", "c", &key), activation("a", "m")]).await;
    let items = shop.stack.items().await;
    // Written by this version: a later one must recognize the lines.
    let customer_hash = "ztnn7IDkWn3cTHryMoAVnGHw3jgbP5A5KiuR5vXpib0=";
    let license_hash = "S7BgLywD04+Ug6uNv3mKsxh5E67TZnEwsI0jkcL5+tA=";
    let expected = json!({
        "customer_id": {"S": shop.customer("c").await["id"]}, "import_sha256": {"B": customer_hash},
    });
    assert_eq!(item(&items, "CUSTOMER_EXTERNAL_ID#", "CUSTOMER_EXTERNAL_ID#"), expected);
    let expected = json!({"license_id": {"S": shop.license("a").await["id"]}, "import_sha256": {"B": license_hash}});
    assert_eq!(item(&items, "LICENSE_EXTERNAL_ID#", "LICENSE_EXTERNAL_ID#"), expected);
    assert_eq!(item(&items, "LICENSE#", "IMPORTED#"), json!({}));
    assert_eq!(item(&items, "LICENSE#", "SEALED"), json!({}), "only the hash of the key string is known");
    assert_eq!(item(&items, &format!("KEY#{}", "ab".repeat(32)), "KEY")["generation"], json!({"N": "1"}));
}
