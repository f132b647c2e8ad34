//! Lists the license keys of the signed-in customer with their activations.

use std::sync::Arc;

use axum::extract::State;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::{
    app::Settings,
    auth::{AuthenticatedUser, User},
    domain::{DescribedActivation, License},
    http::{
        ListQuery, ListResponse, NoFilter, PaginationParams, Problem, RequestContext,
        resources::{ActivationResource, LicenseResource},
    },
    store::{
        Table,
        licenses::LicenseFilter,
        pagination::{ListError, Page, PageRequest},
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

impl OwnLicense {
    fn new(own: &LicenseWithActivations, clock_margin: SignedDuration, now: Timestamp) -> Self {
        let LicenseWithActivations { license, activations } = own;
        let resource = |activation| ActivationResource::new(activation, license, clock_margin, now);
        Self {
            license: LicenseResource::new(license, None, now),
            activations: activations.items.iter().map(resource).collect(),
            has_more_activations: activations.next.is_some(),
        }
    }
}

/// Lists the license keys of the signed-in customer.
#[utoipa::path(
    get,
    path = "/api/v1.0/user/licenses",
    operation_id = "list_own_licenses",
    tag = "users",
    summary = "List own license keys",
    description = "The license keys of the signed-in customer with their activations, newest first.",
    params(PaginationParams),
    responses((status = 200, description = "A page of license keys", body = ListResponse<OwnLicense>)),
    security(("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    AuthenticatedUser(user): AuthenticatedUser,
    ctx: RequestContext,
    list: Result<ListQuery<NoFilter>, Problem>,
) -> Result<ListResponse<OwnLicense>, Problem> {
    let page = own_licenses(&table, &user, &list?.paging, ctx.now).await?;
    Ok(page.map(|own| OwnLicense::new(&own, settings.clock_margin, ctx.now)).into())
}

/// The maximum number of activations per license key.
const MAX_ACTIVATIONS: usize = 100;

/// A license key and the first page of its activations.
#[derive(Debug)]
pub struct LicenseWithActivations {
    /// The license key.
    pub license: License,
    /// At most 100 activations.
    pub activations: Page<DescribedActivation>,
}

/// Returns a page of the user's license keys; an empty page if the user is not a customer.
pub async fn own_licenses(
    table: &Table,
    user: &User,
    paging: &PageRequest,
    now: Timestamp,
) -> Result<Page<LicenseWithActivations>, ListError> {
    let Some(found) = table.customer_by_subject(&user.key()).await? else {
        return Ok(Page { items: Vec::new(), next: None });
    };
    let filter = LicenseFilter { customer_id: Some(found.customer.id), ..LicenseFilter::default() };
    let Page { items, next } = table.licenses(&filter, now, paging).await?;
    let first_page = PageRequest { limit: MAX_ACTIVATIONS, cursor: None, key: paging.key.clone() };
    let with_activations = async |license| {
        let activations = table.activations(&license, &first_page).await?;
        Ok::<_, ListError>(LicenseWithActivations { license, activations })
    };
    Ok(Page { items: try_join_all(items.into_iter().map(with_activations)).await?, next })
}
