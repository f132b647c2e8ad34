//! When the issuer's documents are fetched, and what happens while it is unavailable.

use super::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";

#[tokio::test]
async fn an_unknown_kid_triggers_a_fetch_at_most_every_five_seconds() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    assert!(oidc.verify(&key.token(&issuer.claims()), NOW).await.is_ok());
    assert_eq!(issuer.request_count("/keys"), 1);
    for n in 0..20 {
        let unknown = key.token_with(&json!({"kid": format!("unknown {n}")}), &issuer.claims());
        assert_eq!(invalid(oidc.verify(&unknown, later(10)).await), BearerTokenError::UnknownKey);
    }
    assert_eq!(issuer.request_count("/keys"), 2);
    let unknown = key.token_with(&json!({"kid": "unknown"}), &issuer.claims());
    assert_eq!(invalid(oidc.verify(&unknown, later(15)).await), BearerTokenError::UnknownKey);
    assert_eq!(issuer.request_count("/keys"), 3);
    // A known kid never triggers a fetch.
    assert!(oidc.verify(&key.token(&issuer.claims()), later(15)).await.is_ok());
    assert_eq!(issuer.request_count("/keys"), 3);
}

#[tokio::test]
async fn concurrent_requests_share_one_fetch() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let (oidc, token) = (issuer.oidc(), key.token(&issuer.claims()));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (oidc, token) = (oidc.clone(), token.clone());
            tokio::spawn(async move { oidc.verify(&token, NOW).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!((issuer.request_count(DISCOVERY), issuer.request_count("/keys")), (1, 1));
}

#[tokio::test]
async fn rotated_keys_are_picked_up() {
    let (old, new) = (TestKey::rsa("old"), TestKey::p256("new"));
    let issuer = Issuer::start(&[&old]).await;
    let oidc = issuer.oidc();
    assert!(oidc.verify(&old.token(&issuer.claims()), NOW).await.is_ok());
    issuer.publish(&[&old, &new]);
    assert!(oidc.verify(&new.token(&issuer.claims()), later(10)).await.is_ok());
    assert!(oidc.verify(&old.token(&issuer.claims()), later(10)).await.is_ok());
    issuer.publish(&[&new]);
    // A withdrawn key stays valid until the cache is refreshed.
    let claims = issuer.claims_with(&json!({"exp": NOW.as_second() + 100_000}));
    assert!(oidc.verify(&old.token(&claims), later(3600)).await.is_ok());
    assert_eq!(invalid(oidc.verify(&old.token(&claims), later(3610)).await), BearerTokenError::UnknownKey);
}

#[tokio::test]
async fn cached_keys_stay_valid_while_the_issuer_is_unavailable() {
    let (key, new) = (TestKey::rsa("a"), TestKey::rsa("b"));
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    let claims = issuer.claims_with(&json!({"exp": NOW.as_second() + 1_000_000}));
    assert!(oidc.verify(&key.token(&claims), NOW).await.is_ok());
    issuer.set_unavailable(true);
    assert!(oidc.verify(&key.token(&claims), later(4000)).await.is_ok());
    // Unknown keys can't be resolved, and the issuer is not requested again within the interval.
    for _ in 0..5 {
        assert!(is_unavailable(&oidc.verify(&new.token(&claims), later(4010)).await));
    }
    assert!(oidc.verify(&key.token(&claims), later(4010)).await.is_ok());
    assert_eq!(issuer.request_count(DISCOVERY), 2);
    assert!(oidc.verify(&key.token(&claims), later(4100)).await.is_ok());
    assert_eq!(issuer.request_count(DISCOVERY), 3);
    // The cache has a maximum age, because the issuer may have withdrawn a key.
    assert!(is_unavailable(&oidc.verify(&key.token(&claims), later(24 * 3600)).await));
    issuer.set_unavailable(false);
    assert!(oidc.verify(&key.token(&claims), later(24 * 3600 + 5)).await.is_ok());
}

#[tokio::test]
async fn verify_is_unavailable_if_the_issuer_was_never_reached() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let (oidc, token) = (issuer.oidc(), key.token(&issuer.claims()));
    issuer.set_unavailable(true);
    for _ in 0..5 {
        assert!(is_unavailable(&oidc.verify(&token, NOW).await));
    }
    assert_eq!(issuer.request_count(DISCOVERY), 1);
    issuer.set_unavailable(false);
    assert!(oidc.verify(&token, later(5)).await.is_ok());

    issuer.server.abort();
    let unreachable = issuer.oidc();
    assert!(is_unavailable(&unreachable.verify(&token, NOW).await));
}

#[tokio::test]
async fn untrustworthy_documents_are_rejected() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let token = key.token(&issuer.claims());
    let valid = issuer.documents.discovery.lock().unwrap().clone();
    let with = |fields: Value| *issuer.documents.discovery.lock().unwrap() = changed(valid.clone(), &fields);

    with(json!({"issuer": "https://elsewhere.example"}));
    assert!(is_unavailable(&issuer.oidc().verify(&token, NOW).await));
    with(json!({"jwks_uri": null}));
    assert!(is_unavailable(&issuer.oidc().verify(&token, NOW).await));
    with(json!({"jwks_uri": "file:///etc/passwd"}));
    assert!(is_unavailable(&issuer.oidc().verify(&token, NOW).await));
    // Redirects are not followed.
    with(json!({"jwks_uri": format!("{}/elsewhere", issuer.url)}));
    assert!(is_unavailable(&issuer.oidc().verify(&token, NOW).await));
    with(json!({"padding": "x".repeat(256 * 1024)}));
    assert!(is_unavailable(&issuer.oidc().verify(&token, NOW).await));
    with(json!({}));
    assert!(issuer.oidc().verify(&token, NOW).await.is_ok());
}

#[tokio::test]
async fn keys_are_used_only_for_their_declared_use_and_algorithm() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[]).await;
    let verify = async |keys: Value, header: Value| {
        *issuer.documents.keys.lock().unwrap() = json!({ "keys": keys });
        issuer.oidc().verify(&key.token_with(&header, &issuer.claims()), NOW).await
    };
    let own = |fields: Value| changed(key.jwk.clone(), &fields);
    assert!(is_unavailable(&verify(json!([]), json!({})).await));
    assert!(is_unavailable(&verify(json!([own(json!({"use": "enc"}))]), json!({})).await));
    assert!(is_unavailable(&verify(json!([own(json!({"key_ops": ["sign"]}))]), json!({})).await));
    let for_pss = json!([own(json!({"alg": "PS256"}))]);
    assert_eq!(invalid(verify(for_pss, json!({})).await), BearerTokenError::UnknownKey);
    // Symmetric and unsupported keys in the set are ignored.
    let ignored =
        [json!({"kty": "oct", "k": "AA", "kid": "a"}), json!({"kty": "OKP", "crv": "X448", "x": "AA"}), json!(5)];
    for other in ignored {
        assert!(verify(json!([other, own(json!({"alg": "RS256"}))]), json!({})).await.is_ok(), "{other}");
    }
    // A token without a kid matches the only suitable key.
    assert!(verify(json!([own(json!({})), TestKey::p256("b").jwk]), json!({"kid": null})).await.is_ok());
    let two = json!([own(json!({})), TestKey::rsa("b").jwk]);
    assert_eq!(invalid(verify(two, json!({"kid": null})).await), BearerTokenError::UnknownKey);
}
