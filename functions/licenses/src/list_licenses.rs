//! Lists license keys.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{CustomerId, ProductId, Scope, Status},
    http::{ListQuery, ListResponse, PaginationParams, Problem, RequestContext, resources::LicenseResource},
    store::{Table, licenses::LicenseFilter},
};
use utoipa::IntoParams;

/// Filter of the list of license keys.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListLicensesFilter {
    /// Return only license keys of this customer.
    customer_id: Option<CustomerId>,
    /// Return only license keys of this product.
    product_id: Option<ProductId>,
    /// Return only license keys with this status.
    status: Option<Status>,
}

/// Lists license keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-keys",
    operation_id = "list_license_keys",
    tag = "licenses",
    summary = "List license keys",
    description = "Newest first. `seats_used` is null in lists.",
    params(ListLicensesFilter, PaginationParams),
    responses((status = 200, description = "A page of license keys", body = ListResponse<LicenseResource>)),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    query: Result<ListQuery<ListLicensesFilter>, Problem>,
) -> Result<ListResponse<LicenseResource>, Problem> {
    caller.require(Scope::LicensesRead)?;
    let ListQuery { filter, paging } = query?;
    let page = table.licenses(&filter.into(), ctx.now, &paging).await?;
    Ok(page.map(|license| LicenseResource::new(&license, None, ctx.now)).into())
}

impl From<ListLicensesFilter> for LicenseFilter {
    fn from(filter: ListLicensesFilter) -> Self {
        Self {
            customer_id: filter.customer_id,
            product_id: filter.product_id,
            status: filter.status,
            oldest_first: false,
        }
    }
}
