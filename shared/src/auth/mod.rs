//! Who asks, and whether they may.

pub mod app;
pub mod caller;
pub mod guesses;
pub mod oidc;
pub mod reach;

pub use app::{AppCredential, AppCredentialError};
pub use caller::{Caller, SignedIn};
pub use oidc::{Oidc, OidcSettings, User};
pub use reach::Reach;
