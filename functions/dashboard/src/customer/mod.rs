//! Where customers look after what is theirs.

use axum::Router;
use shared::Services;

/// The customer's pages.
pub(crate) fn routes() -> Router<Services> {
    Router::new()
}
