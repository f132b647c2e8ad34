//! Gives a license key that belongs to no customer to one: when an operator assigns it, or when the customer claims it.

use shared::{
    domain::{CustomerId, Event, License, LicenseId, Product},
    store::{
        StoreError, Table,
        idempotency::Completion,
        license_writes::{NewCurrent, UpdateLicenseOutcome},
    },
};

use crate::issue::{find_superseded, supersede};

/// A license key before and after it got a customer.
#[derive(Debug, Clone, Copy)]
pub struct Assignment<'a> {
    /// The license key as read, without a customer.
    pub read: &'a License,
    /// The license key with the customer.
    pub next: &'a License,
    /// The customer.
    pub customer: CustomerId,
    /// The product of the license key.
    pub product: &'a Product,
}

/// Writes a license key with its customer, in one transaction: it becomes the customer's current license key for the
/// product, and supersedes the one before if the product allows only one. `superseded` creates the event of that.
pub async fn assign(
    table: &Table,
    Assignment { read, next, customer, product }: Assignment<'_>,
    event: &Event,
    superseded: impl FnOnce(LicenseId) -> Event,
    completion: Option<&Completion>,
) -> Result<UpdateLicenseOutcome, StoreError> {
    let current = table.current_license(customer, product.id).await?;
    let superseded = find_superseded(table, product, current).await?.map(|old| (old.id, superseded(old.id)));
    let current = NewCurrent { read: current, supersedes: superseded.as_ref().map(supersede) };
    table.update_license((read, next), Some(&current), event, completion).await
}
