//! How often the issuer is asked, and what holds while it gives no answer.

use super::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";

#[tokio::test]
async fn a_kid_that_is_not_known_is_asked_for_once_in_a_while() {
    let key = Key::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    assert!(oidc.verify(&key.token(&issuer.claims()), NOW).await.is_ok());
    assert_eq!(issuer.asked("/keys"), 1);
    for n in 0..20 {
        let made_up = key.token_with(&json!({"kid": format!("made up {n}")}), &issuer.claims());
        assert_eq!(invalid(oidc.verify(&made_up, later(10)).await), BearerTokenError::UnknownKey);
    }
    assert_eq!(issuer.asked("/keys"), 2);
    let made_up = key.token_with(&json!({"kid": "made up"}), &issuer.claims());
    assert_eq!(invalid(oidc.verify(&made_up, later(15)).await), BearerTokenError::UnknownKey);
    assert_eq!(issuer.asked("/keys"), 3);
    // Known ones never wait for that.
    assert!(oidc.verify(&key.token(&issuer.claims()), later(15)).await.is_ok());
    assert_eq!(issuer.asked("/keys"), 3);
}

#[tokio::test]
async fn many_at_once_ask_once() {
    let key = Key::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let (oidc, token) = (issuer.oidc(), key.token(&issuer.claims()));
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (oidc, token) = (oidc.clone(), token.clone());
            tokio::spawn(async move { oidc.verify(&token, NOW).await.is_ok() })
        })
        .collect();
    for one in all {
        assert!(one.await.unwrap());
    }
    assert_eq!((issuer.asked(DISCOVERY), issuer.asked("/keys")), (1, 1));
}

#[tokio::test]
async fn keys_rotate() {
    let (old, new) = (Key::rsa("old"), Key::p256("new"));
    let issuer = Issuer::start(&[&old]).await;
    let oidc = issuer.oidc();
    assert!(oidc.verify(&old.token(&issuer.claims()), NOW).await.is_ok());
    issuer.publish(&[&old, &new]);
    assert!(oidc.verify(&new.token(&issuer.claims()), later(10)).await.is_ok());
    assert!(oidc.verify(&old.token(&issuer.claims()), later(10)).await.is_ok());
    issuer.publish(&[&new]);
    // Withdrawn, it holds until the copy is no longer fresh.
    let claims = issuer.claims_with(&json!({"exp": NOW.as_second() + 100_000}));
    assert!(oidc.verify(&old.token(&claims), later(3600)).await.is_ok());
    assert_eq!(invalid(oidc.verify(&old.token(&claims), later(3610)).await), BearerTokenError::UnknownKey);
}

#[tokio::test]
async fn an_issuer_that_is_away_stops_nobody_who_has_a_known_key() {
    let (key, new) = (Key::rsa("a"), Key::rsa("b"));
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    let claims = issuer.claims_with(&json!({"exp": NOW.as_second() + 1_000_000}));
    assert!(oidc.verify(&key.token(&claims), NOW).await.is_ok());
    issuer.set_away(true);
    assert!(oidc.verify(&key.token(&claims), later(4000)).await.is_ok());
    // Whether a key that is not known is the issuer's, nobody can say; the issuer is left alone for a while all the same.
    for _ in 0..5 {
        assert!(is_unavailable(&oidc.verify(&new.token(&claims), later(4010)).await));
    }
    assert!(oidc.verify(&key.token(&claims), later(4010)).await.is_ok());
    assert_eq!(issuer.asked(DISCOVERY), 2);
    assert!(oidc.verify(&key.token(&claims), later(4100)).await.is_ok());
    assert_eq!(issuer.asked(DISCOVERY), 3);
    // Not for ever: a key that the issuer has withdrawn must come to its end.
    assert!(is_unavailable(&oidc.verify(&key.token(&claims), later(24 * 3600)).await));
    issuer.set_away(false);
    assert!(oidc.verify(&key.token(&claims), later(24 * 3600 + 5)).await.is_ok());
}

#[tokio::test]
async fn without_the_issuer_nothing_is_known_at_first() {
    let key = Key::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let (oidc, token) = (issuer.oidc(), key.token(&issuer.claims()));
    issuer.set_away(true);
    for _ in 0..5 {
        assert!(is_unavailable(&oidc.verify(&token, NOW).await));
    }
    assert_eq!(issuer.asked(DISCOVERY), 1);
    issuer.set_away(false);
    assert!(oidc.verify(&token, later(5)).await.is_ok());

    issuer.served.abort();
    let nobody = issuer.oidc();
    assert!(is_unavailable(&nobody.verify(&token, NOW).await));
}

#[tokio::test]
async fn documents_that_can_not_be_trusted_are_not_used() {
    let key = Key::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let token = key.token(&issuer.claims());
    let good = issuer.documents.discovery.lock().unwrap().clone();
    let with = |fields: Value| *issuer.documents.discovery.lock().unwrap() = changed(good.clone(), &fields);

    with(json!({"issuer": "https://elsewhere.example"}));
    assert!(is_unavailable(&issuer.oidc().verify(&token, NOW).await));
    with(json!({"jwks_uri": null}));
    assert!(is_unavailable(&issuer.oidc().verify(&token, NOW).await));
    with(json!({"jwks_uri": "file:///etc/passwd"}));
    assert!(is_unavailable(&issuer.oidc().verify(&token, NOW).await));
    // A redirect is not followed.
    with(json!({"jwks_uri": format!("{}/elsewhere", issuer.url)}));
    assert!(is_unavailable(&issuer.oidc().verify(&token, NOW).await));
    with(json!({"padding": "x".repeat(256 * 1024)}));
    assert!(is_unavailable(&issuer.oidc().verify(&token, NOW).await));
    with(json!({}));
    assert!(issuer.oidc().verify(&token, NOW).await.is_ok());
}

#[tokio::test]
async fn keys_are_used_for_what_they_are_for() {
    let key = Key::rsa("a");
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
    // A symmetric key, or one that is not understood, does no harm to those beside it.
    let beside =
        [json!({"kty": "oct", "k": "AA", "kid": "a"}), json!({"kty": "OKP", "crv": "X448", "x": "AA"}), json!(5)];
    for other in beside {
        assert!(verify(json!([other, own(json!({"alg": "RS256"}))]), json!({})).await.is_ok(), "{other}");
    }
    // A token that names no key means the only one.
    assert!(verify(json!([own(json!({})), Key::p256("b").jwk]), json!({"kid": null})).await.is_ok());
    let two = json!([own(json!({})), Key::rsa("b").jwk]);
    assert_eq!(invalid(verify(two, json!({"kid": null})).await), BearerTokenError::UnknownKey);
}
