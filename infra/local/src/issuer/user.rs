//! Users of the development issuer, and the scope that they sign in with.

use data_encoding::HEXLOWER;
use shared::domain::secret::sha256;

/// A user, with the attributes entered at sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DevUser {
    pub(super) email: String,
    pub(super) is_verified: bool,
    pub(super) name: String,
    pub(super) roles: Vec<String>,
}

/// The space-separated values of `scope` (RFC 6749 §3.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RequestedScope(Vec<String>);

impl RequestedScope {
    pub(super) fn read(scope: &str) -> Self {
        Self(scope.split_whitespace().map(str::to_owned).collect())
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|own| own == word)
    }

    /// Returns the requested roles: `role:operator` requests `operator`.
    pub(super) fn roles(&self) -> Vec<String> {
        self.0.iter().filter_map(|word| word.strip_prefix("role:")).map(str::to_owned).collect()
    }

    pub(super) fn text(&self) -> String {
        self.0.join(" ")
    }
}

impl DevUser {
    /// Returns a user, or `None` if the email address is invalid. The name defaults to the local part of the address.
    pub(super) fn new(email: &str, name: Option<&str>, roles: Vec<String>, is_verified: bool) -> Option<Self> {
        let email = email.trim();
        let (local, domain) = email.split_once('@')?;
        let is_part = |part: &str| !part.is_empty() && !part.contains(|letter: char| letter == '@' || letter <= ' ');
        if email.len() > 254 || !is_part(local) || !is_part(domain) {
            return None;
        }
        let name = name.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(local);
        Some(Self { email: email.to_owned(), is_verified, name: name.to_owned(), roles })
    }

    /// Returns the `sub` claim: a hash of the lowercase email address, so that it is stable across restarts.
    pub(super) fn subject(&self) -> String {
        let text = format!("person of the development issuer: {}", self.email.to_lowercase());
        HEXLOWER.encode(&sha256(text.as_bytes())[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(email: &str, name: Option<&str>) -> Option<DevUser> {
        DevUser::new(email, name, Vec::new(), true)
    }

    #[test]
    fn subject_depends_only_on_the_email_address() {
        let ada = user("ada@example.com", Some("Ada")).unwrap();
        assert_eq!(ada.subject(), user(" ADA@example.com", None).unwrap().subject());
        assert_ne!(ada.subject(), user("ada@example.org", Some("Ada")).unwrap().subject());
        assert_eq!(user("ada@example.com", Some(" ")).unwrap().name, "ada");
    }

    #[test]
    fn invalid_email_addresses_are_rejected() {
        for wrong in ["", "ada", "@", "ada@", "@example.com", "a@b@c", "a b@example.com", "a@exa\nmple.com"] {
            assert_eq!(user(wrong, None), None, "{wrong}");
        }
    }
}
