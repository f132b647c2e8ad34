//! Lists that operators reorder by dragging, with the keyboard, or with the buttons of each row.

use maud::{Markup, html};

use super::{forms::hidden_fields, icons};
use crate::session::Session;

/// A row of a reorderable list.
pub(crate) struct ReorderableRow {
    pub(crate) id: String,
    /// The name in labels and announcements for screen readers.
    pub(crate) name: String,
    /// The path of the item's page.
    pub(crate) path: String,
    pub(crate) content: Markup,
}

/// Renders a reorderable list. Moves are sent to `action`.
pub(crate) fn reorderable_list(session: &Session, label: &str, action: &str, rows: &[ReorderableRow]) -> Markup {
    html! {
        form method="post" action=(action) {
            (hidden_fields(session))
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
