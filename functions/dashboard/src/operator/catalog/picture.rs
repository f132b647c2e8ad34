//! A product's tiers as a picture: who includes whom, and what each has of its own and from below.

use axum::response::Response;
use maud::{Markup, html};
use shared::{
    domain::{Catalog, ProductId, Tier, TierId},
    http::{PathId, Problem},
};

use super::{HERE, path, product, read, tiers_of, views};
use crate::{
    enter::Operator,
    ui::{
        components::{badge, empty, link, primary_link},
        icons,
        shell::{Page, Place},
    },
};

/// The page.
pub(super) async fn page(Operator(visit): Operator, PathId(id): PathId<ProductId>) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let product = product(&catalog, id)?;
    let tiers = tiers_of(&catalog, id);
    let new = primary_link(&format!("{}/tiers/new", path(id)), "New tier");
    let content = html! {
        (views(id, "picture"))
        @if tiers.is_empty() {
            (empty("No pricing tiers yet", "Tiers that include one another stand here as steps.", &new))
        } @else {
            p.muted.prose { "Each tier stands on the one that it includes, and has its features as well." }
            (steps(&catalog, &tiers, None))
        }
    };
    let actions = html! { (link(&format!("{}/edit", path(id)), "Edit product")) (new) };
    Ok(Page::new(Place::Products, &product.name, content).below(&[(HERE, "Products")]).actions(actions).render(&visit))
}

/// The tiers that include this one, or none, each with those that stand on it. As no tier includes itself, however far
/// round, this ends.
fn steps(catalog: &Catalog, tiers: &[&Tier], base: Option<TierId>) -> Markup {
    let here: Vec<_> = tiers.iter().filter(|tier| tier.includes_tier_id == base).collect();
    html! {
        @if !here.is_empty() {
            ul.tree { @for tier in here { li { (step(catalog, tier)) (steps(catalog, tiers, Some(tier.id))) } } }
        }
    }
}

fn step(catalog: &Catalog, tier: &Tier) -> Markup {
    let mut had = catalog.features_of(tier);
    had.sort_by_key(|had| (had.inherited_from.is_some(), had.feature.sort_order, had.feature.id));
    let from = |id: TierId| catalog.tiers.get(&id).map_or("", |tier| tier.name.as_str());
    html! {
        div.step {
            div.row-title {
                a href={ "/dashboard/tiers/" (tier.id) "/edit" } { (tier.name) } " "
                @if let Some(base) = tier.includes_tier_id { span.muted { "includes " (from(base)) } }
                @if !tier.is_active { (badge("Not sold", "dim")) }
            }
            ul.chips {
                @for had in &had {
                    @match had.inherited_from {
                        None => li.chip.own { (icons::check()) (had.feature.name) },
                        Some(id) => li.chip { (had.feature.name) " " span.muted { "from " (from(id)) } },
                    }
                }
                @if had.is_empty() { li.muted { "No features" } }
            }
        }
    }
}
