//! Imports a machine that was activated in another system: assigns a seat to it, without a token. The rate limits of
//! activations do not apply.

use shared::{
    domain::{Actor, Catalog, LicenseId, NotInCatalogError, Refusal, SeatStatus, SeatUnit},
    http::RequestContext,
    store::{Backoff, StoreError, Table, rate_limiter::RateLimitError},
};

use crate::attempt::{ActivatedBy, Attempt, AttemptOutcome, CountedActivation, Machine, Seats};

/// Why a machine was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportActivationError {
    /// The license key does not exist.
    #[error("license key not found")]
    NotFound,
    /// The license key cannot be used.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Every seat is taken, and no lease has lapsed.
    #[error("every seat of this license key is taken")]
    SeatLimitReached,
    /// Processes hold the seats of the license key.
    #[error("processes hold the seats of this license key, so machines cannot be imported")]
    SeatsOfProcesses,
    /// The tier of the license key is not in the catalog.
    #[error(transparent)]
    NotInCatalog(#[from] NotInCatalogError),
    /// The store failed, or concurrent changes exhausted all attempts.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RateLimitError> for ImportActivationError {
    fn from(error: RateLimitError) -> Self {
        match error {
            // The seats have no rate limits.
            RateLimitError::RateLimitExceeded(_) => StoreError::Contended.into(),
            RateLimitError::Store(error) => error.into(),
        }
    }
}

/// The outcome of importing a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportActivationOutcome {
    /// The machine has taken a seat.
    Created,
    /// The machine is already active, or was imported before and has been deactivated since.
    Unchanged,
}

/// A machine to import.
#[derive(Debug, Clone, Copy)]
pub struct ImportedMachine<'a> {
    /// The license key.
    pub license_id: LicenseId,
    /// The app's identifier of the machine.
    pub id: &'a str,
    /// The display name of the machine.
    pub name: Option<&'a str>,
}

/// Assigns a seat to a machine with the transaction of an activation and an ordinary lease, once: a machine that was imported
/// before is not activated again.
pub async fn import_activation(
    table: &Table,
    catalog: &Catalog,
    seats: &Seats,
    imported: ImportedMachine<'_>,
    (actor, ctx): (&Actor, &RequestContext),
) -> Result<ImportActivationOutcome, ImportActivationError> {
    let ImportedMachine { license_id, id, name } = imported;
    let seats = seats.without_rate_limits();
    let machine = Machine::new((id, None), name, None);
    let counted = CountedActivation::default();
    let mut backoff = Backoff::default();
    loop {
        let (license, found, is_imported) = tokio::try_join!(
            table.license(license_id),
            table.activation(license_id, machine.hash),
            table.is_machine_imported(license_id, machine.hash)
        )?;
        let license = license.ok_or(ImportActivationError::NotFound)?;
        if is_imported {
            return Ok(ImportActivationOutcome::Unchanged);
        }
        let (product, tier) = catalog.product_and_tier(&license).ok_or(NotInCatalogError(license.id))?;
        if let Some(refusal) = license.refusal(product.is_active, license.generation, ctx.now) {
            return Err(refusal.into());
        }
        if tier.seat_unit == SeatUnit::Process {
            return Err(ImportActivationError::SeatsOfProcesses);
        }
        if found.as_ref().is_some_and(|found| found.seat_status(&license) == SeatStatus::Live) {
            table.record_imported_machine(license_id, machine.hash).await?;
            return Ok(ImportActivationOutcome::Unchanged);
        }
        let attempt = Attempt {
            seats: &seats,
            ctx,
            license: &license,
            tier,
            machine,
            counted: &counted,
            by: ActivatedBy::Import(actor),
        };
        match attempt.run(found.as_ref()).await? {
            AttemptOutcome::New(_) => return Ok(ImportActivationOutcome::Created),
            AttemptOutcome::Full(_) => return Err(ImportActivationError::SeatLimitReached),
            AttemptOutcome::Renewed(_) | AttemptOutcome::Retry => backoff.retry().await?,
        }
    }
}
