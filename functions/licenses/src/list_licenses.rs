//! Lists license keys.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{CustomerId, License, ProductId, Scope, Status, TierId, Timestamp},
    http::{
        ListQuery, ListResponse, PaginationParams, Problem, RequestContext, extractors::optional_time,
        resources::LicenseResource,
    },
    store::{
        Table,
        licenses::{LicenseFilter, LicenseOrder},
        pagination::{ListError, Page, PageRequest, paginate_in_memory},
    },
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
    /// Return only license keys of this pricing tier.
    tier_id: Option<TierId>,
    /// Return only license keys with this status.
    status: Option<Status>,
    /// Return only the license key with this external id.
    external_id: Option<String>,
    /// Return only license keys that expire before this time.
    #[serde(default, deserialize_with = "optional_time")]
    #[param(value_type = Option<String>, format = DateTime)]
    expires_before: Option<Timestamp>,
    /// Return only license keys that expire after this time. Those that never expire are not included.
    #[serde(default, deserialize_with = "optional_time")]
    #[param(value_type = Option<String>, format = DateTime)]
    expires_after: Option<Timestamp>,
}

/// Lists license keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/license-keys",
    operation_id = "list_license_keys",
    tag = "licenses",
    summary = "List license keys",
    description = "Newest first; with `expires_before` or `expires_after` alone, those that expire first; with `status` alone, those that \
        expire last. Filters can be combined. Then a page can be shorter than `limit`, or empty, and still have a \
        `next_cursor`. `seats_used` is null in lists.",
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
    let page = list_licenses(&table, filter, ctx.now, &paging).await?;
    Ok(page.map(|license| LicenseResource::new(&license, None, ctx.now)).into())
}

/// Returns a page of license keys, or the one with an external id.
async fn list_licenses(
    table: &Table,
    mut filter: ListLicensesFilter,
    now: Timestamp,
    paging: &PageRequest,
) -> Result<Page<License>, ListError> {
    let external_id = filter.external_id.take();
    let filter = LicenseFilter::from(filter);
    let Some(external_id) = external_id else {
        return table.licenses(&filter, now, paging).await;
    };
    let found = table.license_by_external_id(&external_id).await?.filter(|license| filter.matches(license, now));
    let rows = found.into_iter().collect();
    Ok(paginate_in_memory(rows, "license keys by external id", paging, |license| [license.id.to_string()])?)
}

impl From<ListLicensesFilter> for LicenseFilter {
    fn from(filter: ListLicensesFilter) -> Self {
        Self {
            customer_id: filter.customer_id,
            product_id: filter.product_id,
            tier_id: filter.tier_id,
            status: filter.status,
            expires_before: filter.expires_before,
            expires_after: filter.expires_after,
            order: LicenseOrder::ByIndex,
        }
    }
}
