//! The signed-in customer.

use shared::{domain::Customer, http::Problem, store::Table};

use crate::session::Session;

/// The customer of the signed-in user; `None` if the user has not registered.
pub(super) async fn current_customer(table: &Table, session: &Session) -> Result<Option<Customer>, Problem> {
    let found = table.customer_by_subject(&session.user().key()).await?;
    Ok(found.map(|found| found.customer))
}
