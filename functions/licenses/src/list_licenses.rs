//! License keys, newest first.

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
    domain::{CustomerId, ProductId, Scope, Status},
    http::{
        Call, List, ListBody, Page, Problem,
        documented::{Always, Known, Queried, Scoped},
        resources::LicenseResource,
    },
    store::{Table, licenses::LicenseFilter, listing::Paging},
};
use utoipa::IntoParams;

/// Which license keys are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Of this customer.
    customer_id: Option<CustomerId>,
    /// Of this product.
    product_id: Option<ProductId>,
    /// With this status.
    status: Option<Status>,
}

/// Lists license keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-keys",
    tag = "license keys",
    summary = "List license keys, newest first",
    params(Filter, Page),
    responses(
        (status = 200, description = "A page of license keys", body = ListBody<LicenseResource>),
        Known,
        Scoped,
        Queried,
        Always,
    ),
    security(("api_key" = ["licenses:read"]), ("bearer" = [])),
)]
pub async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    asked: Result<List<Filter>, Problem>,
) -> Result<ListBody<LicenseResource>, Problem> {
    caller.require(Scope::LicensesRead)?;
    let List { filter, paging } = asked?;
    list(&services.table, &filter.into(), call.now, &paging).await
}

/// A page of license keys; their seats are not counted.
pub async fn list(
    table: &Table,
    filter: &LicenseFilter,
    now: Timestamp,
    paging: &Paging,
) -> Result<ListBody<LicenseResource>, Problem> {
    let page = table.licenses(filter, now, paging).await?;
    Ok(page.map(|license| LicenseResource::new(&license, None, now)).into())
}

impl From<Filter> for LicenseFilter {
    fn from(filter: Filter) -> Self {
        Self {
            customer_id: filter.customer_id,
            product_id: filter.product_id,
            status: filter.status,
            oldest_first: false,
        }
    }
}
