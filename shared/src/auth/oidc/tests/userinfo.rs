//! Profiles from the userinfo endpoint.

use super::*;

fn set_userinfo(issuer: &Issuer, response: Result<Value, StatusCode>) {
    *issuer.documents.userinfo.lock().unwrap() = response;
}

#[tokio::test]
async fn userinfo_supplies_claims_that_the_token_lacks() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    // Cognito sends `email_verified` as a string.
    let body = json!({"sub": "1234", "email": "ada@example.com", "email_verified": "true", "username": "ada"});
    set_userinfo(&issuer, Ok(body));
    let token = key.token(&issuer.cognito_claims());
    let user = oidc.verify(&token, NOW).await.unwrap();
    assert_eq!(issuer.request_count("/userinfo"), 0);
    let complete = oidc.complete_profile(user.clone(), NOW).await.unwrap();
    let expected = User { email: Some("ada@example.com".to_owned()), email_verified: true, ..user.clone() };
    assert_eq!(complete, expected);
    let bearer = format!("Bearer {}", token.expose());
    assert!(issuer.documents.requests.lock().unwrap().contains(&("/userinfo".to_owned(), Some(bearer))));

    set_userinfo(&issuer, Err(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(oidc.complete_profile(user.clone(), later(299)).await.unwrap(), expected);
    assert_eq!(issuer.request_count("/userinfo"), 1);
    assert!(is_unavailable(&oidc.complete_profile(user, later(300)).await));
}

#[tokio::test]
async fn claims_of_the_token_take_precedence() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    set_userinfo(&issuer, Ok(json!({"sub": "1234", "email": "b@example.com", "email_verified": true, "name": "B"})));
    let user = oidc.verify(&key.token(&issuer.claims()), NOW).await.unwrap();
    assert_eq!(oidc.complete_profile(user.clone(), NOW).await.unwrap(), user);
    assert_eq!(issuer.request_count("/userinfo"), 0);

    let claims = issuer.claims_with(&json!({"name": null, "email_verified": false}));
    let user = oidc.verify(&key.token(&claims), NOW).await.unwrap();
    let complete = oidc.complete_profile(user, NOW).await.unwrap();
    assert_eq!(complete.name.as_deref(), Some("B"));
    assert_eq!((complete.email.as_deref(), complete.email_verified), (Some("ada@example.com"), false));
}

#[tokio::test]
async fn userinfo_of_another_subject_is_rejected() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    let user = oidc.verify(&key.token(&issuer.cognito_claims()), NOW).await.unwrap();
    set_userinfo(&issuer, Ok(json!({"sub": "4321", "email": "b@example.com", "email_verified": true})));
    assert!(is_unavailable(&oidc.complete_profile(user.clone(), NOW).await));
    // Without `email_verified`, the address counts as unverified.
    set_userinfo(&issuer, Ok(json!({"sub": "1234", "email": "ada@example.com"})));
    let complete = oidc.complete_profile(user, NOW).await.unwrap();
    assert_eq!((complete.email.as_deref(), complete.email_verified), (Some("ada@example.com"), false));
}

#[tokio::test]
async fn a_rejected_token_leaves_the_profile_empty() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    let user = oidc.verify(&key.token(&issuer.cognito_claims()), NOW).await.unwrap();
    set_userinfo(&issuer, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(oidc.complete_profile(user.clone(), NOW).await.unwrap(), user);
    // An unavailable issuer is an error unless the token has the address.
    set_userinfo(&issuer, Err(StatusCode::BAD_GATEWAY));
    assert!(is_unavailable(&oidc.complete_profile(user, NOW).await));
    let known = oidc.verify(&key.token(&issuer.claims_with(&json!({"name": null}))), NOW).await.unwrap();
    assert_eq!(oidc.complete_profile(known.clone(), NOW).await.unwrap(), known);
}
