//! Customers, managed by the operator.

pub mod create_customer;
pub mod customer;
pub mod erase_customer;
pub mod get_customer;
pub mod list_customers;
pub mod update_customer;

use shared::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Returns the routes of this Lambda function.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_customers::handler, create_customer::handler)).routes(routes!(
        get_customer::handler,
        update_customer::replace,
        update_customer::update,
        erase_customer::handler
    ))
}
