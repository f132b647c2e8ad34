//! Sessions. A session is stored in a cookie, encrypted with a key that only the dashboard has. The table only records
//! sessions that ended before they expired.
//!
//! Cookies are encrypted with aws-lc: the private cookies of `cookie` and `axum-extra` would add ten crates with a second
//! AES-GCM, and each of their jars knows one key instead of the current and the previous one.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use cookie::{Cookie, SameSite};
use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shared::{
    auth::{Caller, User},
    domain::{Secret, secret::SecretKey},
    http::Problem,
    secrets::{SecretVersions, SessionValues},
};

/// The name of the session cookie. With the prefix `__Host-`, browsers accept it only from this host over TLS, for all
/// paths.
pub(crate) const COOKIE: &str = "__Host-signet-session";
/// The lifetime of a session, which activity does not extend. A user who loses the operator role keeps it for at most
/// this long.
pub(crate) const SESSION_LIFETIME: SignedDuration = SignedDuration::from_hours(8);

/// The session of a signed-in user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Identifies the session in the table once it has ended.
    pub(crate) id: String,
    /// Embedded in each form, for browsers that send neither `Origin` nor `Sec-Fetch-Site`.
    pub(crate) csrf_token: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) is_operator: bool,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) name: Option<String>,
    pub(crate) expires_at: Timestamp,
}

impl Session {
    /// Creates a session that starts now.
    pub(crate) fn new(user: &User, now: Timestamp) -> Self {
        Self {
            id: random_token(),
            csrf_token: random_token(),
            issuer: user.issuer.clone(),
            subject: user.subject.clone(),
            is_operator: user.is_operator,
            email: user.email.clone(),
            email_verified: user.email_verified,
            name: user.name.clone(),
            expires_at: now + SESSION_LIFETIME,
        }
    }

    /// The signed-in user, without an access token.
    pub(crate) fn user(&self) -> User {
        User {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            is_operator: self.is_operator,
            email: self.email.clone(),
            email_verified: self.email_verified,
            name: self.name.clone(),
            token: Secret::new(String::new()),
        }
    }

    /// The caller of API requests in this session.
    pub(crate) fn caller(&self) -> Caller {
        Caller::User(self.user())
    }

    /// The user's name; without one, the email address; without both, the subject.
    pub(crate) fn display_name(&self) -> &str {
        self.name.as_deref().or(self.email.as_deref()).unwrap_or(&self.subject)
    }
}

/// 128 random bits.
pub(crate) fn random_token() -> String {
    BASE64URL_NOPAD.encode(&rand::rng().random::<[u8; 16]>())
}

/// Creates a cookie with an encrypted value. It is `SameSite=Lax`, because the redirect from the issuer is a cross-site
/// navigation.
pub(crate) fn sealed_cookie(
    secrets: &SecretVersions<SessionValues>,
    name: String,
    value: &impl Serialize,
    max_age: SignedDuration,
) -> Result<Cookie<'static>, Problem> {
    let text = seal(&secrets.current.key, &name, value)?;
    let max_age = cookie::time::Duration::seconds(max_age.as_secs());
    Ok(build_cookie(name, text, max_age))
}

/// Creates a `Set-Cookie` value that deletes a cookie.
pub(crate) fn removal_cookie(name: String) -> Cookie<'static> {
    build_cookie(name, String::new(), cookie::time::Duration::ZERO)
}

fn build_cookie(name: String, value: String, max_age: cookie::time::Duration) -> Cookie<'static> {
    let cookie = Cookie::build((name, value)).path("/").secure(true).http_only(true);
    cookie.same_site(SameSite::Lax).max_age(max_age).build()
}

/// Decrypts the value of a cookie with the current or the previous session keys. Returns `None` if no key matches or
/// the value was encrypted for a cookie with another name.
pub(crate) fn open_cookie<T: DeserializeOwned>(
    secrets: &SecretVersions<SessionValues>,
    name: &str,
    text: &str,
) -> Option<T> {
    let keys = std::iter::once(&secrets.current).chain(&secrets.previous);
    keys.into_iter().find_map(|values| open(&values.key, name, text))
}

fn seal(key: &SecretKey, name: &str, value: &impl Serialize) -> Result<String, Problem> {
    let failed = |_| Problem::internal("failed to encrypt a cookie");
    let mut bytes = serde_json::to_vec(value).map_err(|error| Problem::internal(error.to_string()))?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, key.bytes()).map_err(failed)?;
    let nonce = key.seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut bytes).map_err(failed)?;
    Ok(BASE64URL_NOPAD.encode(&[nonce.as_ref().as_slice(), &bytes].concat()))
}

fn open<T: DeserializeOwned>(key: &SecretKey, name: &str, text: &str) -> Option<T> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, key.bytes()).ok()?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut sealed = sealed.to_vec();
    let plain = key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut sealed).ok()?;
    serde_json::from_slice(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(letter: &str) -> SessionValues {
        let key = SecretKey::derive(&Secret::new(letter.repeat(43)), "a").unwrap();
        SessionValues { key, oidc_client_secret: None }
    }

    fn versions(current: &str, previous: Option<&str>) -> SecretVersions<SessionValues> {
        SecretVersions { current: values(current), previous: previous.map(values) }
    }

    fn sealed_value(secrets: &SecretVersions<SessionValues>, name: &str) -> String {
        let max_age = SignedDuration::from_secs(60);
        sealed_cookie(secrets, name.to_owned(), &"hunter2", max_age).unwrap().value().to_owned()
    }

    #[test]
    fn cookies_are_bound_to_their_name_and_survive_one_key_rotation() {
        let text = sealed_value(&versions("1", None), "a");
        assert!(!text.contains("hunter2"));
        let read = |secrets: &SecretVersions<SessionValues>, name| open_cookie::<String>(secrets, name, &text);
        assert_eq!(read(&versions("1", None), "a").as_deref(), Some("hunter2"));
        assert_eq!(read(&versions("2", Some("1")), "a").as_deref(), Some("hunter2"));
        assert_eq!(read(&versions("3", Some("2")), "a"), None);
        assert_eq!(read(&versions("1", None), "b"), None, "the value of one cookie is invalid in another");
    }

    #[test]
    fn cookies_have_secure_attributes() {
        let max_age = SignedDuration::from_secs(60);
        let cookie = sealed_cookie(&versions("1", None), COOKIE.to_owned(), &1, max_age).unwrap().to_string();
        for word in ["__Host-", "; HttpOnly", "; Secure", "; SameSite=Lax", "; Path=/", "; Max-Age=60"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        assert!(!cookie.contains("Domain"));
    }

    proptest! {
        #[test]
        fn forged_and_modified_cookies_are_rejected(text in any::<String>(), at in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_-]") {
            let secrets = versions("1", None);
            prop_assert_eq!(open_cookie::<String>(&secrets, "a", &text), None);
            let valid = sealed_value(&secrets, "a");
            let mut changed = valid.clone();
            let at = at.index(valid.len());
            changed.replace_range(at..=at, &letter);
            prop_assume!(changed != valid);
            prop_assert_eq!(open_cookie::<String>(&secrets, "a", &changed), None);
        }
    }
}
