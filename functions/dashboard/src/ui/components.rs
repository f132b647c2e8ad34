//! The parts of pages: each is drawn by one function, and looks the same everywhere.

use maud::{Markup, html};
use shared::domain::Status;

use super::{icons, show};

/// Something to go to.
pub(crate) fn link(href: &str, text: &str) -> Markup {
    html! { a.button href=(href) { (text) } }
}

/// What a page is there for.
pub(crate) fn primary_link(href: &str, text: &str) -> Markup {
    html! { a.button.primary href=(href) { (icons::plus()) (text) } }
}

/// A question that is asked beside the page where a script runs, and on a page of its own where none does.
pub(crate) fn dialog_link(href: &str, text: &str) -> Markup {
    html! { a.button href=(href) data-dialog { (text) } }
}

/// The same, for what can't be undone.
pub(crate) fn danger_link(href: &str, text: &str) -> Markup {
    html! { a.button.danger-quiet href=(href) data-dialog { (text) } }
}

/// What a license key is good for.
pub(crate) fn status(status: Status) -> Markup {
    let (word, tone) = match status {
        Status::Active => ("Active", "good"),
        Status::Suspended => ("Suspended", "warn"),
        Status::Expired => ("Expired", "dim"),
        Status::Superseded => ("Superseded", "dim"),
        Status::Revoked => ("Revoked", "bad"),
    };
    badge(word, tone)
}

/// A word with a colour. The word alone says all.
pub(crate) fn badge(word: &str, tone: &str) -> Markup {
    html! { span.badge.(tone) { (word) } }
}

/// A text with a button that copies it.
pub(crate) fn copyable(text: &str, what: &str) -> Markup {
    html! {
        span.copyable {
            code { (text) }
            button.button.quiet.copy type="button" data-copy=(text) aria-label={ "Copy " (what) } title={ "Copy " (what) } { (icons::copy()) }
        }
    }
}

/// A text that is shown this once, and is worth money.
pub(crate) fn secret(text: &str, what: &str) -> Markup {
    html! {
        div.secret {
            code.secret-text { (text) }
            button.button.primary type="button" data-copy=(text) { (icons::copy()) "Copy " (what) }
        }
    }
}

/// Words that belong to the whole page. The tone is `good`, `warn`, `bad` or `calm`.
pub(crate) fn notice(tone: &str, content: &Markup) -> Markup {
    let icon = if tone == "good" { icons::check() } else { icons::warning() };
    html! { div.notice.(tone) { (icon) div { (content) } } }
}

/// What was done, by its word in an address.
pub(crate) fn notice_of(word: &str) -> Markup {
    let text = match word {
        "created" => "Created.",
        "saved" => "Saved.",
        "revoked" => "Revoked. No request that comes from now on renews a token of this key.",
        "suspended" => "Suspended.",
        "reinstated" => "Reinstated.",
        "renewed" => "Renewed.",
        "freed" => "The seat is free.",
        "deleted" => "Deleted.",
        "moved" => "Moved.",
        "rotated" => "Rotated.",
        "condemned" => "Condemned. Its tokens are refused from now on.",
        _ => return html! {},
    };
    html! { div role="status" data-done { (notice("good", &html! { p { (text) } })) } }
}

/// A part of a page with a heading.
pub(crate) fn section(title: &str, actions: &Markup, content: &Markup) -> Markup {
    html! {
        section.section {
            div.section-head { h2 { (title) } div.actions { (actions) } }
            (content)
        }
    }
}

/// Facts about one thing: what each is called, and what it is.
pub(crate) fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}

/// Nothing is here yet: what it would be, and what to do.
pub(crate) fn empty(title: &str, text: &str, action: &Markup) -> Markup {
    html! { div.empty { p.empty-title { (title) } p { (text) } div.actions { (action) } } }
}

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    /// By which the list can be put in order: the address that does, and the present direction.
    pub(crate) sort: Option<(&'a str, Option<Direction>)>,
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl<'a> Column<'a> {
    pub(crate) const fn new(name: &'a str) -> Self {
        Self { name, sort: None }
    }

    /// A column whose heading puts the list in order.
    pub(crate) const fn sorted(name: &'a str, href: &'a str, direction: Option<Direction>) -> Self {
        Self { name, sort: Some((href, direction)) }
    }
}

/// A list. On a narrow screen each row is a card whose cells say what they are.
pub(crate) fn table(caption: &str, columns: &[Column<'_>], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.table-frame {
            table.table {
                caption.unseen { (caption) }
                thead {
                    tr {
                        @for column in columns {
                            th scope="col" aria-sort=[sort_word(column)] { (heading(column)) }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr { @for (column, cell) in columns.iter().zip(row) { td data-name=(column.name) { (cell) } } }
                    }
                }
            }
        }
    }
}

fn heading(column: &Column<'_>) -> Markup {
    match column.sort {
        Some((href, direction)) => html! {
            a href=(href) {
                (column.name)
                @match direction { Some(Direction::Up) => (icons::up()), Some(Direction::Down) => (icons::down()), None => {} }
            }
        },
        None if column.name.is_empty() => html! { span.unseen { "Actions" } },
        None => html! { (column.name) },
    }
}

fn sort_word(column: &Column<'_>) -> Option<&'static str> {
    match column.sort?.1? {
        Direction::Up => Some("ascending"),
        Direction::Down => Some("descending"),
    }
}

/// How to see more of a list: its first page, and the next one.
pub(crate) fn pages(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav.pages aria-label="Pages" {
                @if let Some(href) = first { a.button href=(href) { "First page" } }
                @if let Some(href) = next { a.button href=(href) rel="next" { "Next page" } }
            }
        }
    }
}

/// Ways to see one thing: addresses and names, and which is shown.
pub(crate) fn tabs(label: &str, tabs: &[(&str, &str, bool)]) -> Markup {
    html! {
        nav.tabs aria-label=(label) {
            ul { @for (href, name, is_here) in tabs { li { a href=(href) aria-current=[is_here.then_some("page")] { (name) } } } }
        }
    }
}

/// How many seats are held, as a number and as a bar.
pub(crate) fn seats(used: Option<usize>, most: Option<u32>) -> Markup {
    let Some(used) = used else { return html! { (show::limit(most, "seat")) } };
    let Some(most) = most else { return html! { span.seats { (used) " held" span.muted { ", no limit" } } } };
    let width = (used.min(most as usize) * 100).checked_div(most as usize).unwrap_or(0);
    let tone = if used >= most as usize {
        "full"
    } else if width >= 80 {
        "near"
    } else {
        "free"
    };
    html! {
        span.seats {
            (used) " of " (most)
            svg.meter.(tone) viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
                rect.meter-ground width="100" height="6" rx="3" {}
                @if width > 0 { rect.meter-part width=(width) height="6" rx="3" {} }
            }
        }
    }
}
