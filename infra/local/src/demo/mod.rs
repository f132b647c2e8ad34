//! `--demo`: something to look at. A vendor with products, customers and machines, made by the functions' own commands
//! at times that are past, as if they had been called then.
//!
//! Each step looks whether it was done before, so a start that was cut short is made good by the next one.

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
    steps::Filler,
    vendor::{CUSTOMERS, LAST, PRODUCTS, SHOWN},
};

/// What there is to look at.
#[derive(Debug)]
pub struct Demo {
    /// What was filled in, in a few words.
    pub summary: String,
    /// A license key to try things with, as long as it is active.
    pub license_key: Option<Secret>,
}

/// Why it was not filled in.
#[derive(Debug, thiserror::Error)]
#[error("the demo data can't be filled in: {0}")]
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

/// Fills it in, unless it is there.
pub(crate) async fn fill(app: &AppState, operator: ApiKeyId) -> Result<Demo, DemoError> {
    let now = app.clock.now();
    let actor = Actor { kind: ActorKind::ApiKey, id: operator.to_string() };
    let filler = Filler { app, actor, now };
    if !is_whole(app).await? {
        for (place, product) in (1..).zip(&PRODUCTS) {
            filler.product(product, place).await?;
        }
        for customer in &CUSTOMERS {
            // As issuing and activating stand in its future, it is a large one.
            Box::pin(filler.customer(customer)).await?;
        }
        let product = filler.product_of(PRODUCTS[1].code).await?;
        filler.tier(&product, &LAST, PRODUCTS[1].tiers.len() + 1).await?;
    }
    Ok(Demo { summary: summary(), license_key: filler.shown_key(SHOWN).await? })
}

/// Whether the last of all steps was done.
async fn is_whole(app: &AppState) -> Result<bool, DemoError> {
    let catalog = app.table.catalog().await?.catalog;
    let product = catalog.products.values().find(|product| product.code == PRODUCTS[1].code);
    Ok(catalog
        .tiers
        .values()
        .any(|tier| tier.code == LAST.code && product.is_some_and(|own| own.id == tier.product_id)))
}

fn summary() -> String {
    let tiers = PRODUCTS.iter().map(|product| product.tiers.len()).sum::<usize>() + 1;
    let sales = || CUSTOMERS.iter().flat_map(|customer| customer.sales);
    let machines: usize = sales().map(|sale| sale.machines.len()).sum();
    format!(
        "{} products, {tiers} pricing tiers, {} customers, {} license keys, {machines} machines",
        PRODUCTS.len(),
        CUSTOMERS.len(),
        sales().count(),
    )
}

/// A time that is past.
fn days_before(now: Timestamp, days: i64) -> Timestamp {
    minutes_before(now, days * 24 * 60)
}

fn minutes_before(now: Timestamp, minutes: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MIN)
}
