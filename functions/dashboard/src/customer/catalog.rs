//! The public catalog, and claims of self-service tiers.

use axum::response::{IntoResponse, Redirect, Response};
use catalog::public_catalog::{PublicProduct, PublicTier, public_catalog};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    domain::{Catalog, Tier, TierId},
    http::{Code, ListQuery, PathId, Problem},
};

use super::{current_customer, licenses, welcome};
use crate::{
    form_data::FormData,
    page_context::PageContext,
    ui::{
        components::{Tone, banner, empty_state, link_button, secret, tabs},
        format,
        forms::{Form, sentence},
        icons,
        layout::{NavSection, PageLayout},
    },
};

pub(super) const BASE_PATH: &str = "/dashboard/catalog";

#[derive(Debug, Deserialize)]
pub(super) struct CatalogQuery {
    billing: Option<BillingInterval>,
}

/// The interval of the shown prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BillingInterval {
    Monthly,
    Annual,
}

pub(super) async fn show(
    page: PageContext,
    query: Result<ListQuery<CatalogQuery>, Problem>,
) -> Result<Response, Problem> {
    let billing = query?.filter.billing.unwrap_or(BillingInterval::Monthly);
    let catalog = page.app.catalog.read(&page.app.table, page.ctx.now).await?;
    let public = public_catalog(&catalog);
    let products: Vec<_> = public.products.iter().filter(|product| !product.tiers.is_empty()).collect();
    let content = html! {
        @if products.is_empty() {
            (empty_state("No products available yet", "Check back later.", &html! {}))
        } @else {
            (tabs("Billing interval", &[
                ("/dashboard/catalog?billing=monthly", "Monthly prices", billing == BillingInterval::Monthly),
                ("/dashboard/catalog?billing=annual", "Annual prices", billing == BillingInterval::Annual),
            ]))
            @for product in products { (product_section(product, billing)) }
        }
    };
    Ok(PageLayout::new(NavSection::Catalog, "Catalog", content).render(&page))
}

fn product_section(product: &PublicProduct, billing: BillingInterval) -> Markup {
    html! {
        section.section {
            h2 { (product.product.name) }
            @if let Some(text) = &product.product.description { p.muted.prose { (text) } }
            div.pricing-grid { @for tier in &product.tiers { (pricing_card(product, tier, billing)) } }
        }
    }
}

fn pricing_card(product: &PublicProduct, public: &PublicTier, billing: BillingInterval) -> Markup {
    let tier = &public.tier.tier;
    let (price, interval) = match billing {
        BillingInterval::Monthly => (tier.monthly_price, "/ month"),
        BillingInterval::Annual => (tier.annual_price, "/ year"),
    };
    let parent = tier.includes_tier_id.and_then(|id| product.tiers.iter().find(|other| other.tier.tier.id == id));
    // "Everything in …" stands for the features that are inherited from a tier in the catalog.
    let is_summarized = |inherited_from: Option<TierId>| parent.is_some() && inherited_from.is_some();
    html! {
        article.pricing-card aria-labelledby={ "tier-" (tier.id) } {
            div {
                h3 id={ "tier-" (tier.id) } { (tier.name) }
                @if let Some(text) = &tier.description { p.muted { (text) } }
            }
            p.price { strong { (format::price(price, &tier.currency)) } @if price > 0 { " " span.muted { (interval) } } }
            p { (format::limit(tier.max_users, "seat")) @if let Some(count) = tier.max_tenants { " · " (format::limit(Some(count), "tenant")) } }
            ul.feature-list {
                @if let Some(parent) = parent { li { (icons::check()) span { "Everything in " (parent.tier.tier.name) } } }
                @for feature in public.features.iter().filter(|feature| !is_summarized(feature.inherited_from)) { li { (icons::check()) span { (feature.name) } } }
            }
            div.pricing-card-footer {
                @if tier.is_claimable { a.button.primary href={ (BASE_PATH) "/" (tier.id) "/claim" } data-dialog aria-label={ "Get license: " (product.product.name) " " (tier.name) } { "Get license" } }
                @else { span.muted { "Contact sales" } }
            }
        }
    }
}

/// A tier that can be claimed, with the names of its product and itself.
async fn find_claimable(page: &PageContext, id: TierId) -> Result<(String, Tier), Problem> {
    let has_tier = |catalog: &Catalog| catalog.tiers.contains_key(&id);
    let catalog = page.app.catalog.read_containing(&page.app.table, page.ctx.now, has_tier).await?;
    let tier =
        catalog.tiers.get(&id).filter(|tier| tier.is_claimable && tier.is_active).ok_or_else(Problem::not_found)?;
    let product = catalog.products.get(&tier.product_id).ok_or_else(Problem::not_found)?;
    Ok((format!("{} {}", product.name, tier.name), tier.clone()))
}

/// Asks for confirmation. Users who have not registered are redirected to the registration.
pub(super) async fn confirm_claim(page: PageContext, PathId(id): PathId<TierId>) -> Result<Response, Problem> {
    let (name, tier) = find_claimable(&page, id).await?;
    if current_customer(&page).await?.is_none() {
        return Ok(Redirect::to(&format!("{}?tier={id}", welcome::PATH)).into_response());
    }
    let form = claim_form(&format!("{BASE_PATH}/{id}/claim")).render(&page);
    Ok(claim_page(&html! { (claim_summary(&name, &tier)) (form) }).render(&page))
}

fn claim_form(action: &str) -> Form<'_> {
    Form::new(action, Vec::new(), "Get license", BASE_PATH)
}

fn claim_summary(name: &str, tier: &Tier) -> Markup {
    let price = if tier.monthly_price == 0 && tier.annual_price == 0 { "free, " } else { "" };
    let seats = format::limit(tier.max_users, "seat").to_lowercase();
    html! { p.prose { strong { (name) } ": " (price) (seats) ". You'll get a key right away." } }
}

fn claim_page(content: &Markup) -> PageLayout<'static> {
    PageLayout::new(NavSection::Catalog, "Get this license", html! { div.stack { (content) } })
        .breadcrumbs(&[(BASE_PATH, "Catalog")])
}

/// Claims a license through the API and shows its key string.
pub(super) async fn claim(page: PageContext, PathId(id): PathId<TierId>, data: FormData) -> Result<Response, Problem> {
    let (name, tier) = find_claimable(&page, id).await?;
    match page.post("/api/v1.0/user/claim-license", &data, &json!({ "tier_id": id })).await {
        Ok(response) => Ok(show_claimed(&page, &name, &response)),
        Err(problem) if problem.code == Code::CustomerNotRegistered => {
            Ok(Redirect::to(&format!("{}?tier={id}", welcome::PATH)).into_response())
        }
        Err(problem) => {
            let problem = explain(problem);
            let content = if matches!(problem.code, Code::AlreadyClaimed | Code::AlreadyLicensed) {
                html! {
                    (banner(Tone::Warning, &html! { p { (sentence(&problem.detail)) } }))
                    div.actions { (link_button(licenses::BASE_PATH, "View your licenses")) }
                }
            } else {
                let action = format!("{BASE_PATH}/{id}/claim");
                let form = claim_form(&action).with_error(&data, &problem).render(&page);
                html! { (claim_summary(&name, &tier)) (form) }
            };
            Ok(claim_page(&content).render_error(&page, &problem))
        }
    }
}

fn show_claimed(page: &PageContext, name: &str, response: &Value) -> Response {
    let key = response["license_key"].as_str().unwrap_or_default();
    let license = format!("{}/{}", licenses::BASE_PATH, response["license"]["id"].as_str().unwrap_or_default());
    let content = html! {
        div.stack {
            (banner(Tone::Success, &html! { p { "You now have " (name) "." } }))
            p.prose { "Enter this license key in the app. You can view it again at any time." }
            (secret(key, "license key"))
            div.actions { (link_button(&license, "View license")) }
        }
    };
    PageLayout::new(NavSection::Licenses, "Your license key", content)
        .breadcrumbs(&[(licenses::BASE_PATH, "Your licenses")])
        .render(page)
}

/// Replaces the API's detail with one for customers.
fn explain(problem: Problem) -> Problem {
    let detail = match problem.code {
        Code::AlreadyClaimed => "you already claimed this license",
        Code::AlreadyLicensed => "you already have a license for this product",
        Code::TierNotClaimable => "this license is no longer available",
        _ => return problem,
    };
    Problem::new(problem.code, detail)
}
