//! The licenses of the signed-in customer.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use registration::own_licenses::{LicenseWithActivations, own_licenses};
use shared::{
    domain::{Catalog, Timestamp},
    http::{ListQuery, NoFilter, Problem, RequestContext},
    store::{Table, catalog::CatalogCache},
};

use super::current::current_customer;
use crate::{
    links,
    ui::{
        components::{empty_state, license_badge, link_button, pagination, table},
        format,
        layout::{NavSection, PageLayout},
    },
    viewer::Viewer,
};

/// Lists the licenses. Users who have not registered are redirected to the registration.
pub(super) async fn list(
    viewer: Viewer,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    ctx: RequestContext,
    query: Result<ListQuery<NoFilter>, Problem>,
) -> Result<Response, Problem> {
    let paging = query?.paging;
    if current_customer(&table, &viewer.session).await?.is_none() {
        return Ok(Redirect::to(links::WELCOME).into_response());
    }
    let found = own_licenses(&table, &viewer.session.user(), &paging, ctx.now).await?;
    let catalog = catalog.read(&table, ctx.now).await?;
    let content = html! {
        @if found.items.is_empty() {
            (empty_state("No licenses yet", "Your licenses and machines appear here.",
                &html! { a.button.primary href=(links::CATALOG) { "Browse catalog" } (link_button(links::CLAIM_KEY, "Add a license")) }))
        } @else {
            (license_table(&found.items, &catalog, ctx.now))
            (pagination(&paging, found.next.as_deref(), |cursor| links::with_query(links::OWN_LICENSES, &[("cursor", cursor)])))
        }
    };
    let mut layout = PageLayout::new(NavSection::Licenses, "Your licenses", content);
    if !found.items.is_empty() {
        layout = layout.actions(link_button(links::CLAIM_KEY, "Add a license"));
    }
    Ok(layout.render(&viewer))
}

fn license_table(licenses: &[LicenseWithActivations], catalog: &Catalog, now: Timestamp) -> Markup {
    let row = |own: &LicenseWithActivations| {
        let license = &own.license;
        let tier = catalog.tiers.get(&license.tier_id).map_or("–", |tier| tier.name.as_str());
        let product = catalog.products.get(&license.product_id);
        let name = product.map_or("–", |product| product.name.as_str());
        let machines = own.activations.items.len();
        let last_seen = own.activations.items.iter().map(|machine| machine.activation.last_heartbeat_at).max();
        vec![
            html! { a href=(links::own_license(license.id)) { (name) } span.subtext { (tier) } },
            license_badge(license.status(now), product),
            html! { code { (license.key_hint) } },
            html! {
                span {
                    (machines) @if own.activations.next.is_some() { "+" }
                    @match license.max_users {
                        Some(max) => span.muted { " of " (max) },
                        None => span.muted { " (unlimited)" },
                    }
                }
            },
            format::or(last_seen.map(|at| format::time_ago(at, now)), "–"),
            format::expiry(license.expires_at, license.grace_ends_at(now), format::date),
        ]
    };
    let columns = ["Product", "Status", "License key", "Machines", "Last seen", "Expires"];
    table("Your licenses", columns, licenses.iter().map(row))
}
