//! The application: its state, configuration, and what wraps every route.

pub mod configuration;
pub mod idempotency;
pub mod in_process_client;
pub mod lambda;
pub mod middleware;
pub mod settings;
pub mod state;

pub use configuration::{Configuration, ConfigurationError, KeySource};
pub use in_process_client::{InProcessClient, RequestIdentity};
pub use middleware::with_middleware;
pub use settings::Settings;
pub use state::{AppState, Keys, StartError};
