//! Tokens encrypted to a public key of the app: accepted formats, responses and rejected keys.

use std::sync::LazyLock;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use signet_tests::{AppKey, Client, IssuedLicense, Stack, Value, VerifiedToken, json, merged, text, thumbprint};

const ACTIVATE: &str = "license-activations/activate";

/// Shared by the tests, because RSA key generation is slow.
static KEY_A: LazyLock<AppKey> = LazyLock::new(|| AppKey::generate(2048));
static KEY_B: LazyLock<AppKey> = LazyLock::new(|| AppKey::generate(2048));

fn activate_body(license: &IssuedLicense, machine: &str, key: &Value) -> Value {
    json!({"license_key": license.license_key, "machine_id": machine, "public_key": key})
}

async fn heartbeat(app: &Client, token: &str, machine: &str) -> Value {
    app.heartbeat(token, machine).await.expect_status(200)
}

/// Decrypts the token in a response body with `key` and verifies it with the published keys.
async fn decrypt(stack: &Stack, response: &Value, key: &AppKey) -> String {
    let (token, header) = key.decrypt(response).unwrap_or_else(|| panic!("decryption failed: {response}"));
    let kid = thumbprint(&key.jwk());
    assert_eq!(header, json!({"alg": "RSA-OAEP", "enc": "A256CBC-HS512", "cty": "JWT", "kid": kid}));
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    let verified = VerifiedToken::verify(&token, &jwks).unwrap();
    assert_eq!(verified.header["typ"], "license+jwt");
    token
}

#[tokio::test]
async fn activate_with_a_public_key_returns_201_with_an_encrypted_token() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let license = stack.operator.issue_new_license(9).await;
    let jwk = KEY_A.jwk();
    let extra_members = json!({
        "use": "enc", "alg": "RSA-OAEP", "key_ops": ["wrapKey"], "kid": "mine", "ext": true, "x5t": "AAAA", "a": {},
    });
    let surrounded = json!(format!("Our key:\r\n{}\r\n", KEY_A.spki().replace('\n', "\r\n")));
    for (index, key) in
        [jwk.clone(), merged(jwk, &extra_members), json!(KEY_A.spki()), json!(KEY_A.pkcs1()), surrounded]
            .into_iter()
            .enumerate()
    {
        let machine = format!("machine-{index}");
        let activated = app.post(ACTIVATE, activate_body(&license, &machine, &key)).await.expect_status(201);
        let token = decrypt(&stack, &activated, &KEY_A).await;
        assert!(KEY_B.decrypt(&activated).is_none());
        assert_eq!(stack.claims(&json!(token)).await["activation"]["machine_id"], machine);
        assert!(activated["activation"].get("public_key").is_none(), "{activated}");
    }
    let none = app.post(ACTIVATE, activate_body(&license, "none", &Value::Null)).await.expect_status(201);
    assert_eq!(none["token_type"], "JWT");
    stack.claims(&none["token"]).await;
}

#[tokio::test]
async fn heartbeat_returns_a_newly_encrypted_token_whether_renewed_or_not() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let license = stack.operator.issue_new_license_with(&json!({"renew_after_seconds": 300})).await;
    let activated = app.post(ACTIVATE, activate_body(&license, "one", &KEY_A.jwk())).await.expect_status(201);
    let first = decrypt(&stack, &activated, &KEY_A).await;

    stack.advance(60);
    let unrenewed = heartbeat(app, &first, "one").await;
    assert_eq!((&unrenewed["renewed"], decrypt(&stack, &unrenewed, &KEY_A).await), (&json!(false), first.clone()));
    assert_ne!(unrenewed["token"], activated["token"], "each encryption uses a new content encryption key");

    stack.advance(600);
    let renewed = heartbeat(app, &first, "one").await;
    let second = decrypt(&stack, &renewed, &KEY_A).await;
    assert_eq!(renewed["renewed"], true);
    assert_ne!(second, first);
    let body = json!({"token": second, "machine_id": "one"});
    assert_eq!(app.post("license-keys/validate", body).await.expect_status(200)["code"], "valid");
}

#[tokio::test]
async fn encrypted_token_is_not_accepted_as_a_credential() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let license = stack.operator.issue_new_license(2).await;
    let activated = app.post(ACTIVATE, activate_body(&license, "one", &KEY_A.jwk())).await.expect_status(201);
    let encrypted = json!({"token": activated["token"], "machine_id": "one"});
    app.post("license-keys/heartbeat", encrypted.clone()).await.expect_problem(401, "token_invalid");
    app.post(ACTIVATE, encrypted.clone()).await.expect_problem(401, "token_invalid");
    let validation = app.post("license-keys/validate", encrypted).await.expect_status(200);
    assert_eq!(validation["code"], "token_invalid");
    let deactivate = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    app.post(&deactivate, json!({"token": activated["token"]})).await.expect_problem(401, "token_invalid");
}

#[tokio::test]
async fn renewal_without_a_public_key_keeps_it_and_with_another_replaces_it() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let license = stack.operator.issue_new_license(1).await;
    let plain = app.activate(&license.license_key, "one").await.expect_status(201);
    assert_eq!(plain["token_type"], "JWT");
    let with_key = app.post(ACTIVATE, activate_body(&license, "one", &KEY_A.jwk())).await.expect_status(200);
    decrypt(&stack, &with_key, &KEY_A).await;
    let without_key = app.activate(&license.license_key, "one").await.expect_status(200);
    decrypt(&stack, &without_key, &KEY_A).await;
    let replaced = app.post(ACTIVATE, activate_body(&license, "one", &json!(KEY_B.spki()))).await.expect_status(200);
    let token = decrypt(&stack, &replaced, &KEY_B).await;
    let heartbeat = heartbeat(app, &token, "one").await;
    decrypt(&stack, &heartbeat, &KEY_B).await;
    assert_eq!(with_key["activation"]["id"], replaced["activation"]["id"]);
}

#[tokio::test]
async fn new_activation_does_not_inherit_the_public_key() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let license = stack.operator.issue_new_license(1).await;
    let first = app.post(ACTIVATE, activate_body(&license, "one", &KEY_A.jwk())).await.expect_status(201);
    let deactivate = format!("license-activations/{}/deactivate", text(&first["activation"]["id"]));
    app.post(&deactivate, json!({"token": decrypt(&stack, &first, &KEY_A).await})).await.expect_status(200);
    let again = app.activate(&license.license_key, "one").await.expect_status(201);
    assert_eq!(again["token_type"], "JWT", "after deactivation");

    let with_key = app.post(ACTIVATE, activate_body(&license, "one", &KEY_A.jwk())).await.expect_status(200);
    decrypt(&stack, &with_key, &KEY_A).await;
    stack.advance(3600);
    let taken_over = app.activate(&license.license_key, "two").await.expect_status(201);
    assert_eq!(taken_over["token_type"], "JWT", "another machine that took over the seat");
    stack.advance(3600);
    let reactivated = app.post(ACTIVATE, activate_body(&license, "one", &KEY_B.jwk())).await.expect_status(201);
    decrypt(&stack, &reactivated, &KEY_B).await;
}

/// Returns an RSA JWK with a modulus of `bits` bits. It only has the form of a key.
fn rsa_jwk(bits: usize, exponent: &[u8]) -> Value {
    let mut n = vec![0xff; bits.div_ceil(8)];
    n[0] >>= n.len() * 8 - bits;
    json!({"kty": "RSA", "n": BASE64URL_NOPAD.encode(&n), "e": BASE64URL_NOPAD.encode(exponent)})
}

fn pem(tag: &str, der: &[u8]) -> Value {
    json!(format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", BASE64.encode(der)))
}

/// Returns the key as PEM with this tag and with altered DER bytes.
fn altered(text: &str, tag: &str, alter: impl Fn(&mut Vec<u8>)) -> Value {
    let inner: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = BASE64.decode(inner.as_bytes()).unwrap();
    alter(&mut der);
    pem(tag, &der)
}

/// Asserts that `activate` rejects each key with a detail that contains the reason.
async fn assert_rejected(keys: Vec<(Value, &str)>) {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    for (key, reason) in keys {
        let response = stack.anonymous.post(ACTIVATE, activate_body(&license, "one", &key)).await;
        response.expect_errors(422, &["/public_key public_key_invalid"]);
        let detail = text(&response.body["errors"][0]["detail"]);
        assert!(detail.contains(reason), "{key}: {detail}");
        assert_eq!(response.body["detail"], detail);
    }
    let license = stack.operator.get(&format!("license-keys/{}", license.license_id)).await.expect_status(200);
    assert_eq!(license["seats_used"], 0);
}

#[tokio::test]
async fn activate_returns_422_for_unsuitable_public_keys() {
    let (jwk, spki, pkcs1) = (KEY_A.jwk(), KEY_A.spki(), KEY_A.pkcs1());
    let with = |members: Value| merged(jwk.clone(), &members);
    let unreadable = "must be a JWK object with kty, n and e";
    assert_rejected(vec![
        (rsa_jwk(2047, &[1, 0, 1]), "2047 bits"),
        (rsa_jwk(1024, &[1, 0, 1]), "1024 bits"),
        (rsa_jwk(4097, &[1, 0, 1]), "4097 bits"),
        (rsa_jwk(300_000, &[1, 0, 1]), "300000 bits"),
        (rsa_jwk(2048, &[1]), "exponent"),
        (rsa_jwk(2048, &[3]), "exponent"),
        (rsa_jwk(2048, &[1, 0, 0]), "exponent"),
        (rsa_jwk(2048, &[1, 0, 2]), "exponent"),
        (rsa_jwk(2048, &[1, 0, 0, 0, 1]), "exponent"),
        (rsa_jwk(2048, &[0xff; 256]), "exponent"),
        (rsa_jwk(2048, &[]), "exponent"),
        (with(json!({"n": BASE64URL_NOPAD.encode(&[0xfe; 256])})), "even"),
        (with(json!({"use": "sig"})), "use"),
        (with(json!({"use": null})), "use"),
        (with(json!({"alg": "RS256"})), "alg"),
        (with(json!({"alg": "RSA-OAEP-256"})), "alg"),
        (with(json!({"alg": "RSA1_5"})), "alg"),
        (with(json!({"key_ops": ["verify"]})), "key_ops"),
        (with(json!({"key_ops": []})), "key_ops"),
        (with(json!({"key_ops": "encrypt"})), "key_ops"),
        (json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}), "must be an RSA key"),
        (with(json!({"kty": "rsa"})), "must be an RSA key"),
        (altered(&spki, "PUBLIC KEY", |der| der[14] = 10), "must be an RSA key"),
        (with(json!({"kty": null})), unreadable),
        (with(json!({"n": null})), unreadable),
        (with(json!({"n": 5})), unreadable),
        (with(json!({"e": "AQAB="})), unreadable),
        (with(json!({"e": "AAEAAQ"})), unreadable),
        (with(json!({"n": format!("{}*", text(&jwk["n"]))})), unreadable),
        (with(json!({"n": format!("AAAA{}", text(&jwk["n"]))})), unreadable),
        (json!({}), unreadable),
        (json!([jwk.clone()]), unreadable),
        (json!({"keys": [jwk]}), unreadable),
        (json!(7), unreadable),
        (json!(true), unreadable),
        (json!(""), unreadable),
        (json!(KEY_A.jwk().to_string()), unreadable),
        (json!(spki.replace("PUBLIC KEY", "PUBLIC  KEY")), unreadable),
        (json!(spki.replace("-----END PUBLIC KEY-----\n", "")), unreadable),
        (json!(spki.replacen("MII", "M*I", 1)), unreadable),
        (altered(&spki, "RSA PUBLIC KEY", |_| ()), unreadable),
        (altered(&pkcs1, "PUBLIC KEY", |_| ()), unreadable),
        (altered(&spki, "PUBLIC KEY", |der| der.push(0)), unreadable),
        (altered(&spki, "PUBLIC KEY", |der| der.truncate(200)), unreadable),
        (pem("PUBLIC KEY", &[]), unreadable),
        (pem("PUBLIC KEY", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), unreadable),
        (pem("CERTIFICATE", &[0x30, 0]), "certificate"),
        (pem("CERTIFICATE REQUEST", &[0x30, 0]), "certificate"),
        (json!(format!("{spki}{spki}")), "one PEM block"),
        (json!(format!("{spki}{pkcs1}")), "one PEM block"),
    ])
    .await;
}

#[tokio::test]
async fn activate_returns_422_for_private_keys_without_echoing_them() {
    let key = AppKey::generate(2048);
    let private = key.private_jwk();
    let [pkcs8, pkcs1] = key.private_pems();
    let only = |name: &str| merged(key.jwk(), &json!({name: private[name]}));
    let private_keys = [
        private.clone(),
        only("d"),
        only("qi"),
        merged(key.jwk(), &json!({"d": null})),
        json!({"kty": "oct", "k": "AAAA"}),
        json!(private.to_string()),
        json!({"keys": [key.jwk(), private]}),
        json!(pkcs8),
        json!(pkcs1),
        json!(format!("{}{pkcs8}", key.spki())),
        json!(pkcs8.replace("PRIVATE", "ENCRYPTED PRIVATE")),
        json!("-----BEGIN OPENSSH PRIVATE KEY-----"),
    ];
    assert_rejected(private_keys.iter().cloned().map(|key| (key, "compromised")).collect()).await;

    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    for key in &private_keys {
        let response = stack.anonymous.post(ACTIVATE, activate_body(&license, "one", key)).await;
        assert!(!response.text.contains(&text(&private["d"])[..20]) && !response.text.contains(&pkcs8[40..80]));
    }
    // The error is also reported together with others.
    let several = merged(activate_body(&license, "", &json!(pkcs8)), &json!({"machine_name": ""}));
    let response = stack.anonymous.post(ACTIVATE, several).await;
    response.expect_errors(
        422,
        &["/machine_id invalid_value", "/machine_name invalid_value", "/public_key public_key_invalid"],
    );
    assert!(response.text.contains("compromised"));
}
