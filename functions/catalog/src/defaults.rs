//! What a field is that was left out, where that is not nothing.

use shared::domain::catalog::USUAL_TOKEN_TTL;

pub(crate) const fn yes() -> bool {
    true
}

pub(crate) const fn token_ttl() -> u32 {
    USUAL_TOKEN_TTL
}
