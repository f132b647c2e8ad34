//! Demo data for `--demo`: a vendor with products, customers and machines. The functions' commands create it with dates
//! in the past.
//!
//! Each step is idempotent, so the next start completes an interrupted one.

mod plan;
mod steps;
mod vendor;

use jiff::SignedDuration;
use shared::{
    AppState,
    domain::{Actor, ActorKind, ApiKeyId, Secret, Timestamp},
    http::Problem,
    store::StoreError,
    tokens::SealError,
};

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

/// The demo data could not be added.
#[derive(Debug, thiserror::Error)]
#[error("adding the demo data failed: {0}")]
pub struct DemoError(String);

impl From<Problem> for DemoError {
    fn from(problem: Problem) -> Self {
        Self(format!("{}: {}", problem.code, problem.detail))
    }
}

impl From<StoreError> for DemoError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<SealError> for DemoError {
    fn from(error: SealError) -> Self {
        Self(error.to_string())
    }
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

/// Returns a time in the past.
fn days_before(now: Timestamp, days: i64) -> Timestamp {
    minutes_before(now, days * 24 * 60)
}

fn minutes_before(now: Timestamp, minutes: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MIN)
}
