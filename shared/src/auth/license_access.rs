//! Which license keys a caller may access.

use super::Caller;
use crate::{
    domain::{CustomerId, License, Scope},
    http::Problem,
    store::Table,
};

/// The license keys that a caller may access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LicenseAccess {
    /// All license keys.
    All,
    /// The license keys of one customer.
    Own(CustomerId),
    /// No license keys: the user is not registered as a customer.
    None,
}

impl Caller {
    /// Returns the license keys that the caller may access: all for operators and for API keys with `scope`, their own
    /// for other users.
    ///
    /// # Errors
    ///
    /// `forbidden` if an API key lacks the scope.
    pub async fn license_access(&self, table: &Table, scope: Scope) -> Result<LicenseAccess, Problem> {
        match self {
            Self::User(user) if !user.is_operator => {
                let customer = table.customer_by_subject(&user.key()).await?;
                Ok(customer.map_or(LicenseAccess::None, |found| LicenseAccess::Own(found.customer.id)))
            }
            _ => self.require(scope).map(|()| LicenseAccess::All),
        }
    }
}

impl LicenseAccess {
    /// Returns whether the caller may access the license.
    ///
    /// The response for another customer's license is identical to that for a missing one. To keep the timing identical
    /// too, callers read either only the license or everything that the response needs before they call this.
    pub fn includes(self, license: &License) -> bool {
        match self {
            Self::All => true,
            Self::Own(customer) => license.customer_id == Some(customer),
            Self::None => false,
        }
    }
}
