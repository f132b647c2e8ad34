//! Vectors of offline activation: license files and the requests for them.

use shared::domain::{OfflineRequest, license_file::MAX_KEY_SET_AGE_SECONDS};

use super::*;

const DAY: i64 = 86_400;

/// Returns the claims of the token of a license file that is valid for a year.
fn file_claims() -> Value {
    let end = now() + 365 * DAY;
    until(end, end, &Value::Null)
}

/// Returns the claims of such a token that was signed `age` seconds ago.
fn claims_of_age(age: i64) -> Value {
    let iat = now() - age;
    merged(file_claims(), &json!({"iat": iat, "nbf": iat}))
}

fn file(token: &str, key_set: &str) -> Value {
    json!({"format": "signet-license/1", "issuer": ISSUER, "product": PRODUCT, "token": token, "signed_jwks": key_set})
}

/// Returns a vector in which a license file is imported.
fn case(name: &str, accept: bool, why: &str, file: &Value) -> Value {
    let file = file.as_str().map_or_else(|| file.to_string(), str::to_owned);
    json!({"name": name, "accept": accept, "why": why, "file": file})
}

fn accepted(keys: &VectorKeys) -> Vec<Value> {
    let token = keys.issuer.token(&file_claims());
    let plain = file(&token, &keys.signed_key_set(3600));
    let accept = |name: &str, why: &str, file: &Value| case(name, true, why, file);
    let root = &keys.root;
    let only_previous = merged(keys.key_set(1800), &json!({"keys": [keys.previous.public]}));
    let only_previous = root.jws(&root.header("jwk-set+jwt"), &only_previous);
    let by_next_root = keys.next_root.jws(&keys.next_root.header("jwk-set+jwt"), &keys.key_set(3600));
    let end = now() + 365 * DAY;
    vec![
        accept("plain", "the machine has never fetched a key set", &plain),
        merged(
            accept("valid for a year", "valid until offline_until, long past the exp of the key set", &plain),
            &json!({"verify": [
                {"now": now() + 300 * DAY, "accept": true},
                {"now": end, "accept": true},
                {"now": end + 100, "accept": false},
            ]}),
        ),
        accept("white space", "the JSON text is indented", &json!(serde_json::to_string_pretty(&plain).unwrap())),
        accept("unknown members", "unknown members are ignored", &merged(plain.clone(), &json!({"note": "x"}))),
        accept("key set past exp", "exp limits fetched key sets only", &file(&token, &keys.signed_key_set(30 * DAY))),
        accept(
            "old key set",
            "399 days after the iat of the key set",
            &file(&token, &keys.signed_key_set(MAX_KEY_SET_AGE_SECONDS - DAY)),
        ),
        accept("next root key", "the key set is signed by the other root key", &file(&token, &by_next_root)),
        accept(
            "previous key",
            "signed by the previous key, which is in the file's key set",
            &file(&keys.previous.token(&file_claims()), &keys.signed_key_set(3600)),
        ),
        merged(
            accept("stored key set without the key", "only the file's key set has the signing key", &plain),
            &json!({"signed_jwks": only_previous}),
        ),
        merged(
            accept("only this token", "the file's key set does not verify another token", &plain),
            &json!({"signed_jwks": only_previous, "verify": [
                {"token": keys.issuer.token(&claims()), "accept": false, "unknown_key": true},
                {"token": keys.previous.token(&claims()), "accept": true},
            ]}),
        ),
        merged(
            accept(
                "400 days after the iat of the key set",
                "the file's key set no longer verifies its token",
                &file(
                    &keys.issuer.token(&until(now() + 500 * DAY, now() + 500 * DAY, &Value::Null)),
                    &keys.signed_key_set(3600),
                ),
            ),
            &json!({"verify": [
                {"now": now() - 3600 + MAX_KEY_SET_AGE_SECONDS - 100, "accept": true},
                {"now": now() - 3600 + MAX_KEY_SET_AGE_SECONDS + 100, "accept": false},
            ]}),
        ),
        merged(accept("imported again", "nothing changes", &plain), &json!({"imported": plain.to_string()})),
        merged(
            accept(
                "renewed",
                "a later file replaces the earlier one, and corrects a clock that was ahead",
                &file(&keys.issuer.token(&claims_of_age(300)), &keys.signed_key_set(3600)),
            ),
            &json!({"imported": plain.to_string(), "last_seen": now() + 9999, "seen_after": now() - 300}),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "one list of cases")]
fn refused(keys: &VectorKeys) -> Vec<Value> {
    let token = keys.issuer.token(&file_claims());
    let set = keys.signed_key_set(3600);
    let plain = file(&token, &set);
    let refuse = |name: &str, why: &str, file: &Value| case(name, false, why, file);
    let changed = |fields: Value| merged(plain.clone(), &fields);
    let signed = |fields: Value| file(&keys.issuer.token(&merged(file_claims(), &fields)), &set);
    let set_of = |key: &VectorKey| file(&token, &key.jws(&key.header("jwk-set+jwt"), &keys.key_set(3600)));
    let at = |name: &str, why: &str, fields: Value| merged(refuse(name, why, &plain), &fields);
    let end = now() + 365 * DAY;
    let on = json!({"activation": {"id": "act_1_2_3", "machine_id": "machine-2"}});
    let root = &keys.root;
    let only_previous = merged(keys.key_set(3600), &json!({"keys": [keys.previous.public]}));
    let only_previous = root.jws(&root.header("jwk-set+jwt"), &only_previous);
    let other_issuer = json!({"iss": "https://licenses.example.org"});
    let set_of_other_issuer = root.jws(&root.header("jwk-set+jwt"), &merged(keys.key_set(3600), &other_issuer));
    let damaged = |text: &str| {
        let at = text.len() - 20;
        let other = if text[at..].starts_with('A') { 'B' } else { 'A' };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    };
    vec![
        refuse("another machine", "activation.machine_id names another machine", &signed(on)),
        refuse(
            "no machine",
            "a token as issued names no machine",
            &file(&keys.issuer.token(&without_member(file_claims(), "activation")), &set),
        ),
        refuse("another product", "the file is for another product", &changed(json!({"product": "orbit"}))),
        refuse("token for another product", "aud names another product", &signed(json!({"aud": "orbit"}))),
        refuse(
            "another issuer",
            "the file is from another issuer",
            &changed(json!({"issuer": "https://licenses.example.org"})),
        ),
        refuse("token of another issuer", "iss names another issuer", &signed(other_issuer)),
        refuse(
            "key set of another issuer",
            "iss of the key set names another issuer",
            &file(&token, &set_of_other_issuer),
        ),
        refuse("a later format", "the format is unknown", &changed(json!({"format": "signet-license/2"}))),
        refuse("no format", "format is missing", &without_member(plain.clone(), "format")),
        refuse("no token", "token is missing", &without_member(plain.clone(), "token")),
        refuse("no key set", "signed_jwks is missing", &without_member(plain.clone(), "signed_jwks")),
        refuse("token null", "token is not a string", &changed(json!({"token": null}))),
        refuse("cut off", "the text is cut off", &json!(plain.to_string()[..900].to_owned())),
        refuse("empty", "empty text", &json!("")),
        refuse("a list", "the JSON text is not an object", &json!(["signet-license/1", ISSUER, PRODUCT, token, set])),
        refuse("a token", "a token is not a license file", &json!(token)),
        refuse(
            "token damaged",
            "one character of the token's signature is changed",
            &changed(json!({"token": damaged(&token)})),
        ),
        refuse(
            "key set damaged",
            "one character of the key set's signature is changed",
            &changed(json!({"signed_jwks": damaged(&set)})),
        ),
        refuse(
            "key set not signed",
            "a JWKS without a signature",
            &changed(json!({"signed_jwks": json!({"keys": keys.key_set(0)["keys"]}).to_string()})),
        ),
        refuse("key set signed by a signing key", "signing keys do not sign key sets", &set_of(&keys.issuer)),
        refuse("key set signed by a foreign key", "not signed by a root key", &set_of(&keys.foreign)),
        refuse(
            "token signed by a foreign key",
            "the key is not in the file's key set",
            &file(&keys.foreign.token(&file_claims()), &set),
        ),
        merged(
            refuse(
                "key only in the stored key set",
                "the file's key set does not have the signing key",
                &file(&token, &only_previous),
            ),
            &json!({"signed_jwks": set}),
        ),
        refuse(
            "key set too old",
            "more than 400 days after the iat of the key set",
            &file(&token, &keys.signed_key_set(MAX_KEY_SET_AGE_SECONDS + 100)),
        ),
        refuse("encrypted", "the token must be decrypted first", &file(text(&encrypted_file()[0]["encrypted"]), &set)),
        at("ended", "after offline_until", json!({"now": end + 100})),
        at("clock set back", "before nbf by more than the leeway", json!({"now": now() - 700})),
        at(
            "imported again after the clock was set back",
            "importing the same file does not set the last time seen back",
            json!({"imported": plain.to_string(), "last_seen": now() + 9999, "seen_after": now() + 9999}),
        ),
        at(
            "earlier file after the clock was set back",
            "importing an earlier file does not set the last time seen back",
            json!({
                "imported": file(&keys.issuer.token(&claims_of_age(300)), &set).to_string(),
                "last_seen": now() + 9999, "seen_after": now() + 9999,
            }),
        ),
    ]
}

pub(super) fn license_files(keys: &VectorKeys) -> Value {
    Value::Array([accepted, refused].iter().flat_map(|cases| cases(keys)).collect())
}

fn request_text(json: &str) -> String {
    format!("signet-request/1:{}", BASE64URL_NOPAD.encode(json.as_bytes()))
}

pub(super) fn requests(_: &VectorKeys) -> Value {
    let app = jwk_to_json(&app_key().to_jwk_public_key());
    let app_pem = String::from_utf8(app_key().to_pem_public_key()).unwrap();
    let accept = |name: &str, why: &str, request: &Value| json!({"name": name, "accept": true, "why": why, "text": request_text(&request.to_string()), "request": request});
    let refuse = |name: &str, why: &str, text: String| json!({"name": name, "accept": false, "why": why, "text": text});
    let refuse_json = |name: &str, why: &str, json: &str| refuse(name, why, request_text(json));
    let plain = json!({"product": PRODUCT, "machine_id": MACHINE_ID, "machine_name": "build-07"});
    let text = request_text(&plain.to_string());
    let with = |fields: Value| merged(plain.clone(), &fields);
    let refuse_field = |name: &str, why: &str, fields: Value| refuse_json(name, why, &with(fields).to_string());
    let wrapped = text.as_bytes().chunks(40).map(|line| String::from_utf8_lossy(line) + "\r\n").collect::<String>();
    json!([
        accept("plain", "an ordinary request", &plain),
        accept("shortest", "the machine has no name", &json!({"product": PRODUCT, "machine_id": "1"})),
        accept("public key as JWK", "the token in the license file is encrypted", &with(json!({"public_key": app}))),
        accept(
            "public key as PEM",
            "the token in the license file is encrypted",
            &with(json!({"public_key": app_pem}))
        ),
        accept("not ASCII", "JSON is UTF-8", &with(json!({"machine_id": "machine-ä", "machine_name": "工場"}))),
        merged(
            accept("wrapped", "white space in the text is ignored", &plain),
            &json!({"text": format!(" {wrapped} ")})
        ),
        refuse("empty", "empty text", String::new()),
        refuse("no prefix", "the prefix is missing", text.replace("signet-request/1:", "")),
        refuse("prefix in upper case", "the prefix is compared exactly", text.replace("signet", "SIGNET")),
        refuse("a later version", "the version is unknown", text.replace("/1:", "/2:")),
        refuse("cut off", "the end is missing", text[..text.len() - 6].to_owned()),
        refuse("only the prefix", "the end is missing", "signet-request/1:".to_owned()),
        refuse(
            "padding",
            "base64url has no padding here",
            format!("{}=", request_text(r#"{"product":"atlas","machine_id":"1234"}"#))
        ),
        refuse(
            "base64",
            "+ and / are not letters of base64url",
            text.replacen("signet-request/1:", "signet-request/1:+/", 1)
        ),
        refuse("twice", "the text was pasted twice", format!("{text}{text}")),
        refuse("too long", "longer than 4096 characters", request_text(&format!("{plain}{}", " ".repeat(4096)))),
        refuse_json("not JSON", "the decoded text is not JSON", "machine-1"),
        refuse_json("a list", "the JSON text is not an object", &json!([PRODUCT, MACHINE_ID]).to_string()),
        refuse_json("no machine ID", "machine_id is missing", &json!({"product": PRODUCT}).to_string()),
        refuse_json("no product", "product is missing", &json!({"machine_id": MACHINE_ID}).to_string()),
        refuse_json(
            "duplicate field",
            "machine_id is a duplicate field",
            r#"{"product":"atlas","machine_id":"1","machine_id":"2"}"#
        ),
        refuse_field("unknown field", "color is unknown", json!({"color": "red"})),
        refuse_field("product as number", "product is not a string", json!({"product": 1})),
        refuse_field("product in upper case", "not a product code", json!({"product": "Atlas"})),
        refuse_field("machine ID empty", "machine IDs have 1 to 256 bytes", json!({"machine_id": ""})),
        refuse_field("machine ID too long", "machine IDs have 1 to 256 bytes", json!({"machine_id": "x".repeat(257)})),
        refuse_field(
            "machine ID with a line break",
            "control characters are not allowed",
            json!({"machine_id": "a\nb"})
        ),
        refuse_field("machine name too long", "names have 1 to 100 bytes", json!({"machine_name": "x".repeat(101)})),
        refuse_field(
            "public key without modulus",
            "not a public key",
            json!({"public_key": {"kty": "RSA", "e": "AQAB"}})
        ),
        refuse_field(
            "private key",
            "a private key must not leave the machine",
            json!({"public_key": merged(app, &json!({"d": "AQAB"}))})
        ),
    ])
}

#[test]
fn requests_are_parsed_as_the_vectors_say() {
    for vector in read("requests.json") {
        let name = &vector["name"];
        let result = OfflineRequest::parse(text(&vector["text"]));
        assert_eq!(result.is_ok(), vector["accept"] == true, "{name}: {result:?}");
        let Ok(request) = result else { continue };
        assert_eq!(json!(request), vector["request"], "{name}");
        let formatted = request.format().unwrap();
        assert_eq!(json!(OfflineRequest::parse(&formatted).unwrap()), vector["request"], "{name}");
    }
}

/// The code is the one in the documentation.
#[test]
fn qr_code_of_a_request_is_up_to_date() {
    use qrcode::{EcLevel, QrCode, render::svg};
    let request = text(&read("requests.json")[0]["text"]).to_owned();
    let code = QrCode::with_error_correction_level(&request, EcLevel::M).unwrap();
    let svg = code.render::<svg::Color<'_>>().module_dimensions(4, 4).build();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/assets/offline-request.svg");
    let generated = format!("{svg}\n");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap() == generated, "the QR code is outdated: run with UPDATE_VECTORS=1");
}

#[test]
fn rust_verifier_agrees_with_the_license_file_vectors() {
    let issuer = read_issuer();
    for vector in read("license-files.json") {
        let name = &vector["name"];
        let folder = tempfile::tempdir().unwrap();
        let verifier = verifier(&issuer, &folder);
        let file = |name: &str| folder.path().join(name);
        let content = |name: &str| fs::read_to_string(file(name)).ok();
        let now = vector["now"].as_i64().or(issuer["now"].as_i64()).unwrap();
        if let Some(key_set) = vector["signed_jwks"].as_str() {
            fs::write(file("jwks.jwt"), key_set).unwrap();
        }
        if let Some(imported) = vector["imported"].as_str() {
            verifier.import_license_file(imported, MACHINE_ID, now).unwrap();
        }
        if let Some(last_seen) = vector["last_seen"].as_i64() {
            fs::write(file("last-seen"), last_seen.to_string()).unwrap();
        }
        let before = verifier.stored_token();
        let result = verifier.import_license_file(text(&vector["file"]), MACHINE_ID, now);
        assert_eq!(result.is_ok(), vector["accept"] == true, "{name}: {result:?}");
        if let Some(expected) = vector["seen_after"].as_i64() {
            assert_eq!(content("last-seen"), Some(expected.to_string()), "{name}");
        }
        assert_eq!(
            content("jwks.jwt").as_deref(),
            vector["signed_jwks"].as_str(),
            "{name}: the stored key set changed"
        );
        if result.is_err() {
            assert_eq!(verifier.stored_token(), before, "{name}");
            continue;
        }
        let token = verifier.stored_token().unwrap();
        assert_eq!(token, serde_json::from_str::<Value>(text(&vector["file"])).unwrap()["token"], "{name}");
        verifier.verify(&token, MACHINE_ID, now).unwrap();
        for later in vector["verify"].as_array().into_iter().flatten() {
            let token = later["token"].as_str().unwrap_or(&token);
            let result = verifier.verify(token, MACHINE_ID, later["now"].as_i64().unwrap_or(now));
            assert_eq!(result.is_ok(), later["accept"] == true, "{name}: {later}: {result:?}");
            assert_eq!(
                result.is_err_and(|error| is_unknown_key(&error)),
                later["unknown_key"] == true,
                "{name}: {later}"
            );
        }
    }
}

#[test]
fn importing_a_file_again_does_not_undo_a_refusal() {
    let issuer = read_issuer();
    let keys = VectorKeys::read();
    let folder = tempfile::tempdir().unwrap();
    let verifier = verifier(&issuer, &folder);
    let [earlier, later] =
        [600, 300].map(|age| file(&keys.issuer.token(&claims_of_age(age)), &keys.signed_key_set(3600)).to_string());
    verifier.store_refusal("expired");
    verifier.import_license_file(&earlier, MACHINE_ID, now()).unwrap();
    assert!(verifier.stored_token().is_some(), "imported after the refusal");
    verifier.import_license_file(&earlier, MACHINE_ID, now()).unwrap();
    verifier.store_refusal("revoked");
    verifier.import_license_file(&earlier, MACHINE_ID, now()).unwrap_err();
    assert_eq!(verifier.stored_token(), None);
    verifier.import_license_file(&later, MACHINE_ID, now()).unwrap();
    assert!(verifier.stored_token().is_some());
}
