//! The operator's API keys: `signet_<id>_<random>`, and what each may do.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngExt};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type},
};

use super::{id::ApiKeyId, secret::Secret};

/// One thing that an API key may do. Reading the catalog takes no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Make and change products, tiers and features.
    CatalogWrite,
    /// Read customers.
    CustomersRead,
    /// Make and change customers.
    CustomersWrite,
    /// Read license keys, their events and activations.
    LicensesRead,
    /// Issue and change license keys, and free their seats.
    LicensesWrite,
    /// Make and delete API keys.
    AccessWrite,
    /// Rotate and condemn signing keys.
    KeysWrite,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::CatalogWrite,
        Self::CustomersRead,
        Self::CustomersWrite,
        Self::LicensesRead,
        Self::LicensesWrite,
        Self::AccessWrite,
        Self::KeysWrite,
    ];

    /// The scope as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CatalogWrite => "catalog:write",
            Self::CustomersRead => "customers:read",
            Self::CustomersWrite => "customers:write",
            Self::LicensesRead => "licenses:read",
            Self::LicensesWrite => "licenses:write",
            Self::AccessWrite => "access:write",
            Self::KeysWrite => "keys:write",
        }
    }
}

/// What an API key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scopes {
    /// All, also what is added later: `*`.
    All,
    /// These.
    Some(BTreeSet<Scope>),
}

/// A text that is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope that is not known")]
pub struct ParseScopeError;

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, ParseScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ParseScopeError)
    }
}

impl Scopes {
    /// Whether it may do this.
    pub fn allow(&self, scope: Scope) -> bool {
        match self {
            Self::All => true,
            Self::Some(scopes) => scopes.contains(&scope),
        }
    }

    /// Whether whoever may do this may also do all that the other allows.
    pub fn include(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Some(_), Self::All) => false,
            (Self::Some(own), Self::Some(other)) => own.is_superset(other),
        }
    }

    fn texts(&self) -> Vec<&'static str> {
        match self {
            Self::All => vec!["*"],
            Self::Some(scopes) => scopes.iter().map(|scope| scope.as_str()).collect(),
        }
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.texts().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        if texts.iter().any(|text| text == "*") {
            return Ok(Self::All);
        }
        let read = |text: &String| text.parse().map_err(|error: ParseScopeError| de::Error::custom(error));
        texts.iter().map(read).collect::<Result<_, _>>().map(Self::Some)
    }
}

impl PartialSchema for Scopes {
    fn schema() -> RefOr<Schema> {
        let words = Scope::ALL.iter().map(|scope| scope.as_str()).chain(["*"]);
        let scope = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
        let about = "What an API key may do; `*` is all, also what is added later.";
        let example = serde_json::json!(["licenses:read"]);
        ArrayBuilder::new().items(scope).min_items(Some(1)).description(Some(about)).examples([example]).into()
    }
}

impl ToSchema for Scopes {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Scopes")
    }
}

/// How old the note of a key's use gets before it is renewed.
const NOTE_LIFE: SignedDuration = SignedDuration::from_secs(60);

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// `key_…`
    pub id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; none means never.
    pub expires_at: Option<Timestamp>,
    /// When it was used, to a minute; none means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether a use at this time is worth noting.
    pub fn use_is_news(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|metrics| now.duration_since(metrics) >= NOTE_LIFE)
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether it is one of those of which the last may not go: it manages access, and does not end by itself.
    pub fn keeps_access(&self) -> bool {
        self.scopes.allow(Scope::AccessWrite) && self.expires_at.is_none()
    }
}

/// The secret of an API key: its id, so that one read finds it, and 256 random bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeySecret {
    /// Which key.
    pub id: ApiKeyId,
    text: Secret,
}

/// A text that is no API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no API key")]
pub struct ParseApiKeyError;

impl ApiKeySecret {
    /// Draws the secret of a key.
    pub fn generate(id: ApiKeyId, random: &mut impl CryptoRng) -> Self {
        let random = Secret::new(HEXLOWER.encode(&random.random::<[u8; 32]>()));
        Self { id, text: Secret::new(format!("signet_{id}_{}", random.expose())) }
    }

    /// The text, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// What lies in the table.
    pub fn sha256(&self) -> [u8; 32] {
        self.text.sha256()
    }
}

impl FromStr for ApiKeySecret {
    type Err = ParseApiKeyError;

    fn from_str(text: &str) -> Result<Self, ParseApiKeyError> {
        let rest = text.strip_prefix("signet_").ok_or(ParseApiKeyError)?;
        let (id, random) = rest.rsplit_once('_').ok_or(ParseApiKeyError)?;
        let is_random = random.len() == 64 && random.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        let id = id.parse().map_err(|_| ParseApiKeyError)?;
        if is_random { Ok(Self { id, text: Secret::new(text.to_owned()) }) } else { Err(ParseApiKeyError) }
    }
}

impl fmt::Display for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signet_{}_…", self.id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::domain::IdGenerator;

    #[test]
    fn a_secret_is_read_as_it_was_drawn_and_does_not_print_itself() {
        let id = IdGenerator::new(Timestamp::UNIX_EPOCH).make();
        let secret = ApiKeySecret::generate(id, &mut StdRng::seed_from_u64(1));
        assert_eq!(secret.expose().parse(), Ok(secret.clone()));
        let random = secret.expose().rsplit('_').next().unwrap();
        assert!(!format!("{secret} {secret:?}").contains(random));
    }

    #[test]
    fn scopes_are_what_their_texts_say() {
        let scopes: Scopes = serde_json::from_str(r#"["licenses:read", "catalog:write"]"#).unwrap();
        assert!(scopes.allow(Scope::LicensesRead) && !scopes.allow(Scope::LicensesWrite));
        assert_eq!(serde_json::to_string(&scopes).unwrap(), r#"["catalog:write","licenses:read"]"#);
        assert_eq!(serde_json::from_str::<Scopes>(r#"["*"]"#).unwrap(), Scopes::All);
        assert!(serde_json::from_str::<Scopes>(r#"["licenses:reed"]"#).is_err());
    }

    #[test]
    fn nobody_has_more_than_all() {
        let some = |scopes: &[Scope]| Scopes::Some(scopes.iter().copied().collect());
        let (one, every) = (some(&[Scope::LicensesRead]), some(&Scope::ALL));
        assert!(Scopes::All.include(&Scopes::All) && Scopes::All.include(&one));
        assert!(every.include(&one) && one.include(&one) && !one.include(&every));
        // What is added later is in `*` and not among these.
        assert!(!every.include(&Scopes::All));
    }

    proptest! {
        #[test]
        fn what_is_taken_for_a_secret_is_kept_as_it_was_sent(
            text in prop_oneof![any::<String>(), "signet_key_[0-7][0-9A-Z]{25}_[0-9a-fA-F]{63,65}"],
        ) {
            if let Ok(secret) = text.parse::<ApiKeySecret>() {
                prop_assert_eq!(secret.expose(), &text);
                let prefix = format!("signet_{}_", secret.id);
                prop_assert!(text.starts_with(&prefix) && text.len() == prefix.len() + 64);
            }
        }

        #[test]
        fn any_scopes_are_read_or_refused(texts in proptest::collection::vec(prop_oneof![any::<String>(), "[a-z]+:(read|write)"], 0..5)) {
            let json = serde_json::to_string(&texts).unwrap();
            if let Ok(scopes) = serde_json::from_str::<Scopes>(&json) {
                let again = serde_json::to_string(&scopes).unwrap();
                prop_assert_eq!(serde_json::from_str::<Scopes>(&again).unwrap(), scopes);
            }
        }
    }
}
