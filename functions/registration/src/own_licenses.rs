//! A customer's own license keys and their machines.

use axum::extract::State;
use futures_util::future::try_join_all;
use serde::Serialize;
use shared::{
    Services,
    auth::{SignedIn, User},
    domain::License,
    http::{
        Call, List, ListBody, NoFilter, Page, Problem,
        documented::{Always, Known, Queried, Scoped},
        resources::{ActivationResource, LicenseResource},
    },
    store::{
        licenses::LicenseFilter,
        listing::{Listed, Paging},
    },
};
use utoipa::ToSchema;

/// A license key and its machines.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnLicense {
    /// The license key.
    pub license: LicenseResource,
    /// The machines that hold its seats: 100 at most; the list of activations pages through all.
    pub activations: Vec<ActivationResource>,
    /// Whether there are more machines than are shown.
    #[schema(example = false)]
    pub has_more_activations: bool,
}

/// Lists a customer's own license keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/user/licenses",
    tag = "users",
    summary = "List one's own license keys and their machines, newest first",
    params(Page),
    responses(
        (status = 200, description = "A page of license keys", body = ListBody<OwnLicense>),
        Known,
        Scoped,
        Queried,
        Always,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    SignedIn(user): SignedIn,
    call: Call,
    list: Result<List<NoFilter>, Problem>,
) -> Result<ListBody<OwnLicense>, Problem> {
    own_licenses(&services, &user, &list?.paging, &call).await
}

/// How many machines are shown of each license key.
const MOST_ACTIVATIONS: usize = 100;

/// A page of a user's license keys; none for a user who is no customer.
pub async fn own_licenses(
    services: &Services,
    user: &User,
    paging: &Paging,
    call: &Call,
) -> Result<ListBody<OwnLicense>, Problem> {
    let Some(found) = services.table.customer_by_subject(&user.key()).await? else {
        return Ok(Listed { items: Vec::new(), next: None }.into());
    };
    let filter = LicenseFilter { customer_id: Some(found.customer.id), ..LicenseFilter::default() };
    let page = services.table.licenses(&filter, call.now, paging).await?;
    let items = try_join_all(page.items.iter().map(|license| with_machines(services, license, call))).await?;
    Ok(Listed { items, next: page.next }.into())
}

async fn with_machines(services: &Services, license: &License, call: &Call) -> Result<OwnLicense, Problem> {
    let paging = Paging { limit: MOST_ACTIVATIONS, cursor: None, key: services.cursor_key() };
    let page = services.table.activations(license, &paging).await?;
    let margin = services.settings.clock_margin;
    let show = |activation| ActivationResource::new(activation, license, margin, call.now);
    let activations: Vec<_> = page.items.iter().map(show).collect();
    Ok(OwnLicense {
        license: LicenseResource::new(license, None, call.now),
        activations,
        has_more_activations: page.next.is_some(),
    })
}
