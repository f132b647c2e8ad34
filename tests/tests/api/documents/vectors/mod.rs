//! The published test vectors, `tests/vectors/*.json`, generated from fixed keys, and the Rust example verifier tested
//! with them.

mod offline;

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
use verify_example::{Verifier, VerifyError};

const ISSUER: &str = "https://licenses.example.com";
const PRODUCT: &str = "atlas";
const MACHINE_ID: &str = "machine-1";
/// Time from `exp` to `offline_until`, in seconds.
const OFFLINE_GRACE: i64 = 86_400;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// A key pair that signs tokens or key sets of the vectors.
struct VectorKey {
    pem: Vec<u8>,
    private: PKey<Private>,
    /// As in the JWKS.
    public: Value,
}

impl VectorKey {
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
        join_signature(&message, &self.signature(&message))
    }

    fn token(&self, claims: &Value) -> String {
        self.jws(&self.header("license+jwt"), claims)
    }
}

fn encode_part(part: &Value) -> String {
    BASE64URL_NOPAD.encode(part.to_string().as_bytes())
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode_part(header), encode_part(claims))
}

fn join_signature(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", BASE64URL_NOPAD.encode(signature))
}

fn without_member(mut object: Value, member: &str) -> Value {
    object.as_object_mut().unwrap().remove(member).unwrap();
    object
}

struct VectorKeys {
    issuer: VectorKey,
    previous: VectorKey,
    root: VectorKey,
    next_root: VectorKey,
    foreign: VectorKey,
}

impl VectorKeys {
    fn read() -> Self {
        let [issuer, previous, root, next_root, foreign] =
            ["issuer", "previous", "root", "next-root", "foreign"].map(VectorKey::read);
        Self { issuer, previous, root, next_root, foreign }
    }

    /// Returns the claims of a key set that was signed `age` seconds ago.
    fn key_set(&self, age: i64) -> Value {
        let iat = now() - age;
        json!({
            "iss": ISSUER, "sub": ISSUER, "iat": iat, "exp": iat + 604_800,
            "keys": [self.issuer.public, self.previous.public],
        })
    }

    fn signed_key_set(&self, age: i64) -> String {
        self.root.jws(&self.root.header("jwk-set+jwt"), &self.key_set(age))
    }

    fn issuer_file(&self) -> Value {
        json!({
            "issuer": ISSUER, "product": PRODUCT, "machine_id": MACHINE_ID, "now": now(),
            "root_keys": [self.root.public, self.next_root.public],
            "jwks": {"keys": self.key_set(0)["keys"]},
            "signed_jwks": self.signed_key_set(3600),
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
        "features": ["api", "export.pdf"], "feature_limits": {"export.rows": 1000, "projects": null},
        "limits": {"max_users": 5, "max_tenants": null},
        "enforcement": {
            "heartbeat_interval_seconds": 900, "offline_until": iat + 3600 + OFFLINE_GRACE, "license_expires_at": null,
        },
        "generation": 1, "activation": {"id": "act_01KF0F9RN7QCB8X5V9Y4S3HJTE_0a1b_2c3d", "machine_id": MACHINE_ID},
    })
}

/// Returns the claims of a token that may be used offline until then.
fn until(exp: i64, offline_until: i64, license_expires_at: &Value) -> Value {
    let enforcement = json!({"offline_until": offline_until, "license_expires_at": license_expires_at});
    let enforcement = merged(claims()["enforcement"].clone(), &enforcement);
    merged(claims(), &json!({"exp": exp, "enforcement": enforcement}))
}

fn accept(name: &str, why: &str, token: &str) -> Value {
    json!({"name": name, "accept": true, "why": why, "token": token})
}

fn refuse(name: &str, why: &str, token: &str) -> Value {
    json!({"name": name, "accept": false, "why": why, "token": token})
}

/// Returns a vector that is refused because its signing key is unknown, so that the app fetches the key set.
fn refuse_unknown_key(name: &str, why: &str, token: &str) -> Value {
    merged(refuse(name, why, token), &json!({"unknown_key": true}))
}

fn accepted(keys: &VectorKeys) -> Vec<Value> {
    let token = keys.issuer.token(&claims());
    let (start, end) = (now() - 600, now() + 3000);
    let at = |name: &str, why: &str, fields: Value| merged(accept(name, why, &token), &fields);
    let old_key_set = json!({"signed_jwks": keys.signed_key_set(30 * 86_400)});
    let changed = |fields: Value| keys.issuer.token(&merged(claims(), &fields));
    let not_offline = keys.issuer.token(&until(end, end, &Value::Null));
    let in_grace = keys.issuer.token(&until(now() + 500, now() + 500, &json!("2026-01-15T11:55:00Z")));
    vec![
        at("plain", "an ordinary token", json!({})),
        at(
            "leeway before",
            "the clock is 50 seconds behind the issuer's, within the leeway",
            json!({"now": start - 50}),
        ),
        at("offline", "past exp, before offline_until", json!({"now": end + OFFLINE_GRACE / 2})),
        at("end of the time offline", "at offline_until", json!({"now": end + OFFLINE_GRACE})),
        at(
            "clock slightly back",
            "50 seconds before the last time seen, within the leeway",
            json!({"last_seen": now() + 50}),
        ),
        at("seen before", "the last time seen is in the past", json!({"last_seen": now() - 9999})),
        at(
            "offline for a long time",
            "a stored key set stays valid after its exp, which limits fetched key sets only",
            old_key_set,
        ),
        accept("previous key", "signed by the previous key, which is still published", &keys.previous.token(&claims())),
        merged(accept("no time offline", "offline_until is exp, at exp", &not_offline), &json!({"now": end})),
        accept("in grace", "the license has expired and is still honoured, until exp and offline_until", &in_grace),
        accept(
            "no limits",
            "null means unlimited",
            &changed(json!({"limits": {"max_users": null, "max_tenants": null}})),
        ),
        accept("no features", "an empty list is valid", &changed(json!({"features": []}))),
        accept("no feature limits", "an empty object is valid", &changed(json!({"feature_limits": {}}))),
        accept("unknown claims", "unknown claims are ignored", &changed(json!({"region": "eu", "flags": [1]}))),
    ]
}

fn wrong_claims(keys: &VectorKeys) -> Vec<Value> {
    let changed = |fields: Value| keys.issuer.token(&merged(claims(), &fields));
    let lacking = |member: &str| keys.issuer.token(&without_member(claims(), member));
    let on = |machine: Value| changed(json!({"activation": {"id": "act_1_2_3", "machine_id": machine}}));
    let enforcement = &claims()["enforcement"];
    let without_end = without_member(enforcement.clone(), "offline_until");
    let text_end = merged(enforcement.clone(), &json!({"offline_until": "2099-01-01T00:00:00Z"}));
    vec![
        refuse("another machine", "activation.machine_id names another machine", &on(json!("machine-2"))),
        refuse("trailing space in the machine ID", "machine IDs are compared exactly", &on(json!("machine-1 "))),
        refuse("machine ID in another case", "machine IDs are compared exactly", &on(json!("Machine-1"))),
        refuse("machine null", "activation.machine_id is missing", &on(Value::Null)),
        refuse("no activation", "a token as issued, before an activation, names no machine", &lacking("activation")),
        refuse("activation null", "the token names no machine", &changed(json!({"activation": null}))),
        refuse("another product", "aud names another product", &changed(json!({"aud": "orbit"}))),
        refuse("no product", "aud is missing", &lacking("aud")),
        refuse("another issuer", "iss names another issuer", &changed(json!({"iss": "https://licenses.example.org"}))),
        refuse("trailing slash in iss", "iss is compared exactly", &changed(json!({"iss": format!("{ISSUER}/")}))),
        refuse("no issuer", "iss is missing", &lacking("iss")),
        refuse("no exp", "exp is missing", &lacking("exp")),
        refuse("no nbf", "nbf is missing", &lacking("nbf")),
        refuse("exp as text", "exp is not a number", &changed(json!({"exp": "2099-01-01T00:00:00Z"}))),
        refuse(
            "no offline_until",
            "enforcement.offline_until is missing",
            &changed(json!({"enforcement": without_end})),
        ),
        refuse("offline_until as text", "offline_until is not a number", &changed(json!({"enforcement": text_end}))),
        refuse("no enforcement", "enforcement is missing", &lacking("enforcement")),
    ]
}

fn no_machine(keys: &VectorKeys) -> Vec<Value> {
    let issued = keys.issuer.token(&without_member(claims(), "activation"));
    let on =
        |id: Value| keys.issuer.token(&merged(claims(), &json!({"activation": {"id": "act_1_2_3", "machine_id": id}})));
    let at =
        |name: &str, why: &str, token: &str, id: Value| merged(refuse(name, why, token), &json!({"machine_id": id}));
    let why = "the app has no machine ID, so no token is for it";
    vec![
        at("machine ID null, no activation", why, &issued, Value::Null),
        at("machine ID null, activation.machine_id null", why, &on(Value::Null), Value::Null),
        at("machine ID null, ordinary token", why, &keys.issuer.token(&claims()), Value::Null),
        at("machine ID empty, no activation", why, &issued, json!("")),
        at("machine ID empty, activation.machine_id empty", why, &on(json!("")), json!("")),
    ]
}

fn damaged_last_seen(keys: &VectorKeys) -> Vec<Value> {
    let token = keys.issuer.token(&claims());
    let (later, end) = (now() + 70, now() + 3000 + OFFLINE_GRACE);
    let at = |name: &str, text: String| {
        let fields = json!({"last_seen": text, "seen_after": now()});
        merged(accept(name, "the stored time is not a number, and counts as absent", &token), &fields)
    };
    let past = |name: &str, why: &str, fields: Value| merged(refuse(name, why, &token), &fields);
    vec![
        at("last seen: empty", String::new()),
        at("last seen: not a number", "NaN".to_owned()),
        at("last seen: partially written", format!("{later}\0\0")),
        at("last seen: a fraction", format!("{later}.5")),
        at("last seen: an exponent", "1e12".to_owned()),
        at("last seen: too long", "9".repeat(40)),
        merged(
            accept("last seen: later", "a clock slightly back does not change the last time seen", &token),
            &json!({"last_seen": now() + 50, "seen_after": now() + 50}),
        ),
        past(
            "last seen: clock far ahead",
            "the last time seen is at most one second past the end of the token",
            json!({"now": end + 9999, "seen_after": end + 1}),
        ),
        past(
            "last seen: after the end of the token",
            "an expired token does not change the last time seen",
            json!({"now": end + 9999, "last_seen": end + 500, "seen_after": end + 500}),
        ),
    ]
}

fn wrong_time(keys: &VectorKeys) -> Vec<Value> {
    let (start, end) = (now() - 600, now() + 3000);
    let token = keys.issuer.token(&claims());
    let at = |name: &str, why: &str, fields: Value| merged(refuse(name, why, &token), &fields);
    let not_offline = keys.issuer.token(&until(end, end, &Value::Null));
    let ended = keys.issuer.token(&until(now() - 1, now() - 1, &json!("2026-01-15T11:59:59Z")));
    vec![
        at(
            "after offline_until",
            "one second past offline_until: a verifier adds nothing",
            json!({"now": end + OFFLINE_GRACE + 1}),
        ),
        at("before nbf", "before nbf by more than the leeway", json!({"now": start - 70})),
        at("clock set back", "70 seconds before the last time seen", json!({"last_seen": now() + 70})),
        at(
            "clock set far back",
            "the last time seen is after the end of the token",
            json!({"last_seen": end + OFFLINE_GRACE + 100}),
        ),
        merged(
            refuse("past exp", "one second past exp, which is offline_until", &not_offline),
            &json!({"now": end + 1}),
        ),
        refuse("license expired", "the license expired one second ago, and so did the token", &ended),
    ]
}

fn wrong_header(keys: &VectorKeys) -> Vec<Value> {
    let typed = |typ: &str| keys.issuer.jws(&keys.issuer.header(typ), &claims());
    let header = keys.issuer.header("license+jwt");
    let by_foreign = |fields: Value| keys.foreign.jws(&merged(header.clone(), &fields), &claims());
    let none = message(&merged(header.clone(), &json!({"alg": "none"})), &claims());
    let rest = none.split_once('.').unwrap().1;
    let nothing = |alg: &str| format!("{}.{rest}", encode_part(&merged(header.clone(), &json!({"alg": alg}))));
    let hs256 = message(&merged(header.clone(), &json!({"alg": "HS256"})), &claims());
    let with_secret = |secret: &[u8]| {
        let secret = PKey::hmac(secret).unwrap();
        let mac = Signer::new(MessageDigest::sha256(), &secret).unwrap().sign_oneshot_to_vec(hs256.as_bytes()).unwrap();
        join_signature(&hs256, &mac)
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
        refuse("typ JWT", "any JWT of this issuer", &typed("JWT")),
        refuse("typ at+jwt", "an access token", &typed("at+jwt")),
        refuse("typ jwk-set+jwt", "the type of a key set", &typed("jwk-set+jwt")),
        refuse("no typ", "typ is missing", &keys.issuer.jws(&without_member(header.clone(), "typ"), &claims())),
        refuse("alg none", "no signature", &format!("{none}.")),
        refuse(
            "alg none with a signature",
            "the signature is valid, and alg is not RS256",
            &join_signature(&none, &keys.issuer.signature(&none)),
        ),
        refuse("alg None", "alg none in another case", &format!("{}.", nothing("None"))),
        refuse("alg HS256 with the PEM", "HMAC keyed with the public key as PEM", &with_secret(&pem)),
        refuse("alg HS256 with the modulus", "HMAC keyed with the modulus of the public key", &with_secret(&n)),
        refuse(
            "alg HS256 with the kid",
            "HMAC keyed with the key ID",
            &with_secret(text(&keys.issuer.public["kid"]).as_bytes()),
        ),
        refuse("alg RS512", "a valid signature with another algorithm", &join_signature(&rs512, &with_sha512)),
        refuse_unknown_key("unknown kid", "no published key has this kid", &keys.foreign.token(&claims())),
        refuse_unknown_key(
            "no kid",
            "kid is missing",
            &keys.issuer.jws(&without_member(header.clone(), "kid"), &claims()),
        ),
        merged(
            refuse("foreign key with a published kid", "signed by another key", &by_foreign(json!({}))),
            &json!({"unknown_key": false}),
        ),
        refuse("jwk", "the header contains the key", &by_foreign(json!({"jwk": keys.foreign.public}))),
        refuse(
            "jwk and its kid",
            "the header contains the key",
            &by_foreign(json!({"jwk": keys.foreign.public, "kid": keys.foreign.public["kid"]})),
        ),
        refuse(
            "jku",
            "the header contains the URL of the key set",
            &by_foreign(json!({"jku": "https://keys.example.org/jwks.json"})),
        ),
        refuse(
            "x5u",
            "the header contains the URL of a certificate",
            &by_foreign(json!({"x5u": "https://keys.example.org/chain.pem"})),
        ),
        refuse("x5c", "the header contains a certificate", &by_foreign(json!({"x5c": ["MIIB"]}))),
        refuse("crit", "an unknown critical header parameter", &keys.issuer.jws(&critical, &claims())),
    ]
}

fn wrong_signature(keys: &VectorKeys) -> Vec<Value> {
    let message = message(&keys.issuer.header("license+jwt"), &claims());
    let right = keys.issuer.signature(&message);
    let mut bit = right.clone();
    bit[100] ^= 1;
    let richer = merged(claims(), &json!({"features": ["api", "everything", "export.pdf"]}));
    let richer = format!("{}.{}", encode_part(&keys.issuer.header("license+jwt")), encode_part(&richer));
    let parts: Vec<&str> = message.split('.').collect();
    let json_form = json!({"protected": parts[0], "payload": parts[1], "signature": BASE64URL_NOPAD.encode(&right)});
    let whole = join_signature(&message, &right);
    let set = keys.signed_key_set(3600);
    let claims_by_root = keys.root.token(&claims());
    let modulus = BASE64URL_NOPAD.decode(text(&keys.issuer.public["n"]).as_bytes()).unwrap();
    vec![
        refuse("one bit flipped", "one bit of the signature is flipped", &join_signature(&message, &bit)),
        refuse("changed claims", "the claims were changed after signing", &join_signature(&richer, &right)),
        refuse("no signature", "the signature is empty", &format!("{message}.")),
        refuse("short signature", "the last byte is missing", &join_signature(&message, &right[..255])),
        refuse("long signature", "one byte is appended", &join_signature(&message, &[right.as_slice(), &[0]].concat())),
        refuse("zeros", "the signature is zero", &join_signature(&message, &[0; 256])),
        refuse("one", "the signature is one", &join_signature(&message, &[&[0; 255][..], &[1]].concat())),
        refuse("the modulus", "the signature is the modulus", &join_signature(&message, &modulus)),
        refuse("two parts", "the signature part is missing", &message),
        refuse("four parts", "one part is appended", &format!("{whole}.{}", BASE64URL_NOPAD.encode(b"more"))),
        refuse("JSON serialization", "tokens use the compact serialization", &json_form.to_string()),
        refuse("key set", "a signed key set is not a token", &set),
        refuse("signed by a root key", "root keys do not sign tokens", &claims_by_root),
        refuse("encrypted", "the token must be decrypted first", text(&encrypted_file()[0]["encrypted"])),
        refuse("empty", "empty text", ""),
        refuse("dots", "three empty parts", ".."),
    ]
}

fn key_set_without_the_key(keys: &VectorKeys) -> Vec<Value> {
    let token = keys.issuer.token(&claims());
    let with = |name: &str, why: &str, set: String| {
        merged(refuse_unknown_key(name, why, &token), &json!({"signed_jwks": set}))
    };
    let without_it = merged(keys.key_set(3600), &json!({"keys": [keys.previous.public]}));
    let root = &keys.root;
    vec![
        with(
            "key set without the key",
            "the signing key was condemned",
            root.jws(&root.header("jwk-set+jwt"), &without_it),
        ),
        with("no key set", "no key set is stored", String::new()),
        with("damaged key set", "the stored key set is damaged", keys.signed_key_set(3600).replace('.', "")),
        with(
            "key set signed by a foreign key",
            "the stored key set is not signed by a root key",
            keys.foreign.jws(&root.header("jwk-set+jwt"), &keys.key_set(3600)),
        ),
    ]
}

fn tokens_file(keys: &VectorKeys) -> Value {
    let all = [
        accepted,
        wrong_claims,
        no_machine,
        wrong_time,
        damaged_last_seen,
        wrong_header,
        wrong_signature,
        key_set_without_the_key,
    ];
    Value::Array(all.iter().flat_map(|cases| cases(keys)).collect())
}

fn sets_file(keys: &VectorKeys) -> Value {
    let case = |name: &str, accept: bool, why: &str, set: String| json!({"name": name, "accept": accept, "why": why, "set": set});
    let by =
        |key: &VectorKey, typ: &str, fields: Value| key.jws(&key.header(typ), &merged(keys.key_set(3600), &fields));
    let (root, typ) = (&keys.root, "jwk-set+jwt");
    let none = message(&merged(root.header(typ), &json!({"alg": "none"})), &keys.key_set(3600));
    let stored = |age: i64| json!({"stored": keys.signed_key_set(age)});
    let other = by(root, typ, json!({"keys": [keys.issuer.public]}));
    json!([
        case("plain", true, "signed by a root key", keys.signed_key_set(3600)),
        merged(case("newer", true, "newer than the stored key set", keys.signed_key_set(3600)), &stored(7200)),
        merged(case("the same", true, "equal to the stored key set", keys.signed_key_set(3600)), &stored(3600)),
        case("next root key", true, "signed by the other root key", by(&keys.next_root, typ, json!({}))),
        case("leeway", true, "50 seconds past exp", keys.signed_key_set(604_850)),
        merged(
            case(
                "older",
                false,
                "older than the stored key set: it may contain a key that was condemned since",
                keys.signed_key_set(7200)
            ),
            &stored(3600)
        ),
        merged(
            case(
                "signed in the same second",
                false,
                "differs from the stored key set and is not newer: it may be the earlier one",
                keys.signed_key_set(3600)
            ),
            &json!({"stored": other}),
        ),
        merged(
            case("stored key set damaged", true, "replaces a damaged key set", keys.signed_key_set(3600)),
            &json!({"stored": keys.signed_key_set(3500).replace('.', "")}),
        ),
        case("past exp", false, "past exp by more than the leeway", keys.signed_key_set(604_870)),
        case(
            "no exp",
            false,
            "exp is missing",
            root.jws(&root.header(typ), &without_member(keys.key_set(3600), "exp"))
        ),
        case(
            "another issuer",
            false,
            "iss names another issuer",
            by(root, typ, json!({"iss": "https://licenses.example.org"}))
        ),
        case("signed by a signing key", false, "signing keys do not sign key sets", by(&keys.issuer, typ, json!({}))),
        case("signed by a foreign key", false, "not signed by a root key", by(&keys.foreign, typ, json!({}))),
        case(
            "foreign key with a root key's kid",
            false,
            "signed by another key",
            keys.foreign.jws(&root.header(typ), &keys.key_set(3600))
        ),
        case("typ JWT", false, "any JWT of this issuer", by(root, "JWT", json!({}))),
        case("typ license+jwt", false, "the type of a token", by(root, "license+jwt", json!({}))),
        case("alg none", false, "no signature", format!("{none}.")),
        case("a token", false, "a token is not a key set", keys.issuer.token(&claims())),
        case("not signed", false, "a JWKS without a signature", json!({"keys": keys.key_set(0)["keys"]}).to_string()),
        case("empty", false, "empty text", String::new()),
    ])
}

/// Encryption is randomized, so the file is only generated if it is missing.
fn encrypted_file() -> Value {
    let file = fs::read_to_string(folder().join("encrypted.json")).unwrap_or_default();
    if let Ok(existing) = serde_json::from_str(&file) {
        return existing;
    }
    let app = app_key();
    let mut header = JweHeader::new();
    header.set_content_encryption("A256CBC-HS512");
    header.set_content_type("JWT");
    header.set_key_id(thumbprint(&jwk_to_json(&app.to_jwk_public_key())));
    let encrypter = RSA_OAEP.encrypter_from_jwk(&app.to_jwk_public_key()).unwrap();
    let token = VectorKey::read("issuer").token(&claims());
    let encrypted = serialize_compact(token.as_bytes(), &header, &encrypter).unwrap();
    json!([{"name": "plain", "app_key": jwk_to_json(&app.to_jwk_private_key()), "encrypted": encrypted, "token": token}])
}

fn app_key() -> RsaKeyPair {
    RsaKeyPair::from_der(VectorKey::read("app").private.private_key_to_pkcs8().unwrap()).unwrap()
}

type Generator = fn(&VectorKeys) -> Value;

#[test]
fn vector_files_are_up_to_date() {
    let keys = VectorKeys::read();
    let files: [(&str, Generator); 6] = [
        ("encrypted.json", |_| encrypted_file()),
        ("issuer.json", VectorKeys::issuer_file),
        ("tokens.json", tokens_file),
        ("sets.json", sets_file),
        ("license-files.json", offline::license_files),
        ("requests.json", offline::requests),
    ];
    for (name, generate) in files {
        let path = folder().join(name);
        let generated = format!("{}\n", serde_json::to_string_pretty(&generate(&keys)).unwrap());
        if std::env::var_os("UPDATE_VECTORS").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap() == generated, "{name} is outdated: run with UPDATE_VECTORS=1");
    }
    assert!(keys.issuer.pem.starts_with(b"TEST ONLY."));
}

fn read(name: &str) -> Vec<Value> {
    serde_json::from_str(&fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

#[test]
fn encrypted_vectors_decrypt_with_the_app_key() {
    for case in read("encrypted.json") {
        let decrypter = RSA_OAEP.decrypter_from_jwk(&app_key().to_jwk_private_key()).unwrap();
        let (token, header) = deserialize_compact(text(&case["encrypted"]), &decrypter).unwrap();
        assert_eq!(token, text(&case["token"]).as_bytes());
        assert_eq!(header.content_type(), Some("JWT"));
    }
}

/// Creates the example verifier with a directory of its own.
fn verifier(issuer: &Value, folder: &tempfile::TempDir) -> Verifier {
    Verifier::new(serde_json::from_value(issuer.clone()).unwrap(), folder.path())
}

fn read_issuer() -> Value {
    serde_json::from_str(&fs::read_to_string(folder().join("issuer.json")).unwrap()).unwrap()
}

fn is_unknown_key(error: &VerifyError) -> bool {
    matches!(error, VerifyError::UnknownKey)
}

#[test]
fn rust_verifier_agrees_with_the_token_vectors() {
    let issuer = read_issuer();
    for vector in read("tokens.json") {
        let name = &vector["name"];
        let folder = tempfile::tempdir().unwrap();
        let verifier = verifier(&issuer, &folder);
        let key_set = vector["signed_jwks"].as_str().unwrap_or(text(&issuer["signed_jwks"]));
        fs::write(folder.path().join("jwks.jwt"), key_set).unwrap();
        match &vector["last_seen"] {
            Value::Null => {}
            last_seen => fs::write(folder.path().join("last-seen"), file_content(last_seen)).unwrap(),
        }
        let now = vector["now"].as_i64().or(issuer["now"].as_i64()).unwrap();
        let machine_id = vector.get("machine_id").unwrap_or(&issuer["machine_id"]).as_str().unwrap_or_default();
        let result = verifier.verify(text(&vector["token"]), machine_id, now);
        assert_eq!(result.is_ok(), vector["accept"] == true, "{name}: {result:?}");
        if let Some(unknown_key) = vector["unknown_key"].as_bool() {
            assert_eq!(is_unknown_key(&result.unwrap_err()), unknown_key, "{name}");
        }
        if let Some(expected) = vector.get("seen_after") {
            let last_seen = fs::read_to_string(folder.path().join("last-seen")).unwrap();
            assert_eq!(last_seen, file_content(expected), "{name}");
        }
    }
}

#[test]
fn rust_verifier_agrees_with_the_key_set_vectors() {
    let issuer = read_issuer();
    for vector in read("sets.json") {
        let name = &vector["name"];
        let folder = tempfile::tempdir().unwrap();
        let verifier = verifier(&issuer, &folder);
        if let Some(stored) = vector["stored"].as_str() {
            fs::write(folder.path().join("jwks.jwt"), stored).unwrap();
        }
        let result = verifier.store_key_set(text(&vector["set"]), issuer["now"].as_i64().unwrap());
        assert_eq!(result.is_ok(), vector["accept"] == true, "{name}: {result:?}");
        let expected = if result.is_ok() { &vector["set"] } else { &vector["stored"] };
        let stored = fs::read_to_string(folder.path().join("jwks.jwt")).unwrap_or_default();
        assert_eq!(stored, expected.as_str().unwrap_or_default(), "{name}");
    }
}

/// The content of a file with this time, or with the text that a vector has instead of a time.
fn file_content(time: &Value) -> String {
    time.as_str().map_or_else(|| time.to_string(), str::to_owned)
}

#[test]
fn rust_verifier_tolerates_an_unwritable_file_and_concurrent_use() {
    let issuer = read_issuer();
    let token = VectorKey::read("issuer").token(&claims());
    let folder = tempfile::tempdir().unwrap();
    let verifier = verifier(&issuer, &folder);
    let error = verifier.verify(&token, MACHINE_ID, now()).unwrap_err();
    assert!(is_unknown_key(&error), "no key set is stored: {error}");
    verifier.store_key_set(text(&issuer["signed_jwks"]), now()).unwrap();

    let last_seen = folder.path().join("last-seen");
    fs::create_dir(&last_seen).unwrap();
    verifier.verify(&token, MACHINE_ID, now()).unwrap();
    fs::remove_dir(last_seen).unwrap();

    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for i in 0..100 {
                    verifier.verify(&token, MACHINE_ID, now() + i % 50).unwrap();
                    verifier.store_token(&token, None).unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read_to_string(folder.path().join("token")).unwrap(), token);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "temporary files are left over");
}

#[test]
fn storing_a_fresh_token_corrects_the_last_time_seen() {
    let issuer = read_issuer();
    let keys = VectorKeys::read();
    let token = keys.issuer.token(&claims());
    let folder = tempfile::tempdir().unwrap();
    let verifier = verifier(&issuer, &folder);
    verifier.store_key_set(text(&issuer["signed_jwks"]), now()).unwrap();
    verifier.verify(&token, MACHINE_ID, now() + 3600).unwrap();
    verifier.verify(&token, MACHINE_ID, now()).unwrap_err();
    verifier.store_token(&keys.foreign.token(&claims()), None).unwrap_err();
    verifier.verify(&token, MACHINE_ID, now()).unwrap_err();
    verifier.store_token(&token, None).unwrap();
    verifier.verify(&token, MACHINE_ID, now()).unwrap();
}

#[test]
fn a_token_counts_only_if_it_was_requested_after_the_last_refusal() {
    let issuer = read_issuer();
    let token = VectorKey::read("issuer").token(&claims());
    let folder = tempfile::tempdir().unwrap();
    let verifier = verifier(&issuer, &folder);
    verifier.store_key_set(text(&issuer["signed_jwks"]), now()).unwrap();
    assert_eq!(verifier.stored_token(), None);
    verifier.store_token(&token, verifier.stored_refusal().as_ref()).unwrap();
    assert_eq!(verifier.stored_token().as_ref(), Some(&token));

    verifier.store_refusal("revoked");
    let first = verifier.stored_refusal().unwrap();
    assert_eq!(first.code, "revoked");
    assert!(!folder.path().join("token").exists(), "the token is removed");
    verifier.store_token(&token, None).unwrap();
    assert_eq!(verifier.stored_token(), None, "requested before the refusal");
    verifier.store_token(&token, Some(&first)).unwrap();
    assert_eq!(verifier.stored_token().as_ref(), Some(&token));

    verifier.store_refusal("revoked");
    verifier.store_token(&token, Some(&first)).unwrap();
    assert_eq!(verifier.stored_token(), None, "requested before the second refusal");

    let refusal = folder.path().join("refusal");
    fs::remove_file(&refusal).unwrap();
    fs::create_dir(&refusal).unwrap();
    verifier.store_token(&token, None).unwrap();
    verifier.store_refusal("revoked");
    assert_eq!(verifier.stored_token(), None, "the token is removed if the refusal cannot be written");
}
