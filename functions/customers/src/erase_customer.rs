//! Erases the personal data of a customer. Ids and events stay, so that license keys and their history remain consistent.

use axum::{extract::State, http::StatusCode};
use futures_util::future::try_join_all;
use licenses::revoke::{RevokeError, revoke};
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{
        Actor, CustomerId, EventData, IdGenerator, License, LicenseId, ProductId, Scope, State as LicenseState, Status,
        Subject, event::payload::NoData,
    },
    http::{Code, PathId, Problem, Replay, RequestContext, StrictQuery, extractors::Flag},
    store::{
        Backoff, StoreError, Table,
        erasure::{EraseOutcome, MAX_CHECKED_PRODUCTS},
        licenses::LicenseFilter,
    },
};
use utoipa::IntoParams;

/// The number of writes of one request to the history of license keys. A scheduled job continues where it ends.
const MAX_WRITES: usize = 400;

/// Why a customer was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseCustomerError {
    /// The customer does not exist.
    #[error("not found")]
    NotFound,
    /// The customer has license keys that are active or suspended.
    #[error("license keys that are active or suspended: {0}. Revoke them first, or send revoke=true")]
    HasActiveLicenses(usize),
    /// A license key could not be revoked.
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<EraseCustomerError> for Problem {
    fn from(error: EraseCustomerError) -> Self {
        match error {
            EraseCustomerError::NotFound => Self::not_found(),
            EraseCustomerError::HasActiveLicenses(_) => Self::new(Code::CustomerHasActiveLicenses, error.to_string()),
            EraseCustomerError::Revoke(error) => error.into(),
            EraseCustomerError::Store(error) => error.into(),
        }
    }
}

/// Options of the erasure.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EraseOptions {
    /// Whether to revoke the license keys that are active or suspended, which requires the scope `licenses:write`. Without
    /// it, such license keys are an error.
    #[param(value_type = Option<bool>)]
    pub revoke: Option<Flag>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: CustomerHasActiveLicenses;
}

/// Erases a customer.
#[utoipa::path(
    delete,
    path = "/api/v1.0/customers/{id}",
    operation_id = "erase_customer",
    tag = "customers",
    summary = "Erase a customer",
    description = "Erases the name, the email address, the company, the user, the external id and the metadata of the customer before it \
        returns. A job then removes the names, external ids and metadata of the customer's license keys, and the addresses and \
        names of machines, also in events. License keys that have expired are revoked. It cannot be undone. Ids and events stay: `GET` returns the customer with nulls and \
        `erased_at`. Machines of license keys that cannot be used are deactivated. Idempotent.",
    params(("id" = CustomerId, Path, description = "`cus_…`"), EraseOptions),
    responses(
        (status = 204, description = "The customer is erased"),
        Errors,
    ),
    security(("api_key" = ["customers:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<CustomerId>,
    query: Result<StrictQuery<EraseOptions>, Problem>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let StrictQuery(options) = query?;
    let revoke_active = options.revoke == Some(Flag::True);
    if revoke_active {
        caller.require(Scope::LicensesWrite)?;
    }
    erase_customer(&table, id, revoke_active, &caller.actor(), &ctx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Erases a customer who has no license key that is active or suspended, or revokes these first. Expired ones are revoked, too. A license key that is issued
/// at the same moment is an error of one of both requests. If the customer is erased already, continues the job.
pub async fn erase_customer(
    table: &Table,
    id: CustomerId,
    revoke_active: bool,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<(), EraseCustomerError> {
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = table.customer_with_metadata(id).await?.ok_or(EraseCustomerError::NotFound)?;
        if read.customer.erased_at.is_some() {
            return Ok(table.start_erasure(id, ctx.now, MAX_WRITES).await?);
        }
        let current = current_licenses(table, id).await?;
        let revocable = revocable_licenses(table, id, &current, ctx).await?;
        let is_in_use = |license: &&License| license.status(ctx.now) != Status::Expired;
        let in_use = revocable.iter().filter(is_in_use).count();
        if in_use > 0 && !revoke_active {
            return Err(EraseCustomerError::HasActiveLicenses(in_use));
        }
        // Also those that have expired: otherwise they could be renewed.
        for license in revocable {
            revoke(table, license.id, None, actor, ctx, &Replay::none()).await?;
        }
        let event = ctx.event(&mut ids, actor, Subject::Customer(id), EventData::CustomerErased(NoData {}));
        match table.erase_customer(&read, &current, &event).await? {
            EraseOutcome::Done => return Ok(table.start_erasure(id, ctx.now, MAX_WRITES).await?),
            EraseOutcome::Conflict => backoff.retry().await?,
        }
    }
}

/// Reads the customer's current license key for each product. Every new license key of the customer changes one of them.
async fn current_licenses(table: &Table, id: CustomerId) -> Result<Vec<(ProductId, Option<LicenseId>)>, StoreError> {
    let catalog = table.catalog().await?.catalog;
    let read = async |product: ProductId| Ok((product, table.current_license(id, product).await?));
    try_join_all(catalog.products.keys().take(MAX_CHECKED_PRODUCTS).copied().map(read)).await
}

/// Returns the customer's license keys that are active, suspended or expired: of those that the index shows, which may lack the
/// newest, and the current ones. Each is read consistently.
async fn revocable_licenses(
    table: &Table,
    id: CustomerId,
    current: &[(ProductId, Option<LicenseId>)],
    ctx: &RequestContext,
) -> Result<Vec<License>, StoreError> {
    let mut ids: Vec<LicenseId> = current.iter().filter_map(|(_, license)| *license).collect();
    ids.extend(table.licenses_of(id, LicenseFilter::default(), ctx.now).await?.iter().map(|license| license.id));
    ids.sort_unstable();
    ids.dedup();
    let is_revocable = |license: &License| matches!(license.state, LicenseState::Active | LicenseState::Suspended);
    let mut found = Vec::new();
    for id in ids {
        found.extend(table.license(id).await?.filter(is_revocable));
    }
    Ok(found)
}
