//! The pages of operators.

mod activity;
mod api_keys;
mod catalog;
pub(crate) mod customers;
mod health;
pub(crate) mod license_keys;
pub(crate) mod overview;
mod search;
mod signing_keys;

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use futures_util::future::try_join_all;
use maud::{Markup, html};
use shared::{
    AppState,
    domain::CustomerId,
    http::{Problem, resources::LicenseResource},
};

use crate::{
    page_context::PageContext,
    ui::{
        components::{Column, SortDirection, seat_usage, status_badge, table},
        format,
    },
};

/// The routes of operators.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .merge(api_keys::routes())
        .merge(catalog::routes())
        .merge(customers::routes())
        .merge(health::routes())
        .merge(license_keys::routes())
        .merge(search::routes())
        .merge(signing_keys::routes())
}

/// A table of licenses. `sort` is the URL that reverses the order, and the current direction.
pub(crate) async fn license_table(
    page: &PageContext,
    licenses: &[LicenseResource],
    with_customer: bool,
    sort: Option<(&str, SortDirection)>,
) -> Result<Markup, Problem> {
    let catalog = page.app.catalog.read(&page.app.table, page.ctx.now).await?;
    let ids = licenses.iter().filter(|_| with_customer).filter_map(|license| license.customer_id).collect();
    let names = customer_names(page, ids).await?;
    let mut columns = vec![Column::new("License key")];
    columns.extend(with_customer.then(|| Column::new("Customer")));
    let issued = match sort {
        Some((href, direction)) => Column::sorted("Issued", href, direction),
        None => Column::new("Issued"),
    };
    columns.extend([
        Column::new("Product"),
        Column::new("Status"),
        Column::new("Seats"),
        issued,
        Column::new("Expires"),
    ]);
    let row = |license: &LicenseResource| {
        let tier = catalog.tiers.get(&license.tier_id).map_or("–", |tier| tier.name.as_str());
        let product = catalog.products.get(&license.product_id).map_or("–", |product| product.name.as_str());
        let customer = license.customer_id.and_then(|id| Some((id, names.get(&id)?)));
        let mut cells = vec![html! { a href=(license_keys::path(license.id)) { code { (license.key_hint) } } }];
        if with_customer {
            cells.push(
                html! { @if let Some((id, name)) = customer { a href=(customers::path(id)) { (name) } } @else { "–" } },
            );
        }
        cells.extend([
            html! { (product) " " span.subtext { (tier) } },
            status_badge(license.status),
            seat_usage(license.seats_used, license.max_users),
            format::date(license.issued_at),
            license.expires_at.map_or_else(|| html! { "Never" }, format::date),
        ]);
        cells
    };
    Ok(table("Licenses", &columns, &licenses.iter().map(row).collect::<Vec<_>>()))
}

/// The names of customers, read concurrently with one request each.
pub(crate) async fn customer_names(
    page: &PageContext,
    ids: BTreeSet<CustomerId>,
) -> Result<BTreeMap<CustomerId, String>, Problem> {
    let table = &page.app.table;
    let found = try_join_all(ids.into_iter().map(|id| table.customer(id))).await?;
    Ok(found.into_iter().flatten().map(|found| (found.customer.id, found.customer.name)).collect())
}
