//! API keys of the operator, `signet_<id>_<random>`, and their scopes.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, RngExt};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, Type},
};

use super::{id::ApiKeyId, secret::Secret};

/// A permission of an API key. Reading the catalog needs no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Create and change products, tiers and features.
    CatalogWrite,
    /// Read customers.
    CustomersRead,
    /// Create and change customers.
    CustomersWrite,
    /// Read license keys, their events and their activations.
    LicensesRead,
    /// Issue and change license keys, and deactivate machines.
    LicensesWrite,
    /// Create and delete API keys.
    AccessWrite,
    /// Rotate and condemn signing keys.
    KeysWrite,
    /// Read webhook endpoints and deliveries.
    WebhooksRead,
    /// Create and change webhook endpoints, and retry deliveries.
    WebhooksWrite,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 9] = [
        Self::CatalogWrite,
        Self::CustomersRead,
        Self::CustomersWrite,
        Self::LicensesRead,
        Self::LicensesWrite,
        Self::AccessWrite,
        Self::KeysWrite,
        Self::WebhooksRead,
        Self::WebhooksWrite,
    ];

    /// Returns the scope as a JSON string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CatalogWrite => "catalog:write",
            Self::CustomersRead => "customers:read",
            Self::CustomersWrite => "customers:write",
            Self::LicensesRead => "licenses:read",
            Self::LicensesWrite => "licenses:write",
            Self::AccessWrite => "access:write",
            Self::KeysWrite => "keys:write",
            Self::WebhooksRead => "webhooks:read",
            Self::WebhooksWrite => "webhooks:write",
        }
    }
}

/// The permissions of an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scopes {
    /// All scopes, including those added in later versions: `*`.
    All,
    /// The listed scopes.
    Some(BTreeSet<Scope>),
}

/// The text is not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope")]
pub struct ParseScopeError;

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, ParseScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ParseScopeError)
    }
}

impl Scopes {
    /// Returns whether `scope` is granted.
    pub fn contains(&self, scope: Scope) -> bool {
        match self {
            Self::All => true,
            Self::Some(scopes) => scopes.contains(&scope),
        }
    }

    /// Returns whether every scope that `other` grants is granted.
    pub fn is_superset(&self, other: &Self) -> bool {
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
        let parse = |text: &String| text.parse().map_err(|error: ParseScopeError| de::Error::custom(error));
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self::Some)
    }
}

impl PartialSchema for Scopes {
    fn schema() -> RefOr<Schema> {
        let scope = Ref::from_schema_name("Scope");
        let description =
            "The permissions of an API key. `*` grants all scopes, including those added in later versions.";
        let example = serde_json::json!(["licenses:read"]);
        ArrayBuilder::new().items(scope).min_items(Some(1)).description(Some(description)).examples([example]).into()
    }
}

impl ToSchema for Scopes {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Scopes")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        let names = Scope::ALL.iter().map(|scope| scope.as_str()).chain(["*"]);
        let description = "A permission of an API key. `*` is all of them.";
        let scope = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        schemas.push(("Scope".to_owned(), scope.description(Some(description)).into()));
    }
}

/// How old `last_used_at` can be before a request updates it.
const LAST_USED_PRECISION: SignedDuration = SignedDuration::from_secs(60);

/// The metadata of an API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// `key_…`
    pub id: ApiKeyId,
    /// The display name, such as the purpose of the key.
    pub name: String,
    /// The permissions.
    pub scopes: Scopes,
    /// When the key was created.
    pub created_at: Timestamp,
    /// When the key expires; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// When the key was last used, to the minute; `None` means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Returns whether a use at `now` should update `last_used_at`.
    pub fn should_update_last_used(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|last_used| now.duration_since(last_used) >= LAST_USED_PRECISION)
    }

    /// Returns whether the key has expired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Returns whether the key can manage API keys and never expires. The last such key can't be deleted.
    pub fn is_permanent_access_key(&self) -> bool {
        self.scopes.contains(Scope::AccessWrite) && self.expires_at.is_none()
    }
}

/// The secret of an API key: the key's id, so that it is found with one read, and 256 random bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeySecret {
    /// The id of the API key.
    pub id: ApiKeyId,
    text: Secret,
}

/// The text is not an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid API key")]
pub struct ParseApiKeyError;

impl ApiKeySecret {
    /// Generates the secret of an API key.
    pub fn generate(id: ApiKeyId, random: &mut impl CryptoRng) -> Self {
        let random = Secret::new(HEXLOWER.encode(&random.random::<[u8; 32]>()));
        Self { id, text: Secret::new(format!("signet_{id}_{}", random.expose())) }
    }

    /// Returns the secret, for the one response that contains it.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// Returns the hash that the table stores.
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
    fn secret_round_trips_and_is_not_printed() {
        let id = IdGenerator::new(Timestamp::UNIX_EPOCH).generate();
        let secret = ApiKeySecret::generate(id, &mut StdRng::seed_from_u64(1));
        assert_eq!(secret.expose().parse(), Ok(secret.clone()));
        let random = secret.expose().rsplit('_').next().unwrap();
        assert!(!format!("{secret} {secret:?}").contains(random));
    }

    #[test]
    fn scopes_round_trip_and_reject_unknown_names() {
        let scopes: Scopes = serde_json::from_str(r#"["licenses:read", "catalog:write"]"#).unwrap();
        assert!(scopes.contains(Scope::LicensesRead) && !scopes.contains(Scope::LicensesWrite));
        assert_eq!(serde_json::to_string(&scopes).unwrap(), r#"["catalog:write","licenses:read"]"#);
        assert_eq!(serde_json::from_str::<Scopes>(r#"["*"]"#).unwrap(), Scopes::All);
        assert!(serde_json::from_str::<Scopes>(r#"["licenses:reed"]"#).is_err());
    }

    #[test]
    fn all_scopes_includes_every_listed_scope_but_not_vice_versa() {
        let some = |scopes: &[Scope]| Scopes::Some(scopes.iter().copied().collect());
        let (one, all_listed) = (some(&[Scope::LicensesRead]), some(&Scope::ALL));
        assert!(Scopes::All.is_superset(&Scopes::All) && Scopes::All.is_superset(&one));
        assert!(all_listed.is_superset(&one) && one.is_superset(&one) && !one.is_superset(&all_listed));
        // `*` includes scopes that are added later.
        assert!(!all_listed.is_superset(&Scopes::All));
    }

    proptest! {
        #[test]
        fn parsed_secret_is_unchanged(
            text in prop_oneof![any::<String>(), "signet_key_[0-7][0-9A-Z]{25}_[0-9a-fA-F]{63,65}"],
        ) {
            if let Ok(secret) = text.parse::<ApiKeySecret>() {
                prop_assert_eq!(secret.expose(), &text);
                let prefix = format!("signet_{}_", secret.id);
                prop_assert!(text.starts_with(&prefix) && text.len() == prefix.len() + 64);
            }
        }

        #[test]
        fn parsed_scopes_round_trip(texts in proptest::collection::vec(prop_oneof![any::<String>(), "[a-z]+:(read|write)"], 0..5)) {
            let json = serde_json::to_string(&texts).unwrap();
            if let Ok(scopes) = serde_json::from_str::<Scopes>(&json) {
                let again = serde_json::to_string(&scopes).unwrap();
                prop_assert_eq!(serde_json::from_str::<Scopes>(&again).unwrap(), scopes);
            }
        }
    }
}
