//! Product features.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::{
    domain::{Catalog, Feature, FeatureId, ProductId},
    http::{ListQuery, PathId, Problem},
};

use super::{
    HERE, features_of,
    order::{Row, sortable},
    path, product,
    products::Asked,
    read, tiers_of, views,
};
use crate::{
    assets::Asset,
    enter::Operator,
    form::Sent,
    ui::{
        components::{badge, empty, link, primary_link},
        inputs::{Form, Input},
        shell::{Page, Place},
    },
};

fn list_of(id: ProductId) -> String {
    format!("{}/features", path(id))
}

/// The list.
pub(super) async fn list(
    Operator(visit): Operator,
    PathId(id): PathId<ProductId>,
    asked: Result<ListQuery<Asked>, Problem>,
) -> Result<Response, Problem> {
    let asked = asked?.filter;
    let catalog = read(&visit).await?;
    let product = product(&catalog, id)?;
    let here = list_of(id);
    let new = primary_link(&format!("{here}/new"), "New feature");
    let rows: Vec<_> = features_of(&catalog, id).into_iter().map(|feature| row(&catalog, feature)).collect();
    let content = html! {
        (views(id, "features"))
        @if rows.is_empty() {
            (empty("No features yet", "A feature is something that a tier brings: its key stands in every token of that tier.", &new))
        } @else {
            (sortable(&visit, "Features", &format!("{here}/move"), &rows))
        }
    };
    let actions = html! { (link(&format!("{}/edit", path(id)), "Edit product")) (new) };
    let page = Page::new(Place::Products, &product.name, content).below(&[(HERE, "Products")]).actions(actions);
    Ok(page.script(Asset::Order).done(asked.done.as_deref()).render(&visit))
}

fn row(catalog: &Catalog, feature: &Feature) -> Row {
    let tiers: Vec<_> = tiers_of(catalog, feature.product_id)
        .into_iter()
        .filter(|tier| tier.feature_ids.contains(&feature.id))
        .map(|tier| tier.name.as_str())
        .collect();
    Row {
        id: feature.id.to_string(),
        name: feature.name.clone(),
        content: html! {
            div.row-title {
                a href={ "/dashboard/features/" (feature.id) "/edit" } { (feature.name) } " "
                code.muted { (feature.key) }
                @if feature.display_only { (badge("Display only", "dim")) }
            }
            p.row-more { @if tiers.is_empty() { "In no tier" } @else { "In " (tiers.join(", ")) } }
        },
    }
}

fn inputs(current: Option<&Feature>) -> Vec<Input> {
    let mut inputs = Vec::new();
    if current.is_none() {
        inputs.push(
            Input::text("key", "Key", 100).required().hint("As tokens name it, such as export.pdf. It never changes."),
        );
    }
    inputs.extend([
        Input::text("name", "Name", 200).required().maybe(current.map(|feature| &*feature.name)),
        Input::lines("description", "Description", 2000)
            .maybe(current.and_then(|feature| feature.description.as_deref())),
        Input::checkbox("display_only", "Display only")
            .checked(current.is_some_and(|feature| feature.display_only))
            .hint("Shown in the catalog, and never in a token."),
    ]);
    inputs
}

/// Asks for a new one.
pub(super) async fn ask_new(Operator(visit): Operator, PathId(id): PathId<ProductId>) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let product = product(&catalog, id)?;
    let back = list_of(id);
    let form = Form::new(&format!("{back}/new"), inputs(None), "Create feature", &back).render(&visit);
    Ok(new_page(form, &[(HERE, "Products"), (&back, &product.name)]).render(&visit))
}

fn new_page<'a>(form: Markup, trail: &'a [(&'a str, &'a str)]) -> Page<'a> {
    Page::new(Place::Products, "New feature", form).below(trail)
}

/// Makes it.
pub(super) async fn create(
    Operator(visit): Operator,
    PathId(id): PathId<ProductId>,
    sent: Sent,
) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let product = product(&catalog, id)?;
    let back = list_of(id);
    let action = format!("{back}/new");
    let form = Form::new(&action, inputs(None), "Create feature", &back);
    let mut body = sent.json(&form.inputs);
    body["product_id"] = id.to_string().into();
    body["sort_order"] = super::tiers::after(features_of(&catalog, id).last().map(|last| last.sort_order)).into();
    match visit.post("/api/v1.0/product-features", &sent, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("{back}?done=created")).into_response()),
        Err(problem) => {
            let trail = [(HERE, "Products"), (&*back, &*product.name)];
            Ok(new_page(form.refused(&sent, &problem).render(&visit), &trail).refused(&visit, &problem))
        }
    }
}

fn feature(catalog: &Catalog, id: FeatureId) -> Result<&Feature, Problem> {
    catalog.features.get(&id).ok_or_else(Problem::not_found)
}

fn edit_form<'a>(action: &'a str, back: &'a str, feature: &Feature) -> Form<'a> {
    let inputs = inputs(Some(feature)).into_iter().chain([Input::version(feature)]).collect();
    Form::new(action, inputs, "Save", back)
}

/// Asks for the fields of one.
pub(super) async fn ask_edit(Operator(visit): Operator, PathId(id): PathId<FeatureId>) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let feature = feature(&catalog, id)?;
    let product = product(&catalog, feature.product_id)?;
    let back = list_of(product.id);
    let form = edit_form(&format!("/dashboard/features/{id}/edit"), &back, feature).render(&visit);
    Ok(Page::new(Place::Products, "Edit feature", form)
        .below(&[(HERE, "Products"), (&back, &product.name)])
        .render(&visit))
}

/// Saves them. Its place in the list stays.
pub(super) async fn edit(
    Operator(visit): Operator,
    PathId(id): PathId<FeatureId>,
    sent: Sent,
) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let feature = feature(&catalog, id)?;
    let product = product(&catalog, feature.product_id)?;
    let back = list_of(product.id);
    let action = format!("/dashboard/features/{id}/edit");
    let form = edit_form(&action, &back, feature);
    let mut body = sent.json(&form.inputs);
    body["sort_order"] = feature.sort_order.into();
    match visit.put(&format!("/api/v1.0/product-features/{id}"), &sent, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("{back}?done=saved")).into_response()),
        Err(problem) => {
            let form = form.refused(&sent, &problem).render(&visit);
            let trail = [(HERE, "Products"), (&*back, &*product.name)];
            Ok(Page::new(Place::Products, "Edit feature", form).below(&trail).refused(&visit, &problem))
        }
    }
}
