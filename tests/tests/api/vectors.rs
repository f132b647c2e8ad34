//! The published test vectors, `tests/vectors/*.json`: made of fixed keys, so that the files are what this makes; and the
//! README's Rust lines, run against them.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{fs, path::PathBuf};

use data_encoding::BASE64URL_NOPAD;
use josekit::{
    jwe::{JweHeader, RSA_OAEP, deserialize_compact, serialize_compact},
    jwk::alg::rsa::RsaKeyPair,
};
use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
    sign::Signer,
};
use signet_tests::{START, Value, json, jwk_to_json, merged, text, thumbprint};

use crate::readme::{UnknownKey, Verifier};

const ISSUER: &str = "https://licenses.example.com";
const PRODUCT: &str = "atlas";
const MACHINE: &str = "machine-1";
const GRACE: i64 = 86_400;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// A key that signs what is in the vectors.
struct Key {
    pem: Vec<u8>,
    private: PKey<Private>,
    /// As the JWKS has it.
    public: Value,
}

impl Key {
    fn read(name: &str) -> Self {
        let pem = fs::read(folder().join(format!("keys/{name}.pem"))).unwrap();
        let private = PKey::private_key_from_pem(&pem).unwrap();
        let rsa = private.rsa().unwrap();
        let [n, e] = [rsa.n(), rsa.e()].map(|number| BASE64URL_NOPAD.encode(&number.to_vec()));
        let key = json!({"kty": "RSA", "n": n, "e": e});
        let public = merged(json!({"use": "sig", "alg": "RS256", "kid": thumbprint(&key)}), &key);
        Self { pem, private, public }
    }

    fn header(&self, typ: &str) -> Value {
        json!({"alg": "RS256", "typ": typ, "kid": self.public["kid"]})
    }

    fn signature(&self, message: &str) -> Vec<u8> {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.private).unwrap();
        signer.sign_oneshot_to_vec(message.as_bytes()).unwrap()
    }

    fn jws(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        joined(&message, &self.signature(&message))
    }

    fn token(&self, claims: &Value) -> String {
        self.jws(&self.header("license+jwt"), claims)
    }
}

fn encoded(part: &Value) -> String {
    BASE64URL_NOPAD.encode(part.to_string().as_bytes())
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header), encoded(claims))
}

fn joined(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", BASE64URL_NOPAD.encode(signature))
}

fn without(mut object: Value, member: &str) -> Value {
    object.as_object_mut().unwrap().remove(member).unwrap();
    object
}

struct Keys {
    issuer: Key,
    previous: Key,
    root: Key,
    next_root: Key,
    foreign: Key,
}

impl Keys {
    fn read() -> Self {
        let [issuer, previous, root, next_root, foreign] =
            ["issuer", "previous", "root", "next-root", "foreign"].map(Key::read);
        Self { issuer, previous, root, next_root, foreign }
    }

    /// What a signed set says that was made `age` seconds ago.
    fn set(&self, age: i64) -> Value {
        let iat = now() - age;
        json!({
            "iss": ISSUER, "sub": ISSUER, "iat": iat, "exp": iat + 604_800,
            "keys": [self.issuer.public, self.previous.public],
        })
    }

    fn signed_set(&self, age: i64) -> String {
        self.root.jws(&self.root.header("jwk-set+jwt"), &self.set(age))
    }

    fn issuer_file(&self) -> Value {
        json!({
            "issuer": ISSUER, "product": PRODUCT, "machine_id": MACHINE, "now": now(),
            "root_keys": [self.root.public, self.next_root.public],
            "jwks": {"keys": self.set(0)["keys"]},
            "signed_jwks": self.signed_set(3600),
        })
    }
}

fn now() -> i64 {
    START.as_second()
}

fn claims() -> Value {
    let iat = now() - 600;
    json!({
        "iss": ISSUER, "aud": PRODUCT, "sub": "lic_01KF0F9RN7QCB8X5V9Y4S3HJTE", "iat": iat, "nbf": iat, "exp": iat + 3600,
        "jti": "01KF0F9RNFVJ8Q2T7Z5D0M4XWC", "customer_id": "cus_01KF0F9RN2J5W3E8A6T1B7K9PD",
        "product_id": "prod_01KF0F9RMX4C7D2S9N8V5Q1HZG",
        "tier": {"id": "tier_01KF0F9RN04M6R8Y2J7P3F5XKA", "code": "pro", "name": "Pro"},
        "features": ["api", "export.pdf"], "limits": {"max_users": 5, "max_tenants": null},
        "enforcement": {
            "heartbeat_interval_seconds": 900, "grace_period_seconds": GRACE, "license_expires_at": null,
        },
        "generation": 1, "activation": {"id": "act_01KF0F9RN7QCB8X5V9Y4S3HJTE_0a1b_2c3d", "machine_id": MACHINE},
    })
}

fn accept(name: &str, why: &str, token: &str) -> Value {
    json!({"name": name, "accept": true, "why": why, "token": token})
}

fn refuse(name: &str, why: &str, token: &str) -> Value {
    json!({"name": name, "accept": false, "why": why, "token": token})
}

/// Refused in a way of its own: the app fetches the set anew.
fn unknown(name: &str, why: &str, token: &str) -> Value {
    merged(refuse(name, why, token), &json!({"unknown_key": true}))
}

fn accepted(keys: &Keys) -> Vec<Value> {
    let token = keys.issuer.token(&claims());
    let (start, end) = (now() - 600, now() + 3000);
    let at = |name: &str, why: &str, fields: Value| merged(accept(name, why, &token), &fields);
    let old_set = json!({"signed_jwks": keys.signed_set(30 * 86_400)});
    let changed = |fields: Value| keys.issuer.token(&merged(claims(), &fields));
    let no_grace = json!({"enforcement": merged(claims()["enforcement"].clone(), &json!({"grace_period_seconds": 0}))});
    vec![
        at("plain", "a token as an app has it", json!({})),
        at("leeway before", "this clock is 50 seconds behind the issuer's", json!({"now": start - 50})),
        at("leeway after", "50 seconds past exp, and clocks differ", json!({"now": end + 50})),
        at("grace", "past exp, within the grace period", json!({"now": end + GRACE / 2})),
        at("end of grace", "just within the grace period, and clocks differ", json!({"now": end + GRACE + 50})),
        at("clock a little back", "50 seconds less than the last time seen", json!({"last_seen": now() + 50})),
        at("seen before", "the last time seen is past", json!({"last_seen": now() - 9999})),
        at("offline for long", "the kept set is past its exp: what ended is that others may be handed it", old_set),
        accept("previous key", "signed by the key before, which is still published", &keys.previous.token(&claims())),
        accept("no grace", "a grace period of nothing, and not past exp", &changed(no_grace)),
        accept("no limits", "null is no limit", &changed(json!({"limits": {"max_users": null, "max_tenants": null}}))),
        accept("no features", "none is a list too", &changed(json!({"features": []}))),
        accept("more claims", "what nobody knows yet is ignored", &changed(json!({"region": "eu", "flags": [1]}))),
    ]
}

fn wrong_claims(keys: &Keys) -> Vec<Value> {
    let changed = |fields: Value| keys.issuer.token(&merged(claims(), &fields));
    let lacking = |member: &str| keys.issuer.token(&without(claims(), member));
    let on = |machine: Value| changed(json!({"activation": {"id": "act_1_2_3", "machine_id": machine}}));
    vec![
        refuse("another machine", "activation.machine_id is another's", &on(json!("machine-2"))),
        refuse("nearly this machine", "an id is compared whole", &on(json!("machine-1 "))),
        refuse("another case", "an id is compared letter by letter", &on(json!("Machine-1"))),
        refuse("machine null", "activation.machine_id is missing", &on(Value::Null)),
        refuse("as issued", "the token that issuing returns: it names no machine", &lacking("activation")),
        refuse("activation null", "it names no machine", &changed(json!({"activation": null}))),
        refuse("another product", "aud is another's", &changed(json!({"aud": "orbit"}))),
        refuse("no product", "aud is missing", &lacking("aud")),
        refuse("another issuer", "iss is another's", &changed(json!({"iss": "https://licenses.example.org"}))),
        refuse("nearly the issuer", "iss is compared whole", &changed(json!({"iss": format!("{ISSUER}/")}))),
        refuse("no issuer", "iss is missing", &lacking("iss")),
        refuse("no end", "exp is missing", &lacking("exp")),
        refuse("no beginning", "nbf is missing", &lacking("nbf")),
        refuse("end in words", "exp is no number", &changed(json!({"exp": "2099-01-01T00:00:00Z"}))),
    ]
}

fn no_machine(keys: &Keys) -> Vec<Value> {
    let issued = keys.issuer.token(&without(claims(), "activation"));
    let on =
        |id: Value| keys.issuer.token(&merged(claims(), &json!({"activation": {"id": "act_1_2_3", "machine_id": id}})));
    let at =
        |name: &str, why: &str, token: &str, id: Value| merged(refuse(name, why, token), &json!({"machine_id": id}));
    let why = "this machine has no id, so no token is for it";
    vec![
        at("id null, as issued", why, &issued, Value::Null),
        at("id null, machine null", why, &on(Value::Null), Value::Null),
        at("id null, plain", why, &keys.issuer.token(&claims()), Value::Null),
        at("id empty, as issued", why, &issued, json!("")),
        at("id empty, machine empty", why, &on(json!("")), json!("")),
    ]
}

fn damaged_last_seen(keys: &Keys) -> Vec<Value> {
    let token = keys.issuer.token(&claims());
    let (later, end) = (now() + 70, now() + 3000 + GRACE + 60);
    let at = |name: &str, text: String| {
        let fields = json!({"last_seen": text, "seen_after": now()});
        merged(accept(name, "what lies on disk is no time, and counts as none", &token), &fields)
    };
    let past = |name: &str, why: &str, fields: Value| merged(refuse(name, why, &token), &fields);
    vec![
        at("seen: empty", String::new()),
        at("seen: garbage", "NaN".to_owned()),
        at("seen: half written", format!("{later}\0\0")),
        at("seen: a fraction", format!("{later}.5")),
        at("seen: a power", "1e12".to_owned()),
        at("seen: too long", "9".repeat(40)),
        merged(
            accept("seen: later", "a clock a little back takes nothing back", &token),
            &json!({"last_seen": now() + 50, "seen_after": now() + 50}),
        ),
        past(
            "seen: far ahead",
            "a clock that is far ahead is seen as no more than the end of the token",
            json!({"now": end + 9999, "seen_after": end + 1}),
        ),
        past(
            "seen: after an old token",
            "a token that has ended takes nothing back",
            json!({"now": end + 9999, "last_seen": end + 500, "seen_after": end + 500}),
        ),
    ]
}

fn wrong_time(keys: &Keys) -> Vec<Value> {
    let (start, end) = (now() - 600, now() + 3000);
    let token = keys.issuer.token(&claims());
    let at = |name: &str, why: &str, fields: Value| merged(refuse(name, why, &token), &fields);
    let no_grace = json!({"enforcement": merged(claims()["enforcement"].clone(), &json!({"grace_period_seconds": 0}))});
    let no_grace = keys.issuer.token(&merged(claims(), &no_grace));
    vec![
        at("past its grace", "past exp, the grace period and the leeway", json!({"now": end + GRACE + 70})),
        at("not yet", "before nbf by more than the leeway", json!({"now": start - 70})),
        at("clock set back", "70 seconds less than the last time seen", json!({"last_seen": now() + 70})),
        at("clock set far back", "the app was seen after the token's end", json!({"last_seen": end + GRACE + 100})),
        merged(refuse("past exp", "there is no grace period", &no_grace), &json!({"now": end + 70})),
    ]
}

fn wrong_header(keys: &Keys) -> Vec<Value> {
    let typed = |typ: &str| keys.issuer.jws(&keys.issuer.header(typ), &claims());
    let header = keys.issuer.header("license+jwt");
    let by_foreign = |fields: Value| keys.foreign.jws(&merged(header.clone(), &fields), &claims());
    let none = message(&merged(header.clone(), &json!({"alg": "none"})), &claims());
    let rest = none.split_once('.').unwrap().1;
    let nothing = |alg: &str| format!("{}.{rest}", encoded(&merged(header.clone(), &json!({"alg": alg}))));
    let hs256 = message(&merged(header.clone(), &json!({"alg": "HS256"})), &claims());
    let with_secret = |secret: &[u8]| {
        let secret = PKey::hmac(secret).unwrap();
        let mac = Signer::new(MessageDigest::sha256(), &secret).unwrap().sign_oneshot_to_vec(hs256.as_bytes()).unwrap();
        joined(&hs256, &mac)
    };
    let pem = keys.issuer.private.public_key_to_pem().unwrap();
    let n = BASE64URL_NOPAD.decode(text(&keys.issuer.public["n"]).as_bytes()).unwrap();
    let rs512 = message(&merged(header.clone(), &json!({"alg": "RS512"})), &claims());
    let with_sha512 = Signer::new(MessageDigest::sha512(), &keys.issuer.private)
        .unwrap()
        .sign_oneshot_to_vec(rs512.as_bytes())
        .unwrap();
    let critical = merged(header.clone(), &json!({"crit": ["urn:example:new"], "urn:example:new": true}));
    vec![
        refuse("typ JWT", "it may be any JWT of this issuer", &typed("JWT")),
        refuse("typ at+jwt", "an access token", &typed("at+jwt")),
        refuse("typ jwk-set+jwt", "not what a set is signed as", &typed("jwk-set+jwt")),
        refuse("no typ", "it may be anything", &keys.issuer.jws(&without(header.clone(), "typ"), &claims())),
        refuse("alg none", "no signature", &format!("{none}.")),
        refuse("alg none, signed", "a signature that nobody asks for", &joined(&none, &keys.issuer.signature(&none))),
        refuse("alg None", "no signature, spelt otherwise", &format!("{}.", nothing("None"))),
        refuse("alg HS256 with the PEM", "a public key is no secret", &with_secret(&pem)),
        refuse("alg HS256 with the modulus", "a public key is no secret", &with_secret(&n)),
        refuse(
            "alg HS256 with the kid",
            "a name is no secret",
            &with_secret(text(&keys.issuer.public["kid"]).as_bytes()),
        ),
        refuse("alg RS512", "only RS256", &joined(&rs512, &with_sha512)),
        unknown("kid of nobody", "no published key has it", &keys.foreign.token(&claims())),
        unknown("no kid", "no published key is named", &keys.issuer.jws(&without(header.clone(), "kid"), &claims())),
        merged(
            refuse("foreign key under our kid", "the signature is another's", &by_foreign(json!({}))),
            &json!({"unknown_key": false}),
        ),
        refuse("jwk", "it brings its own key", &by_foreign(json!({"jwk": keys.foreign.public}))),
        refuse(
            "jwk under its kid",
            "it brings its own key",
            &by_foreign(json!({"jwk": keys.foreign.public, "kid": keys.foreign.public["kid"]})),
        ),
        refuse("jku", "it says where its key is", &by_foreign(json!({"jku": "https://keys.example.org/jwks.json"}))),
        refuse("x5u", "it says where its key is", &by_foreign(json!({"x5u": "https://keys.example.org/chain.pem"}))),
        refuse("x5c", "it brings a certificate", &by_foreign(json!({"x5c": ["MIIB"]}))),
        refuse("crit", "it must be understood whole, and nobody does", &keys.issuer.jws(&critical, &claims())),
    ]
}

fn wrong_signature(keys: &Keys) -> Vec<Value> {
    let message = message(&keys.issuer.header("license+jwt"), &claims());
    let right = keys.issuer.signature(&message);
    let mut bit = right.clone();
    bit[100] ^= 1;
    let richer = merged(claims(), &json!({"features": ["api", "everything", "export.pdf"]}));
    let richer = format!("{}.{}", encoded(&keys.issuer.header("license+jwt")), encoded(&richer));
    let parts: Vec<&str> = message.split('.').collect();
    let json_form = json!({"protected": parts[0], "payload": parts[1], "signature": BASE64URL_NOPAD.encode(&right)});
    let whole = joined(&message, &right);
    let set = keys.signed_set(3600);
    let claims_by_root = keys.root.token(&claims());
    let modulus = BASE64URL_NOPAD.decode(text(&keys.issuer.public["n"]).as_bytes()).unwrap();
    vec![
        refuse("one bit", "the signature is not that of this text", &joined(&message, &bit)),
        refuse("other claims", "the text is not what was signed", &joined(&richer, &right)),
        refuse("no signature", "it is empty", &format!("{message}.")),
        refuse("short signature", "a byte is missing", &joined(&message, &right[..255])),
        refuse("long signature", "a byte more", &joined(&message, &[right.as_slice(), &[0]].concat())),
        refuse("zeros", "zero is no signature", &joined(&message, &[0; 256])),
        refuse("one", "one is no signature", &joined(&message, &[&[0; 255][..], &[1]].concat())),
        refuse("the modulus", "no signature is as large", &joined(&message, &modulus)),
        refuse("two parts", "the signature is left out", &message),
        refuse("four parts", "a part more", &format!("{whole}.{}", BASE64URL_NOPAD.encode(b"more"))),
        refuse("JSON form", "a token is in the compact form", &json_form.to_string()),
        refuse("signed set", "a root key's set of keys is no token", &set),
        refuse("by a root key", "a root key signs no token", &claims_by_root),
        refuse("encrypted", "it has to be opened first", text(&encrypted_file()[0]["encrypted"])),
        refuse("nothing", "an empty text", ""),
        refuse("dots", "nothing between them", ".."),
    ]
}

fn no_set(keys: &Keys) -> Vec<Value> {
    let token = keys.issuer.token(&claims());
    let with = |name: &str, why: &str, set: String| merged(unknown(name, why, &token), &json!({"signed_jwks": set}));
    let without_it = merged(keys.set(3600), &json!({"keys": [keys.previous.public]}));
    let root = &keys.root;
    vec![
        with("set without its key", "its key was condemned", root.jws(&root.header("jwk-set+jwt"), &without_it)),
        with("set empty", "there is no set on disk", String::new()),
        with("set damaged", "what is on disk holds no more", keys.signed_set(3600).replace('.', "")),
        with(
            "set by a foreign key",
            "somebody put it there",
            keys.foreign.jws(&root.header("jwk-set+jwt"), &keys.set(3600)),
        ),
    ]
}

fn tokens_file(keys: &Keys) -> Value {
    let all =
        [accepted, wrong_claims, no_machine, wrong_time, damaged_last_seen, wrong_header, wrong_signature, no_set];
    Value::Array(all.iter().flat_map(|cases| cases(keys)).collect())
}

fn sets_file(keys: &Keys) -> Value {
    let case = |name: &str, accept: bool, why: &str, set: String| json!({"name": name, "accept": accept, "why": why, "set": set});
    let by = |key: &Key, typ: &str, fields: Value| key.jws(&key.header(typ), &merged(keys.set(3600), &fields));
    let (root, typ) = (&keys.root, "jwk-set+jwt");
    let none = message(&merged(root.header(typ), &json!({"alg": "none"})), &keys.set(3600));
    let kept = |age: i64| json!({"kept": keys.signed_set(age)});
    let other = by(root, typ, json!({"keys": [keys.issuer.public]}));
    json!([
        case("plain", true, "signed by a pinned root key", keys.signed_set(3600)),
        merged(case("newer", true, "newer than what is kept", keys.signed_set(3600)), &kept(7200)),
        merged(case("the same", true, "what is kept already", keys.signed_set(3600)), &kept(3600)),
        case("next root", true, "signed by the other pinned root key", by(&keys.next_root, typ, json!({}))),
        case("leeway", true, "50 seconds past its exp, and clocks differ", keys.signed_set(604_850)),
        merged(
            case(
                "older",
                false,
                "older than what is kept: it may have a key that was condemned since",
                keys.signed_set(7200)
            ),
            &kept(3600)
        ),
        merged(
            case(
                "of the same second",
                false,
                "other keys than what is kept, and no newer: it may be the one before",
                keys.signed_set(3600)
            ),
            &json!({"kept": other}),
        ),
        merged(
            case("over a damaged one", true, "what is on disk holds no more", keys.signed_set(3600)),
            &json!({"kept": keys.signed_set(3500).replace('.', "")}),
        ),
        case("past its exp", false, "an old set that somebody hands out", keys.signed_set(604_870)),
        case("no end", false, "exp is missing", root.jws(&root.header(typ), &without(keys.set(3600), "exp"))),
        case(
            "another issuer",
            false,
            "iss is another's",
            by(root, typ, json!({"iss": "https://licenses.example.org"}))
        ),
        case("by a signing key", false, "a signing key signs no set", by(&keys.issuer, typ, json!({}))),
        case("by a foreign key", false, "signed by nobody's key", by(&keys.foreign, typ, json!({}))),
        case(
            "foreign key under our kid",
            false,
            "the signature is another's",
            keys.foreign.jws(&root.header(typ), &keys.set(3600))
        ),
        case("typ JWT", false, "it may be anything", by(root, "JWT", json!({}))),
        case("typ license+jwt", false, "a token is no set", by(root, "license+jwt", json!({}))),
        case("alg none", false, "no signature", format!("{none}.")),
        case("a token", false, "a token is no set", keys.issuer.token(&claims())),
        case("not signed", false, "a plain JWKS proves nothing", json!({"keys": keys.set(0)["keys"]}).to_string()),
        case("nothing", false, "an empty text", String::new()),
    ])
}

/// Encrypted tokens differ each time, so that those of the file stay while they open.
fn encrypted_file() -> Value {
    let file = fs::read_to_string(folder().join("encrypted.json")).unwrap_or_default();
    if let Ok(kept) = serde_json::from_str(&file) {
        return kept;
    }
    let app = app_key();
    let mut header = JweHeader::new();
    header.set_content_encryption("A256CBC-HS512");
    header.set_content_type("JWT");
    header.set_key_id(thumbprint(&jwk_to_json(&app.to_jwk_public_key())));
    let encrypter = RSA_OAEP.encrypter_from_jwk(&app.to_jwk_public_key()).unwrap();
    let token = Key::read("issuer").token(&claims());
    let encrypted = serialize_compact(token.as_bytes(), &header, &encrypter).unwrap();
    json!([{"name": "plain", "app_key": jwk_to_json(&app.to_jwk_private_key()), "encrypted": encrypted, "token": token}])
}

fn app_key() -> RsaKeyPair {
    RsaKeyPair::from_der(Key::read("app").private.private_key_to_pkcs8().unwrap()).unwrap()
}

type Make = fn(&Keys) -> Value;

#[test]
fn the_vectors_are_what_this_makes() {
    let keys = Keys::read();
    let files: [(&str, Make); 4] = [
        ("encrypted.json", |_| encrypted_file()),
        ("issuer.json", Keys::issuer_file),
        ("tokens.json", tokens_file),
        ("sets.json", sets_file),
    ];
    for (name, make) in files {
        let path = folder().join(name);
        let made = format!("{}\n", serde_json::to_string_pretty(&make(&keys)).unwrap());
        if std::env::var_os("UPDATE_VECTORS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap() == made, "{name} is old: UPDATE_VECTORS=1 makes it anew");
    }
    assert!(keys.issuer.pem.starts_with(b"TEST ONLY."));
}

fn read(name: &str) -> Vec<Value> {
    serde_json::from_str(&fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

#[test]
fn an_encrypted_vector_opens_with_the_apps_key() {
    for case in read("encrypted.json") {
        let decrypter = RSA_OAEP.decrypter_from_jwk(&app_key().to_jwk_private_key()).unwrap();
        let (token, header) = deserialize_compact(text(&case["encrypted"]), &decrypter).unwrap();
        assert_eq!(token, text(&case["token"]).as_bytes());
        assert_eq!(header.content_type(), Some("JWT"));
    }
}

/// The README's verifier, in a folder of its own.
fn verifier(issuer: &Value, folder: &tempfile::TempDir) -> Verifier {
    Verifier {
        issuer: text(&issuer["issuer"]).to_owned(),
        product: text(&issuer["product"]).to_owned(),
        root_keys: serde_json::from_value(json!({"keys": issuer["root_keys"]})).unwrap(),
        folder: folder.path().to_owned(),
    }
}

#[test]
fn the_readmes_rust_lines_agree_with_the_vectors() {
    let issuer: Value = serde_json::from_str(&fs::read_to_string(folder().join("issuer.json")).unwrap()).unwrap();
    let now = issuer["now"].as_i64().unwrap();
    for case in read("tokens.json") {
        let folder = tempfile::tempdir().unwrap();
        let app = verifier(&issuer, &folder);
        let set = case["signed_jwks"].as_str().unwrap_or(text(&issuer["signed_jwks"]));
        fs::write(folder.path().join("jwks.jwt"), set).unwrap();
        match &case["last_seen"] {
            Value::Null => {}
            seen => fs::write(folder.path().join("last-seen"), written(seen)).unwrap(),
        }
        let now = case["now"].as_i64().unwrap_or(now);
        let machine = case.get("machine_id").unwrap_or(&issuer["machine_id"]).as_str().unwrap_or_default();
        let checked = app.check(text(&case["token"]), machine, now);
        assert_eq!(checked.is_ok(), case["accept"] == true, "{}: {checked:?}", case["name"]);
        if let Some(unknown) = case["unknown_key"].as_bool() {
            assert_eq!(checked.unwrap_err().is::<UnknownKey>(), unknown, "{}", case["name"]);
        }
        if let Some(seen) = case.get("seen_after") {
            assert_eq!(fs::read_to_string(folder.path().join("last-seen")).unwrap(), written(seen), "{}", case["name"]);
        }
    }
    for case in read("sets.json") {
        let folder = tempfile::tempdir().unwrap();
        let app = verifier(&issuer, &folder);
        if let Some(kept) = case["kept"].as_str() {
            fs::write(folder.path().join("jwks.jwt"), kept).unwrap();
        }
        let kept = app.keep(text(&case["set"]), now);
        assert_eq!(kept.is_ok(), case["accept"] == true, "{}: {kept:?}", case["name"]);
        let wanted = if kept.is_ok() { &case["set"] } else { &case["kept"] };
        let found = fs::read_to_string(folder.path().join("jwks.jwt")).unwrap_or_default();
        assert_eq!(found, wanted.as_str().unwrap_or_default(), "{}", case["name"]);
    }
}

/// A time, or what else a case has lying in place of one.
fn written(seen: &Value) -> String {
    seen.as_str().map_or_else(|| seen.to_string(), str::to_owned)
}

#[test]
fn the_readmes_rust_lines_share_a_folder_and_live_with_a_file_that_they_cannot_write() {
    let issuer: Value = serde_json::from_str(&fs::read_to_string(folder().join("issuer.json")).unwrap()).unwrap();
    let token = Key::read("issuer").token(&claims());
    let folder = tempfile::tempdir().unwrap();
    let app = verifier(&issuer, &folder);
    assert!(app.check(&token, MACHINE, now()).unwrap_err().is::<UnknownKey>(), "there is no set yet");
    app.keep(text(&issuer["signed_jwks"]), now()).unwrap();

    let seen = folder.path().join("last-seen");
    fs::create_dir(&seen).unwrap();
    app.check(&token, MACHINE, now()).unwrap();
    fs::remove_dir(seen).unwrap();

    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for i in 0..100 {
                    app.check(&token, MACHINE, now() + i % 50).unwrap();
                    app.renewed(&token).unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read_to_string(folder.path().join("token")).unwrap(), token);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left over");
}

#[test]
fn a_fresh_token_mends_the_last_time_seen_for_the_readmes_rust_lines() {
    let issuer: Value = serde_json::from_str(&fs::read_to_string(folder().join("issuer.json")).unwrap()).unwrap();
    let keys = Keys::read();
    let token = keys.issuer.token(&claims());
    let folder = tempfile::tempdir().unwrap();
    let app = verifier(&issuer, &folder);
    app.keep(text(&issuer["signed_jwks"]), now()).unwrap();
    app.check(&token, MACHINE, now() + 3600).unwrap();
    app.check(&token, MACHINE, now()).unwrap_err();
    app.renewed(&keys.foreign.token(&claims())).unwrap_err();
    app.check(&token, MACHINE, now()).unwrap_err();
    app.renewed(&token).unwrap();
    app.check(&token, MACHINE, now()).unwrap();
}
