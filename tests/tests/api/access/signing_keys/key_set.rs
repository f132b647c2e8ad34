//! The signed key set.

use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::BASE64URL_NOPAD;
use signet_local::DataDirectory;
use signet_tests::{AppKey, Fault, Rule, START, Stack, Value, json, text, thumbprint};

use super::{ROTATE, condemn, get_ring, kid, maintain, signed_set};

#[tokio::test]
async fn the_signed_key_set_returns_200_and_304() {
    let stack = Stack::start().await;
    let ring = get_ring(&stack).await;
    let response = stack.anonymous.get("/.well-known/jwks.jwt").await;
    assert_eq!(response.header("cache-control"), "public, max-age=300");
    assert_eq!(response.header("access-control-allow-origin"), "*");
    let cached =
        stack.anonymous.with_header("if-none-match", response.header("etag")).get("/.well-known/jwks.jwt").await;
    assert_eq!(cached.status, 304);
    let header = BASE64URL_NOPAD.decode(response.text.split('.').next().unwrap().as_bytes()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, json!({"alg": "RS256", "typ": "jwk-set+jwt", "kid": ring["root_keys"][0]["kid"]}));
    let (_, claims) = signed_set(&stack, &ring).await;
    let (issuer, start) = (&stack.local.base_url, START.as_second());
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    let expected = json!({"iss": issuer, "sub": issuer, "iat": start, "exp": start + 7 * 86_400, "keys": jwks["keys"]});
    assert_eq!(claims, expected);
    // A signed key set is not accepted as a license token.
    stack.anonymous.heartbeat(&response.text, "m").await.expect_problem(401, "token_invalid");
}

#[tokio::test]
async fn the_signed_key_set_is_renewed_daily_and_served_from_the_cache() {
    let stack = Stack::start().await;
    let first = stack.anonymous.get("/.well-known/jwks.jwt").await.text;
    stack.advance(86_399);
    maintain(&stack).await;
    assert_eq!(stack.anonymous.get("/.well-known/jwks.jwt").await.text, first);
    stack.advance(1);
    maintain(&stack).await;
    let second = stack.anonymous.get("/.well-known/jwks.jwt").await.text;
    assert_ne!(second, first);
    stack.faults.reset_calls();
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_status(200);
    assert_eq!(stack.faults.calls(), [""; 0]);
    // An expired set is not served if it was not renewed.
    stack.advance(7 * 86_400);
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    maintain(&stack).await;
    assert_eq!(stack.anonymous.get("/.well-known/jwks.jwt").await.status, 200);
}

#[tokio::test]
async fn the_signed_key_set_returns_503_while_it_contains_a_condemned_key() {
    let stack = Stack::start().await;
    let before = get_ring(&stack).await;
    let old = signed_set(&stack, &before).await;
    // The new set cannot be stored.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::RefuseConnection).containing("SIGNED_SET").always());
    condemn(&stack, kid(&before, "current")).await.expect_status(200);
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    stack.faults.clear();
    maintain(&stack).await;
    let (kids, claims) = signed_set(&stack, &before).await;
    assert!(!kids.contains(&kid(&before, "current").to_owned()));
    assert_eq!(
        claims["iat"].as_i64().unwrap(),
        old.1["iat"].as_i64().unwrap() + 1,
        "later than the previous set, although in the same second"
    );
}

#[tokio::test]
async fn a_new_signed_key_set_is_later_than_the_previous_one_even_if_the_clock_is_slow() {
    let folder = tempfile::tempdir().unwrap();
    let [current, outdated] = Stack::start_pair(&DataDirectory::open(folder.path()).unwrap()).await;
    current.advance(86_400);
    maintain(&current).await;
    let (_, first) = signed_set(&current, &get_ring(&current).await).await;
    outdated.advance(86_390);
    outdated.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let (kids, second) = signed_set(&outdated, &get_ring(&outdated).await).await;
    assert_eq!((kids.len(), second["iat"].as_i64()), (3, Some(first["iat"].as_i64().unwrap() + 1)));
}

#[tokio::test]
async fn the_root_key_signs_no_key_that_was_written_to_the_table_by_others() {
    let stack = Stack::start().await;
    let ring = get_ring(&stack).await;
    let (genuine, _) = signed_set(&stack, &ring).await;
    let table = &stack.local.app.table;
    let all = table.client().scan().table_name(table.name()).send().await.unwrap().items.unwrap();
    let mut item = all
        .into_iter()
        .find(|item| item.get("kid") == Some(&AttributeValue::S(kid(&ring, "next").to_owned())))
        .unwrap();
    let own = AppKey::generate(2048).jwk();
    for (name, value) in
        [("SK", format!("KEY#{}", thumbprint(&own))), ("kid", thumbprint(&own)), ("n", text(&own["n"]).to_owned())]
    {
        item.insert(name.to_owned(), AttributeValue::S(value));
    }
    table.client().put_item().table_name(table.name()).set_item(Some(item)).send().await.unwrap();
    let error = stack.local.app.maintain_key_ring().await.unwrap_err().to_string();
    assert!(error.contains(&thumbprint(&own)), "{error}");
    assert_eq!(signed_set(&stack, &ring).await.0, genuine);
}
