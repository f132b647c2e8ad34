//! Product features.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::{
    domain::{Catalog, Feature, FeatureId, ProductId},
    http::{ListQuery, PathId, Problem},
};

use super::{
    BASE_PATH, ProductTab, features_of, find_product, next_sort_order, path, product_tabs, read_catalog,
    reorder::{ReorderableRow, reorderable_list},
    tiers_of,
};
use crate::{
    assets::Asset,
    form_data::FormData,
    page_context::OperatorContext,
    ui::{
        components::{NoticeQuery, Tone, badge, empty_state, link_button, primary_button},
        forms::Form,
        inputs::Input,
        layout::{NavSection, PageLayout},
    },
};

fn list_path(id: ProductId) -> String {
    format!("{}/features", path(id))
}

pub(super) async fn list(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<ProductId>,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let query = query?.filter;
    let catalog = read_catalog(&page).await?;
    let product = find_product(&catalog, id)?;
    let list_path = list_path(id);
    let new = primary_button(&format!("{list_path}/new"), "New feature");
    let rows: Vec<_> = features_of(&catalog, id).into_iter().map(|feature| row(&catalog, feature)).collect();
    let content = html! {
        (product_tabs(id, ProductTab::Features))
        @if rows.is_empty() {
            (empty_state("No features yet", "Tiers unlock features. Tokens list them by key.", &new))
        } @else {
            (reorderable_list(&page, "Features", &format!("{list_path}/reorder"), &rows))
        }
    };
    let actions = html! { (link_button(&format!("{}/edit", path(id)), "Edit product")) (new) };
    let layout = PageLayout::new(NavSection::Products, &product.name, content).breadcrumbs(&[(BASE_PATH, "Products")]);
    Ok(layout.actions(actions).script(Asset::Reorder).notice(query.notice.as_deref()).render(&page))
}

fn row(catalog: &Catalog, feature: &Feature) -> ReorderableRow {
    let tiers: Vec<_> = tiers_of(catalog, feature.product_id)
        .into_iter()
        .filter(|tier| tier.feature_ids.contains(&feature.id))
        .map(|tier| tier.name.as_str())
        .collect();
    ReorderableRow {
        id: feature.id.to_string(),
        name: feature.name.clone(),
        content: html! {
            div.row-title {
                a href={ "/dashboard/features/" (feature.id) "/edit" } { (feature.name) } " "
                code.muted { (feature.key) }
                @if feature.display_only { (badge("Display only", Tone::Neutral)) }
            }
            p.row-details { @if tiers.is_empty() { "Not in any tier" } @else { (tiers.join(", ")) } }
        },
    }
}

fn inputs(feature: Option<&Feature>) -> Vec<Input> {
    let mut inputs = Vec::new();
    if feature.is_none() {
        inputs.push(
            Input::text("key", "Key", 64)
                .required()
                .hint("Used in tokens, for example “export.pdf”. Can't be changed later."),
        );
    }
    inputs.extend([
        Input::text("name", "Name", 200).required().optional_value(feature.map(|feature| &*feature.name)),
        Input::multiline("description", "Description", 2000)
            .optional_value(feature.and_then(|feature| feature.description.as_deref())),
        Input::checkbox("display_only", "Display only")
            .checked(feature.is_some_and(|feature| feature.display_only))
            .hint("Shown in the catalog but not included in tokens."),
    ]);
    inputs
}

pub(super) async fn new(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<ProductId>,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let product = find_product(&catalog, id)?;
    let list_path = list_path(id);
    let form = Form::new(&format!("{list_path}/new"), inputs(None), "Create feature", &list_path).render(&page);
    Ok(new_page(form, &[(BASE_PATH, "Products"), (&list_path, &product.name)]).render(&page))
}

fn new_page<'a>(form: Markup, breadcrumbs: &'a [(&'a str, &'a str)]) -> PageLayout<'a> {
    PageLayout::new(NavSection::Products, "New feature", form).breadcrumbs(breadcrumbs)
}

pub(super) async fn create(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<ProductId>,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let product = find_product(&catalog, id)?;
    let list_path = list_path(id);
    let action = format!("{list_path}/new");
    let form = Form::new(&action, inputs(None), "Create feature", &list_path);
    let mut body = data.to_json(&form.inputs);
    body["product_id"] = id.to_string().into();
    body["sort_order"] = next_sort_order(features_of(&catalog, id).last().map(|last| last.sort_order)).into();
    match page.post("/api/v1.0/product-features", &data, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("{list_path}?notice=created")).into_response()),
        Err(problem) => {
            let breadcrumbs = [(BASE_PATH, "Products"), (&*list_path, &*product.name)];
            let form = form.with_error(&data, &problem).render(&page);
            Ok(new_page(form, &breadcrumbs).render_error(&page, &problem))
        }
    }
}

fn find_feature(catalog: &Catalog, id: FeatureId) -> Result<&Feature, Problem> {
    catalog.features.get(&id).ok_or_else(Problem::not_found)
}

fn edit_form<'a>(action: &'a str, list_path: &'a str, feature: &Feature) -> Form<'a> {
    let inputs = inputs(Some(feature)).into_iter().chain([Input::version(feature)]).collect();
    Form::new(action, inputs, "Save", list_path)
}

pub(super) async fn edit(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<FeatureId>,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let feature = find_feature(&catalog, id)?;
    let product = find_product(&catalog, feature.product_id)?;
    let list_path = list_path(product.id);
    let form = edit_form(&format!("/dashboard/features/{id}/edit"), &list_path, feature).render(&page);
    Ok(PageLayout::new(NavSection::Products, "Edit feature", form)
        .breadcrumbs(&[(BASE_PATH, "Products"), (&list_path, &product.name)])
        .render(&page))
}

/// Updates a feature. Its position in the list does not change.
pub(super) async fn update(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<FeatureId>,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let feature = find_feature(&catalog, id)?;
    let product = find_product(&catalog, feature.product_id)?;
    let list_path = list_path(product.id);
    let action = format!("/dashboard/features/{id}/edit");
    let form = edit_form(&action, &list_path, feature);
    let mut body = data.to_json(&form.inputs);
    body["sort_order"] = feature.sort_order.into();
    match page.put(&format!("/api/v1.0/product-features/{id}"), &data, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("{list_path}?notice=saved")).into_response()),
        Err(problem) => {
            let form = form.with_error(&data, &problem).render(&page);
            let breadcrumbs = [(BASE_PATH, "Products"), (&*list_path, &*product.name)];
            let layout = PageLayout::new(NavSection::Products, "Edit feature", form).breadcrumbs(&breadcrumbs);
            Ok(layout.render_error(&page, &problem))
        }
    }
}
