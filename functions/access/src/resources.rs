//! Response types of the API key endpoints.

use serde::{Deserialize, Serialize};
use shared::domain::{ApiKey, ApiKeyId, Scopes, Timestamp};
use utoipa::ToSchema;

/// An API key, without its secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyResource {
    /// `key_…`
    pub id: ApiKeyId,
    /// Display name.
    #[schema(example = "ci")]
    pub name: String,
    /// Granted scopes.
    pub scopes: Scopes,
    /// When the key was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the key expires; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub expires_at: Option<Timestamp>,
    /// When the key was last used, to the minute; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub last_used_at: Option<Timestamp>,
}

impl From<ApiKey> for ApiKeyResource {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, name, scopes, created_at, expires_at, last_used_at } = key;
        Self { id, name, scopes, created_at, expires_at, last_used_at }
    }
}
