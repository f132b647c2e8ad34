//! Signed-in users.

use crate::domain::Secret;

/// The role with all permissions.
pub const OPERATOR_ROLE: &str = "operator";

/// A signed-in user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The issuer's URL.
    pub issuer: String,
    /// The issuer's permanent, unique id of the user (`sub`).
    pub subject: String,
    /// Whether the user has the role `operator`.
    pub is_operator: bool,
    /// The email address, if the token has it. [`Oidc::complete_profile`](super::Oidc::complete_profile) fetches a missing one from the issuer.
    pub email: Option<String>,
    /// Whether the issuer has verified the email address.
    pub email_verified: bool,
    /// The user's full name.
    pub name: Option<String>,
    /// The bearer token, which also authenticates requests to the userinfo endpoint.
    pub token: Secret,
}

impl User {
    /// Returns the unique key of the user: issuer and subject, separated by a space. A URL contains no space, so two
    /// users never share a key.
    pub fn key(&self) -> String {
        format!("{} {}", self.issuer, self.subject)
    }
}
