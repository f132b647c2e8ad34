//! Processes one line. How each type of line is imported is in a module of its own.

use axum::extract::FromRef;
use shared::{
    AppState,
    domain::{Actor, Catalog},
    http::RequestContext,
    store::Table,
    tokens::KeyStrings,
};
use tokio::sync::Mutex;

use crate::{
    definitions::Definitions,
    lines::Line,
    outcome::{LineOutcome, NumberedLine, StopError},
};

/// What an import uses.
#[derive(Debug, Clone)]
pub struct ImportTools {
    /// The table.
    pub table: Table,
    /// Seals key strings.
    pub key_strings: KeyStrings,
    /// Assigns seats.
    pub seats: activations::Seats,
}

impl FromRef<AppState> for ImportTools {
    fn from_ref(app: &AppState) -> Self {
        Self {
            table: app.table.clone(),
            key_strings: KeyStrings::from_ref(app),
            seats: activations::Seats::from_ref(app),
        }
    }
}

/// Processes lines. With `definitions`, only checks them.
pub(crate) struct Importer<'a> {
    pub(crate) tools: &'a ImportTools,
    pub(crate) catalog: &'a Catalog,
    pub(crate) actor: &'a Actor,
    pub(crate) ctx: &'a RequestContext,
    pub(crate) definitions: Option<&'a Definitions<'a>>,
    /// Makes key strings be sealed one after the other, so that only the first one needs a data key of KMS.
    pub(crate) sealing: Mutex<()>,
}

impl Importer<'_> {
    pub(crate) async fn process(&self, line: &NumberedLine) -> Result<LineOutcome, StopError> {
        let parsed = match &line.line {
            Ok(parsed) => parsed,
            Err(errors) => return Ok(LineOutcome::Failed(errors.clone())),
        };
        if let Some(outcome) = self.definitions.and_then(|earlier| earlier.outcome(line.number, parsed)) {
            return Ok(outcome);
        }
        match parsed {
            Line::Customer(customer) => self.import_customer(customer).await,
            Line::License(license) => self.import_license(license, line.number).await,
            Line::Activation(activation) => self.import_machine(activation, line.number).await,
        }
    }
}
