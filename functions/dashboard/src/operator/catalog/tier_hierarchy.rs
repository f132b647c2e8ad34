//! The tier hierarchy of a product: which tier inherits from which, and the features of each.

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use shared::{
    domain::{Catalog, ProductId, Tier, TierId, catalog::TierFeature},
    http::{PathId, Problem},
    store::Table,
};

use super::{
    items::{find_product, read_catalog, tiers_of},
    product_page::{ProductTab, product_page},
};
use crate::{
    links,
    ui::{
        components::{Tone, badge, empty_state, primary_button},
        format, icons,
    },
    viewer::Operator,
};

pub(super) async fn show(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<ProductId>,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    let product = find_product(&catalog, id)?;
    let tiers = tiers_of(&catalog, id);
    let new = primary_button(&format!("{}/tiers/new", links::product(id)), "New tier");
    let content = html! {
        @if tiers.is_empty() {
            (empty_state("No pricing tiers yet", "Tiers appear here once you create them.", &new))
        } @else {
            p.muted.prose { "Each tier inherits the features of the tier above it." }
            (tier_tree(&catalog, &tiers, None))
        }
    };
    Ok(product_page(product, ProductTab::Hierarchy, &new, &content).render(&viewer))
}

/// The tiers that inherit from `parent`, each with its descendants. The recursion ends, because the domain rejects
/// cycles.
fn tier_tree(catalog: &Catalog, tiers: &[&Tier], parent: Option<TierId>) -> Markup {
    let children: Vec<_> = tiers.iter().filter(|tier| tier.includes_tier_id == parent).collect();
    html! {
        @if !children.is_empty() {
            ul.tree { @for tier in children { li { (tier_card(catalog, tier)) (tier_tree(catalog, tiers, Some(tier.id))) } } }
        }
    }
}

fn tier_card(catalog: &Catalog, tier: &Tier) -> Markup {
    let mut features = catalog.features_of(tier);
    features.sort_by_key(|own| (own.inherited_from.is_some(), own.feature.sort_order, own.feature.id));
    let tier_name = |id: TierId| catalog.tiers.get(&id).map_or("", |tier| tier.name.as_str());
    let text = |own: &TierFeature<'_>| format::granted(&own.feature.name, own.grant, own.feature.unit.as_deref());
    html! {
        div.tier-card {
            div.row-title {
                a href=(links::tier(tier.id)) { (tier.name) } " "
                @if let Some(parent) = tier.includes_tier_id { span.muted { "inherits from " (tier_name(parent)) } }
                @if !tier.is_active { (badge("Inactive", Tone::Neutral)) }
            }
            ul.chips {
                @for feature in &features {
                    @match feature.inherited_from {
                        None => li.chip.own { (icons::check()) (text(feature)) },
                        Some(id) => li.chip { (text(feature)) " " span.muted { "from " (tier_name(id)) } },
                    }
                }
                @if features.is_empty() { li.muted { "No features" } }
            }
        }
    }
}
