//! Serde defaults.

use shared::domain::catalog::{DEFAULT_OFFLINE_GRACE, DEFAULT_TOKEN_TTL};

pub(crate) const fn default_true() -> bool {
    true
}

pub(crate) const fn default_token_ttl() -> u32 {
    DEFAULT_TOKEN_TTL
}

pub(crate) const fn default_offline_grace() -> u32 {
    DEFAULT_OFFLINE_GRACE
}
