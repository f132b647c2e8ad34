//! Tokens that are encrypted to a public key of the app: how it is given, what comes back, and which keys are refused.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::sync::LazyLock;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use signet_tests::{AppKey, Client, IssuedLicense, Stack, Value, VerifiedToken, json, merged, text, thumbprint};

const ACTIVATE: &str = "license-activations/activate";

/// Made once: an RSA key pair takes its time.
static ONE: LazyLock<AppKey> = LazyLock::new(|| AppKey::generate(2048));
static TWO: LazyLock<AppKey> = LazyLock::new(|| AppKey::generate(2048));

fn with_key(sold: &IssuedLicense, machine: &str, key: &Value) -> Value {
    json!({"license_key": sold.license_key, "machine_id": machine, "public_key": key})
}

async fn beat(app: &Client, token: &str, machine: &str) -> Value {
    app.heartbeat(token, machine).await.expect_status(200)
}

/// The token in an answer, which only `key` opens, and which the published keys verify.
async fn opened(stack: &Stack, answer: &Value, key: &AppKey) -> String {
    let (token, header) = key.decrypt(answer).unwrap_or_else(|| panic!("it does not open: {answer}"));
    let kid = thumbprint(&key.jwk());
    assert_eq!(header, json!({"alg": "RSA-OAEP", "enc": "A256CBC-HS512", "cty": "JWT", "kid": kid}));
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    let signed = VerifiedToken::verify(&token, &jwks).unwrap();
    assert_eq!(signed.header["typ"], "license+jwt");
    token
}

#[tokio::test]
async fn activate_201_with_a_public_key_hands_out_an_encrypted_token() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let sold = stack.operator.issue_new_license(9).await;
    let jwk = ONE.jwk();
    let marked = json!({
        "use": "enc", "alg": "RSA-OAEP", "key_ops": ["wrapKey"], "kid": "mine", "ext": true, "x5t": "AAAA", "a": {},
    });
    let shown = json!(format!("Our key:\r\n{}\r\n", ONE.spki().replace('\n', "\r\n")));
    for (at, key) in
        [jwk.clone(), merged(jwk, &marked), json!(ONE.spki()), json!(ONE.pkcs1()), shown].into_iter().enumerate()
    {
        let machine = format!("machine-{at}");
        let activated = app.post(ACTIVATE, with_key(&sold, &machine, &key)).await.expect_status(201);
        let token = opened(&stack, &activated, &ONE).await;
        assert!(TWO.decrypt(&activated).is_none());
        assert_eq!(stack.claims(&json!(token)).await["activation"]["machine_id"], machine);
        assert!(activated["activation"].get("public_key").is_none(), "{activated}");
    }
    let none = app.post(ACTIVATE, with_key(&sold, "none", &Value::Null)).await.expect_status(201);
    assert_eq!(none["token_type"], "JWT");
    stack.claims(&none["token"]).await;
}

#[tokio::test]
async fn heartbeat_200_is_encrypted_again_renewed_or_not() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let sold = stack.operator.issue_new_license_with(&json!({"renew_after_seconds": 300})).await;
    let activated = app.post(ACTIVATE, with_key(&sold, "one", &ONE.jwk())).await.expect_status(201);
    let first = opened(&stack, &activated, &ONE).await;

    stack.advance(60);
    let young = beat(app, &first, "one").await;
    assert_eq!((&young["renewed"], opened(&stack, &young, &ONE).await), (&json!(false), first.clone()));
    assert_ne!(young["token"], activated["token"], "each encryption draws a key of its own");

    stack.advance(600);
    let renewed = beat(app, &first, "one").await;
    let second = opened(&stack, &renewed, &ONE).await;
    assert_eq!(renewed["renewed"], true);
    assert_ne!(second, first);
    let body = json!({"token": second, "machine_id": "one"});
    assert_eq!(app.post("license-keys/validate", body).await.expect_status(200)["code"], "valid");
}

#[tokio::test]
async fn an_encrypted_token_is_no_credential() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let sold = stack.operator.issue_new_license(2).await;
    let activated = app.post(ACTIVATE, with_key(&sold, "one", &ONE.jwk())).await.expect_status(201);
    let encrypted = json!({"token": activated["token"], "machine_id": "one"});
    app.post("license-keys/heartbeat", encrypted.clone()).await.expect_problem(401, "token_invalid");
    app.post(ACTIVATE, encrypted.clone()).await.expect_problem(401, "token_invalid");
    let asked = app.post("license-keys/validate", encrypted).await.expect_status(200);
    assert_eq!(asked["code"], "token_invalid");
    let end = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    app.post(&end, json!({"token": activated["token"]})).await.expect_problem(401, "token_invalid");
}

#[tokio::test]
async fn a_renewal_keeps_the_key_and_replaces_it_by_another() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let sold = stack.operator.issue_new_license(1).await;
    let plain = app.activate(&sold.license_key, "one").await.expect_status(201);
    assert_eq!(plain["token_type"], "JWT");
    let given = app.post(ACTIVATE, with_key(&sold, "one", &ONE.jwk())).await.expect_status(200);
    opened(&stack, &given, &ONE).await;
    let kept = app.activate(&sold.license_key, "one").await.expect_status(200);
    opened(&stack, &kept, &ONE).await;
    let replaced = app.post(ACTIVATE, with_key(&sold, "one", &json!(TWO.spki()))).await.expect_status(200);
    let token = opened(&stack, &replaced, &TWO).await;
    let beat = beat(app, &token, "one").await;
    opened(&stack, &beat, &TWO).await;
    assert_eq!(given["activation"]["id"], replaced["activation"]["id"]);
}

#[tokio::test]
async fn a_new_life_has_the_key_of_its_own_request_alone() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let sold = stack.operator.issue_new_license(1).await;
    let first = app.post(ACTIVATE, with_key(&sold, "one", &ONE.jwk())).await.expect_status(201);
    let end = format!("license-activations/{}/deactivate", text(&first["activation"]["id"]));
    app.post(&end, json!({"token": opened(&stack, &first, &ONE).await})).await.expect_status(200);
    let again = app.activate(&sold.license_key, "one").await.expect_status(201);
    assert_eq!(again["token_type"], "JWT", "after its end");

    let given = app.post(ACTIVATE, with_key(&sold, "one", &ONE.jwk())).await.expect_status(200);
    opened(&stack, &given, &ONE).await;
    stack.advance(3600);
    let taken = app.activate(&sold.license_key, "two").await.expect_status(201);
    assert_eq!(taken["token_type"], "JWT", "of another machine that took the seat over");
    stack.advance(3600);
    let back = app.post(ACTIVATE, with_key(&sold, "one", &TWO.jwk())).await.expect_status(201);
    opened(&stack, &back, &TWO).await;
}

/// A key of `bits` bits, no more than its form: nobody has the private part.
fn shaped(bits: usize, exponent: &[u8]) -> Value {
    let mut n = vec![0xff; bits.div_ceil(8)];
    n[0] >>= n.len() * 8 - bits;
    json!({"kty": "RSA", "n": BASE64URL_NOPAD.encode(&n), "e": BASE64URL_NOPAD.encode(exponent)})
}

fn pem(tag: &str, der: &[u8]) -> Value {
    json!(format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", BASE64.encode(der)))
}

/// The public part, as PEM text of this tag, its bytes altered.
fn altered(text: &str, tag: &str, alter: impl Fn(&mut Vec<u8>)) -> Value {
    let inner: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = BASE64.decode(inner.as_bytes()).unwrap();
    alter(&mut der);
    pem(tag, &der)
}

/// Refuses each key, with a word of its reason.
async fn refused(keys: Vec<(Value, &str)>) {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    for (key, reason) in keys {
        let answer = stack.anonymous.post(ACTIVATE, with_key(&sold, "one", &key)).await;
        answer.expect_errors(422, &["/public_key public_key_invalid"]);
        let detail = text(&answer.body["errors"][0]["detail"]);
        assert!(detail.contains(reason), "{key}: {detail}");
        assert_eq!(answer.body["detail"], detail);
    }
    let license = stack.operator.get(&format!("license-keys/{}", sold.license_id)).await.expect_status(200);
    assert_eq!(license["seats_used"], 0);
}

#[tokio::test]
async fn a_public_key_of_the_wrong_kind_422() {
    let (jwk, spki, pkcs1) = (ONE.jwk(), ONE.spki(), ONE.pkcs1());
    let with = |members: Value| merged(jwk.clone(), &members);
    let unreadable = "can't be read";
    refused(vec![
        (shaped(2047, &[1, 0, 1]), "2047 bits"),
        (shaped(1024, &[1, 0, 1]), "1024 bits"),
        (shaped(4097, &[1, 0, 1]), "4097 bits"),
        (shaped(300_000, &[1, 0, 1]), "300000 bits"),
        (shaped(2048, &[1]), "exponent"),
        (shaped(2048, &[3]), "exponent"),
        (shaped(2048, &[1, 0, 0]), "exponent"),
        (shaped(2048, &[1, 0, 2]), "exponent"),
        (shaped(2048, &[1, 0, 0, 0, 1]), "exponent"),
        (shaped(2048, &[0xff; 256]), "exponent"),
        (shaped(2048, &[]), "exponent"),
        (with(json!({"n": BASE64URL_NOPAD.encode(&[0xfe; 256])})), "even"),
        (with(json!({"use": "sig"})), "use"),
        (with(json!({"use": null})), "use"),
        (with(json!({"alg": "RS256"})), "alg"),
        (with(json!({"alg": "RSA-OAEP-256"})), "alg"),
        (with(json!({"alg": "RSA1_5"})), "alg"),
        (with(json!({"key_ops": ["verify"]})), "key_ops"),
        (with(json!({"key_ops": []})), "key_ops"),
        (with(json!({"key_ops": "encrypt"})), "key_ops"),
        (json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}), "no RSA key"),
        (with(json!({"kty": "rsa"})), "no RSA key"),
        (altered(&spki, "PUBLIC KEY", |der| der[14] = 10), "no RSA key"),
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
        (json!(ONE.jwk().to_string()), unreadable),
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
        (json!(format!("{spki}{spki}")), "more than one"),
        (json!(format!("{spki}{pkcs1}")), "more than one"),
    ])
    .await;
}

#[tokio::test]
async fn a_private_key_422_and_is_neither_shown_nor_kept() {
    let key = AppKey::generate(2048);
    let private = key.private_jwk();
    let [pkcs8, pkcs1] = key.private_pems();
    let only = |name: &str| merged(key.jwk(), &json!({name: private[name]}));
    let given = [
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
    refused(given.iter().cloned().map(|key| (key, "consider it exposed")).collect()).await;

    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    for given in &given {
        let answer = stack.anonymous.post(ACTIVATE, with_key(&sold, "one", given)).await;
        assert!(!answer.text.contains(&text(&private["d"])[..20]) && !answer.text.contains(&pkcs8[40..80]));
    }
    // With other faults besides, it is told all the same.
    let several = merged(with_key(&sold, "", &json!(pkcs8)), &json!({"machine_name": ""}));
    let answer = stack.anonymous.post(ACTIVATE, several).await;
    answer.expect_errors(
        422,
        &["/machine_id invalid_value", "/machine_name invalid_value", "/public_key public_key_invalid"],
    );
    assert!(answer.text.contains("consider it exposed"));
}
