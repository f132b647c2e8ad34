//! Moves the items of the catalog.

use std::cmp::Ordering;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header::ACCEPT},
    response::{IntoResponse, Redirect, Response},
};
use catalog::reorder::{Move, reorder};
use serde_json::json;
use shared::{
    domain::{
        ProductId,
        id::{Id, IdKind},
    },
    http::{PathId, Problem},
    store::{Table, catalog::CatalogCache},
};

use super::{
    items::{features_of, read_catalog, sorted_products, tiers_of},
    product_page::features_path,
};
use crate::{api::Api, form_data::FormData, links, ui::notice::Notice, viewer::Operator};

/// Reads the moved item and the item that it is moved before; none moves it to the end. The script sends both as `id`
/// and `before`. The buttons send `move={id}:up` or `move={id}:down`, relative to the current `order`.
fn parse_move<K: IdKind>(data: &FormData, order: &[Id<K>]) -> Result<(Id<K>, Option<Id<K>>), Problem> {
    let parse = |text: &str| text.parse::<Id<K>>().map_err(|_| Problem::not_found());
    let Some((id, direction)) = data.get("move").split_once(':') else {
        let before = data.get("before");
        return Ok((parse(data.get("id"))?, if before.is_empty() { None } else { Some(parse(before)?) }));
    };
    let id = parse(id)?;
    let index = order.iter().position(|other| *other == id).ok_or_else(Problem::not_found)?;
    let before = if direction == "up" { Some(order[index.saturating_sub(1)]) } else { order.get(index + 2).copied() };
    Ok((id, before))
}

/// Responds to the script with the new order as JSON, and to a form with a redirect to `list_path`, which confirms a move
/// that had an effect.
fn respond<K: IdKind>(
    headers: &HeaderMap,
    (before, after): (&[Id<K>], &[String]),
    id: Id<K>,
    list_path: &str,
) -> Response {
    if headers.get(ACCEPT).is_some_and(|value| value.as_bytes().starts_with(b"application/json")) {
        return Json(json!({ "order": after })).into_response();
    }
    let old = before.iter().position(|other| *other == id);
    let new = after.iter().position(|other| *other == id.to_string());
    match new.cmp(&old) {
        Ordering::Less => Notice::MovedUp.redirect_to_list(list_path, &id),
        Ordering::Greater => Notice::MovedDown.redirect_to_list(list_path, &id),
        Ordering::Equal => Redirect::to(list_path).into_response(),
    }
}

/// Moves a product.
pub(super) async fn products(
    Operator(_): Operator,
    api: Api,
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    headers: HeaderMap,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    let order: Vec<_> = sorted_products(&catalog).iter().map(|product| product.id).collect();
    let (id, before) = parse_move(&data, &order)?;
    let moved = reorder(&table, &cache, &api.event_source(), Move::Product(id, before)).await?;
    Ok(respond(&headers, (&order, &moved), id, links::PRODUCTS))
}

/// Moves a tier of a product.
pub(super) async fn tiers(
    Operator(_): Operator,
    api: Api,
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    PathId(product): PathId<ProductId>,
    headers: HeaderMap,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    let order: Vec<_> = tiers_of(&catalog, product).iter().map(|tier| tier.id).collect();
    let (id, before) = parse_move(&data, &order)?;
    let moved = reorder(&table, &cache, &api.event_source(), Move::Tier(id, before)).await?;
    Ok(respond(&headers, (&order, &moved), id, &links::product(product)))
}

/// Moves a feature of a product.
pub(super) async fn features(
    Operator(_): Operator,
    api: Api,
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    PathId(product): PathId<ProductId>,
    headers: HeaderMap,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    let order: Vec<_> = features_of(&catalog, product).iter().map(|feature| feature.id).collect();
    let (id, before) = parse_move(&data, &order)?;
    let moved = reorder(&table, &cache, &api.event_source(), Move::Feature(id, before)).await?;
    Ok(respond(&headers, (&order, &moved), id, &features_path(product)))
}
