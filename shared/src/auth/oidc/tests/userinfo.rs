//! What the userinfo endpoint adds.

use super::*;

fn tells(issuer: &Issuer, answer: Result<Value, StatusCode>) {
    *issuer.documents.userinfo.lock().unwrap() = answer;
}

#[tokio::test]
async fn the_issuer_tells_what_the_token_does_not() {
    let key = Key::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    // As Cognito writes it.
    let body = json!({"sub": "1234", "email": "ada@example.com", "email_verified": "true", "username": "ada"});
    tells(&issuer, Ok(body));
    let token = key.token(&issuer.cognito_claims());
    let user = oidc.verify(&token, NOW).await.unwrap();
    assert_eq!(issuer.asked("/userinfo"), 0);
    let complete = oidc.complete(user.clone(), NOW).await.unwrap();
    let expected = User { email: Some("ada@example.com".to_owned()), email_verified: true, ..user.clone() };
    assert_eq!(complete, expected);
    let bearer = format!("Bearer {}", token.expose());
    assert!(issuer.documents.asked.lock().unwrap().contains(&("/userinfo".to_owned(), Some(bearer))));

    tells(&issuer, Err(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(oidc.complete(user.clone(), later(299)).await.unwrap(), expected);
    assert_eq!(issuer.asked("/userinfo"), 1);
    assert!(is_unavailable(&oidc.complete(user, later(300)).await));
}

#[tokio::test]
async fn the_tokens_word_goes_first() {
    let key = Key::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    tells(&issuer, Ok(json!({"sub": "1234", "email": "b@example.com", "email_verified": true, "name": "B"})));
    let user = oidc.verify(&key.token(&issuer.claims()), NOW).await.unwrap();
    assert_eq!(oidc.complete(user.clone(), NOW).await.unwrap(), user);
    assert_eq!(issuer.asked("/userinfo"), 0);

    let claims = issuer.claims_with(&json!({"name": null, "email_verified": false}));
    let user = oidc.verify(&key.token(&claims), NOW).await.unwrap();
    let complete = oidc.complete(user, NOW).await.unwrap();
    assert_eq!(complete.name.as_deref(), Some("B"));
    assert_eq!((complete.email.as_deref(), complete.email_verified), (Some("ada@example.com"), false));
}

#[tokio::test]
async fn of_someone_else_nothing_is_taken() {
    let key = Key::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    let user = oidc.verify(&key.token(&issuer.cognito_claims()), NOW).await.unwrap();
    tells(&issuer, Ok(json!({"sub": "4321", "email": "b@example.com", "email_verified": true})));
    assert!(is_unavailable(&oidc.complete(user.clone(), NOW).await));
    // An address without a word on whether it is verified is not.
    tells(&issuer, Ok(json!({"sub": "1234", "email": "ada@example.com"})));
    let complete = oidc.complete(user, NOW).await.unwrap();
    assert_eq!((complete.email.as_deref(), complete.email_verified), (Some("ada@example.com"), false));
}

#[tokio::test]
async fn an_issuer_that_will_not_tell_is_no_fault() {
    let key = Key::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    let user = oidc.verify(&key.token(&issuer.cognito_claims()), NOW).await.unwrap();
    tells(&issuer, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(oidc.complete(user.clone(), NOW).await.unwrap(), user);
    // One that gives no answer is, unless the address is known.
    tells(&issuer, Err(StatusCode::BAD_GATEWAY));
    assert!(is_unavailable(&oidc.complete(user, NOW).await));
    let known = oidc.verify(&key.token(&issuer.claims_with(&json!({"name": null}))), NOW).await.unwrap();
    assert_eq!(oidc.complete(known.clone(), NOW).await.unwrap(), known);
}
