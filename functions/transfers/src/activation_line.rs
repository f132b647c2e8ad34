//! Imports a machine that was activated in another system.

use activations::import_activation::{
    ImportActivationError, ImportActivationOutcome, ImportedMachine, import_activation,
};
use shared::{
    domain::{
        MachineHash, ValidationErrors,
        seat::{check_machine_id, check_machine_name},
    },
    http::Code,
};

use crate::{
    importer::Importer,
    lines::ActivationLine,
    outcome::{LineOutcome, StopError},
};

impl ActivationLine {
    /// Checks the fields.
    pub(crate) fn check(&self) -> Result<(), ValidationErrors> {
        let mut errors = ValidationErrors::default();
        check_machine_id(&mut errors, &self.machine_id);
        check_machine_name(&mut errors, self.machine_name.as_deref());
        errors.into_result()
    }
}

impl Importer<'_> {
    pub(crate) async fn import_machine(&self, line: &ActivationLine, number: usize) -> Result<LineOutcome, StopError> {
        let table = &self.tools.table;
        let Some(owner) = table.license_with_external_id(&line.license_external_id).await? else {
            let is_in_body = self.definitions.is_some_and(|lines| lines.has_license(&line.license_external_id, number));
            return Ok(if is_in_body { LineOutcome::Created } else { license_not_found() });
        };
        if self.definitions.is_some() {
            let machine = MachineHash::from_machine_id(&line.machine_id);
            return self.check_machine(owner.id, machine).await;
        }
        let machine =
            ImportedMachine { license_id: owner.id, id: &line.machine_id, name: line.machine_name.as_deref() };
        let by = (self.actor, self.ctx);
        // Boxed, because the future is large.
        let imported = Box::pin(import_activation(table, self.catalog, &self.tools.seats, machine, by)).await;
        Ok(match imported {
            Ok(ImportActivationOutcome::Created) => LineOutcome::Created,
            Ok(ImportActivationOutcome::Unchanged) => LineOutcome::Unchanged,
            Err(ImportActivationError::NotFound) => license_not_found(),
            Err(ImportActivationError::Refused(refusal)) => {
                LineOutcome::failed("/license_external_id", refusal.into(), refusal.to_string())
            }
            Err(error @ ImportActivationError::SeatLimitReached) => {
                LineOutcome::failed("/license_external_id", Code::SeatLimitReached, error.to_string())
            }
            Err(error @ ImportActivationError::SeatsOfProcesses) => {
                LineOutcome::failed("/license_external_id", Code::InvalidValue, error.to_string())
            }
            Err(ImportActivationError::NotInCatalog(error)) => return Err(StopError::Damaged(error.to_string())),
            Err(ImportActivationError::Store(error)) => return Err(error.into()),
        })
    }

    /// Checks whether a machine could be imported. Does not search for a free seat.
    async fn check_machine(
        &self,
        license_id: shared::domain::LicenseId,
        machine: MachineHash,
    ) -> Result<LineOutcome, StopError> {
        let table = &self.tools.table;
        let (license, is_imported) =
            tokio::try_join!(table.license(license_id), table.is_machine_imported(license_id, machine))?;
        if is_imported {
            return Ok(LineOutcome::Unchanged);
        }
        let Some(license) = license else { return Ok(license_not_found()) };
        let is_product_active = self.catalog.products.get(&license.product_id).is_some_and(|product| product.is_active);
        Ok(match license.refusal(is_product_active, license.generation, self.ctx.now) {
            Some(refusal) => LineOutcome::failed("/license_external_id", refusal.into(), refusal.to_string()),
            None => LineOutcome::Created,
        })
    }
}

fn license_not_found() -> LineOutcome {
    LineOutcome::failed("/license_external_id", Code::ReferenceNotFound, "no license key has this external id")
}
