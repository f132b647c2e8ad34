//! Reusable parts of pages.

use maud::{Markup, html};
use shared::{
    domain::{Product, Status},
    store::pagination::PageRequest,
};

use super::{format, icons};

/// The color of a badge, a banner or a chart. The text conveys the meaning without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Success,
    Warning,
    Danger,
    Info,
    Neutral,
}

impl Tone {
    /// The CSS class.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Danger => "danger",
            Self::Info => "info",
            Self::Neutral => "neutral",
        }
    }
}

/// A link that looks like a button.
pub(crate) fn link_button(href: &str, text: &str) -> Markup {
    html! { a.button href=(href) { (text) } }
}

/// The link to the main action of a page.
pub(crate) fn primary_button(href: &str, text: &str) -> Markup {
    html! { a.button.primary href=(href) { (icons::plus()) (text) } }
}

/// A link to a confirmation page. The script opens it in a dialog.
pub(crate) fn dialog_button(href: &str, text: &str) -> Markup {
    html! { a.button href=(href) data-dialog { (text) } }
}

/// A link to the confirmation page of a destructive action. The script opens it in a dialog.
pub(crate) fn destructive_dialog_button(href: &str, text: &str) -> Markup {
    html! { a.button.danger-outline href=(href) data-dialog { (text) } }
}

/// The badge of a license key's status.
fn status_badge(status: Status) -> Markup {
    let (text, tone) = match status {
        Status::Active => ("Active", Tone::Success),
        Status::Suspended => ("Suspended", Tone::Warning),
        Status::Expired => ("Expired", Tone::Neutral),
        Status::Superseded => ("Superseded", Tone::Neutral),
        Status::Revoked => ("Revoked", Tone::Danger),
    };
    badge(text, tone)
}

/// The badge of a license. An active license of an inactive product can't be used.
pub(crate) fn license_badge(status: Status, product: Option<&Product>) -> Markup {
    match status {
        Status::Active if product.is_some_and(|product| !product.is_active) => badge("Product inactive", Tone::Warning),
        _ => status_badge(status),
    }
}

pub(crate) fn badge(text: &str, tone: Tone) -> Markup {
    html! { span.badge.(tone.class()) { (text) } }
}

/// A value with a copy button. `label` names the value for screen readers: "Copy {label}".
pub(crate) fn copyable(text: &str, label: &str) -> Markup {
    html! {
        span.copyable {
            code { (text) }
            button.button.ghost.copy type="button" data-copy=(text) aria-label={ "Copy " (label) } title={ "Copy " (label) } { (icons::copy()) }
        }
    }
}

/// A secret that is shown once, with a copy button.
pub(crate) fn secret(text: &str, label: &str) -> Markup {
    html! {
        div.secret {
            code.secret-value { (text) }
            button.button.primary type="button" data-copy=(text) { (icons::copy()) "Copy " (label) }
        }
    }
}

/// A message about the whole page.
pub(crate) fn banner(tone: Tone, content: &Markup) -> Markup {
    let icon = if tone == Tone::Success { icons::check() } else { icons::warning() };
    html! { div.banner.(tone.class()) { (icon) div { (content) } } }
}

/// A section with a heading and actions.
pub(crate) fn section(title: &str, actions: &Markup, content: &Markup) -> Markup {
    html! {
        section.section {
            div.section-header { h2 { (title) } div.actions { (actions) } }
            (content)
        }
    }
}

/// A list of terms and their values.
pub(crate) fn description_list(rows: &[(&str, Markup)]) -> Markup {
    html! { dl.description-list { @for (term, value) in rows { div { dt { (term) } dd { (value) } } } } }
}

/// A placeholder for an empty list, with a suggested action.
pub(crate) fn empty_state(title: &str, text: &str, action: &Markup) -> Markup {
    html! { div.empty-state { p.empty-state-title { (title) } p { (text) } div.actions { (action) } } }
}

/// The placeholder for an empty page of a list whose later pages may have matches. `next` and `all` are the URLs of the
/// next page and of the list without filters.
pub(crate) fn no_matches_so_far(text: &str, next: &str, all: &str) -> Markup {
    let actions = html! { a.button.primary href=(next) rel="next" { "Keep searching" } (link_button(all, "Show all")) };
    empty_state("No matches so far", text, &actions)
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    /// The URL that reverses the order, and the current direction.
    pub(crate) sort: Option<(&'a str, SortDirection)>,
}

/// The direction in which a table is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SortDirection {
    Ascending,
    Descending,
}

impl<'a> Column<'a> {
    /// A column by which the table is sorted. Its heading links to `href`, which reverses the order.
    pub(crate) const fn sorted(name: &'a str, href: &'a str, direction: SortDirection) -> Self {
        Self { name, sort: Some((href, direction)) }
    }
}

impl<'a> From<&'a str> for Column<'a> {
    fn from(name: &'a str) -> Self {
        Self { name, sort: None }
    }
}

/// The CSS class of a table with this number of columns. It sets the width below which rows become cards.
const fn width_class(columns: usize) -> &'static str {
    match columns {
        0..=3 => "few-columns",
        4..=5 => "",
        _ => "many-columns",
    }
}

/// A table. Without room for its columns, each row is shown as a card with labeled cells.
pub(crate) fn table<'a>(
    caption: &str,
    columns: impl IntoIterator<Item = impl Into<Column<'a>>>,
    rows: impl IntoIterator<Item = Vec<Markup>>,
) -> Markup {
    let columns: Vec<Column<'a>> = columns.into_iter().map(Into::into).collect();
    html! {
        div class={ "table-container " (width_class(columns.len())) } {
            table.table {
                caption.visually-hidden { (caption) }
                thead {
                    tr {
                        @for column in &columns {
                            th scope="col" aria-sort=[aria_sort(column)] { (column_heading(column)) }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr { @for (column, cell) in columns.iter().zip(row) { td data-label=(column.name) { (cell) } } }
                    }
                }
            }
        }
    }
}

fn column_heading(column: &Column<'_>) -> Markup {
    match column.sort {
        Some((href, direction)) => html! {
            a href=(href) {
                (column.name)
                @match direction { SortDirection::Ascending => (icons::up()), SortDirection::Descending => (icons::down()) }
            }
        },
        None if column.name.is_empty() => html! { span.visually-hidden { "Actions" } },
        None => html! { (column.name) },
    }
}

fn aria_sort(column: &Column<'_>) -> Option<&'static str> {
    match column.sort?.1 {
        SortDirection::Ascending => Some("ascending"),
        SortDirection::Descending => Some("descending"),
    }
}

/// Links to the first and the next page of a list. `url` returns the URL of the page at a cursor.
pub(crate) fn pagination(paging: &PageRequest, next: Option<&str>, url: impl Fn(&str) -> String) -> Markup {
    html! {
        @if paging.cursor.is_some() || next.is_some() {
            nav.pagination aria-label="Pagination" {
                @if paging.cursor.is_some() { a.button href=(url("")) { "First page" } }
                @if let Some(cursor) = next { a.button href=(url(cursor)) rel="next" { "Next page" } }
            }
        }
    }
}

/// Tabs: the URL and the name of each, and whether it is the current one.
pub(crate) fn tabs(label: &str, tabs: &[(&str, &str, bool)]) -> Markup {
    html! {
        nav.tabs aria-label=(label) {
            ul { @for (href, name, is_current) in tabs { li { a href=(href) aria-current=[is_current.then_some("page")] { (name) } } } }
        }
    }
}

/// The number of seats in use, as text and as a bar. Without a number of used seats, only the limit.
pub(crate) fn seat_usage(used: Option<usize>, max: Option<u32>) -> Markup {
    let Some(used) = used else { return html! { (format::limit(max, "seat")) } };
    let Some(max) = max else { return html! { span.seat-usage { (used) " in use" span.muted { " (unlimited)" } } } };
    let width = (used.min(max as usize) * 100).checked_div(max as usize).unwrap_or(0);
    let level = if used >= max as usize {
        "full"
    } else if width >= 80 {
        "nearly-full"
    } else {
        "available"
    };
    html! {
        span.seat-usage {
            (used) " of " (max)
            svg.meter.(level) viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
                rect.meter-track width="100" height="6" rx="3" {}
                @if width > 0 { rect.meter-fill width=(width) height="6" rx="3" {} }
            }
        }
    }
}
