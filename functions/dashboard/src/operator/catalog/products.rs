//! Products.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::{
    domain::{Catalog, Product, ProductId},
    http::{ListQuery, PathId, Problem},
};

use super::{
    BASE_PATH, features_of, find_product, next_sort_order, path, read_catalog,
    reorder::{ReorderableRow, reorderable_list},
    sorted_products, tiers_of,
};
use crate::{
    assets::Asset,
    form_data::FormData,
    page_context::OperatorContext,
    ui::{
        components::{NoticeQuery, Tone, badge, empty_state, primary_button},
        format,
        forms::Form,
        inputs::Input,
        layout::{NavSection, PageLayout},
    },
};

const NEW_PATH: &str = "/dashboard/products/new";

pub(super) async fn list(
    OperatorContext(page): OperatorContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let query = query?.filter;
    let catalog = read_catalog(&page).await?;
    let new = primary_button(NEW_PATH, "New product");
    let rows: Vec<_> = sorted_products(&catalog).into_iter().map(|product| row(&catalog, product)).collect();
    let content = html! {
        @if rows.is_empty() {
            (empty_state("No products yet", "A product is an app you license. Add tiers and features to it.", &new))
        } @else {
            (reorderable_list(&page, "Products", "/dashboard/products/reorder", &rows))
        }
    };
    let layout = PageLayout::new(NavSection::Products, "Products", content).actions(new).script(Asset::Reorder);
    Ok(layout.notice(query.notice.as_deref()).render(&page))
}

fn row(catalog: &Catalog, product: &Product) -> ReorderableRow {
    let (tiers, features) = (tiers_of(catalog, product.id).len(), features_of(catalog, product.id).len());
    ReorderableRow {
        id: product.id.to_string(),
        name: product.name.clone(),
        content: html! {
            div.row-title { a href=(path(product.id)) { (product.name) } " " code.muted { (product.code) } @if !product.is_active { (badge("Inactive", Tone::Neutral)) } }
            p.row-details { (format::count(tiers as u64, "tier")) " · " (format::count(features as u64, "feature")) }
        },
    }
}

fn inputs(product: Option<&Product>) -> Vec<Input> {
    let mut inputs = Vec::new();
    if product.is_none() {
        inputs.push(Input::text("code", "Code", 40).required().hint(
            "Prefixes every license key and is the token audience. Lowercase letters, digits and hyphens. Can't be \
             changed later.",
        ));
    }
    inputs.extend([
        Input::text("name", "Name", 200).required().optional_value(product.map(|product| &*product.name)),
        Input::multiline("description", "Description", 2000)
            .optional_value(product.and_then(|product| product.description.as_deref())),
        Input::checkbox("is_active", "Active")
            .checked(product.is_none_or(|product| product.is_active))
            .hint("Inactive products are hidden, and their licenses can't be used."),
        Input::checkbox("one_key_per_customer", "One license per customer")
            .checked(product.is_none_or(|product| product.one_key_per_customer))
            .hint("Issuing a new license replaces the customer's current one."),
    ]);
    inputs
}

fn new_form() -> Form<'static> {
    Form::new(NEW_PATH, inputs(None), "Create product", BASE_PATH)
}

fn new_page(form: Markup) -> PageLayout<'static> {
    PageLayout::new(NavSection::Products, "New product", form).breadcrumbs(&[(BASE_PATH, "Products")])
}

pub(super) async fn new(OperatorContext(page): OperatorContext) -> Response {
    new_page(new_form().render(&page)).render(&page)
}

pub(super) async fn create(OperatorContext(page): OperatorContext, data: FormData) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let form = new_form();
    let mut body = data.to_json(&form.inputs);
    body["sort_order"] = next_sort_order(sorted_products(&catalog).last().map(|last| last.sort_order)).into();
    Ok(match page.post("/api/v1.0/products", &data, &body).await {
        Ok(created) => {
            let id = created["id"].as_str().unwrap_or_default();
            Redirect::to(&format!("{BASE_PATH}/{id}?notice=created")).into_response()
        }
        Err(problem) => new_page(form.with_error(&data, &problem).render(&page)).render_error(&page, &problem),
    })
}

fn edit_form<'a>(action: &'a str, path: &'a str, product: &Product) -> Form<'a> {
    let inputs = inputs(Some(product)).into_iter().chain([Input::version(product)]).collect();
    Form::new(action, inputs, "Save", path)
}

pub(super) async fn edit(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<ProductId>,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let product = find_product(&catalog, id)?;
    let path = path(id);
    let form = edit_form(&format!("{path}/edit"), &path, product).render(&page);
    Ok(PageLayout::new(NavSection::Products, "Edit product", form)
        .breadcrumbs(&[(BASE_PATH, "Products"), (&path, &product.name)])
        .render(&page))
}

/// Updates a product. Its position in the list does not change.
pub(super) async fn update(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<ProductId>,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let product = find_product(&catalog, id)?;
    let path = path(id);
    let action = format!("{path}/edit");
    let form = edit_form(&action, &path, product);
    let mut body = data.to_json(&form.inputs);
    body["sort_order"] = product.sort_order.into();
    match page.put(&format!("/api/v1.0/products/{id}"), &data, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("{path}?notice=saved")).into_response()),
        Err(problem) => {
            let form = form.with_error(&data, &problem).render(&page);
            let breadcrumbs = [(BASE_PATH, "Products"), (&*path, &*product.name)];
            let layout = PageLayout::new(NavSection::Products, "Edit product", form).breadcrumbs(&breadcrumbs);
            Ok(layout.render_error(&page, &problem))
        }
    }
}
