//! Imported key strings of any format.

use std::net::IpAddr;

use data_encoding::HEXLOWER;
use shared::domain::{ForeignKeyString, KeyString};
use signet_tests::{Browser, Stack, json, merged, secret_fragments, text};

use super::{Shop, customer, license};

const FOREIGN: &str = "old_KEY 4711/b";

async fn shop_with_foreign_key() -> Shop {
    let shop = Shop::start().await;
    shop.import_new(vec![customer("c"), license("a", "c", &json!({"license_key": FOREIGN}))]).await;
    shop
}

#[tokio::test]
async fn a_foreign_key_string_activates_and_validates_exactly() {
    let shop = shop_with_foreign_key().await;
    let anonymous = &shop.stack.anonymous;
    let activated = anonymous.activate(&format!("  {FOREIGN}\n"), "m").await.expect_status(201);
    anonymous.heartbeat(text(&activated["token"]), "m").await.expect_status(200);
    let validate = async |key: &str| {
        let body = json!({"license_key": key, "machine_id": "m", "product": "atlas"});
        anonymous.post("license-keys/validate", body).await
    };
    assert_eq!(validate(FOREIGN).await.expect_status(200)["code"], "valid");
    for other in ["OLD_KEY 4711/B", "old_KEY  4711/b", "old_KEY4711/b", "old-KEY 4711/b"] {
        anonymous.activate(other, "m").await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_key_string_in_our_format_is_accepted_however_it_is_typed() {
    let shop = Shop::start().await;
    let key = KeyString::generate("other", &mut rand::rng());
    let by_hash = KeyString::generate("other", &mut rand::rng());
    shop.import_new(vec![
        customer("c"),
        license("a", "c", &json!({"license_key": key.expose().to_lowercase()})),
        license("b", "c", &json!({"license_key_sha256": HEXLOWER.encode(&by_hash.sha256()).to_uppercase()})),
    ])
    .await;
    for key in [&key, &by_hash] {
        for typed in [key.expose().to_owned(), key.expose().to_lowercase().replace('-', " ")] {
            let response = shop.stack.anonymous.activate(&typed, "m").await;
            assert!(response.status < 300, "{}", response.text);
        }
    }
    assert_eq!(shop.license("a").await["key_hint"], key.hint(), "with the letters of the product code");
}

#[tokio::test]
async fn a_key_string_imported_as_a_hash_activates_and_is_not_stored() {
    let shop = Shop::start().await;
    let hash = HEXLOWER.encode(&ForeignKeyString::parse(FOREIGN).unwrap().sha256());
    shop.import_new(vec![customer("c"), license("a", "c", &json!({"license_key_sha256": hash}))]).await;
    shop.stack.anonymous.activate(FOREIGN, "m").await.expect_status(201);
    let key = shop.license("a").await;
    assert_eq!(key["key_hint"], format!("sha256:{}…", &hash[..8]));
    // An ordinary key string replaces it.
    let path = format!("license-keys/{}/regenerate", text(&key["id"]));
    let regenerated = shop.operator().post(&path, json!({})).await.expect_status(200);
    shop.stack.anonymous.activate(FOREIGN, "m").await.expect_problem(403, "generation_outdated");
    shop.stack.anonymous.activate(text(&regenerated["license_key"]), "m").await.expect_status(201);
}

#[tokio::test]
async fn the_dashboard_shows_an_imported_key_string_and_says_that_a_hash_is_not_one() {
    let shop = Shop::start().await;
    let mut ada = Browser::signed_in(&shop.stack, "ada@example.com").await;
    let hash = HEXLOWER.encode(&ForeignKeyString::parse("OTHER-KEY").unwrap().sha256());
    let line = merged(customer("c"), &json!({"email": "ada@example.com"}));
    shop.import_new(vec![
        line,
        license("a", "c", &json!({"license_key": FOREIGN})),
        license("b", "c", &json!({"license_key_sha256": hash})),
    ])
    .await;
    ada.submit_form("/dashboard/welcome", &[("name", "Ada Lovelace")]).await.redirect();
    let path = async |id: &str| format!("/dashboard/licenses/{}", text(&shop.license(id).await["id"]));
    let (with_key, with_hash) = (path("a").await, path("b").await);
    for page in [&with_key, &with_hash] {
        ada.get(page).await.expect_status(200);
    }
    assert_eq!(ada.post(&format!("{with_key}/key"), &[]).await.secret(), FOREIGN);
    for action in ["key", "download"] {
        let refused = ada.post(&format!("{with_hash}/{action}"), &[]).await;
        assert!(refused.expect_status(409).contains("not stored"), "{action}");
    }
}

#[tokio::test]
async fn an_audit_accepts_license_keys_with_and_without_a_stored_key_string() {
    let shop = shop_with_foreign_key().await;
    shop.import_new(vec![
        license("b", "c", &json!({"license_key_sha256": "ab".repeat(32)})),
        license("d", "c", &json!({"issued_at": "2020-01-01T00:00:00Z", "expires_at": null})),
    ])
    .await;
    for id in ["a", "b", "d"] {
        let path = format!("license-keys/{}/audit", text(&shop.license(id).await["id"]));
        let audit = shop.operator().post(&path, json!({"repair": true})).await.expect_status(200);
        assert_eq!(audit["ok"], true, "{id}: {audit}");
    }
}

#[tokio::test]
async fn a_customer_can_claim_an_imported_license_key_without_a_customer() {
    let shop = Shop::start().await;
    let mut line = license("a", "c", &json!({"license_key": FOREIGN, "tag": "reseller"}));
    line.as_object_mut().unwrap().remove("customer_external_id");
    shop.import_new(vec![line]).await;
    assert_eq!(shop.license("a").await["customer_id"], json!(null));
    let ada = shop.stack.sign_in("ada@example.com", "openid email profile").await;
    let registered = ada.post("register", json!({})).await.expect_status(201);
    let claimed = ada.post("user/claim-key", json!({"license_key": FOREIGN})).await.expect_status(200);
    assert_eq!((&claimed["customer_id"], &claimed["external_id"]), (&registered["id"], &json!("a")));
    let revoked =
        shop.operator().post("license-keys/batch/revoke", json!({"tag": "reseller"})).await.expect_status(200);
    assert_eq!(revoked["revoked"], 1);
}

#[tokio::test]
async fn a_license_key_without_a_key_string_gets_one() {
    let shop = Shop::start().await;
    shop.import_new(vec![customer("c"), license("a", "c", &json!({}))]).await;
    let hint = shop.license("a").await["key_hint"].clone();
    assert!(text(&hint).starts_with("ATLAS-…-"), "{hint}");
}

#[tokio::test]
async fn imported_key_strings_are_not_readable_in_the_table() {
    let shop = shop_with_foreign_key().await;
    let table = shop.stack.table_as_text().await;
    assert!(!table.contains(FOREIGN));
    for fragment in secret_fragments(FOREIGN) {
        assert!(!table.contains(&fragment), "{fragment}");
    }
}

#[tokio::test]
async fn over_the_limit_of_guesses_only_key_strings_with_check_characters_are_looked_up() {
    let shop = shop_with_foreign_key().await;
    let issued = shop.operator().issue_new_license(1).await;
    let token = shop.stack.anonymous.activate(FOREIGN, "m").await.expect_status(201)["token"].clone();
    let mut status = 404;
    for guess in 0..200 {
        status = shop.stack.anonymous.activate(&format!("guess-{guess:04}"), "m").await.status;
        if status == 429 {
            break;
        }
    }
    assert_eq!(status, 429);
    shop.stack.faults.reset_calls();
    shop.stack.anonymous.activate(FOREIGN, "m").await.expect_problem(429, "rate_limited");
    assert_eq!(shop.stack.faults.calls(), [""; 0], "no guess is looked up");
    shop.stack.anonymous.activate(&issued.license_key, "m").await.expect_status(201);
    shop.stack.anonymous.heartbeat(text(&token), "m").await.expect_status(200);
    let other: IpAddr = "127.0.0.9".parse().unwrap();
    shop.stack.anonymous.from(other).activate(FOREIGN, "m").await.expect_status(200);
    shop.stack.advance(61);
    shop.stack.anonymous.activate(FOREIGN, "m").await.expect_status(200);
}

#[tokio::test]
async fn the_dashboard_finds_a_license_key_by_its_foreign_key_string() {
    let shop = shop_with_foreign_key().await;
    let Stack { local, .. } = &shop.stack;
    let secret = shared::domain::Secret::new(FOREIGN.to_owned());
    let found = licenses::find::find(&local.app.table, &secret).await.unwrap();
    let id = text(&shop.license("a").await["id"]).parse().unwrap();
    assert_eq!(found, licenses::find::SearchResult::License(id));
}
