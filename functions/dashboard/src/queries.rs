//! Reads of license keys and machines, in the form in which several pages show them.

use activations::list_activations;
use licenses::get_license;
use shared::{
    auth::LicenseAccess,
    domain::LicenseId,
    http::{
        ListResponse, Problem,
        resources::{ActivationResource, LicenseResource},
    },
    store::{licenses::LicenseFilter, pagination::PageRequest},
};

use crate::page_context::PageContext;

/// Returns a license key with its number of used seats.
pub(crate) async fn license(page: &PageContext, id: LicenseId) -> Result<LicenseResource, Problem> {
    let (license, seats_used) = get_license::get(&page.app.table, id).await?.ok_or_else(Problem::not_found)?;
    Ok(LicenseResource::new(&license, Some(seats_used), page.ctx.now))
}

/// Returns a page of license keys.
pub(crate) async fn licenses(
    page: &PageContext,
    filter: &LicenseFilter,
    paging: &PageRequest,
) -> Result<ListResponse<LicenseResource>, Problem> {
    let now = page.ctx.now;
    let found = page.app.table.licenses(filter, now, paging).await?;
    Ok(found.map(|license| LicenseResource::new(&license, None, now)).into())
}

/// Returns a page of the machines of a license key.
pub(crate) async fn machines(
    page: &PageContext,
    access: LicenseAccess,
    id: LicenseId,
    paging: &PageRequest,
) -> Result<ListResponse<ActivationResource>, Problem> {
    let found = list_activations::list(&page.app.table, access, id, paging).await?;
    let (license, machines) = found.ok_or_else(Problem::not_found)?;
    let (margin, now) = (page.app.settings.clock_margin, page.ctx.now);
    Ok(machines.map(|machine| ActivationResource::new(&machine, &license, margin, now)).into())
}
