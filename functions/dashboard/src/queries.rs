//! Reads of license keys and machines, in the form in which several pages show them.

use activations::list_activations;
use licenses::get_license;
use registration::own_key;
use shared::{
    Settings,
    auth::{LicenseAccess, User},
    domain::{EventData, EventType, License, LicenseId, Status, Timestamp},
    http::{
        ListResponse, Problem,
        resources::{ActivationResource, LicenseResource},
    },
    store::{Table, licenses::LicenseFilter, pagination::PageRequest},
};

/// Returns a license key with its number of used seats.
pub(crate) async fn license(table: &Table, id: LicenseId, now: Timestamp) -> Result<LicenseResource, Problem> {
    let (license, seats_used) = get_license::get(table, id).await?.ok_or_else(Problem::not_found)?;
    Ok(LicenseResource::new(&license, Some(seats_used), now))
}

/// Returns the reason for which a license key is suspended, as the operator entered it: that of the newest suspension in its
/// history.
pub(crate) async fn suspension_reason(table: &Table, id: LicenseId, status: Status) -> Result<Option<String>, Problem> {
    if status != Status::Suspended {
        return Ok(None);
    }
    let event = table.latest_event_of(id, EventType::LicenseSuspended).await?;
    Ok(event.and_then(|event| match event.data {
        EventData::LicenseSuspended(data) => data.reason,
        _ => None,
    }))
}

/// Returns a license key of the user.
pub(crate) async fn own_license(table: &Table, user: &User, id: LicenseId) -> Result<License, Problem> {
    own_key::own_license(table, user, id).await?.ok_or_else(Problem::not_found)
}

/// Returns a page of license keys.
pub(crate) async fn licenses(
    table: &Table,
    filter: &LicenseFilter,
    paging: &PageRequest,
    now: Timestamp,
) -> Result<ListResponse<LicenseResource>, Problem> {
    let found = table.licenses(filter, now, paging).await?;
    Ok(found.map(|license| LicenseResource::new(&license, None, now)).into())
}

/// Returns a page of the machines of a license key.
pub(crate) async fn machines(
    table: &Table,
    settings: &Settings,
    (access, id): (LicenseAccess, LicenseId),
    paging: &PageRequest,
    now: Timestamp,
) -> Result<ListResponse<ActivationResource>, Problem> {
    let found = list_activations::list(table, access, id, paging).await?;
    let (license, machines) = found.ok_or_else(Problem::not_found)?;
    let resource = |machine| ActivationResource::new(&machine, &license, settings.clock_margin, now);
    Ok(machines.map(resource).into())
}
