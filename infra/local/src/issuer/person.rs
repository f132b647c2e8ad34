//! Who signs in, and what the tokens shall be like.

use data_encoding::HEXLOWER;
use shared::domain::secret::sha256;

/// A person, as the person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) email: String,
    pub(super) is_verified: bool,
    pub(super) name: String,
    pub(super) roles: Vec<String>,
}

/// The words of a `scope`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn read(scope: &str) -> Self {
        Self(scope.split_whitespace().map(str::to_owned).collect())
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|own| own == word)
    }

    /// The roles that are asked for: `role:operator`.
    pub(super) fn roles(&self) -> Vec<String> {
        self.0.iter().filter_map(|word| word.strip_prefix("role:")).map(str::to_owned).collect()
    }

    pub(super) fn text(&self) -> String {
        self.0.join(" ")
    }
}

impl Person {
    /// A person of this e-mail address; without a name, the address gives one. None if it is no address.
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

    /// The issuer's own name for the person: always the same for an address.
    pub(super) fn subject(&self) -> String {
        let text = format!("person of the development issuer: {}", self.email.to_lowercase());
        HEXLOWER.encode(&sha256(text.as_bytes())[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(email: &str, name: Option<&str>) -> Option<Person> {
        Person::new(email, name, Vec::new(), true)
    }

    #[test]
    fn a_person_is_the_same_for_an_address() {
        let ada = person("ada@example.com", Some("Ada")).unwrap();
        assert_eq!(ada.subject(), person(" ADA@example.com", None).unwrap().subject());
        assert_ne!(ada.subject(), person("ada@example.org", Some("Ada")).unwrap().subject());
        assert_eq!(person("ada@example.com", Some(" ")).unwrap().name, "ada");
    }

    #[test]
    fn what_is_no_address_is_nobody() {
        for wrong in ["", "ada", "@", "ada@", "@example.com", "a@b@c", "a b@example.com", "a@exa\nmple.com"] {
            assert_eq!(person(wrong, None), None, "{wrong}");
        }
    }
}
