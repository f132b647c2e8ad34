//! The public catalog, and claims of self-service tiers.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use catalog::public_catalog::{PublicFeature, PublicProduct, PublicTier, public_catalog};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use shared::{
    domain::{Catalog, Grant, LicenseId, Tier, TierId, Timestamp},
    http::{Code, ListQuery, PathId, Problem, RequestContext, resources::IssuedResource},
    store::{Table, catalog::CatalogCache},
};

use super::{
    current::current_customer,
    owned::{Obstacle, Owned},
};
use crate::{
    api::Api,
    form_data::FormData,
    links,
    ui::{
        components::{Tone, banner, empty_state, link_button, secret, tabs},
        form_page::FormPage,
        format,
        forms::{Form, sentence},
        icons,
        layout::{NavSection, PageLayout},
    },
    viewer::Viewer,
};

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
    viewer: Viewer,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    ctx: RequestContext,
    query: Result<ListQuery<CatalogQuery>, Problem>,
) -> Result<Response, Problem> {
    let billing = query?.filter.billing.unwrap_or(BillingInterval::Monthly);
    let catalog = catalog.read(&table, ctx.now).await?;
    let owned = Owned::read(&table, &viewer.session, &catalog, ctx.now).await?;
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
            @for product in products { (product_section(product, billing, &owned)) }
        }
    };
    Ok(PageLayout::new(NavSection::Catalog, "Catalog", content).render(&viewer))
}

fn product_section(product: &PublicProduct, billing: BillingInterval, owned: &Owned) -> Markup {
    html! {
        section.section {
            h2 { (product.product.name) }
            @if let Some(text) = &product.product.description { p.muted.prose { (text) } }
            div.pricing-grid { @for tier in &product.tiers { (pricing_card(product, tier, billing, owned)) } }
        }
    }
}

fn pricing_card(product: &PublicProduct, public: &PublicTier, billing: BillingInterval, owned: &Owned) -> Markup {
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
                @for feature in public.features.iter().filter(|feature| !is_summarized(feature.inherited_from)) { li { (icons::check()) span { (feature_text(feature)) } } }
            }
            div.pricing-card-footer {
                @match owned.obstacle(tier) {
                    Some(Obstacle::Owned(license)) => (owned_tier("You have this", license)),
                    _ if !tier.is_claimable => span.muted { "Contact sales" },
                    Some(Obstacle::OtherTier(license)) => (owned_tier("You have another tier", license)),
                    Some(Obstacle::Claimed) => span.muted { "You already claimed this" },
                    None => a.button.primary href=(links::claim(tier.id)) data-dialog aria-label={ "Get license: " (product.product.name) " " (tier.name) } { "Get license" },
                }
            }
        }
    }
}

/// The customer's license in place of an offer.
fn owned_tier(text: &str, license: LicenseId) -> Markup {
    html! { div.stack { p.muted { (text) } (link_button(&links::own_license(license), "View license")) } }
}

/// The name of a feature, with its limit if it has one.
fn feature_text(feature: &PublicFeature) -> String {
    let grant = feature.limit.map_or(Grant::Flag(true), Grant::Limit);
    format::granted(&feature.name, grant, feature.unit.as_deref())
}

/// A tier that can be claimed, with the names of its product and itself.
async fn find_claimable(
    table: &Table,
    catalog: &CatalogCache,
    id: TierId,
    now: Timestamp,
) -> Result<(String, Tier), Problem> {
    let has_tier = |catalog: &Catalog| catalog.tiers.contains_key(&id);
    let catalog = catalog.read_containing(table, now, has_tier).await?;
    let tier =
        catalog.tiers.get(&id).filter(|tier| tier.is_claimable && tier.is_active).ok_or_else(Problem::not_found)?;
    let product = catalog.products.get(&tier.product_id).ok_or_else(Problem::not_found)?;
    Ok((format!("{} {}", product.name, tier.name), tier.clone()))
}

/// Asks for confirmation. Users who have not registered are redirected to the registration.
pub(super) async fn confirm_claim(
    viewer: Viewer,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    PathId(id): PathId<TierId>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    let (name, tier) = find_claimable(&table, &catalog, id, ctx.now).await?;
    if current_customer(&table, &viewer.session).await?.is_none() {
        return Ok(redirect_to_welcome(id));
    }
    let catalog = catalog.read(&table, ctx.now).await?;
    let owned = Owned::read(&table, &viewer.session, &catalog, ctx.now).await?;
    Ok(match owned.obstacle(&tier) {
        Some(Obstacle::Owned(_) | Obstacle::OtherTier(_)) => refused_page(ALREADY_LICENSED).render(&viewer),
        Some(Obstacle::Claimed) => refused_page(ALREADY_CLAIMED).render(&viewer),
        None => claim_page(&name, &tier).render(&viewer),
    })
}

fn redirect_to_welcome(tier: TierId) -> Response {
    Redirect::to(&links::with_query(links::WELCOME, &[("tier", &tier.to_string())])).into_response()
}

const CLAIM_TITLE: &str = "Get this license";
const ALREADY_CLAIMED: &str = "you already claimed this license";
const ALREADY_LICENSED: &str = "you already have a license for this product";

fn claim_page(name: &str, tier: &Tier) -> FormPage {
    let form = Form::new(links::claim(tier.id), Vec::new(), "Get license", links::CATALOG);
    let price = if format::is_free(tier) { "free, " } else { "" };
    let seats = format::limit(tier.max_users, "seat").to_lowercase();
    FormPage::new(NavSection::Catalog, CLAIM_TITLE, form)
        .breadcrumb(links::CATALOG, "Catalog")
        .intro(html! { p.prose { strong { (name) } ": " (price) (seats) ". You'll get a key right away." } })
}

/// Claims a license through the API and shows its key string.
pub(super) async fn claim(
    viewer: Viewer,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    PathId(id): PathId<TierId>,
    ctx: RequestContext,
    api: Api,
    data: FormData,
) -> Result<Response, Problem> {
    let (name, tier) = find_claimable(&table, &catalog, id, ctx.now).await?;
    let problem = match api.post("/api/v1.0/user/claim-license", &data, &json!({ "tier_id": id })).await {
        Ok(issued) => return Ok(show_claimed(&viewer, &name, &issued)),
        Err(problem) => explain(problem),
    };
    Ok(match problem.code {
        Code::CustomerNotRegistered => redirect_to_welcome(id),
        Code::AlreadyClaimed | Code::AlreadyLicensed => {
            problem.attach_to(refused_page(&problem.detail).render(&viewer))
        }
        _ => claim_page(&name, &tier).render_error(&viewer, &data, &problem),
    })
}

fn show_claimed(viewer: &Viewer, name: &str, issued: &IssuedResource) -> Response {
    let content = html! {
        div.stack {
            (banner(Tone::Success, &html! { p { "You now have " (name) "." } }))
            p.prose { "Enter this license key in the app. You can view it again at any time." }
            (secret(&issued.license_key, "license key"))
            div.actions { (link_button(&links::own_license(issued.license.id), "View license")) }
        }
    };
    PageLayout::new(NavSection::Licenses, "Your license key", content)
        .breadcrumb(links::OWN_LICENSES, "Your licenses")
        .render(viewer)
}

/// The page for a customer who has such a license already. It offers no other attempt.
fn refused_page(detail: &str) -> PageLayout {
    let content = html! {
        div.stack {
            (banner(Tone::Warning, &html! { p { (sentence(detail)) } }))
            div.actions { (link_button(links::OWN_LICENSES, "View your licenses")) }
        }
    };
    PageLayout::new(NavSection::Catalog, CLAIM_TITLE, content).breadcrumb(links::CATALOG, "Catalog")
}

/// Replaces the API's detail with one for customers.
fn explain(problem: Problem) -> Problem {
    let detail = match problem.code {
        Code::AlreadyClaimed => ALREADY_CLAIMED,
        Code::AlreadyLicensed => ALREADY_LICENSED,
        Code::TierNotClaimable => "this license is no longer available",
        _ => return problem,
    };
    Problem::new(problem.code, detail)
}
