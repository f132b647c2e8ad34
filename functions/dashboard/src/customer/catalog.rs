//! The catalog as customers see it: the tiers of each product side by side.

use std::collections::BTreeMap;

use axum::response::Response;
use catalog::public_catalog::{PublicProduct, PublicTier, public_catalog};
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    domain::{Catalog, CustomerId, License, LicenseId, Status, Tier, TierId, catalog::BillingPeriod},
    http::{List, Problem},
    store::{licenses::LicenseFilter, listing::Paging},
};

use super::{customer, license};
use crate::{
    enter::Visit,
    ui::{
        address,
        components::{badge, empty, tabs},
        icons,
        shell::{Page, Place},
        show,
    },
};

pub(super) const HERE: &str = "/dashboard/catalog";

/// How often is paid, where both have a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Billing {
    Monthly,
    Annual,
}

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    billing: Option<String>,
}

pub(super) async fn page(visit: Visit, asked: Result<List<Asked>, Problem>) -> Result<Response, Problem> {
    let asked = asked?.filter.billing;
    let billing = if asked.as_deref() == Some("annual") { Billing::Annual } else { Billing::Monthly };
    let sold = async { Ok(visit.services.catalog.read(&visit.services.table, visit.call.now).await?) };
    let (sold, held) = tokio::try_join!(sold, held(&visit))?;
    let shown = public_catalog(&sold);
    let products: Vec<_> = shown.products.iter().filter(|product| !product.tiers.is_empty()).collect();
    let content = html! {
        @if products.is_empty() {
            (empty("Nothing is for sale yet", "What the vendor offers stands here.", &html! {}))
        } @else {
            (tabs("How often you pay", &[
                (HERE, "Monthly", billing == Billing::Monthly),
                (&address(HERE, &[("billing", "annual")]), "Annual", billing == Billing::Annual),
            ]))
            @for product in products { (offers(&sold, product, &held, billing)) }
        }
    };
    Ok(Page::new(Place::Catalog, "Catalog", content).draw(&visit))
}

/// The license keys that the person holds and that count, by tier.
async fn held(visit: &Visit) -> Result<BTreeMap<TierId, LicenseId>, Problem> {
    let Some(customer) = customer(visit).await? else { return Ok(BTreeMap::new()) };
    let licenses = active_licenses(visit, customer.id).await?;
    Ok(licenses.into_iter().map(|license| (license.tier_id, license.id)).collect())
}

/// The newest hundred will do for a word beside a tier.
async fn active_licenses(visit: &Visit, id: CustomerId) -> Result<Vec<License>, Problem> {
    let filter = LicenseFilter { customer_id: Some(id), status: Some(Status::Active), ..LicenseFilter::default() };
    let paging = Paging { limit: 100, cursor: None, key: visit.services.cursor_key() };
    Ok(visit.services.table.licenses(&filter, visit.call.now, &paging).await?.items)
}

fn offers(sold: &Catalog, product: &PublicProduct, held: &BTreeMap<TierId, LicenseId>, billing: Billing) -> Markup {
    html! {
        section.section aria-labelledby=(product.product.id) {
            h2 #(product.product.id) { (product.product.name) }
            @if let Some(text) = &product.product.description { p.muted.prose { (text) } }
            ul.offers {
                @for tier in &product.tiers { li.offer { (offer(sold, product, tier, held, billing)) } }
            }
        }
    }
}

fn offer(
    sold: &Catalog,
    product: &PublicProduct,
    shown: &PublicTier,
    held: &BTreeMap<TierId, LicenseId>,
    billing: Billing,
) -> Markup {
    let tier = &shown.tier.tier;
    let (base, own) = features(sold, product, shown);
    html! {
        h3 { (tier.name) }
        @if let Some(text) = &tier.description { p.muted { (text) } }
        (price(tier, billing))
        div.offer-act { (action(product, tier, held)) }
        ul.limits {
            li { (show::limit(tier.max_users, "seat")) }
            @if let Some(tenants) = tier.max_tenants { li { (show::limit(Some(tenants), "tenant")) } }
            li { (how_long(tier.billing_period)) }
        }
        @if let Some(base) = base { p.everything { "Everything in " (base.name) @if !own.is_empty() { ", and" } } }
        @if !own.is_empty() { ul.has { @for name in own { li { (icons::check()) span { (name) } } } } }
    }
}

/// The nearest tier beside this one that it includes, and what it has besides. Tiers that are not sold are not named:
/// what they bring stands here as the tier's own.
fn features<'a>(sold: &'a Catalog, product: &PublicProduct, shown: &'a PublicTier) -> (Option<&'a Tier>, Vec<&'a str>) {
    let is_sold = |id: &TierId| product.tiers.iter().any(|other| other.tier.tier.id == *id);
    let lineage = sold.lineage(&shown.tier.tier);
    let place = lineage.iter().skip(1).position(is_sold).map(|place| place + 1);
    let behind = place.map_or(&[][..], |place| &lineage[place..]);
    let is_own = |from: Option<TierId>| from.is_none_or(|from| !behind.contains(&from));
    let own =
        shown.features.iter().filter(|feature| is_own(feature.inherited_from)).map(|feature| feature.name.as_str());
    (behind.first().and_then(|id| sold.tiers.get(id)), own.collect())
}

fn price(tier: &Tier, billing: Billing) -> Markup {
    let (amount, per) = match billing {
        Billing::Monthly => (tier.monthly_price, "a month"),
        Billing::Annual => (tier.annual_price, "a year"),
    };
    let saved = tier.monthly_price.saturating_mul(12).saturating_sub(tier.annual_price);
    html! {
        p.price {
            strong { (show::price(amount, &tier.currency)) }
            @if amount > 0 { " " span.muted { (per) } }
            @if billing == Billing::Annual && amount > 0 && saved > 0 {
                span.sub { (show::price(saved, &tier.currency)) " less than twelve months" }
            }
        }
    }
}

fn how_long(period: BillingPeriod) -> &'static str {
    match period {
        BillingPeriod::Monthly => "Runs for a month at a time",
        BillingPeriod::Annual => "Runs for a year at a time",
        BillingPeriod::Perpetual => "Never ends",
    }
}

fn action(product: &PublicProduct, tier: &Tier, held: &BTreeMap<TierId, LicenseId>) -> Markup {
    let named = |text: &str| format!("{text} {} {}", product.product.name, tier.name);
    html! {
        @if let Some(id) = held.get(&tier.id) {
            (badge("Yours", "good"))
            a.button href=(license::path(*id)) aria-label=(named("Go to your")) { "Go to it" }
        } @else if tier.is_claimable {
            a.button.primary href={ (HERE) "/" (tier.id) "/claim" } data-dialog aria-label=(named("Claim")) { "Claim" }
        } @else {
            p.muted { "Ask the vendor for this one." }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};
    use shared::domain::{Feature, Product};

    use super::*;

    const PRODUCT: &str = "prod_00000000000000000000000000";

    fn read<T: DeserializeOwned>(fields: &Value) -> T {
        let mut all = json!({ "name": "A", "product_id": PRODUCT, "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z", "sort_order": 0 });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn id(prefix: &str, number: u32) -> String {
        format!("{prefix}_{number:026}")
    }

    /// Tiers 1, 2 and 3, each with a feature of its number, each includes the one before.
    fn three(sold: [bool; 3]) -> Catalog {
        let mut catalog = Catalog::default();
        let product: Product =
            read(&json!({ "id": PRODUCT, "code": "atlas", "is_active": true, "one_key_per_customer": true }));
        catalog.products.insert(product.id, product);
        for (number, is_active) in (1..=3).zip(sold) {
            let feature: Feature = read(&json!({ "id": id("feat", number), "key": format!("f{number}"),
                "name": format!("f{number}"), "display_only": number == 2 }));
            catalog.features.insert(feature.id, feature);
            let tier: Tier = read(&json!({ "id": id("tier", number), "code": format!("t{number}"),
                "name": format!("t{number}"), "includes_tier_id": (number > 1).then(|| id("tier", number - 1)),
                "monthly_price": 0, "annual_price": 0, "currency": "EUR", "billing_period": "monthly",
                "feature_ids": [id("feat", number)], "is_claimable": false, "is_active": is_active,
                "token_ttl_seconds": 3600, "heartbeat_interval_seconds": 900, "grace_period_seconds": 0 }));
            catalog.tiers.insert(tier.id, tier);
        }
        catalog
    }

    fn told(sold: [bool; 3]) -> Vec<String> {
        let catalog = three(sold);
        let shown = public_catalog(&catalog);
        let product = &shown.products[0];
        let tell = |tier: &PublicTier| {
            let (base, own) = features(&catalog, product, tier);
            format!("{}: {} + {}", tier.tier.tier.name, base.map_or("-", |base| base.name.as_str()), own.join(" "))
        };
        product.tiers.iter().map(tell).collect()
    }

    #[test]
    fn a_tier_tells_what_it_has_besides_the_one_beside_it() {
        assert_eq!(told([true, true, true]), ["t1: - + f1", "t2: t1 + f2", "t3: t2 + f3"]);
        assert_eq!(told([true, false, true]), ["t1: - + f1", "t3: t1 + f2 f3"]);
        assert_eq!(told([false, false, true]), ["t3: - + f1 f2 f3"]);
    }
}
