//! Products.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use maud::html;
use serde_json::json;
use shared::{
    Settings,
    domain::{Catalog, Product, ProductId},
    http::{ListQuery, NoFilter, PathId, Problem, RequestContext},
    store::{Table, catalog::MetadataOwner},
};

use super::{
    deactivate::{self, Affected, CONFIRMED},
    items::{CODE_RULE, features_of, find_product, next_sort_order, read_catalog, sorted_products, tiers_of},
    list_notice::list_notice,
    product_page::product_form,
};
use crate::{
    api::Api,
    app_file::{AppFile, json_attachment},
    assets::Asset,
    form_data::FormData,
    links,
    ui::{
        components::{Tone, badge, empty_state, primary_button},
        form_page::FormPage,
        format,
        forms::Form,
        inputs::Input,
        layout::{NavSection, PageLayout},
        notice::{Notice, NoticeQuery},
        reorderable_list::{ReorderableRow, reorderable_list},
    },
    viewer::Operator,
};

/// The path to which moves of products are sent.
const REORDER_PATH: &str = "/dashboard/products/reorder";
const NEW_PATH: &str = "/dashboard/products/new";

pub(super) async fn list(
    Operator(viewer): Operator,
    State(table): State<Table>,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let query = query?.filter;
    let catalog = read_catalog(&table).await?;
    let new = primary_button(NEW_PATH, "New product");
    let rows: Vec<_> = sorted_products(&catalog).into_iter().map(|product| row(&catalog, product)).collect();
    let content = html! {
        @if rows.is_empty() {
            (empty_state("No products yet", "A product is an app you license. Add tiers and features to it.", &new))
        } @else {
            (reorderable_list(&viewer.session, "Products", REORDER_PATH, &rows))
        }
    };
    let layout = PageLayout::new(NavSection::Products, "Products", content).actions(new).script(Asset::Reorder);
    Ok(list_notice(layout, &query, &viewer, REORDER_PATH, &rows).render(&viewer))
}

/// Downloads the app file: what an app has built in to verify tokens. It contains no secret.
pub(super) async fn app_file(
    _: Operator,
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    PathId(id): PathId<ProductId>,
) -> Result<Response, Problem> {
    let (catalog, ring) = tokio::try_join!(table.catalog(), table.ring())?;
    let product = find_product(&catalog.catalog, id)?;
    json_attachment("signet-app.json", &AppFile::new(&settings, &product.code, &ring))
}

fn row(catalog: &Catalog, product: &Product) -> ReorderableRow {
    let (tiers, features) = (tiers_of(catalog, product.id).len(), features_of(catalog, product.id).len());
    ReorderableRow {
        id: product.id.to_string(),
        name: product.name.clone(),
        path: links::product(product.id),
        content: html! {
            div.row-title { a href=(links::product(product.id)) { (product.name) } " " code.muted { (product.code) } @if !product.is_active { (badge("Inactive", Tone::Neutral)) } }
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
        ).rule(CODE_RULE));
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

fn new_page() -> FormPage {
    let form = Form::new(NEW_PATH, inputs(None), "Create product", links::PRODUCTS);
    FormPage::new(NavSection::Products, "New product", form).breadcrumb(links::PRODUCTS, "Products")
}

pub(super) async fn new(Operator(viewer): Operator) -> Response {
    new_page().render(&viewer)
}

pub(super) async fn create(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    let page = new_page();
    let mut body = page.request_body(&data);
    body["sort_order"] = next_sort_order(sorted_products(&catalog).last().map(|last| last.sort_order)).into();
    Ok(match api.post::<Product>("/api/v1.0/products", &data, &body).await {
        Ok(created) => Notice::ProductCreated.redirect_to(&links::product(created.id)),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    })
}

fn edit_page(product: &Product) -> FormPage {
    let path = links::product(product.id);
    let inputs = inputs(Some(product)).into_iter().chain([Input::version(product)]).collect();
    product_form("Edit product", Form::new(format!("{path}/edit"), inputs, "Save", &path), product, &path)
}

pub(super) async fn edit(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<ProductId>,
) -> Result<Response, Problem> {
    let catalog = table.catalog_with_metadata(MetadataOwner::Product(id)).await?.catalog;
    Ok(edit_page(find_product(&catalog, id)?).render(&viewer))
}

fn saved_notice(before: &Product, data: &FormData) -> Notice {
    match (before.is_active, !data.get("is_active").is_empty()) {
        (true, false) => Notice::ProductDeactivated,
        (false, true) => Notice::ProductActivated,
        _ => Notice::ProductSaved,
    }
}

/// Updates a product. Its position in the list and its metadata do not change. Asks for confirmation before it becomes
/// inactive.
pub(super) async fn update(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    PathId(id): PathId<ProductId>,
    ctx: RequestContext,
    query: Result<ListQuery<NoFilter>, Problem>,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = table.catalog_with_metadata(MetadataOwner::Product(id)).await?.catalog;
    let product = find_product(&catalog, id)?;
    let page = edit_page(product);
    let becomes_inactive = product.is_active && data.get("is_active").is_empty();
    if becomes_inactive && data.get(CONFIRMED).is_empty() {
        let affected = Affected::count(&table, id, query?.paging, ctx.now).await?;
        return Ok(deactivate::page(product, (&page, &data), affected).render(&viewer));
    }
    let mut body = page.request_body(&data);
    body["sort_order"] = product.sort_order.into();
    body["metadata"] = json!(product.metadata);
    Ok(match api.put(&format!("/api/v1.0/products/{id}"), &data, &body).await {
        Ok(()) => saved_notice(product, &data).redirect_to(&links::product(id)),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    })
}
