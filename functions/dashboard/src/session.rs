//! Who is signed in. A session lives in its holder's cookie, sealed with a key that all functions share, so there is
//! nothing to look up but whether it was ended before its time.

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
    secrets::SecretVersions,
};

/// The session's cookie. By its prefix a browser takes it from this host alone, for all of its paths, over TLS.
pub(crate) const COOKIE: &str = "__Host-signet-session";
/// How long a session lasts, whatever happens in it: a working day. Who is an operator no more is none after it.
pub(crate) const LIFE: SignedDuration = SignedDuration::from_hours(8);

/// A person who signed in, until the session is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Its own name, by which it can be ended.
    pub(crate) id: String,
    /// In each form, for browsers that do not say where a form comes from.
    pub(crate) form_token: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) is_operator: bool,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) name: Option<String>,
    pub(crate) ends_at: Timestamp,
}

impl Session {
    /// A session that begins now.
    pub(crate) fn begin(user: &User, now: Timestamp) -> Self {
        Self {
            id: random_text(),
            form_token: random_text(),
            issuer: user.issuer.clone(),
            subject: user.subject.clone(),
            is_operator: user.is_operator,
            email: user.email.clone(),
            email_verified: user.email_verified,
            name: user.name.clone(),
            ends_at: now + LIFE,
        }
    }

    /// The person, as the API knows people. The token that proved it is gone.
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

    /// The person, as whoever asks the API.
    pub(crate) fn caller(&self) -> Caller {
        Caller::User(self.user())
    }

    /// What the person is called on pages.
    pub(crate) fn called(&self) -> &str {
        self.name.as_deref().or(self.email.as_deref()).unwrap_or(&self.subject)
    }
}

/// 128 random bits.
pub(crate) fn random_text() -> String {
    BASE64URL_NOPAD.encode(&rand::rng().random::<[u8; 16]>())
}

/// A cookie that holds a value sealed, for so long. `SameSite=Lax`, as the way back from the issuer begins at another
/// site.
pub(crate) fn sealed_cookie(
    secrets: &SecretVersions,
    name: String,
    value: &impl Serialize,
    life: SignedDuration,
) -> Result<Cookie<'static>, Problem> {
    let text = seal(&secrets.current.session_key, &name, value)?;
    let life = cookie::time::Duration::seconds(life.as_secs());
    Ok(bare_cookie(name, text, life))
}

/// What takes a cookie away again.
pub(crate) fn no_cookie(name: String) -> Cookie<'static> {
    bare_cookie(name, String::new(), cookie::time::Duration::ZERO)
}

fn bare_cookie(name: String, value: String, life: cookie::time::Duration) -> Cookie<'static> {
    Cookie::build((name, value)).path("/").secure(true).http_only(true).same_site(SameSite::Lax).max_age(life).build()
}

/// What a cookie of this name holds, if one of our keys sealed it for that name.
pub(crate) fn opened<T: DeserializeOwned>(secrets: &SecretVersions, name: &str, text: &str) -> Option<T> {
    let keys = std::iter::once(&secrets.current).chain(&secrets.previous);
    keys.into_iter().find_map(|values| open(&values.session_key, name, text))
}

fn seal(key: &SecretKey, name: &str, value: &impl Serialize) -> Result<String, Problem> {
    let fault = |_| Problem::internal("a cookie can't be sealed");
    let mut bytes = serde_json::to_vec(value).map_err(|error| Problem::internal(error.to_string()))?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, key.bytes()).map_err(fault)?;
    let nonce = key.seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut bytes).map_err(fault)?;
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
    use proptest::prelude::*;
    use shared::secrets::SecretValues;

    use super::*;

    fn values(letter: &str) -> SecretValues {
        let derived = |purpose| SecretKey::derived(&Secret::new(letter.repeat(43)), purpose).unwrap();
        SecretValues { cursor_key: derived("a"), session_key: derived("b"), oidc_client_secret: None }
    }

    fn of(current: &str, previous: Option<&str>) -> SecretVersions {
        SecretVersions { current: values(current), previous: previous.map(values) }
    }

    fn sealed(secrets: &SecretVersions, name: &str) -> String {
        let life = SignedDuration::from_secs(60);
        sealed_cookie(secrets, name.to_owned(), &"hunter2", life).unwrap().value().to_owned()
    }

    #[test]
    fn a_cookie_is_read_by_its_name_and_for_one_rotation() {
        let text = sealed(&of("1", None), "a");
        assert!(!text.contains("hunter2"));
        let read = |secrets: &SecretVersions, name| opened::<String>(secrets, name, &text);
        assert_eq!(read(&of("1", None), "a").as_deref(), Some("hunter2"));
        assert_eq!(read(&of("2", Some("1")), "a").as_deref(), Some("hunter2"));
        assert_eq!(read(&of("3", Some("2")), "a"), None);
        assert_eq!(read(&of("1", None), "b"), None, "one kind of cookie is not taken for another");
    }

    #[test]
    fn a_cookie_is_for_this_host_over_tls_and_no_script() {
        let life = SignedDuration::from_secs(60);
        let cookie = sealed_cookie(&of("1", None), COOKIE.to_owned(), &1, life).unwrap().to_string();
        for word in ["__Host-", "; HttpOnly", "; Secure", "; SameSite=Lax", "; Path=/", "; Max-Age=60"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        assert!(!cookie.contains("Domain"));
    }

    proptest! {
        #[test]
        fn any_text_is_opened_or_refused(text in any::<String>(), at in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_-]") {
            let secrets = of("1", None);
            prop_assert_eq!(opened::<String>(&secrets, "a", &text), None);
            let good = sealed(&secrets, "a");
            let mut changed = good.clone();
            let at = at.index(good.len());
            changed.replace_range(at..=at, &letter);
            prop_assume!(changed != good);
            prop_assert_eq!(opened::<String>(&secrets, "a", &changed), None);
        }
    }
}
