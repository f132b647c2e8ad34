//! Imports a customer.

use customers::customer::CustomerInput;
use shared::{
    domain::{
        Customer, EventData, IdGenerator, Subject, ValidationErrors,
        event::payload::{CustomerCreated, CustomerOrigin},
    },
    http::Code,
    store::imports::ImportOutcome,
};

use crate::{
    importer::Importer,
    lines::{CustomerLine, line_hash},
    outcome::{LineOutcome, StopError, external_id_taken, known_outcome, used_outcome},
};

impl CustomerLine {
    /// Checks the fields.
    pub(crate) fn check(&self) -> Result<(), ValidationErrors> {
        self.input().check()
    }

    /// Returns the input with which the customer could be created.
    fn input(&self) -> CustomerInput {
        CustomerInput {
            name: self.name.clone(),
            email: self.email.clone(),
            company: self.company.clone(),
            external_id: Some(self.external_id.clone()),
            metadata: self.metadata.clone(),
        }
    }

    pub(crate) fn shared_values(&self) -> Vec<String> {
        vec![format!("external id {}", self.external_id), format!("email {}", Customer::email_key(&self.email))]
    }
}

impl Importer<'_> {
    pub(crate) async fn import_customer(&self, line: &CustomerLine) -> Result<LineOutcome, StopError> {
        let table = &self.tools.table;
        let hash = line_hash(line)?;
        let found = table.customer_with_external_id(&line.external_id).await?;
        if let Some(outcome) = known_outcome(found, hash, "customer") {
            return Ok(outcome);
        }
        if let Ok(id) = line.external_id.parse()
            && table.customer(id).await?.is_some()
        {
            // An exported line of a customer without an external id has the id of the customer in its place.
            return Ok(external_id_taken("customer"));
        }
        if self.definitions.is_some() {
            let is_taken = table.is_email_taken(&line.email).await?;
            return Ok(if is_taken { email_taken() } else { LineOutcome::Created });
        }
        let customer = line.input().into_customer(self.ctx.now);
        let data = EventData::CustomerCreated(CustomerCreated { origin: CustomerOrigin::Import });
        let subject = Subject::Customer(customer.id);
        let event = self.ctx.event(&mut IdGenerator::new(self.ctx.now), self.actor, subject, data);
        Ok(match table.import_customer(&customer, hash, &event).await? {
            ImportOutcome::Created => LineOutcome::Created,
            ImportOutcome::ExternalIdUsed(imported) => used_outcome(imported, hash, "customer"),
            ImportOutcome::UniqueValueTaken | ImportOutcome::CustomerErased | ImportOutcome::Conflict => {
                // A concurrent import of the same line has the same address.
                let found = table.customer_with_external_id(&line.external_id).await?;
                known_outcome(found, hash, "customer").unwrap_or_else(email_taken)
            }
        })
    }
}

fn email_taken() -> LineOutcome {
    LineOutcome::failed("/email", Code::EmailTaken, "already used by another customer")
}
