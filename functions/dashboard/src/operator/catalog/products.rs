//! Products.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    domain::{Catalog, Product, ProductId},
    http::{ListQuery, PathId, Problem},
};

use super::{
    HERE, features_of,
    order::{Row, sortable},
    path, product, read, tiers_of,
};
use crate::{
    assets::Asset,
    enter::Operator,
    form::Sent,
    ui::{
        components::{badge, empty, primary_link},
        inputs::{Form, Input},
        shell::{Page, Place},
    },
};

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) done: Option<String>,
}

pub(super) fn in_order(catalog: &Catalog) -> Vec<&Product> {
    let mut products: Vec<_> = catalog.products.values().collect();
    products.sort_by_key(|product| (product.sort_order, product.id));
    products
}

/// The list.
pub(super) async fn list(
    Operator(visit): Operator,
    asked: Result<ListQuery<Asked>, Problem>,
) -> Result<Response, Problem> {
    let asked = asked?.filter;
    let catalog = read(&visit).await?;
    let new = primary_link("/dashboard/products/new", "New product");
    let rows: Vec<_> = in_order(&catalog).into_iter().map(|product| row(&catalog, product)).collect();
    let content = html! {
        @if rows.is_empty() {
            (empty("No products yet", "A product is a piece of software that is licensed. It has pricing tiers and features.", &new))
        } @else {
            (sortable(&visit, "Products", "/dashboard/products/move", &rows))
        }
    };
    let page = Page::new(Place::Products, "Products", content).actions(new).script(Asset::Order);
    Ok(page.done(asked.done.as_deref()).render(&visit))
}

fn row(catalog: &Catalog, product: &Product) -> Row {
    let (tiers, features) = (tiers_of(catalog, product.id).len(), features_of(catalog, product.id).len());
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    Row {
        id: product.id.to_string(),
        name: product.name.clone(),
        content: html! {
            div.row-title { a href=(path(product.id)) { (product.name) } " " code.muted { (product.code) } @if !product.is_active { (badge("Not sold", "dim")) } }
            p.row-more { (count(tiers, "tier")) ", " (count(features, "feature")) }
        },
    }
}

fn inputs(current: Option<&Product>) -> Vec<Input> {
    let mut inputs = Vec::new();
    if current.is_none() {
        inputs.push(Input::text("code", "Code", 64).required().hint(
            "Begins every license key, and is the audience of its tokens. Small letters, digits and dashes; it never changes.",
        ));
    }
    inputs.extend([
        Input::text("name", "Name", 200).required().maybe(current.map(|product| &*product.name)),
        Input::lines("description", "Description", 2000)
            .maybe(current.and_then(|product| product.description.as_deref())),
        Input::checkbox("is_active", "Sold")
            .checked(current.is_none_or(|product| product.is_active))
            .hint("What is not sold is not in the catalog, and its licenses are not honoured."),
        Input::checkbox("one_key_per_customer", "One key per customer")
            .checked(current.is_none_or(|product| product.one_key_per_customer))
            .hint("A new license key takes the place of the one that the customer had."),
    ]);
    inputs
}

fn new_form() -> Form<'static> {
    Form::new("/dashboard/products/new", inputs(None), "Create product", HERE)
}

fn new_page(form: Markup) -> Page<'static> {
    Page::new(Place::Products, "New product", form).below(&[(HERE, "Products")])
}

/// Asks for a new one.
pub(super) async fn ask_new(Operator(visit): Operator) -> Response {
    new_page(new_form().render(&visit)).render(&visit)
}

/// Makes it.
pub(super) async fn create(Operator(visit): Operator, sent: Sent) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let form = new_form();
    let mut body = sent.json(&form.inputs);
    body["sort_order"] = super::tiers::after(in_order(&catalog).last().map(|last| last.sort_order)).into();
    Ok(match visit.post("/api/v1.0/products", &sent, &body).await {
        Ok(made) => {
            Redirect::to(&format!("{HERE}/{}?done=created", made["id"].as_str().unwrap_or_default())).into_response()
        }
        Err(problem) => new_page(form.refused(&sent, &problem).render(&visit)).refused(&visit, &problem),
    })
}

fn edit_form<'a>(action: &'a str, back: &'a str, product: &Product) -> Form<'a> {
    let inputs = inputs(Some(product)).into_iter().chain([Input::version(product)]).collect();
    Form::new(action, inputs, "Save", back)
}

/// Asks for the fields of one.
pub(super) async fn ask_edit(Operator(visit): Operator, PathId(id): PathId<ProductId>) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let product = product(&catalog, id)?;
    let back = path(id);
    let form = edit_form(&format!("{back}/edit"), &back, product).render(&visit);
    Ok(Page::new(Place::Products, "Edit product", form)
        .below(&[(HERE, "Products"), (&back, &product.name)])
        .render(&visit))
}

/// Saves them. Its place in the list stays.
pub(super) async fn edit(
    Operator(visit): Operator,
    PathId(id): PathId<ProductId>,
    sent: Sent,
) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let product = product(&catalog, id)?;
    let back = path(id);
    let action = format!("{back}/edit");
    let form = edit_form(&action, &back, product);
    let mut body = sent.json(&form.inputs);
    body["sort_order"] = product.sort_order.into();
    match visit.put(&format!("/api/v1.0/products/{id}"), &sent, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("{back}?done=saved")).into_response()),
        Err(problem) => {
            let form = form.refused(&sent, &problem).render(&visit);
            let trail = [(HERE, "Products"), (&*back, &*product.name)];
            Ok(Page::new(Place::Products, "Edit product", form).below(&trail).refused(&visit, &problem))
        }
    }
}
