//! Replaces a product.

use std::future::ready;

use axum::extract::State;
use futures_util::FutureExt;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
    domain::{Catalog, Invalid, Product, ProductId, Scope, Timestamp, catalog::check_unchanged},
    http::{
        Body, Call, IfMatch, PathId, Problem, Tagged,
        documented::{Always, ById, Known, Matched, Scoped, WithBody},
    },
    store::{Table, catalog::CatalogCopy},
};
use utoipa::ToSchema;

use crate::defaults::yes;

/// The product as it is to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = ReplaceProductRequest)]
pub struct Request {
    /// Never changes: as it is, or left out.
    #[schema(example = "atlas")]
    pub code: Option<String>,
    /// What people call it.
    #[schema(example = "Atlas", min_length = 1, max_length = 200)]
    pub name: String,
    /// What it is.
    #[schema(max_length = 2000, example = "Maps of anywhere")]
    pub description: Option<String>,
    /// Its place in lists, smallest first.
    #[serde(default)]
    #[schema(example = 1, default = 0, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    pub sort_order: i32,
    /// Whether it is sold and its licenses are honoured.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_active: bool,
    /// Whether a new license key of a customer takes the place of the one before.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub one_key_per_customer: bool,
}

shared::problems! {
    /// What this alone refuses.
    Refused: Immutable;
}

/// Replaces a product.
#[utoipa::path(
    put,
    path = "/api/v1.0/products/{id}",
    tag = "catalog",
    summary = "Replace every writable field of a product",
    params(
        ("id" = ProductId, Path, description = "`prod_…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what is to be replaced"),
    ),
    request_body = Request,
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String))),
        Refused,
        Known,
        Scoped,
        ById,
        Matched,
        WithBody,
        Always,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    PathId(id): PathId<ProductId>,
    if_match: IfMatch,
    body: Result<Body<Request>, Problem>,
) -> Result<Tagged<Product>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let Body(request) = body?;
    replace_product(&services.table, &services.catalog, call.now, id, &request, &if_match).await.map(Tagged)
}

/// Replaces the product, if it is still what the caller has seen.
pub async fn replace_product(
    table: &Table,
    copy: &CatalogCopy,
    now: Timestamp,
    id: ProductId,
    request: &Request,
    if_match: &IfMatch,
) -> Result<Product, Problem> {
    // A PUT is repeatable by nature.
    copy.change(
        table,
        |_| ready(Ok(None)).boxed(),
        |catalog| {
            let current = catalog.products.get(&id).ok_or_else(Problem::not_found)?;
            if_match.check(current)?;
            Ok(replaced(catalog, current, request, now)?)
        },
    )
    .await
}

fn replaced(catalog: &Catalog, current: &Product, request: &Request, now: Timestamp) -> Result<Product, Invalid> {
    let product = Product {
        id: current.id,
        code: current.code.clone(),
        name: request.name.clone(),
        description: request.description.clone(),
        sort_order: request.sort_order,
        is_active: request.is_active,
        one_key_per_customer: request.one_key_per_customer,
        created_at: current.created_at,
        updated_at: now,
    };
    let mut invalid = Invalid::default();
    check_unchanged(&mut invalid, "/code", request.code.as_deref(), &current.code);
    product.check(&mut invalid);
    invalid.finish()?;
    catalog.check_product(&product)?;
    Ok(product)
}
