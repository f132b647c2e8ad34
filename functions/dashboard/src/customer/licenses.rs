//! The licenses of the signed-in customer.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use registration::own_licenses::{LicenseWithActivations, own_licenses};
use shared::http::{ListQuery, NoFilter, Problem};

use super::{current_customer, welcome};
use crate::{
    page_context::PageContext,
    ui::{
        components::{Column, empty_state, pagination, status_badge, table},
        format,
        layout::{NavSection, PageLayout},
        with_query,
    },
};

pub(super) const BASE_PATH: &str = "/dashboard/licenses";

/// Lists the licenses. Users who have not registered are redirected to the registration.
pub(super) async fn list(page: PageContext, query: Result<ListQuery<NoFilter>, Problem>) -> Result<Response, Problem> {
    let paging = query?.paging;
    if current_customer(&page).await?.is_none() {
        return Ok(Redirect::to(welcome::PATH).into_response());
    }
    let found = own_licenses(&page.app.table, &page.session.user(), &paging, page.ctx.now).await?;
    let next = found.next.as_deref().map(|cursor| with_query(BASE_PATH, &[("cursor", cursor)]));
    let content = html! {
        @if found.items.is_empty() {
            (empty_state("No licenses yet", "Your licenses and machines appear here.",
                &html! { a.button.primary href="/dashboard/catalog" { "Browse catalog" } }))
        } @else {
            (license_table(&page, &found.items).await?)
            (pagination(paging.cursor.is_some().then_some(BASE_PATH), next.as_deref()))
        }
    };
    Ok(PageLayout::new(NavSection::Licenses, "Your licenses", content).render(&page))
}

async fn license_table(page: &PageContext, licenses: &[LicenseWithActivations]) -> Result<Markup, Problem> {
    let catalog = page.app.catalog.read(&page.app.table, page.ctx.now).await?;
    let columns = [
        Column::new("Product"),
        Column::new("Status"),
        Column::new("License key"),
        Column::new("Machines"),
        Column::new("Last seen"),
        Column::new("Expires"),
    ];
    let row = |own: &LicenseWithActivations| {
        let license = &own.license;
        let tier = catalog.tiers.get(&license.tier_id).map_or("–", |tier| tier.name.as_str());
        let product = catalog.products.get(&license.product_id).map_or("–", |product| product.name.as_str());
        let machines = own.activations.items.len();
        let last_seen = own.activations.items.iter().map(|machine| machine.last_heartbeat_at).max();
        vec![
            html! { a href={ (BASE_PATH) "/" (license.id) } { (product) } span.subtext { (tier) } },
            status_badge(license.status(page.ctx.now)),
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
            last_seen.map_or_else(|| html! { "–" }, |at| format::time_ago(at, page.ctx.now)),
            license.expires_at.map_or_else(|| html! { "Never" }, format::date),
        ]
    };
    Ok(table("Your licenses", &columns, &licenses.iter().map(row).collect::<Vec<_>>()))
}
