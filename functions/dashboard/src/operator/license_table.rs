//! Tables of licenses.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use maud::{Markup, html};
use shared::{
    domain::{Catalog, CustomerId},
    http::{Problem, resources::LicenseResource},
    store::{Table, customers::VersionedCustomer},
};

use crate::{
    links,
    ui::{
        components::{Column, SortDirection, license_badge, seat_usage, table},
        format,
    },
};

/// The names of customers.
pub(super) type CustomerNames = BTreeMap<CustomerId, String>;

/// A table of licenses. With `customers`, it has a column with the customer's name. `sort` is the URL that reverses the
/// order, and the current direction.
pub(super) fn license_table(
    catalog: &Catalog,
    licenses: &[LicenseResource],
    customers: Option<&CustomerNames>,
    sort: Option<(&str, SortDirection)>,
) -> Markup {
    let mut columns = vec![Column::from("License key")];
    columns.extend(customers.map(|_| Column::from("Customer")));
    columns.extend(["Product", "Status", "Seats"].map(Column::from));
    columns.push(sort.map_or(Column::from("Issued"), |(href, direction)| Column::sorted("Issued", href, direction)));
    columns.push(Column::from("Expires"));
    let row = |license: &LicenseResource| {
        let tier = catalog.tiers.get(&license.tier_id).map_or("–", |tier| tier.name.as_str());
        let product = catalog.products.get(&license.product_id);
        let mut cells = vec![html! { a href=(links::license_key(license.id)) { code { (license.key_hint) } } }];
        cells.extend(customers.map(|names| customer_link(license.customer_id.flatten(), names)));
        cells.extend([
            html! { (product.map_or("–", |product| product.name.as_str())) " " span.subtext { (tier) } },
            license_badge(license.status, product),
            seat_usage(license.seats_used, license.max_users),
            format::date(license.issued_at),
            format::expiry(license.expires_at, license.grace_ends_at, format::date),
        ]);
        cells
    };
    table("Licenses", columns, licenses.iter().map(row))
}

fn customer_link(id: Option<CustomerId>, names: &CustomerNames) -> Markup {
    let customer = id.and_then(|id| Some((id, names.get(&id)?)));
    html! { @if let Some((id, name)) = customer { a href=(links::customer(id)) { (name) } } @else { "–" } }
}

/// The names of the customers of licenses, read concurrently with one request each.
pub(super) async fn customer_names(table: &Table, licenses: &[LicenseResource]) -> Result<CustomerNames, Problem> {
    let ids: BTreeSet<CustomerId> = licenses.iter().filter_map(|license| license.customer_id.flatten()).collect();
    let found = try_join_all(ids.into_iter().map(|id| table.customer(id))).await?;
    let name = |found: VersionedCustomer| (found.customer.id, format::customer_name(&found.customer).to_owned());
    Ok(found.into_iter().flatten().map(name).collect())
}
