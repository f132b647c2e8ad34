//! Lists the license keys of the signed-in customer with their activations.

use axum::extract::State;
use futures_util::future::try_join_all;
use serde::Serialize;
use shared::{
    AppState,
    auth::{AuthenticatedUser, User},
    domain::License,
    http::{
        ListQuery, ListResponse, NoFilter, PaginationParams, Problem, RequestContext,
        resources::{ActivationResource, LicenseResource},
    },
    store::{
        licenses::LicenseFilter,
        pagination::{Page, PageRequest},
    },
};
use utoipa::ToSchema;

/// A license key with its activations.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnLicense {
    /// The license key.
    pub license: LicenseResource,
    /// The activations of the license key, at most 100. `GET /license-activations` lists all.
    pub activations: Vec<ActivationResource>,
    /// Whether there are more activations than the list contains.
    #[schema(example = false)]
    pub has_more_activations: bool,
}

/// Lists the license keys of the signed-in customer.
#[utoipa::path(
    get,
    path = "/api/v1.0/user/licenses",
    tag = "users",
    summary = "List own license keys",
    description = "The license keys of the signed-in customer with their activations, newest first.",
    params(PaginationParams),
    responses((status = 200, description = "A page of license keys", body = ListResponse<OwnLicense>)),
    security(("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    AuthenticatedUser(user): AuthenticatedUser,
    ctx: RequestContext,
    list: Result<ListQuery<NoFilter>, Problem>,
) -> Result<ListResponse<OwnLicense>, Problem> {
    own_licenses(&app, &user, &list?.paging, &ctx).await
}

/// The maximum number of activations per license key.
const MAX_ACTIVATIONS: usize = 100;

/// Returns a page of the user's license keys; an empty page if the user is not a customer.
pub async fn own_licenses(
    app: &AppState,
    user: &User,
    paging: &PageRequest,
    ctx: &RequestContext,
) -> Result<ListResponse<OwnLicense>, Problem> {
    let Some(found) = app.table.customer_by_subject(&user.key()).await? else {
        return Ok(Page { items: Vec::new(), next: None }.into());
    };
    let filter = LicenseFilter { customer_id: Some(found.customer.id), ..LicenseFilter::default() };
    let page = app.table.licenses(&filter, ctx.now, paging).await?;
    let items = try_join_all(page.items.iter().map(|license| with_activations(app, license, ctx))).await?;
    Ok(Page { items, next: page.next }.into())
}

async fn with_activations(app: &AppState, license: &License, ctx: &RequestContext) -> Result<OwnLicense, Problem> {
    let paging = PageRequest { limit: MAX_ACTIVATIONS, cursor: None, key: app.secrets.cached().cursor_key() };
    let page = app.table.activations(license, &paging).await?;
    let margin = app.settings.clock_margin;
    let resource = |activation| ActivationResource::new(activation, license, margin, ctx.now);
    let activations: Vec<_> = page.items.iter().map(resource).collect();
    Ok(OwnLicense {
        license: LicenseResource::new(license, None, ctx.now),
        activations,
        has_more_activations: page.next.is_some(),
    })
}
