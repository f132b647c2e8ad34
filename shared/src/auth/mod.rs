//! Who asks, and whether they may.

pub mod caller;
pub mod oidc;

pub use caller::{Caller, SignedIn};
pub use oidc::{Oidc, OidcSettings, User};
