//! Reads a customer.

use axum::extract::State;
use shared::{
    Services,
    auth::Caller,
    domain::{Customer, CustomerId, Scope},
    http::{
        PathId, Problem, Tagged,
        documented::{Always, ById, Known, Scoped},
    },
};

/// Reads a customer.
#[utoipa::path(
    get,
    path = "/api/v1.0/customers/{id}",
    tag = "customers",
    summary = "Read a customer",
    params(("id" = CustomerId, Path, description = "`cus_…`")),
    responses(
        (status = 200, description = "The customer", body = Customer, headers(("ETag" = String))),
        Known,
        Scoped,
        ById,
        Always,
    ),
    security(("api_key" = ["customers:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    PathId(id): PathId<CustomerId>,
) -> Result<Tagged<Customer>, Problem> {
    caller.require(Scope::CustomersRead)?;
    let found = services.table.customer(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Tagged(found.customer))
}
