//! The steps that create the demo data. Each step skips what exists.

use activations::{
    Seats,
    activate::{self, activate},
};
use axum::extract::FromRef;
use catalog::{create_feature::create_feature, create_product::create_product, create_tier::create_tier};
use customers::create_customer::create_customer;
use jiff::SignedDuration;
use licenses::{
    heartbeat::{self, heartbeat},
    issue::issue,
    replace_overrides::replace_overrides,
    revoke::revoke,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::{
    AppState,
    auth::AppAuthenticator,
    domain::{
        Actor, Customer, DescribedActivation, EventSource, License, LicenseId, MachineHash, Product, Secret, State,
        Timestamp,
    },
    http::{Idempotency, IfMatch, Problem, Replay, RequestContext, RequestMetrics, StoredResponse},
    store::{
        StoreError,
        licenses::{LicenseFilter, LicenseOrder},
    },
    tokens::KeyStrings,
};

use super::{
    error::DemoError,
    plan::{CustomerPlan, LicensePlan, LimitOverride, MachinePlan, ProductPlan, TierPlan},
};

/// Age of the catalog, in days.
const CATALOG_AGE: i64 = 420;
/// The operator's IP address, from a range reserved for documentation (RFC 5737).
const OPERATOR_IP: &str = "192.0.2.1";

/// Creates the demo data.
pub(super) struct DemoBuilder<'a> {
    pub(super) app: &'a AppState,
    /// The actor in the events.
    pub(super) actor: Actor,
    /// The current time; all dates are before it.
    pub(super) now: Timestamp,
}

impl DemoBuilder<'_> {
    fn catalog_created_at(&self) -> Timestamp {
        days_before(self.now, CATALOG_AGE)
    }

    /// Returns the source of the events of the operator at a time.
    fn source(&self, at: Timestamp) -> EventSource {
        context(at, OPERATOR_IP).event_source(self.actor.clone())
    }

    /// Returns the product with this code, which an earlier step created.
    pub(super) async fn product_with_code(&self, code: &str) -> Result<Product, DemoError> {
        let product = self.find_product(code).await?;
        product.ok_or_else(|| DemoError(format!("product {code} not found")))
    }

    async fn find_product(&self, code: &str) -> Result<Option<Product>, DemoError> {
        let catalog = self.app.table.catalog().await?.catalog;
        Ok(catalog.products.into_values().find(|product| product.code == code))
    }

    /// Creates a product with its features and tiers.
    pub(super) async fn add_product(&self, plan: &ProductPlan, position: i32) -> Result<(), DemoError> {
        let product = if let Some(known) = self.find_product(plan.code).await? {
            known
        } else {
            let body = json!({
                "code": plan.code, "name": plan.name, "description": plan.description, "sort_order": position,
            });
            let AppState { table, catalog, .. } = self.app;
            let (at, idempotency) = (self.catalog_created_at(), Idempotency::default());
            let replay = idempotency.replay(StoredResponse::ok);
            create_product(table, catalog, &request(body)?, &self.source(at), &replay).await.map_err(Problem::from)?
        };
        self.add_features(&product, plan).await?;
        for (position, tier) in (1..).zip(plan.tiers) {
            self.add_tier(&product, tier, position).await?;
        }
        Ok(())
    }

    async fn add_features(&self, product: &Product, plan: &ProductPlan) -> Result<(), DemoError> {
        let AppState { table, catalog, .. } = self.app;
        let (at, idempotency) = (self.catalog_created_at(), Idempotency::default());
        let replay = idempotency.replay(StoredResponse::ok);
        let known = table.catalog().await?.catalog;
        for (position, feature) in (1..).zip(plan.features) {
            if known.features.values().any(|known| known.product_id == product.id && known.key == feature.key) {
                continue;
            }
            let body = json!({
                "product_id": product.id, "key": feature.key, "name": feature.name, "unit": feature.unit,
                "kind": if feature.unit.is_some() { "limit" } else { "flag" },
                "display_only": feature.display_only, "sort_order": position,
            });
            create_feature(table, catalog, &request(body)?, &self.source(at), &replay).await.map_err(Problem::from)?;
        }
        Ok(())
    }

    /// Creates a tier of a product.
    pub(super) async fn add_tier(&self, product: &Product, plan: &TierPlan, position: usize) -> Result<(), DemoError> {
        let AppState { table, catalog, .. } = self.app;
        let known = table.catalog().await?.catalog;
        let tier_id = |code: &str| {
            let tier = known.tiers.values().find(|tier| tier.product_id == product.id && tier.code == code);
            tier.map(|tier| tier.id)
        };
        if tier_id(plan.code).is_some() {
            return Ok(());
        }
        let own = || known.features.values().filter(|feature| feature.product_id == product.id);
        let flags = own().filter(|feature| plan.features.contains(&&*feature.key));
        let limits = own().filter_map(|feature| {
            let (_, limit) = plan.limits.iter().find(|(key, _)| *key == feature.key)?;
            Some((feature.id.to_string(), json!(limit)))
        });
        let body = json!({
            "product_id": product.id, "code": plan.code, "name": plan.name, "sort_order": position,
            "includes_tier_id": plan.includes.and_then(tier_id),
            "feature_ids": flags.map(|feature| feature.id).collect::<Vec<_>>(),
            "feature_limits": limits.collect::<serde_json::Map<_, _>>(),
            "monthly_price": plan.monthly_price, "annual_price": plan.monthly_price * 10, "currency": "EUR",
            "billing_period": plan.billing_period, "max_users": plan.max_users, "is_claimable": plan.is_claimable,
            "token_ttl_seconds": plan.tokens.token_ttl, "heartbeat_interval_seconds": plan.tokens.heartbeat_interval,
            "offline_grace_seconds": plan.tokens.offline_grace, "expiry_grace_seconds": plan.tokens.expiry_grace,
            "max_borrow_seconds": plan.tokens.max_borrow, "seat_unit": plan.tokens.seat_unit,
        });
        let (at, idempotency) = (self.catalog_created_at(), Idempotency::default());
        let replay = idempotency.replay(StoredResponse::ok);
        create_tier(table, catalog, &request(body)?, &self.source(at), &replay).await.map_err(Problem::from)?;
        Ok(())
    }

    /// Creates a customer and their license keys.
    pub(super) async fn add_customer(&self, plan: &CustomerPlan) -> Result<(), DemoError> {
        let table = &self.app.table;
        let customer = if let Some(known) = table.customer_by_email(plan.email).await? {
            known.customer
        } else {
            let body = json!({ "name": plan.name, "email": plan.email, "company": plan.company });
            let (at, idempotency) = (days_before(self.now, plan.created_days_ago), Idempotency::default());
            let replay = idempotency.replay(StoredResponse::ok);
            create_customer(table, request(body)?, &self.source(at), &replay).await.map_err(Problem::from)?
        };
        for (index, license) in plan.licenses.iter().enumerate() {
            let earlier = plan.licenses[..index].iter().filter(|earlier| earlier.product == license.product).count();
            // Boxed, because the future is large.
            Box::pin(self.add_license(&customer, license, earlier)).await?;
        }
        Ok(())
    }

    /// Creates a license key with its machines, and revokes it if planned. `earlier` is the number of the customer's
    /// earlier keys for the product.
    async fn add_license(&self, customer: &Customer, plan: &LicensePlan, earlier: usize) -> Result<(), DemoError> {
        let product = self.product_with_code(plan.product).await?;
        let id = match self.licenses(customer, &product).await?.get(earlier) {
            Some(known) if known.state != State::Active => return Ok(()),
            Some(known) => known.id,
            None => self.issue(customer, &product, plan).await?,
        };
        if let Some(overridden) = &plan.overridden {
            self.add_override(id, &product, overridden).await?;
        }
        for machine in plan.machines {
            // Boxed, because the future is large.
            Box::pin(self.add_machine(id, machine)).await?;
        }
        if let Some(end) = &plan.revoked {
            let at = context(days_before(self.now, end.days_ago), OPERATOR_IP);
            revoke(&self.app.table, id, Some(end.reason), &self.actor, &at, &Replay::none())
                .await
                .map_err(Problem::from)?;
        }
        Ok(())
    }

    /// Returns the license keys that a customer has for a product, oldest first.
    async fn licenses(&self, customer: &Customer, product: &Product) -> Result<Vec<License>, StoreError> {
        let order = LicenseOrder::OldestFirst;
        let filter = LicenseFilter { product_id: Some(product.id), order, ..LicenseFilter::default() };
        self.app.table.licenses_of(customer.id, filter, self.now).await
    }

    async fn issue(&self, customer: &Customer, product: &Product, plan: &LicensePlan) -> Result<LicenseId, DemoError> {
        let catalog = self.app.table.catalog().await?.catalog;
        let mut tiers = catalog.tiers.values();
        let tier = tiers.find(|tier| tier.product_id == product.id && tier.code == plan.tier);
        let mut body = json!({ "customer_id": customer.id, "tier_id": tier.map(|tier| tier.id) });
        if let Some(days) = plan.expires_in_days {
            body["expires_at"] = json!(days_before(self.now, -days));
        }
        let at = context(days_before(self.now, plan.issued_days_ago), OPERATOR_IP);
        let key_strings = KeyStrings::from_ref(self.app);
        let replay = Replay::none();
        let issued = issue(&self.app.table, &key_strings, &request(body)?, &self.actor, &at, &replay).await;
        Ok(issued.map_err(Problem::from)?.license.id)
    }

    /// Sets an override, unless the license key has one.
    async fn add_override(&self, id: LicenseId, product: &Product, plan: &LimitOverride) -> Result<(), DemoError> {
        let table = &self.app.table;
        if table.license(id).await?.is_none_or(|license| !license.overrides.is_empty()) {
            return Ok(());
        }
        let catalog = table.catalog().await?.catalog;
        let mut features = catalog.features.values();
        let feature = features.find(|feature| feature.product_id == product.id && feature.key == plan.feature);
        let body = json!({ "overrides": [{
            "feature_id": feature.map(|feature| feature.id), "limit": plan.limit, "note": plan.note,
            "expires_at": days_before(self.now, -plan.ends_in_days),
        }] });
        let at = context(days_before(self.now, 1), OPERATOR_IP);
        let done = replace_overrides(table, id, &request(body)?, &IfMatch::default(), &self.actor, &at).await;
        done.map(drop).map_err(|error| Problem::from(error).into())
    }

    /// Activates a machine and sends its last heartbeat.
    async fn add_machine(&self, license: LicenseId, plan: &MachinePlan) -> Result<(), DemoError> {
        let known = self.app.table.described_activation(license, MachineHash::from_machine_id(plan.id)).await?;
        if let Some(DescribedActivation { activation, facts }) = known
            && (activation.ended_at.is_some()
                || facts.is_none_or(|facts| activation.last_heartbeat_at > facts.activated_at))
        {
            return Ok(());
        }
        let Some(key) = self.key_string(license).await? else { return Ok(()) };
        let body = json!({
            "license_key": key.expose(), "machine_id": plan.id, "machine_name": plan.name,
            "app_version": plan.app_version, "os": plan.os, "hostname": format!("{}.example.com", plan.id),
        });
        let sent: activate::Request = request(body)?;
        let activated_at = context(days_before(self.now, plan.activated_days_ago), plan.ip);
        let AppState { table, catalog, tokens, .. } = self.app;
        let (authenticator, seats) = (AppAuthenticator::from_ref(self.app), Seats::from_ref(self.app));
        let activated = activate(table, catalog, tokens, &authenticator, &seats, &sent, &activated_at).await;
        let activated = activated.map_err(Problem::from)?;
        let body = json!({ "token": activated.token.token.expose(), "machine_id": plan.id });
        let sent: heartbeat::Request = request(body)?;
        let seen_at = context(minutes_before(self.now, plan.seen_minutes_ago), plan.ip);
        heartbeat(table, catalog, tokens, &authenticator, &sent, &seen_at).await.map_err(Problem::from)?;
        Ok(())
    }

    /// Decrypts the key string of a license key.
    async fn key_string(&self, license: LicenseId) -> Result<Option<Secret>, DemoError> {
        let AppState { table, sealer, .. } = self.app;
        let Some(sealed) = table.sealed(license).await? else { return Ok(None) };
        Ok(Some(sealer.open(&table.sealing_context(license, "license_key"), &sealed.license_key).await?))
    }

    /// Returns the key string of a customer's current license key for a product, if it is usable.
    pub(super) async fn usable_key(&self, (email, code): (&str, &str)) -> Result<Option<Secret>, DemoError> {
        let table = &self.app.table;
        let Some(found) = table.customer_by_email(email).await? else { return Ok(None) };
        let product = self.product_with_code(code).await?;
        let Some(id) = table.current_license(found.customer.id, product.id).await? else { return Ok(None) };
        let license = table.license(id).await?;
        let is_usable = license.is_some_and(|own| own.refusal(product.is_active, own.generation, self.now).is_none());
        if is_usable { self.key_string(id).await } else { Ok(None) }
    }
}

/// Returns the context of a request at this time and from this IP address.
fn context(now: Timestamp, ip: &str) -> RequestContext {
    RequestContext {
        now,
        ip: ip.to_owned(),
        trace_id: "demo".to_owned(),
        idempotency: Idempotency::default(),
        metrics: RequestMetrics::default(),
    }
}

/// Deserializes a request body.
fn request<T: DeserializeOwned>(body: Value) -> Result<T, DemoError> {
    serde_json::from_value(body).map_err(|error| DemoError::from(Problem::internal(error.to_string())))
}

/// Returns a time in the past.
fn days_before(now: Timestamp, days: i64) -> Timestamp {
    minutes_before(now, days * 24 * 60)
}

fn minutes_before(now: Timestamp, minutes: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MIN)
}
