//! Which tokens are valid.

use proptest::prelude::*;

use super::*;
use crate::auth::oidc::bearer::UnverifiedBearer;

#[tokio::test]
async fn verify_returns_the_user() {
    let (rsa, pss, ec) =
        (TestKey::rsa("a"), TestKey { algorithm: Algorithm::PS256, ..TestKey::rsa("b") }, TestKey::p256("c"));
    let issuer = Issuer::start(&[&rsa, &pss, &ec]).await;
    let oidc = issuer.oidc();
    for key in [rsa, pss, ec] {
        let token = key.token(&issuer.claims());
        let user = User {
            issuer: issuer.url.clone(),
            subject: "1234".to_owned(),
            is_operator: true,
            email: Some("ada@example.com".to_owned()),
            email_verified: true,
            name: Some("Ada Lovelace".to_owned()),
            token: token.clone(),
        };
        assert_eq!(oidc.verify(&token, NOW).await, Ok(user), "{:?}", key.algorithm);
    }
    assert_eq!(issuer.request_count("/keys"), 1);
    assert!(!format!("{:?}", oidc.verify(&Secret::new(String::new()), NOW).await).contains("ada@"));
}

#[tokio::test]
async fn claims_are_checked() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    let now = NOW.as_second();
    let cases = [
        (json!({"aud": "other"}), Err(BearerTokenError::Audience)),
        (json!({"aud": ["other"]}), Err(BearerTokenError::Audience)),
        (json!({"aud": []}), Err(BearerTokenError::Audience)),
        (json!({"aud": null}), Err(BearerTokenError::Audience)),
        (json!({"aud": 5}), Err(BearerTokenError::Claims)),
        // `client_id` counts only if there is no `aud`.
        (json!({"aud": "other", "client_id": "signet"}), Err(BearerTokenError::Audience)),
        (json!({"aud": null, "client_id": "other"}), Err(BearerTokenError::Audience)),
        (json!({"aud": null, "client_id": "signet-cli"}), Ok(())),
        (json!({"aud": ["other", "signet-cli"]}), Ok(())),
        (json!({"iss": format!("{}/", issuer.url)}), Err(BearerTokenError::Issuer)),
        (json!({"iss": "https://elsewhere.example"}), Err(BearerTokenError::Issuer)),
        (json!({"iss": [issuer.url]}), Err(BearerTokenError::Claims)),
        (json!({"iss": null}), Err(BearerTokenError::Claims)),
        (json!({"sub": null}), Err(BearerTokenError::Claims)),
        (json!({"sub": ""}), Err(BearerTokenError::Claims)),
        (json!({"sub": "a\nb"}), Err(BearerTokenError::Claims)),
        (json!({"sub": "a".repeat(256)}), Err(BearerTokenError::Claims)),
        (json!({"exp": null}), Err(BearerTokenError::Claims)),
        (json!({"exp": "9999999999"}), Err(BearerTokenError::Claims)),
        (json!({"exp": now - 60}), Err(BearerTokenError::Expired)),
        (json!({"exp": now - 59}), Ok(())),
        (json!({"exp": 1_768_478_400.5}), Ok(())),
        (json!({"nbf": now + 61}), Err(BearerTokenError::NotYetValid)),
        (json!({"nbf": now + 60}), Ok(())),
        (json!({"token_use": "refresh"}), Err(BearerTokenError::Type)),
        (json!({"token_use": "id"}), Ok(())),
        (json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}), Err(BearerTokenError::Type)),
        (json!({"cnf": {"jkt": "a"}}), Err(BearerTokenError::SenderConstrained)),
    ];
    for (claims, expected) in cases {
        let result = oidc.verify(&key.token(&issuer.claims_with(&claims)), NOW).await;
        assert_eq!(result.map(|_| ()), expected.map_err(OidcError::Invalid), "{claims}");
    }
}

#[tokio::test]
async fn headers_are_checked_and_never_supply_a_key() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key, &TestKey::p256("b")]).await;
    let oidc = issuer.oidc();
    let cases = [
        (json!({"jwk": key.jwk}), BearerTokenError::Malformed),
        (json!({"jku": "https://a.example/keys"}), BearerTokenError::Malformed),
        (json!({"x5u": "https://a.example/cert"}), BearerTokenError::Malformed),
        (json!({"x5c": ["AA=="]}), BearerTokenError::Malformed),
        (json!({"crit": ["exp"], "exp": 1}), BearerTokenError::Malformed),
        (json!({"b64": false}), BearerTokenError::Malformed),
        (json!({"typ": "license+jwt"}), BearerTokenError::Type),
        (json!({"typ": "logout+jwt"}), BearerTokenError::Type),
        (json!({"typ": "dpop+jwt"}), BearerTokenError::Type),
        (json!({"alg": "none"}), BearerTokenError::Algorithm),
        (json!({"alg": "None"}), BearerTokenError::Algorithm),
        (json!({"alg": "HS256"}), BearerTokenError::Algorithm),
        (json!({"alg": "RS512"}), BearerTokenError::Algorithm),
        (json!({"alg": "EdDSA"}), BearerTokenError::Algorithm),
        (json!({"alg": "PS256"}), BearerTokenError::Signature),
        // The key's type does not match.
        (json!({"alg": "ES256"}), BearerTokenError::UnknownKey),
        (json!({"kid": "b"}), BearerTokenError::UnknownKey),
        (json!({"kid": "unknown"}), BearerTokenError::UnknownKey),
    ];
    for (header, expected) in cases {
        let token = key.token_with(&header, &issuer.claims());
        assert_eq!(invalid(oidc.verify(&token, NOW).await), expected, "{header}");
    }
    for typ in ["at+jwt", "application/at+jwt", "jwt", "AT+JWT"] {
        let token = key.token_with(&json!({"typ": typ, "x5t": "a"}), &issuer.claims());
        assert!(oidc.verify(&token, NOW).await.is_ok(), "{typ}");
    }
    assert!(oidc.verify(&key.token_with(&json!({"typ": null}), &issuer.claims()), NOW).await.is_ok());
}

#[tokio::test]
async fn forged_tokens_are_rejected() {
    let (key, foreign) = (TestKey::rsa("a"), TestKey::rsa("a"));
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    let verify = async |text: String| invalid(oidc.verify(&Secret::new(text), NOW).await);
    assert_eq!(verify(foreign.token(&issuer.claims()).expose().to_owned()).await, BearerTokenError::Signature);

    let token = key.token(&issuer.claims_with(&json!({"roles": []})));
    let [header, _, signature] = token.expose().split('.').collect::<Vec<_>>()[..] else { panic!("not a JWS") };
    let forged = encoded(&issuer.claims());
    assert_eq!(verify(format!("{header}.{forged}.{signature}")).await, BearerTokenError::Signature);
    assert_eq!(verify(format!("{header}.{forged}.")).await, BearerTokenError::Signature);

    // Without a signature, and with the public key as an HMAC secret: as its bytes, its PEM text and its JWK.
    let none = message(&json!({"alg": "none", "kid": "a"}), &issuer.claims());
    assert_eq!(verify(format!("{none}.")).await, BearerTokenError::Algorithm);
    let modulus = BASE64URL_NOPAD.decode(key.jwk["n"].as_str().unwrap().as_bytes()).unwrap();
    let pem = pem::encode(&pem::Pem::new("PUBLIC KEY", &modulus[..]));
    for secret in [modulus, pem.into_bytes(), key.jwk.to_string().into_bytes()] {
        let message = message(&json!({"alg": "HS256", "kid": "a"}), &issuer.claims());
        let signing = EncodingKey::from_secret(&secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &signing, Algorithm::HS256).unwrap();
        assert_eq!(verify(format!("{message}.{signature}")).await, BearerTokenError::Algorithm);
    }
    for text in ["", ".", "..", "a.b.c", "a.b.c.d.e", token.expose().trim_end_matches(signature), "\u{0}"] {
        assert!(
            matches!(verify(text.to_owned()).await, BearerTokenError::Malformed | BearerTokenError::Signature),
            "{text}"
        );
    }
    let long = key.token(&issuer.claims_with(&json!({"x": "x".repeat(16 * 1024)})));
    assert_eq!(verify(long.expose().to_owned()).await, BearerTokenError::Malformed);
}

#[tokio::test]
async fn license_tokens_are_rejected() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    // Even with the same signing key, issuer and audience.
    let token = key.token_with(&json!({"typ": crate::tokens::token::TYPE}), &issuer.claims());
    assert_eq!(invalid(issuer.oidc().verify(&token, NOW).await), BearerTokenError::Type);
    assert_eq!(issuer.request_count("/keys"), 0);
}

#[tokio::test]
async fn cognito_access_tokens_are_accepted() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let settings = OidcSettings { roles_claim: "cognito:groups".to_owned(), ..issuer.settings() };
    let oidc = Oidc::new(&settings).unwrap();
    let user = oidc.verify(&key.token_with(&json!({"typ": null}), &issuer.cognito_claims()), NOW).await.unwrap();
    assert!(user.is_operator);
    assert_eq!((user.subject.as_str(), user.email, user.email_verified), ("1234", None, false));
}

#[tokio::test]
async fn roles_are_an_array_or_a_space_separated_string() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let is_operator = async |claim: &str, claims: &Value| {
        let oidc = Oidc::new(&OidcSettings { roles_claim: claim.to_owned(), ..issuer.settings() }).unwrap();
        let claims = issuer.claims_with(&changed(json!({"roles": null}), claims));
        oidc.verify(&key.token(&claims), NOW).await.unwrap().is_operator
    };
    for value in [json!(["operator"]), json!(["a", "operator"]), json!("operator"), json!("a operator  b")] {
        assert!(is_operator("roles", &json!({"roles": value})).await, "{value}");
    }
    let others = [json!([]), json!(["operators", "a operator"]), json!("Operator"), json!("co-operator"), json!(true)];
    for value in others.into_iter().chain([json!({"operator": true}), json!([["operator"]]), json!(5)]) {
        assert!(!is_operator("roles", &json!({"roles": value})).await, "{value}");
    }
    for space in ['\u{a0}', '\u{2003}', '\u{3000}', '\u{85}', '\t', '\n'] {
        for role in [format!("operator{space}"), format!("{space}operator"), format!("a{space}operator{space}b")] {
            for value in [json!(role), json!(format!("a {role}")), json!([role])] {
                assert!(!is_operator("roles", &json!({"roles": value})).await, "{value}");
            }
        }
    }
    assert!(!is_operator("roles", &json!({})).await);
    assert!(!is_operator("groups", &json!({"roles": ["operator"]})).await);
    assert!(is_operator("realm_access.roles", &json!({"realm_access": {"roles": ["operator"]}})).await);
    assert!(is_operator("https://a.example/roles", &json!({"https://a.example/roles": ["operator"]})).await);
}

#[tokio::test]
async fn email_is_verified_only_with_a_true_email_verified_claim() {
    let key = TestKey::rsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let oidc = issuer.oidc();
    for (value, expected) in [(json!(true), true), (json!("true"), true), (json!("false"), false), (json!(1), false)] {
        let token = key.token(&issuer.claims_with(&json!({"email_verified": value})));
        assert_eq!(oidc.verify(&token, NOW).await.unwrap().email_verified, expected, "{value}");
    }
    for claims in [json!({"email": null}), json!({"email": ""}), json!({"email_verified": null})] {
        let user = oidc.verify(&key.token(&issuer.claims_with(&claims)), NOW).await.unwrap();
        assert!(!user.email_verified, "{claims}");
    }
}

#[test]
fn invalid_settings_are_rejected() {
    let valid = OidcSettings {
        issuer: "https://a.example/pool/".to_owned(),
        audiences: vec!["signet".to_owned()],
        roles_claim: "roles".to_owned(),
    };
    assert!(Oidc::new(&valid).is_ok());
    for audiences in [vec![], vec![String::new()], vec!["signet".to_owned(), String::new()]] {
        assert!(Oidc::new(&OidcSettings { audiences, ..valid.clone() }).is_err());
    }
    assert!(Oidc::new(&OidcSettings { roles_claim: String::new(), ..valid.clone() }).is_err());
    for issuer in ["", "a", "ftp://a", "https://a/?b", "https://a/#b", "https://u:p@a", "https://a /", " https://a"] {
        assert!(Oidc::new(&OidcSettings { issuer: issuer.to_owned(), ..valid.clone() }).is_err(), "{issuer}");
    }
}

proptest! {
    #[test]
    fn parsing_any_text_does_not_panic(text in any::<String>()) {
        let _ = UnverifiedBearer::parse(&text);
    }

    #[test]
    fn parsing_any_header_does_not_panic(header in any::<String>()) {
        let text = format!("{}.e30.AA", BASE64URL_NOPAD.encode(header.as_bytes()));
        let _ = UnverifiedBearer::parse(&text);
    }
}
