//! Lists customers.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{Customer, Scope},
    http::{ListQuery, ListResponse, PaginationParams, Problem},
    store::{
        Table,
        customers::CustomerFilter,
        pagination::{ListError, Page, PageRequest, paginate_in_memory},
    },
};
use utoipa::IntoParams;

/// Filter of the list of customers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListCustomersFilter {
    /// Return only the customer with this email address, ignoring case.
    pub email: Option<String>,
}

/// Lists customers.
#[utoipa::path(
    get,
    path = "/api/v1.0/customers",
    operation_id = "list_customers",
    tag = "customers",
    summary = "List customers",
    description = "Sorted by name.",
    params(ListCustomersFilter, PaginationParams),
    responses((status = 200, description = "A page of customers", body = ListResponse<Customer>)),
    security(("api_key" = ["customers:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    list: Result<ListQuery<ListCustomersFilter>, Problem>,
) -> Result<ListResponse<Customer>, Problem> {
    caller.require(Scope::CustomersRead)?;
    let ListQuery { filter, paging } = list?;
    Ok(list_customers(&table, filter.email.as_deref(), &paging).await?.into())
}

/// Returns a page of customers sorted by name, or the customer with an email address.
pub async fn list_customers(
    table: &Table,
    email: Option<&str>,
    paging: &PageRequest,
) -> Result<Page<Customer>, ListError> {
    let Some(email) = email else {
        return table.customers(&CustomerFilter::default(), paging).await;
    };
    let found = table.customer_by_email(email).await?.map(|found| found.customer);
    let rows = found.into_iter().collect();
    Ok(paginate_in_memory(rows, "customers by email", paging, |customer: &Customer| [customer.id.to_string()])?)
}
