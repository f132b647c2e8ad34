//! A customer's license keys.

use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use registration::own_licenses::{OwnLicense, own_licenses};
use serde::Deserialize;
use shared::{
    domain::Catalog,
    http::{List, Problem, resources::LicenseResource},
};

use super::{catalog, customer, license, welcome};
use crate::{
    enter::Visit,
    ui::{
        address,
        components::{Column, empty, link, pages, seats, status, table},
        shell::{Page, Place},
        show,
    },
};

pub(super) const HERE: &str = "/dashboard/licenses";

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

pub(super) async fn list(visit: Visit, asked: Result<List<Asked>, Problem>) -> Result<Response, Problem> {
    let List { filter, paging } = asked?;
    let found = own_licenses(&visit.services, &visit.session.user(), &paging, &visit.call).await?;
    if found.items.is_empty() && customer(&visit).await?.is_none() {
        return Ok(welcome::page(welcome::content(&visit, &welcome::form(&visit, HERE))).draw(&visit));
    }
    let sold = visit.services.catalog.read(&visit.services.table, visit.call.now).await?;
    let first = paging.cursor.is_some().then_some(HERE);
    let next = found.next_cursor.as_deref().map(|cursor| address(HERE, &[("cursor", cursor)]));
    let content = html! {
        @if found.items.is_empty() {
            (empty("No licenses yet", "What you claim or buy stands here, with its keys and machines.",
                &html! { a.button.primary href=(catalog::HERE) { "See what there is" } }))
        } @else {
            (rows(&sold, &found.items, visit.call.now))
            (pages(first, next.as_deref()))
        }
    };
    let page = Page::new(Place::Licenses, "Your licenses", content).done(filter.done.as_deref());
    Ok(page.actions(link(catalog::HERE, "Catalog")).draw(&visit))
}

fn rows(sold: &Catalog, licenses: &[OwnLicense], now: Timestamp) -> Markup {
    let columns = ["License", "Status", "Key", "Seats", "Ends", "Last sign of life"].map(Column::new);
    let row = |own: &OwnLicense| {
        let license = &own.license;
        let seen = own.activations.iter().filter_map(|machine| machine.last_heartbeat_at).max();
        vec![
            html! { a href=(license::path(license.id)) { (name(sold, license)) } },
            status(license.status),
            html! { code { (license.key_hint) } },
            held(own),
            ends(license),
            seen.map_or_else(|| html! { span.muted { "None yet" } }, |at| show::ago(at, now)),
        ]
    };
    table("Your licenses", &columns, &licenses.iter().map(row).collect::<Vec<_>>())
}

/// What a license is of: `Atlas Pro`.
pub(super) fn name(sold: &Catalog, license: &LicenseResource) -> String {
    let product = sold.products.get(&license.product_id).map(|product| product.name.as_str());
    let tier = sold.tiers.get(&license.tier_id).map(|tier| tier.name.as_str());
    [product, tier].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

pub(super) fn ends(license: &LicenseResource) -> Markup {
    license.expires_at.map_or_else(|| html! { "Never" }, show::day)
}

/// The list of a license's machines stops at a number; where there are more, so many are known.
fn held(own: &OwnLicense) -> Markup {
    let count = own.activations.len();
    if own.has_more_activations {
        let most = own.license.max_users.map(|most| format!(" of {}", show::number(most.into())));
        return html! { "Over " (count) (most.unwrap_or_default()) };
    }
    seats(Some(count), own.license.max_users)
}
