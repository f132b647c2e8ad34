//! Product features.

use axum::{extract::State, response::Response};
use maud::html;
use shared::{
    domain::{Catalog, EntitlementKind, Feature, FeatureId, Product, ProductId},
    http::{ListQuery, PathId, Problem},
    store::Table,
};

use super::{
    items::{CreatedItem, features_of, find_product, next_sort_order, read_catalog, tiers_of},
    list_notice::list_notice,
    product_page::{ProductTab, features_path, product_form, product_page},
};
use crate::{
    api::Api,
    assets::Asset,
    form_data::FormData,
    links,
    ui::{
        components::{Tone, badge, empty_state, primary_button},
        form_page::FormPage,
        forms::Form,
        inputs::{Choice, Input},
        notice::{Notice, NoticeQuery},
        reorderable_list::{ReorderableRow, reorderable_list},
    },
    viewer::Operator,
};

pub(super) async fn list(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<ProductId>,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let query = query?.filter;
    let catalog = read_catalog(&table).await?;
    let product = find_product(&catalog, id)?;
    let path = features_path(id);
    let new = primary_button(&format!("{path}/new"), "New feature");
    let reorder_path = format!("{path}/reorder");
    let rows: Vec<_> = features_of(&catalog, id).into_iter().map(|feature| row(&catalog, feature)).collect();
    let content = html! {
        @if rows.is_empty() {
            (empty_state("No features yet", "Tiers unlock features. Tokens list them by key.", &new))
        } @else {
            (reorderable_list(&viewer.session, "Features", &reorder_path, &rows))
        }
    };
    let layout = product_page(product, ProductTab::Features, &new, &content).script(Asset::Reorder);
    Ok(list_notice(layout, &query, &viewer, &reorder_path, &rows).render(&viewer))
}

fn row(catalog: &Catalog, feature: &Feature) -> ReorderableRow {
    let tiers: Vec<_> = tiers_of(catalog, feature.product_id)
        .into_iter()
        .filter(|tier| tier.feature_ids.contains(&feature.id) || tier.feature_limits.0.contains_key(&feature.id))
        .map(|tier| tier.name.as_str())
        .collect();
    ReorderableRow {
        id: feature.id.to_string(),
        name: feature.name.clone(),
        path: links::feature(feature.id),
        content: html! {
            div.row-title {
                a href=(links::feature(feature.id)) { (feature.name) } " "
                code.muted { (feature.key) }
                @if feature.kind == EntitlementKind::Limit { (badge("Limit", Tone::Info)) }
                @if feature.display_only { (badge("Display only", Tone::Neutral)) }
            }
            p.row-details {
                @if let Some(unit) = &feature.unit { "In " (unit) " · " }
                @if tiers.is_empty() { "Not in any tier" } @else { (tiers.join(", ")) }
            }
        },
    }
}

fn inputs(feature: Option<&Feature>) -> Vec<Input> {
    let mut inputs = Vec::new();
    if feature.is_none() {
        inputs.extend([
            Input::text("key", "Key", 64)
                .required()
                .hint("Used in tokens, for example “export.pdf”. Can't be changed later.")
                .rule(
                    "Use 1–64 lowercase letters, digits, dots, hyphens or underscores; start with a letter or digit.",
                ),
            Input::select("kind", "Kind", kind_choices()).required().hint("Can't be changed later."),
        ]);
    }
    inputs.push(Input::text("name", "Name", 200).required().optional_value(feature.map(|feature| &*feature.name)));
    if feature.is_none_or(|feature| feature.kind == EntitlementKind::Limit) {
        inputs.push(
            Input::text("unit", "Unit", 40)
                .optional_value(feature.and_then(|feature| feature.unit.as_deref()))
                .hint("What the number of a limit counts, for example “rows”. Leave blank for a flag."),
        );
    }
    inputs.extend([
        Input::multiline("description", "Description", 2000)
            .optional_value(feature.and_then(|feature| feature.description.as_deref())),
        Input::checkbox("display_only", "Display only")
            .checked(feature.is_some_and(|feature| feature.display_only))
            .hint("Shown in the catalog but not included in tokens."),
    ]);
    inputs
}

fn kind_choices() -> Vec<Choice> {
    vec![
        Choice::new("flag", "Flag").note("a tier includes it or not"),
        Choice::new("limit", "Limit").note("each tier has a number"),
    ]
}

fn new_page(product: &Product) -> FormPage {
    let path = features_path(product.id);
    let form = Form::new(format!("{path}/new"), inputs(None), "Create feature", &path);
    product_form("New feature", form, product, &path)
}

pub(super) async fn new(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<ProductId>,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    Ok(new_page(find_product(&catalog, id)?).render(&viewer))
}

pub(super) async fn create(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    PathId(id): PathId<ProductId>,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    let page = new_page(find_product(&catalog, id)?);
    let mut body = page.request_body(&data);
    body["product_id"] = id.to_string().into();
    body["sort_order"] = next_sort_order(features_of(&catalog, id).last().map(|last| last.sort_order)).into();
    Ok(match api.post::<CreatedItem<FeatureId>>("/api/v1.0/product-features", &data, &body).await {
        Ok(created) => Notice::FeatureCreated.redirect_to_list(&features_path(id), &created.id),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    })
}

fn find_feature(catalog: &Catalog, id: FeatureId) -> Result<&Feature, Problem> {
    catalog.features.get(&id).ok_or_else(Problem::not_found)
}

fn edit_page(catalog: &Catalog, feature: &Feature) -> Result<FormPage, Problem> {
    let path = features_path(feature.product_id);
    let inputs = inputs(Some(feature)).into_iter().chain([Input::version(feature)]).collect();
    let form = Form::new(links::feature(feature.id), inputs, "Save", &path);
    let activity = html! { p.muted.prose { a href=(links::activity_of(&feature.id.to_string())) { "Activity" } } };
    Ok(product_form("Edit feature", form, find_product(catalog, feature.product_id)?, &path).intro(activity))
}

pub(super) async fn edit(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<FeatureId>,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    Ok(edit_page(&catalog, find_feature(&catalog, id)?)?.render(&viewer))
}

/// Updates a feature. Its position in the list does not change.
pub(super) async fn update(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    PathId(id): PathId<FeatureId>,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    let feature = find_feature(&catalog, id)?;
    let page = edit_page(&catalog, feature)?;
    let mut body = page.request_body(&data);
    body["sort_order"] = feature.sort_order.into();
    Ok(match api.put(&format!("/api/v1.0/product-features/{id}"), &data, &body).await {
        Ok(()) => Notice::FeatureSaved.redirect_to_list(&features_path(feature.product_id), &id),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    })
}
