//! Returns a customer.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Customer, CustomerId, Scope},
    http::{PathId, Problem, WithEtag},
    store::Table,
};

/// Returns a customer.
#[utoipa::path(
    get,
    path = "/api/v1.0/customers/{id}",
    operation_id = "get_customer",
    tag = "customers",
    summary = "Get a customer",
    params(("id" = CustomerId, Path, description = "`cus_…`")),
    responses(
        (status = 200, description = "The customer", body = Customer, headers(("ETag" = String))),
    ),
    security(("api_key" = ["customers:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    PathId(id): PathId<CustomerId>,
) -> Result<WithEtag<Customer>, Problem> {
    caller.require(Scope::CustomersRead)?;
    let found = table.customer_with_metadata(id).await?.ok_or_else(Problem::not_found)?;
    Ok(WithEtag(found.customer))
}
