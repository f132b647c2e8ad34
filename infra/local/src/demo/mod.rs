//! Demo data for `--demo`: a vendor with products, customers and machines. The functions' commands create it with dates
//! in the past.
//!
//! Each step is idempotent, so the next start completes an interrupted one.

mod error;
mod plan;
mod steps;
mod vendor;

use shared::{
    AppState,
    domain::{Actor, ActorKind, ApiKeyId, Secret},
};

pub use self::error::DemoError;
use self::{
    steps::DemoBuilder,
    vendor::{CUSTOMERS, LAST_TIER, PRODUCTS, SHOWN_KEY},
};

/// The demo data.
#[derive(Debug)]
pub struct Demo {
    /// Counts of what was added, as text.
    pub summary: String,
    /// An active license key to try commands with.
    pub license_key: Option<Secret>,
}

/// Adds the demo data, unless it exists.
pub(crate) async fn add(app: &AppState, operator: ApiKeyId) -> Result<Demo, DemoError> {
    let now = app.clock.now();
    let actor = Actor { kind: ActorKind::ApiKey, id: operator.to_string() };
    let builder = DemoBuilder { app, actor, now };
    if !is_complete(app).await? {
        for (position, product) in (1..).zip(&PRODUCTS) {
            builder.add_product(product, position).await?;
        }
        for customer in &CUSTOMERS {
            // Boxed, because the future is large.
            Box::pin(builder.add_customer(customer)).await?;
        }
        let product = builder.product_with_code(PRODUCTS[1].code).await?;
        builder.add_tier(&product, &LAST_TIER, PRODUCTS[1].tiers.len() + 1).await?;
    }
    Ok(Demo { summary: summary(), license_key: builder.usable_key(SHOWN_KEY).await? })
}

/// Returns whether the last step was completed.
async fn is_complete(app: &AppState) -> Result<bool, DemoError> {
    let catalog = app.table.catalog().await?.catalog;
    let product = catalog.products.values().find(|product| product.code == PRODUCTS[1].code);
    Ok(catalog
        .tiers
        .values()
        .any(|tier| tier.code == LAST_TIER.code && product.is_some_and(|own| own.id == tier.product_id)))
}

fn summary() -> String {
    let tiers = PRODUCTS.iter().map(|product| product.tiers.len()).sum::<usize>() + 1;
    let licenses = || CUSTOMERS.iter().flat_map(|customer| customer.licenses);
    let machines: usize = licenses().map(|license| license.machines.len()).sum();
    format!(
        "{} products, {tiers} pricing tiers, {} customers, {} license keys, {machines} machines",
        PRODUCTS.len(),
        CUSTOMERS.len(),
        licenses().count(),
    )
}
