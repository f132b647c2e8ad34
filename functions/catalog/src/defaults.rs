//! What a field is that was left out, where that is not nothing.

use shared::domain::catalog::DEFAULT_TOKEN_TTL;

pub(crate) const fn yes() -> bool {
    true
}

pub(crate) const fn token_ttl() -> u32 {
    DEFAULT_TOKEN_TTL
}
