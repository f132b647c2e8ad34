//! What is for sale, tier beside tier, and claiming what is free to take.

use axum::response::{IntoResponse, Redirect, Response};
use catalog::public_catalog::{PublicProduct, PublicTier, public_catalog};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use shared::{
    domain::{Code, Tier, TierId},
    http::{ListQuery, PathId, Problem},
};

use super::{customer, licenses};
use crate::{
    enter::Visit,
    form::Sent,
    ui::{
        components::{empty, link, notice, secret, tabs},
        icons,
        inputs::Form,
        shell::{Page, Place},
        show,
    },
};

pub(super) const HERE: &str = "/dashboard/catalog";

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    billing: Option<Billing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Billing {
    Monthly,
    Annual,
}

/// The catalog.
pub(super) async fn page(visit: Visit, asked: Result<ListQuery<Asked>, Problem>) -> Result<Response, Problem> {
    let billing = asked?.filter.billing.unwrap_or(Billing::Monthly);
    let catalog = visit.app.catalog.read(&visit.app.table, visit.ctx.now).await?;
    let sold = public_catalog(&catalog);
    let products: Vec<_> = sold.products.iter().filter(|product| !product.tiers.is_empty()).collect();
    let content = html! {
        @if products.is_empty() {
            (empty("Nothing is for sale yet", "Come back later.", &html! {}))
        } @else {
            (tabs("Prices", &[
                ("/dashboard/catalog?billing=monthly", "Monthly prices", billing == Billing::Monthly),
                ("/dashboard/catalog?billing=annual", "Annual prices", billing == Billing::Annual),
            ]))
            @for product in products { (one_product(product, billing)) }
        }
    };
    Ok(Page::new(Place::Catalog, "Catalog", content).render(&visit))
}

fn one_product(product: &PublicProduct, billing: Billing) -> Markup {
    html! {
        section.section {
            h2 { (product.product.name) }
            @if let Some(text) = &product.product.description { p.muted.prose { (text) } }
            div.offers { @for tier in &product.tiers { (offer(product, tier, billing)) } }
        }
    }
}

fn offer(product: &PublicProduct, offered: &PublicTier, billing: Billing) -> Markup {
    let tier = &offered.tier.tier;
    let (price, per) = match billing {
        Billing::Monthly => (tier.monthly_price, "a month"),
        Billing::Annual => (tier.annual_price, "a year"),
    };
    let base = tier.includes_tier_id.and_then(|id| product.tiers.iter().find(|other| other.tier.tier.id == id));
    // What a tier that is shown brings is said in one line.
    let is_told = |from: Option<TierId>| base.is_some() && from.is_some();
    html! {
        article.offer aria-labelledby={ "tier-" (tier.id) } {
            div {
                h3 id={ "tier-" (tier.id) } { (tier.name) }
                @if let Some(text) = &tier.description { p.muted { (text) } }
            }
            p.price { strong { (show::price(price, &tier.currency)) } @if price > 0 { " " span.muted { (per) } } }
            p { (show::limit(tier.max_users, "seat")) @if let Some(count) = tier.max_tenants { ", " (show::limit(Some(count), "tenant")) } }
            ul.includes {
                @if let Some(base) = base { li { (icons::check()) span { "Everything in " (base.tier.tier.name) } } }
                @for feature in offered.features.iter().filter(|feature| !is_told(feature.inherited_from)) { li { (icons::check()) span { (feature.name) } } }
            }
            div.offer-end {
                @if tier.is_claimable { a.button.primary href={ (HERE) "/" (tier.id) "/claim" } data-dialog aria-label={ "Claim " (product.product.name) " " (tier.name) } { "Claim" } }
                @else { span.muted { "Ask the vendor" } }
            }
        }
    }
}

async fn claimable(visit: &Visit, id: TierId) -> Result<(String, Tier), Problem> {
    let holds = |catalog: &shared::domain::Catalog| catalog.tiers.contains_key(&id);
    let catalog = visit.app.catalog.read_with(&visit.app.table, visit.ctx.now, holds).await?;
    let tier =
        catalog.tiers.get(&id).filter(|tier| tier.is_claimable && tier.is_active).ok_or_else(Problem::not_found)?;
    let product = catalog.products.get(&tier.product_id).ok_or_else(Problem::not_found)?;
    Ok((format!("{} {}", product.name, tier.name), tier.clone()))
}

/// Says what a claim is, and asks.
pub(super) async fn ask(visit: Visit, PathId(id): PathId<TierId>) -> Result<Response, Problem> {
    let (name, tier) = claimable(&visit, id).await?;
    if customer(&visit).await?.is_none() {
        return Ok(Redirect::to(&format!("/dashboard/welcome?tier={id}")).into_response());
    }
    let action = format!("{HERE}/{id}/claim");
    Ok(claim_page(&what(&name, &tier), &Form::new(&action, Vec::new(), "Claim it", HERE).render(&visit)).render(&visit))
}

fn what(name: &str, tier: &Tier) -> Markup {
    html! { p.prose { strong { (name) } " is yours to take, for " (show::limit(tier.max_users, "seat")) ". You get a license key at once; each tier can be claimed once." } }
}

fn claim_page(what: &Markup, form: &Markup) -> Page<'static> {
    Page::new(Place::Catalog, "Claim this license", html! { div.stack { (what) (form) } }).below(&[(HERE, "Catalog")])
}

/// Claims it.
pub(super) async fn claim(visit: Visit, PathId(id): PathId<TierId>, sent: Sent) -> Result<Response, Problem> {
    let (name, tier) = claimable(&visit, id).await?;
    let asked = visit.post("/api/v1.0/user/claim-license", &sent, &json!({ "tier_id": id })).await;
    match asked {
        Ok(answer) => {
            let key = answer["license_key"].as_str().unwrap_or_default();
            let license = format!("{}/{}", licenses::HERE, answer["license"]["id"].as_str().unwrap_or_default());
            let content = html! {
                div.stack {
                    (notice("good", &html! { p { (name) " is yours." } }))
                    p.prose { "Type this license key into the app. You find it here again whenever you sign in." }
                    (secret(key, "the key"))
                    div.actions { (link(&license, "Go to your license")) }
                }
            };
            Ok(Page::new(Place::Licenses, "Here is your license key", content)
                .below(&[(licenses::HERE, "Your licenses")])
                .render(&visit))
        }
        Err(problem) if problem.code == Code::CustomerNotRegistered => {
            Ok(Redirect::to(&format!("/dashboard/welcome?tier={id}")).into_response())
        }
        Err(problem) => {
            let told = explained(problem);
            let action = format!("{HERE}/{id}/claim");
            let form = Form::new(&action, Vec::new(), "Claim it", HERE).refused(&sent, &told);
            let stands = matches!(told.code, Code::AlreadyClaimed | Code::AlreadyLicensed);
            let shown = html! { @if stands { div.actions { (link(licenses::HERE, "Go to your licenses")) } } @else { (form.render(&visit)) } };
            let why = html! { (notice("warn", &html! { p { (crate::ui::inputs::sentence(&told.detail)) } })) };
            let page = if stands { claim_page(&why, &shown) } else { claim_page(&what(&name, &tier), &shown) };
            Ok(page.refused(&visit, &told))
        }
    }
}

fn explained(problem: Problem) -> Problem {
    let text = match problem.code {
        Code::AlreadyClaimed => "you claimed this tier before, and each can be claimed once",
        Code::AlreadyLicensed => "you hold another license of this product, and a claim does not take its place",
        Code::TierNotClaimable => "this tier is no longer one that can be claimed",
        _ => return problem,
    };
    Problem::new(problem.code, text)
}
