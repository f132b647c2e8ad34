//! The confirmation of a change of a listed item: its name, a link to it, and how to undo a move.

use maud::html;

use crate::{
    ui::{
        layout::PageLayout,
        notice::{Notice, NoticeQuery, undo_button},
        reorderable_list::ReorderableRow,
    },
    viewer::Viewer,
};

/// Adds the confirmation of the previous action to the page of a list. Moves are sent to `reorder_path`.
pub(super) fn list_notice(
    layout: PageLayout,
    query: &NoticeQuery,
    viewer: &Viewer,
    reorder_path: &str,
    rows: &[ReorderableRow],
) -> PageLayout {
    let changed = rows.iter().find(|row| Some(&row.id) == query.changed.as_ref());
    let opposite = match query.notice {
        Some(Notice::MovedUp) => Some("down"),
        Some(Notice::MovedDown) => Some("up"),
        _ => None,
    };
    let details = html! {
        @if let Some(row) = changed {
            a href=(row.path) { (row.name) }
            @if let Some(direction) = opposite {
                " " (undo_button(&viewer.session, reorder_path, ("move", &format!("{}:{direction}", row.id))))
            }
        }
    };
    layout.notice_with(query.notice, details)
}
