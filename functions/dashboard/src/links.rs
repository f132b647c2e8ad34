//! The paths of pages, which routes, links and redirects share, and URLs with query strings.

use shared::domain::{CustomerId, FeatureId, LicenseId, ProductId, TierId, WebhookEndpointId};

pub(crate) const OVERVIEW: &str = "/dashboard";
pub(crate) const PRODUCTS: &str = "/dashboard/products";
pub(crate) const CUSTOMERS: &str = "/dashboard/customers";
pub(crate) const LICENSE_KEYS: &str = "/dashboard/license-keys";
pub(crate) const NEW_LICENSE_KEY: &str = "/dashboard/license-keys/new";
pub(crate) const API_KEYS: &str = "/dashboard/api-keys";
pub(crate) const SIGNING_KEYS: &str = "/dashboard/signing-keys";
pub(crate) const ACTIVITY: &str = "/dashboard/activity";
pub(crate) const WEBHOOKS: &str = "/dashboard/webhooks";
pub(crate) const HEALTH: &str = "/dashboard/health";
pub(crate) const SEARCH: &str = "/dashboard/search";
pub(crate) const SEARCH_RESULTS: &str = "/dashboard/search/results";

/// The licenses of the signed-in customer.
pub(crate) const OWN_LICENSES: &str = "/dashboard/licenses";
pub(crate) const CLAIM_KEY: &str = "/dashboard/licenses/add";
pub(crate) const CATALOG: &str = "/dashboard/catalog";
pub(crate) const WELCOME: &str = "/dashboard/welcome";

/// The page of a product.
pub(crate) fn product(id: ProductId) -> String {
    format!("{PRODUCTS}/{id}")
}

/// The page on which a pricing tier is edited.
pub(crate) fn tier(id: TierId) -> String {
    format!("/dashboard/tiers/{id}/edit")
}

/// The page on which a product feature is edited.
pub(crate) fn feature(id: FeatureId) -> String {
    format!("/dashboard/features/{id}/edit")
}

/// The page of a customer.
pub(crate) fn customer(id: CustomerId) -> String {
    format!("{CUSTOMERS}/{id}")
}

/// The page of a license, for operators.
pub(crate) fn license_key(id: LicenseId) -> String {
    format!("{LICENSE_KEYS}/{id}")
}

/// The tab of the license's page with what it grants.
pub(crate) fn entitlements(id: LicenseId) -> String {
    format!("{}/entitlements", license_key(id))
}

/// The page of a license, for its customer.
pub(crate) fn own_license(id: LicenseId) -> String {
    format!("{OWN_LICENSES}/{id}")
}

/// The page on which customers claim a tier.
pub(crate) fn claim(id: TierId) -> String {
    format!("{CATALOG}/{id}/claim")
}

/// The page of a webhook endpoint.
pub(crate) fn webhook(id: WebhookEndpointId) -> String {
    format!("{WEBHOOKS}/{id}")
}

/// The page of the delivery with this id.
pub(crate) fn webhook_delivery(id: &str) -> String {
    format!("/dashboard/webhook-deliveries/{id}")
}

/// The activity of one resource.
pub(crate) fn activity_of(id: &str) -> String {
    with_query(ACTIVITY, &[("subject_id", id)])
}

/// The start of a sign-in that returns to `path`.
pub(crate) fn sign_in(path: &str) -> String {
    with_query("/dashboard/sign-in", &[("return_to", path)])
}

/// Appends a query string to a path. Parameters with empty values are omitted.
pub(crate) fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    let parameters: Vec<_> = parameters.iter().filter(|(_, value)| !value.is_empty()).collect();
    let query = serde_urlencoded::to_string(&parameters).unwrap_or_default();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
