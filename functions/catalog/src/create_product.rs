//! Creates a product.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Catalog, EventSource, Product, Scope},
    http::{Problem, Replay, RequestContext, StoredResponse, StrictJson},
    store::{Table, catalog::CatalogCache},
};

use crate::{errors::CatalogError, product::ProductInput};

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: CodeTaken;
}

/// Creates a product.
#[utoipa::path(
    post,
    path = "/api/v1.0/products",
    operation_id = "create_product",
    tag = "catalog",
    summary = "Create a product",
    request_body = ProductInput,
    responses(
        (status = 201, description = "The product", body = Product, headers(("Location" = String), ("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<ProductInput>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(input) = body?;
    let path = |product: &Product| format!("/api/v1.0/products/{}", product.id);
    let replay = ctx.idempotency.replay(|product: &Product| StoredResponse::created(path(product), product));
    let product = create_product(&table, &cache, &input, &ctx.event_source(caller.actor()), &replay).await?;
    replay.response(&product)
}

/// Creates a product if no other product has the same code.
pub async fn create_product(
    table: &Table,
    cache: &CatalogCache,
    input: &ProductInput,
    source: &EventSource,
    replay: &Replay<'_, Product>,
) -> Result<Product, CatalogError> {
    let (product, errors) = input.create(source.at);
    let make = |catalog: &Catalog| {
        errors.clone().and(catalog.check_product(&product))?;
        Ok(product.clone())
    };
    cache.change_once(table, source, make, |product| replay.completion(product)).await
}
