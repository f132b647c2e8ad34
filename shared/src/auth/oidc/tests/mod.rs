//! Test helpers: an issuer on a loopback port, and its keys and tokens.

mod fetching;
mod tokens;
mod userinfo;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{BearerTokenError, Oidc, OidcError, OidcSettings, User};
use crate::domain::Secret;

/// 2026-01-15T12:00:00Z.
const NOW: Timestamp = Timestamp::constant(1_768_478_400, 0);

fn later(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

/// A signing key of the issuer.
struct TestKey {
    algorithm: Algorithm,
    signing: EncodingKey,
    /// The key in the issuer's JWKS.
    jwk: Value,
}

impl TestKey {
    fn rsa(kid: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref()));
        let number = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let n = number(pair.public_key().modulus().big_endian_without_leading_zero());
        let e = number(pair.public_key().exponent().big_endian_without_leading_zero());
        Self {
            algorithm: Algorithm::RS256,
            signing: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            jwk: json!({"kty": "RSA", "use": "sig", "kid": kid, "n": n, "e": e}),
        }
    }

    fn p256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = (BASE64URL_NOPAD.encode(&point[1..33]), BASE64URL_NOPAD.encode(&point[33..]));
        Self {
            algorithm: Algorithm::ES256,
            signing: EncodingKey::from_ec_der(der.as_ref()),
            jwk: json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y}),
        }
    }

    fn header(&self) -> Value {
        json!({"alg": format!("{:?}", self.algorithm), "typ": "JWT", "kid": self.jwk["kid"]})
    }

    /// Signs a token with the default header.
    fn token(&self, claims: &Value) -> Secret {
        self.token_with(&json!({}), claims)
    }

    /// Signs a token whose header is the default header changed by `header`; null removes a field.
    fn token_with(&self, header: &Value, claims: &Value) -> Secret {
        let message = message(&changed(self.header(), header), claims);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.signing, self.algorithm).unwrap();
        Secret::new(format!("{message}.{signature}"))
    }
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header), encoded(claims))
}

fn encoded(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

/// Sets fields of an object; null removes a field.
fn changed(mut object: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

/// A running issuer.
struct Issuer {
    url: String,
    documents: Arc<Documents>,
    server: JoinHandle<()>,
}

struct Documents {
    discovery: Mutex<Value>,
    keys: Mutex<Value>,
    userinfo: Mutex<Result<Value, StatusCode>>,
    /// Whether to respond with 503.
    is_unavailable: AtomicBool,
    /// The paths and `Authorization` headers of the received requests.
    requests: Mutex<Vec<(String, Option<String>)>>,
}

async fn respond(State(documents): State<Arc<Documents>>, uri: Uri, headers: HeaderMap) -> Response {
    let bearer = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    documents.requests.lock().unwrap().push((uri.path().to_owned(), bearer));
    if documents.is_unavailable.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match uri.path() {
        "/.well-known/openid-configuration" => Json(documents.discovery.lock().unwrap().clone()).into_response(),
        "/keys" => Json(documents.keys.lock().unwrap().clone()).into_response(),
        "/userinfo" => match &*documents.userinfo.lock().unwrap() {
            Ok(body) => Json(body.clone()).into_response(),
            Err(status) => status.into_response(),
        },
        "/elsewhere" => (StatusCode::FOUND, [("location", "/keys")]).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Issuer {
    async fn start(keys: &[&TestKey]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let discovery = json!({
            "issuer": url, "jwks_uri": format!("{url}/keys"), "userinfo_endpoint": format!("{url}/userinfo"),
            "authorization_endpoint": format!("{url}/authorize"), "response_types_supported": ["code"],
        });
        let documents = Arc::new(Documents {
            discovery: Mutex::new(discovery),
            keys: Mutex::default(),
            userinfo: Mutex::new(Err(StatusCode::UNAUTHORIZED)),
            is_unavailable: AtomicBool::default(),
            requests: Mutex::default(),
        });
        let router = Router::new().fallback(respond).with_state(Arc::clone(&documents));
        let server = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        let issuer = Self { url, documents, server };
        issuer.publish(keys);
        issuer
    }

    fn publish(&self, keys: &[&TestKey]) {
        let keys: Vec<_> = keys.iter().map(|key| &key.jwk).collect();
        *self.documents.keys.lock().unwrap() = json!({ "keys": keys });
    }

    fn set_unavailable(&self, is_unavailable: bool) {
        self.documents.is_unavailable.store(is_unavailable, Ordering::SeqCst);
    }

    /// Counts the requests to a path.
    fn request_count(&self, path: &str) -> usize {
        self.documents.requests.lock().unwrap().iter().filter(|(requested, _)| requested == path).count()
    }

    fn settings(&self) -> OidcSettings {
        let audiences = vec!["signet".to_owned(), "signet-cli".to_owned()];
        OidcSettings { issuer: self.url.clone(), audiences, roles_claim: "roles".to_owned() }
    }

    fn oidc(&self) -> Oidc {
        Oidc::new(&self.settings()).unwrap()
    }

    /// Returns the claims of an ID token.
    fn claims(&self) -> Value {
        json!({
            "iss": self.url, "sub": "1234", "aud": "signet", "iat": NOW.as_second(), "exp": NOW.as_second() + 3600,
            "email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace", "roles": ["operator"],
        })
    }

    /// Returns the claims of an ID token changed by `claims`; null removes a claim.
    fn claims_with(&self, claims: &Value) -> Value {
        changed(self.claims(), claims)
    }

    /// Returns the claims of a Cognito access token.
    fn cognito_claims(&self) -> Value {
        json!({
            "iss": self.url, "sub": "1234", "client_id": "signet-cli", "token_use": "access", "username": "ada",
            "cognito:groups": ["operator"], "scope": "openid email", "exp": NOW.as_second() + 3600,
            "iat": NOW.as_second(), "auth_time": NOW.as_second(), "jti": "a", "version": 2,
        })
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn invalid(result: Result<User, OidcError>) -> BearerTokenError {
    match result {
        Err(OidcError::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    }
}

fn is_unavailable<T>(result: &Result<T, OidcError>) -> bool {
    matches!(result, Err(OidcError::Unavailable(_)))
}
