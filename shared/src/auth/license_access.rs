//! How far a caller's arm reaches: all license keys, or their own.

use super::Caller;
use crate::{
    domain::{CustomerId, License, Scope},
    http::Problem,
    store::Table,
};

/// Which license keys a caller may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LicenseAccess {
    /// All of them.
    All,
    /// Those of one customer.
    Own(CustomerId),
    /// None: a person who is no customer.
    None,
}

impl Caller {
    /// Operators reach all license keys, API keys if they have the scope, and other people their own.
    pub async fn reach(&self, table: &Table, scope: Scope) -> Result<LicenseAccess, Problem> {
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
    /// Goes on only with a license in reach. What is someone else's is answered as what is not there, in its words and in
    /// its time: whoever asks has read the license, and nothing else, or all that the answer takes, before it comes here.
    pub fn check(self, license: Option<License>) -> Result<License, Problem> {
        let is_reached = |license: &License| match self {
            Self::All => true,
            Self::Own(customer) => license.customer_id == customer,
            Self::None => false,
        };
        license.filter(is_reached).ok_or_else(Problem::not_found)
    }
}
