//! Customers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{id::CustomerId, metadata::Metadata, validation::ValidationErrors};

/// A customer of the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Customer {
    /// `cus_…`
    pub id: CustomerId,
    /// Name of the person or organization; null after the customer was erased.
    #[schema(required, example = "Ada Lovelace")]
    pub name: Option<String>,
    /// Email address, unique among customers, ignoring case; null after the customer was erased.
    #[schema(required, example = "ada@example.com")]
    pub email: Option<String>,
    /// Company of the customer.
    #[schema(example = "Analytical Engines", required)]
    pub company: Option<String>,
    /// The `sub` claim of the user who is registered as this customer, if any.
    #[schema(required)]
    pub subject: Option<String>,
    /// The id of the customer in another system of the operator; unique among customers.
    #[serde(default)]
    #[schema(required, example = "crm-4711")]
    pub external_id: Option<String>,
    /// The values that the operator's programs store with the customer; omitted in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub metadata: Option<Metadata>,
    /// When the customer was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the customer was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When the personal data of the customer were erased; null if they were not.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub erased_at: Option<Timestamp>,
}

impl Customer {
    /// Returns the names of the fields that an update changes, for its event. Names only: the values are personal data, and
    /// events are never deleted.
    pub fn changed_fields(&self, next: &Self) -> Vec<&'static str> {
        let changed = [
            ("name", self.name != next.name),
            ("email", self.email != next.email),
            ("company", self.company != next.company),
            ("subject", self.subject != next.subject),
            ("external_id", self.external_id != next.external_id),
            ("metadata", self.metadata != next.metadata),
        ];
        changed.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name).collect()
    }

    /// Returns the form in which email addresses are compared. Addresses are ASCII, so only ASCII letters are folded:
    /// Unicode case folding would also map other characters, such as the Kelvin sign, to ASCII letters.
    pub fn email_key(email: &str) -> String {
        email.to_ascii_lowercase()
    }

    /// The maximum length of a name, in characters.
    pub const MAX_NAME: usize = 200;
    /// The maximum length of a text by which customers are found, in characters: that of an email address.
    pub const MAX_SEARCH: usize = 254;

    /// Returns the form in which names are sorted and searched, ignoring case. Lower-casing a Greek sigma depends on
    /// its position in the word; it is normalized to one letter, so that a prefix of a name is also a prefix of its
    /// key.
    pub fn name_key(name: &str) -> String {
        name.to_lowercase().replace('ς', "σ")
    }

    /// Validates the fields that callers can set.
    pub fn check(errors: &mut ValidationErrors, name: &str, email: &str, company: Option<&str>) {
        errors.check_name("/name", name, Self::MAX_NAME);
        errors.check(
            is_email(email),
            "/email",
            "must be an email address of at most 254 ASCII characters, such as ada@example.com",
        );
        if let Some(company) = company {
            errors.check_name("/company", company, 200);
        }
    }
}

/// Checks the syntax of an email address, not whether it exists. Accepts only ASCII, so that two addresses that look
/// the same can't belong to different customers.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && local.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'@' | b'"' | b'<' | b'>' | b'(' | b')' | b','))
        && domain.contains('.')
        && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn email_is_ascii_and_compared_ignoring_case(
            text in prop_oneof![any::<String>(), "[a-zA-Z0-9.+_-]{1,70}@[a-zA-Z0-9.-]{1,30}", "[ -~]{1,10}@[a-z]{1,5}\\.[a-z]{2}"],
        ) {
            if is_email(&text) {
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()) && text.len() <= 254);
                prop_assert_eq!(text.matches('@').count(), 1);
                let upper = text.to_ascii_uppercase();
                prop_assert!(is_email(&upper));
                prop_assert_eq!(Customer::email_key(&upper), Customer::email_key(&text));
                prop_assert_eq!(Customer::email_key(&text).len(), text.len());
            }
        }
    }

    #[test]
    fn is_email_checks_the_syntax() {
        for valid in ["ada@example.com", "a.b+c@x-y.co.uk", "A@B.CD"] {
            assert!(is_email(valid), "{valid}");
        }
        for invalid in
            ["", "@", "ada", "ada@", "@x.com", "a b@x.com", "ada@localhost", "a@b@c.d", "аda@example.com", "a@x..y"]
        {
            assert!(!is_email(invalid), "{invalid}");
        }
    }
}
