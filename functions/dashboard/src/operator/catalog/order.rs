//! Lists that are put in order by dragging, by keys, or by the buttons in each row.

use axum::{
    Json,
    http::{HeaderMap, header::ACCEPT},
    response::{IntoResponse, Redirect, Response},
};
use catalog::arrange::{Move, arrange};
use maud::{Markup, html};
use serde_json::json;
use shared::{
    domain::{
        Catalog, ProductId,
        id::{Id, Kind},
    },
    http::{PathId, Problem},
};

use super::{features_of, path, read, tiers_of};
use crate::{
    enter::{Operator, Visit},
    form::Sent,
    ui::{icons, inputs::secrets},
};

/// A row of such a list.
pub(super) struct Row {
    pub(super) id: String,
    /// What it is called, where it is spoken of.
    pub(super) name: String,
    pub(super) content: Markup,
}

/// A list in its order, and where a move is sent.
pub(super) fn sortable(visit: &Visit, what: &str, action: &str, rows: &[Row]) -> Markup {
    html! {
        form method="post" action=(action) {
            (secrets(visit))
            p.unseen #order-help { "Press Space to pick it up, the arrow keys to move it, Space to drop it, Escape to put it back." }
            ol.sortable aria-label=(what) data-order=(action) {
                @for row in rows {
                    li data-id=(row.id) data-name=(row.name) {
                        @if rows.len() > 1 {
                            button.grip type="button" data-grip aria-label={ "Move " (row.name) } aria-describedby="order-help" { (icons::grip()) }
                        }
                        div.sortable-main { (row.content) }
                        @if rows.len() > 1 {
                            div.steps-up-down {
                                button.button.quiet name="move" value={ (row.id) ":up" } aria-label={ "Move " (row.name) " up" } { (icons::up()) }
                                button.button.quiet name="move" value={ (row.id) ":down" } aria-label={ "Move " (row.name) " down" } { (icons::down()) }
                            }
                        }
                    }
                }
            }
            p.unseen role="status" aria-live="assertive" data-order-said {}
        }
    }
}

/// What is moved, and before what; by the buttons of a row, one place up or down in the list as it is now.
fn wanted<K: Kind>(sent: &Sent, list: &[Id<K>]) -> Result<(Id<K>, Option<Id<K>>), Problem> {
    let read = |text: &str| text.parse::<Id<K>>().map_err(|_| Problem::not_found());
    let Some((id, way)) = sent.get("move").split_once(':') else {
        let before = sent.get("before");
        return Ok((read(sent.get("id"))?, if before.is_empty() { None } else { Some(read(before)?) }));
    };
    let id = read(id)?;
    let at = list.iter().position(|other| *other == id).ok_or_else(Problem::not_found)?;
    let before = if way == "up" { Some(list[at.saturating_sub(1)]) } else { list.get(at + 2).copied() };
    Ok((id, before))
}

async fn moved(visit: &Visit, headers: &HeaderMap, wanted: Move, back: &str) -> Result<Response, Problem> {
    let order = arrange(&visit.app.table, &visit.app.catalog, visit.ctx.now, wanted).await?;
    let by_script = headers.get(ACCEPT).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    Ok(if by_script { Json(json!({ "order": order })).into_response() } else { Redirect::to(back).into_response() })
}

/// Moves a product.
pub(super) async fn products(Operator(visit): Operator, headers: HeaderMap, sent: Sent) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let list: Vec<_> = super::products::in_order(&catalog).iter().map(|product| product.id).collect();
    let (id, before) = wanted(&sent, &list)?;
    moved(&visit, &headers, Move::Product(id, before), super::HERE).await
}

/// Moves a tier among those of its product.
pub(super) async fn tiers(
    Operator(visit): Operator,
    PathId(product): PathId<ProductId>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let catalog: Catalog = read(&visit).await?;
    let list: Vec<_> = tiers_of(&catalog, product).iter().map(|tier| tier.id).collect();
    let (id, before) = wanted(&sent, &list)?;
    moved(&visit, &headers, Move::Tier(id, before), &path(product)).await
}

/// Moves a feature among those of its product.
pub(super) async fn features(
    Operator(visit): Operator,
    PathId(product): PathId<ProductId>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let list: Vec<_> = features_of(&catalog, product).iter().map(|feature| feature.id).collect();
    let (id, before) = wanted(&sent, &list)?;
    moved(&visit, &headers, Move::Feature(id, before), &format!("{}/features", path(product))).await
}
