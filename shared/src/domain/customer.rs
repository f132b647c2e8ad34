//! Who buys.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{id::CustomerId, validation::ValidationErrors};

/// Who bought, or may buy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Customer {
    /// `cus_…`
    pub id: CustomerId,
    /// A person or an organisation.
    #[schema(example = "Ada Lovelace")]
    pub name: String,
    /// Unique among customers, whatever its case.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// Where they work.
    #[schema(example = "Analytical Engines", required)]
    pub company: Option<String>,
    /// The `sub` of the user who signs in as this customer, once there is one.
    #[schema(required)]
    pub subject: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl Customer {
    /// The form in which e-mail addresses are compared. They are ASCII; what else folds to one, as the sign for Kelvin
    /// does to a k, is none.
    pub fn email_key(email: &str) -> String {
        email.to_ascii_lowercase()
    }

    /// How many characters a name may have.
    pub const MAX_NAME: usize = 200;

    /// The form in which names are sorted and looked for, whatever their case. Lower case knows two of Greek's capital
    /// sigma, by what comes after: there is one here, or the beginning of a name would not be how it begins.
    pub fn name_key(name: &str) -> String {
        name.to_lowercase().replace('ς', "σ")
    }

    /// Notes what is wrong with the fields that a caller writes.
    pub fn check(invalid: &mut ValidationErrors, name: &str, email: &str, company: Option<&str>) {
        invalid.name("/name", name, Self::MAX_NAME);
        invalid.check(
            is_email(email),
            "/email",
            "an e-mail address of ASCII characters, such as ada@example.com, at most 254 of them",
        );
        if let Some(company) = company {
            invalid.name("/company", company, 200);
        }
    }
}

/// The shape of an address, no more: whether it exists is for a message to find out. ASCII alone, as two addresses
/// that look alike must not be two customers.
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
        fn an_address_is_ascii_and_one_whatever_its_case(
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
    fn addresses_have_the_shape_of_addresses() {
        for good in ["ada@example.com", "a.b+c@x-y.co.uk", "A@B.CD"] {
            assert!(is_email(good), "{good}");
        }
        for bad in
            ["", "@", "ada", "ada@", "@x.com", "a b@x.com", "ada@localhost", "a@b@c.d", "аda@example.com", "a@x..y"]
        {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
