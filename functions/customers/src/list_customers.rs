//! Lists customers.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Customer, Scope},
    http::{
        ListQuery, ListResponse, PaginationParams, Problem,
        responses::{Authenticated, Authorized, Paginated, ServerErrors},
    },
    store::{
        Table,
        customers::CustomerFilter,
        pagination::{ListError, Page, PageRequest, paginate_in_memory},
    },
};
use utoipa::IntoParams;

/// Which customers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only the one who has this e-mail address, whatever its case.
    pub email: Option<String>,
}

/// Lists customers.
#[utoipa::path(
    get,
    path = "/api/v1.0/customers",
    tag = "customers",
    summary = "List customers, by name",
    params(Filter, PaginationParams),
    responses((status = 200, description = "A page", body = ListResponse<Customer>), Authenticated, Authorized, Paginated, ServerErrors),
    security(("api_key" = ["customers:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    list: Result<ListQuery<Filter>, Problem>,
) -> Result<ListResponse<Customer>, Problem> {
    caller.require(Scope::CustomersRead)?;
    let ListQuery { filter, paging } = list?;
    Ok(list_customers(&app.table, filter.email.as_deref(), &paging).await?.into())
}

/// The customers by name, or the one who has an e-mail address.
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
    Ok(paginate_in_memory(rows, "customers by e-mail", paging, |customer: &Customer| [customer.id.to_string()])?)
}
