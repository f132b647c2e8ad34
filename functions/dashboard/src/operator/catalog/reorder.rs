//! Lists that operators reorder by dragging, with the keyboard, or with the buttons of each row.

use axum::{
    Json,
    http::{HeaderMap, header::ACCEPT},
    response::{IntoResponse, Redirect, Response},
};
use catalog::reorder::{Move, reorder};
use maud::{Markup, html};
use serde_json::json;
use shared::{
    domain::{
        Catalog, ProductId,
        id::{Id, IdKind},
    },
    http::{PathId, Problem},
};

use super::{features_of, path, read_catalog, sorted_products, tiers_of};
use crate::{
    form_data::FormData,
    page_context::{OperatorContext, PageContext},
    ui::{forms::hidden_fields, icons},
};

/// A row of a reorderable list.
pub(super) struct ReorderableRow {
    pub(super) id: String,
    /// The name in labels and announcements for screen readers.
    pub(super) name: String,
    pub(super) content: Markup,
}

/// Renders a reorderable list. Moves are sent to `action`.
pub(super) fn reorderable_list(page: &PageContext, label: &str, action: &str, rows: &[ReorderableRow]) -> Markup {
    html! {
        form method="post" action=(action) {
            (hidden_fields(page))
            p.visually-hidden #reorder-help { "Press Space to pick up, the arrow keys to move, Space to drop, Escape to cancel." }
            ol.reorderable aria-label=(label) data-reorder-url=(action) {
                @for row in rows {
                    li data-id=(row.id) data-name=(row.name) {
                        @if rows.len() > 1 {
                            button.drag-handle type="button" data-drag-handle aria-label={ "Move " (row.name) } aria-describedby="reorder-help" { (icons::drag_handle()) }
                        }
                        div.row-content { (row.content) }
                        @if rows.len() > 1 {
                            div.move-buttons {
                                button.button.ghost name="move" value={ (row.id) ":up" } aria-label={ "Move " (row.name) " up" } { (icons::up()) }
                                button.button.ghost name="move" value={ (row.id) ":down" } aria-label={ "Move " (row.name) " down" } { (icons::down()) }
                            }
                        }
                    }
                }
            }
            p.visually-hidden role="status" aria-live="assertive" data-reorder-status {}
        }
    }
}

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

/// Moves an item. Responds to the script with the new order as JSON, and to a form with a redirect to `list_path`.
async fn move_item(page: &PageContext, headers: &HeaderMap, item: Move, list_path: &str) -> Result<Response, Problem> {
    let order = reorder(&page.app.table, &page.app.catalog, page.ctx.now, item).await?;
    let accepts_json = headers.get(ACCEPT).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    Ok(if accepts_json {
        Json(json!({ "order": order })).into_response()
    } else {
        Redirect::to(list_path).into_response()
    })
}

/// Moves a product.
pub(super) async fn products(
    OperatorContext(page): OperatorContext,
    headers: HeaderMap,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let order: Vec<_> = sorted_products(&catalog).iter().map(|product| product.id).collect();
    let (id, before) = parse_move(&data, &order)?;
    move_item(&page, &headers, Move::Product(id, before), super::BASE_PATH).await
}

/// Moves a tier of a product.
pub(super) async fn tiers(
    OperatorContext(page): OperatorContext,
    PathId(product): PathId<ProductId>,
    headers: HeaderMap,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog: Catalog = read_catalog(&page).await?;
    let order: Vec<_> = tiers_of(&catalog, product).iter().map(|tier| tier.id).collect();
    let (id, before) = parse_move(&data, &order)?;
    move_item(&page, &headers, Move::Tier(id, before), &path(product)).await
}

/// Moves a feature of a product.
pub(super) async fn features(
    OperatorContext(page): OperatorContext,
    PathId(product): PathId<ProductId>,
    headers: HeaderMap,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let order: Vec<_> = features_of(&catalog, product).iter().map(|feature| feature.id).collect();
    let (id, before) = parse_move(&data, &order)?;
    move_item(&page, &headers, Move::Feature(id, before), &format!("{}/features", path(product))).await
}
