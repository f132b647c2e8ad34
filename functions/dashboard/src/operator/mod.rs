//! Where operators work.

mod api_keys;
mod catalog;
pub(crate) mod customers;
mod events;
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
    enter::Visit,
    ui::{
        components::{Column, Direction, seats, status, table},
        show,
    },
};

/// The operator's pages.
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

/// A list of license keys, with their customers unless all are of one. `turned` is where it goes the other way round, and
/// which way it goes now.
pub(crate) async fn license_rows(
    visit: &Visit,
    keys: &[LicenseResource],
    with_customer: bool,
    turned: Option<(&str, Direction)>,
) -> Result<Markup, Problem> {
    let catalog = visit.app.catalog.read(&visit.app.table, visit.ctx.now).await?;
    let ids = keys.iter().filter(|_| with_customer).filter_map(|key| key.customer_id).collect();
    let names = names_of(visit, ids).await?;
    let mut columns = vec![Column::new("License key")];
    columns.extend(with_customer.then(|| Column::new("Customer")));
    let issued = match turned {
        Some((href, direction)) => Column::sorted("Issued", href, Some(direction)),
        None => Column::new("Issued"),
    };
    columns.extend([Column::new("Tier"), Column::new("Status"), Column::new("Seats"), issued, Column::new("Ends")]);
    let row = |key: &LicenseResource| {
        let tier = catalog.tiers.get(&key.tier_id).map_or("–", |tier| tier.name.as_str());
        let product = catalog.products.get(&key.product_id).map_or("–", |product| product.name.as_str());
        let customer = key.customer_id.and_then(|id| Some((id, names.get(&id)?)));
        let mut cells = vec![html! { a href=(license_keys::path(key.id)) { code { (key.key_hint) } } }];
        if with_customer {
            cells.push(
                html! { @if let Some((id, name)) = customer { a href=(customers::path(id)) { (name) } } @else { "–" } },
            );
        }
        cells.extend([
            html! { (product) " " span.sub { (tier) } },
            status(key.status),
            seats(key.seats_used, key.max_users),
            show::day(key.issued_at),
            key.expires_at.map_or_else(|| html! { "Never" }, show::day),
        ]);
        cells
    };
    Ok(table("License keys", &columns, &keys.iter().map(row).collect::<Vec<_>>()))
}

/// What customers are called: a read each, all at once.
pub(crate) async fn names_of(
    visit: &Visit,
    ids: BTreeSet<CustomerId>,
) -> Result<BTreeMap<CustomerId, String>, Problem> {
    let table = &visit.app.table;
    let found = try_join_all(ids.into_iter().map(|id| table.customer(id))).await?;
    Ok(found.into_iter().flatten().map(|found| (found.customer.id, found.customer.name)).collect())
}
