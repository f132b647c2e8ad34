//! The steps that fill it in. Each does nothing where it was done before.

use activations::activate::{self, activate};
use catalog::{
    create_feature::create_feature, create_product::create_product, create_tier::create_tier, resources::TierResource,
};
use customers::create_customer::create_customer;
use licenses::{
    heartbeat::{self, heartbeat},
    issue::issue,
    revoke::revoke,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::{
    AppState,
    domain::{Actor, Customer, License, LicenseId, MachineHash, Product, Secret, State, Timestamp},
    http::{Idempotency, Problem, RequestContext, RequestMetrics},
    store::{
        licenses::LicenseFilter,
        pagination::{ListError, PageRequest},
    },
};

use super::{
    DemoError, days_before, minutes_before,
    plan::{CustomerPlan, MachinePlan, ProductPlan, Sale, TierPlan},
};

/// When the catalog was made, in days before now.
const CATALOG_AGE: i64 = 420;
/// The operator's own address, from those that are kept for documentation.
const OFFICE: &str = "192.0.2.1";

/// Does the steps.
pub(super) struct Filler<'a> {
    pub(super) app: &'a AppState,
    /// On whose behalf.
    pub(super) actor: Actor,
    /// Before when everything happened.
    pub(super) now: Timestamp,
}

impl Filler<'_> {
    fn long_ago(&self) -> RequestContext {
        call(days_before(self.now, CATALOG_AGE), OFFICE)
    }

    /// The product with this code, which an earlier step made.
    pub(super) async fn product_of(&self, code: &str) -> Result<Product, DemoError> {
        let product = self.find_product(code).await?;
        product.ok_or_else(|| DemoError(format!("there is no product {code}")))
    }

    async fn find_product(&self, code: &str) -> Result<Option<Product>, DemoError> {
        let catalog = self.app.table.catalog().await?.catalog;
        Ok(catalog.products.into_values().find(|product| product.code == code))
    }

    /// A product with its features and tiers.
    pub(super) async fn product(&self, plan: &ProductPlan, place: i32) -> Result<(), DemoError> {
        let product = if let Some(known) = self.find_product(plan.code).await? {
            known
        } else {
            let body = json!({
                "code": plan.code, "name": plan.name, "description": plan.description, "sort_order": place,
            });
            let AppState { table, catalog, .. } = self.app;
            create_product(table, catalog, &self.long_ago(), request(body)?).await?
        };
        self.features(&product, plan).await?;
        for (place, tier) in (1..).zip(plan.tiers) {
            self.tier(&product, tier, place).await?;
        }
        Ok(())
    }

    async fn features(&self, product: &Product, plan: &ProductPlan) -> Result<(), DemoError> {
        let AppState { table, catalog, .. } = self.app;
        let known = table.catalog().await?.catalog;
        for (place, feature) in (1..).zip(plan.features) {
            if known.features.values().any(|known| known.product_id == product.id && known.key == feature.key) {
                continue;
            }
            let body = json!({
                "product_id": product.id, "key": feature.key, "name": feature.name,
                "display_only": feature.display_only, "sort_order": place,
            });
            create_feature(table, catalog, &self.long_ago(), request(body)?).await?;
        }
        Ok(())
    }

    /// A tier of a product.
    pub(super) async fn tier(&self, product: &Product, plan: &TierPlan, place: usize) -> Result<(), DemoError> {
        let AppState { table, catalog, .. } = self.app;
        let known = table.catalog().await?.catalog;
        let tier_id = |code: &str| {
            let tier = known.tiers.values().find(|tier| tier.product_id == product.id && tier.code == code);
            tier.map(|tier| tier.id)
        };
        if tier_id(plan.code).is_some() {
            return Ok(());
        }
        let features = known.features.values();
        let own = features.filter(|feature| feature.product_id == product.id && plan.features.contains(&&*feature.key));
        let body = json!({
            "product_id": product.id, "code": plan.code, "name": plan.name, "sort_order": place,
            "includes_tier_id": plan.includes.and_then(tier_id),
            "feature_ids": own.map(|feature| feature.id).collect::<Vec<_>>(),
            "monthly_price": plan.monthly_price, "annual_price": plan.monthly_price * 10, "currency": "EUR",
            "billing_period": plan.billing_period, "max_users": plan.max_users, "is_claimable": plan.is_claimable,
            "token_ttl_seconds": plan.life.token_ttl, "heartbeat_interval_seconds": plan.life.heartbeat_interval,
            "grace_period_seconds": plan.life.grace_period,
        });
        let _: TierResource = create_tier(table, catalog, &self.long_ago(), request(body)?).await?;
        Ok(())
    }

    /// A customer, and what they bought.
    pub(super) async fn customer(&self, plan: &CustomerPlan) -> Result<(), DemoError> {
        let table = &self.app.table;
        let customer = if let Some(known) = table.customer_by_email(plan.email).await? {
            known.customer
        } else {
            let body = json!({ "name": plan.name, "email": plan.email, "company": plan.company });
            create_customer(table, &call(days_before(self.now, plan.since_days), OFFICE), request(body)?).await?
        };
        for (index, sale) in plan.sales.iter().enumerate() {
            let earlier = plan.sales[..index].iter().filter(|earlier| earlier.product == sale.product).count();
            self.sale(&customer, sale, earlier).await?;
        }
        Ok(())
    }

    /// A license key, of which the customer bought so many of the product before, with its machines and its end.
    async fn sale(&self, customer: &Customer, plan: &Sale, earlier: usize) -> Result<(), DemoError> {
        let product = self.product_of(plan.product).await?;
        let id = match self.licenses(customer, &product).await?.get(earlier) {
            Some(known) if known.state != State::Active => return Ok(()),
            Some(known) => known.id,
            None => self.issue(customer, &product, plan).await?,
        };
        for machine in plan.machines {
            self.machine(id, machine).await?;
        }
        if let Some(end) = &plan.revoked {
            let at = call(days_before(self.now, end.days_ago), OFFICE);
            revoke(&self.app.table, id, Some(end.reason), &self.actor, &at).await?;
        }
        Ok(())
    }

    /// What a customer bought of a product, oldest first.
    async fn licenses(&self, customer: &Customer, product: &Product) -> Result<Vec<License>, DemoError> {
        let filter =
            LicenseFilter { customer_id: Some(customer.id), product_id: Some(product.id), ..LicenseFilter::default() };
        let paging = PageRequest { limit: 100, cursor: None, key: self.app.cursor_key() };
        let page = self.app.table.licenses(&filter, self.now, &paging).await.map_err(|error| match error {
            ListError::Cursor(error) => DemoError(error.to_string()),
            ListError::Store(error) => error.into(),
        })?;
        Ok(page.items.into_iter().rev().collect())
    }

    async fn issue(&self, customer: &Customer, product: &Product, plan: &Sale) -> Result<LicenseId, DemoError> {
        let catalog = self.app.table.catalog().await?.catalog;
        let mut tiers = catalog.tiers.values();
        let tier = tiers.find(|tier| tier.product_id == product.id && tier.code == plan.tier);
        let mut body = json!({ "customer_id": customer.id, "tier_id": tier.map(|tier| tier.id) });
        if let Some(days) = plan.ends_in_days {
            body["expires_at"] = json!(days_before(self.now, -days));
        }
        let at = call(days_before(self.now, plan.days_ago), OFFICE);
        Ok(issue(self.app, &request(body)?, &self.actor, &at).await?.license.id)
    }

    /// A machine that took a seat, and sent heartbeats until it was last seen.
    async fn machine(&self, license: LicenseId, plan: &MachinePlan) -> Result<(), DemoError> {
        let known = self.app.table.activation(license, MachineHash::of(plan.id)).await?;
        if known.is_some_and(|known| known.ended_at.is_some() || known.last_heartbeat_at > known.activated_at) {
            return Ok(());
        }
        let Some(key) = self.key_string(license).await? else { return Ok(()) };
        let body = json!({ "license_key": key.expose(), "machine_id": plan.id, "machine_name": plan.name });
        let sent: activate::Request = request(body)?;
        let begun = call(days_before(self.now, plan.activated_days_ago), plan.ip);
        let (_, answer) = activate(self.app, &sent, &begun).await?;
        let body = json!({ "token": answer.token, "machine_id": plan.id });
        let sent: heartbeat::Request = request(body)?;
        heartbeat(self.app, &sent, &call(minutes_before(self.now, plan.seen_minutes_ago), plan.ip)).await?;
        Ok(())
    }

    /// The key string of a license key, as it is sealed in the table.
    async fn key_string(&self, license: LicenseId) -> Result<Option<Secret>, DemoError> {
        let AppState { table, sealer, .. } = self.app;
        let Some(sealed) = table.sealed(license).await? else { return Ok(None) };
        Ok(Some(sealer.open(&table.sealing_context(license, "license_key"), &sealed.license_key).await?))
    }

    /// The key string that a customer has of a product, if it is good.
    pub(super) async fn shown_key(&self, (email, code): (&str, &str)) -> Result<Option<Secret>, DemoError> {
        let table = &self.app.table;
        let Some(found) = table.customer_by_email(email).await? else { return Ok(None) };
        let product = self.product_of(code).await?;
        let Some(id) = table.current_license(found.customer.id, product.id).await? else { return Ok(None) };
        let license = table.license(id).await?;
        let is_good = license.is_some_and(|own| own.refusal(product.is_active, own.generation, self.now).is_none());
        if is_good { self.key_string(id).await } else { Ok(None) }
    }
}

fn call(now: Timestamp, ip: &str) -> RequestContext {
    RequestContext {
        now,
        ip: ip.to_owned(),
        trace_id: "demo".to_owned(),
        idempotency: Idempotency::default(),
        metrics: RequestMetrics::default(),
    }
}

/// What a caller of the API would send.
fn request<T: DeserializeOwned>(body: Value) -> Result<T, DemoError> {
    serde_json::from_value(body).map_err(|error| DemoError::from(Problem::internal(error.to_string())))
}
