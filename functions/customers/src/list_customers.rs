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
    /// Return only the customer with this external id.
    pub external_id: Option<String>,
    /// Return only customers whose name or email address starts with this text, ignoring case.
    pub q: Option<String>,
}

/// Lists customers.
#[utoipa::path(
    get,
    path = "/api/v1.0/customers",
    operation_id = "list_customers",
    tag = "customers",
    summary = "List customers",
    description = "Sorted by name; with `q`, first those whose name matches, then those whose email address alone does. Filters can be \
        combined.",
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
    Ok(list_customers(&table, &filter, &paging).await?.into())
}

/// Returns a page of customers, or the one with an email address or an external id.
pub async fn list_customers(
    table: &Table,
    filter: &ListCustomersFilter,
    paging: &PageRequest,
) -> Result<Page<Customer>, ListError> {
    let found = match (&filter.email, &filter.external_id, &filter.q) {
        (Some(email), ..) => table.customer_by_email(email).await?.map(|found| found.customer),
        (None, Some(id), _) => table.customer_by_external_id(id).await?,
        (None, None, Some(text)) => return table.search_customers(text, paging).await,
        (None, None, None) => return table.customers(&CustomerFilter::default(), paging).await,
    };
    let rows = found.into_iter().filter(|customer| filter.matches(customer)).collect();
    Ok(paginate_in_memory(rows, "one customer", paging, |customer: &Customer| [customer.id.to_string()])?)
}

impl ListCustomersFilter {
    fn matches(&self, customer: &Customer) -> bool {
        let starts_with = |text: &String| {
            let (name, email) = (customer.name.as_deref(), customer.email.as_deref());
            name.is_some_and(|name| Customer::name_key(name).starts_with(&Customer::name_key(text)))
                || email.is_some_and(|email| Customer::email_key(email).starts_with(&Customer::email_key(text)))
        };
        self.external_id.as_ref().is_none_or(|id| customer.external_id.as_ref() == Some(id))
            && self.q.as_ref().is_none_or(starts_with)
    }
}
