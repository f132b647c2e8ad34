//! Authentication and authorization.

pub mod app_credential;
pub mod auth_throttle;
pub mod caller;
pub mod license_access;
pub mod oidc;

pub use app_credential::{AppAuthenticator, AppCredential, AppCredentialError};
pub use auth_throttle::AuthThrottle;
pub use caller::{AuthenticatedUser, Authenticator, Caller};
pub use license_access::LicenseAccess;
pub use oidc::{Oidc, OidcSettings, User};
