//! License keys: all of them, and what can be done with one.

mod actions;
mod audit;
mod issue;
pub(crate) mod one;

use axum::{Router, response::Response, routing::get};
use licenses::list_licenses;
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    AppState,
    domain::{CustomerId, LicenseId, ProductId, Status},
    http::{ListQuery, Problem},
    store::licenses::LicenseFilter,
};

use super::license_rows;
use crate::{
    enter::{Operator, Visit},
    ui::{
        address,
        components::{Direction, empty, link, pages, primary_link},
        inputs::Choice,
        shell::{Page, Place},
    },
};

pub(crate) const HERE: &str = "/dashboard/license-keys";

/// The pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(HERE, get(list))
        .route("/dashboard/license-keys/new", get(issue::ask).post(issue::issue))
        .route("/dashboard/license-keys/{id}", get(one::machines))
        .route("/dashboard/license-keys/{id}/history", get(one::history))
        .route("/dashboard/license-keys/{id}/audit", get(audit::ask).post(audit::audit))
        .route("/dashboard/license-keys/{id}/machines/{activation}/free", get(one::ask_free).post(one::free))
        .route("/dashboard/license-keys/{id}/{action}", get(actions::ask).post(actions::act))
}

/// Where a license key's page is.
pub(crate) fn path(id: LicenseId) -> String {
    format!("{HERE}/{id}")
}

/// What the address of the list says.
#[derive(Debug, Deserialize)]
struct Asked {
    customer_id: Option<CustomerId>,
    product_id: Option<ProductId>,
    status: Option<Status>,
    /// `oldest` turns the list round.
    order: Option<OldestFirst>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum OldestFirst {
    #[serde(rename = "oldest")]
    Oldest,
}

const STATUSES: [(Status, &str, &str); 5] = [
    (Status::Active, "active", "Active"),
    (Status::Suspended, "suspended", "Suspended"),
    (Status::Expired, "expired", "Expired"),
    (Status::Superseded, "superseded", "Superseded"),
    (Status::Revoked, "revoked", "Revoked"),
];

impl Asked {
    /// The address of the list as it is asked for, with another order or place.
    fn address(&self, oldest: bool, cursor: &str) -> String {
        let text = |id: Option<String>| id.unwrap_or_default();
        let (customer, product) =
            (text(self.customer_id.map(|id| id.to_string())), text(self.product_id.map(|id| id.to_string())));
        let status = STATUSES.iter().find(|(status, ..)| Some(*status) == self.status).map_or("", |(_, word, _)| *word);
        let order = if oldest { "oldest" } else { "" };
        let pairs = [
            ("customer_id", &*customer),
            ("product_id", &product),
            ("status", status),
            ("order", order),
            ("cursor", cursor),
        ];
        address(HERE, &pairs)
    }

    fn is_filtered(&self) -> bool {
        self.customer_id.is_some() || self.product_id.is_some() || self.status.is_some()
    }
}

async fn list(Operator(visit): Operator, asked: Result<ListQuery<Asked>, Problem>) -> Result<Response, Problem> {
    let ListQuery { filter: asked, paging } = asked?;
    let oldest_first = asked.order.is_some();
    let filter = LicenseFilter {
        customer_id: asked.customer_id,
        product_id: asked.product_id,
        status: asked.status,
        oldest_first,
    };
    let page = list_licenses::list(&visit.app.table, &filter, visit.ctx.now, &paging).await?;
    let next = page.next_cursor.as_deref().map(|cursor| asked.address(oldest_first, cursor));
    let first = paging.cursor.is_some().then(|| asked.address(oldest_first, ""));
    let turned = asked.address(!oldest_first, "");
    let direction = if oldest_first { Direction::Up } else { Direction::Down };
    let issue = primary_link("/dashboard/license-keys/new", "Issue a key");
    let content = html! {
        (filters(&visit, &asked).await?)
        @if page.items.is_empty() && page.next_cursor.is_none() {
            @if asked.is_filtered() {
                (empty("None of these", "No license key fits what is asked for.", &link(HERE, "Show all")))
            } @else {
                (empty("No license keys yet", "A license key is what a customer bought: a tier of a product, for so many seats.", &issue))
            }
        } @else {
            (license_rows(&visit, &page.items, true, Some((&turned, direction))).await?)
            (pages(first.as_deref(), next.as_deref()))
        }
    };
    Ok(Page::new(Place::LicenseKeys, "License keys", content).actions(issue).render(&visit))
}

async fn filters(visit: &Visit, asked: &Asked) -> Result<Markup, Problem> {
    let catalog = visit.app.catalog.read(&visit.app.table, visit.ctx.now).await?;
    let mut products: Vec<_> = catalog.products.values().collect();
    products.sort_by_key(|product| (product.sort_order, product.id));
    let products =
        products.iter().map(|product| Choice::new(product.id.to_string(), &product.name)).collect::<Vec<_>>();
    let statuses = STATUSES.iter().map(|(_, word, name)| Choice::new(*word, *name)).collect::<Vec<_>>();
    let status = STATUSES.iter().find(|(status, ..)| Some(*status) == asked.status).map_or("", |(_, word, _)| *word);
    let product = asked.product_id.map(|id| id.to_string()).unwrap_or_default();
    Ok(html! {
        form.filters method="get" action=(HERE) {
            @if let Some(id) = asked.customer_id { input type="hidden" name="customer_id" value=(id); }
            @if asked.order.is_some() { input type="hidden" name="order" value="oldest"; }
            (select("status", "Status", "Any status", &statuses, status))
            (select("product_id", "Product", "Any product", &products, &product))
            button.button data-no-script { "Filter" }
            @if asked.is_filtered() { a.button.quiet href=(HERE) { "Clear" } }
        }
    })
}

fn select(name: &str, label: &str, any: &str, choices: &[Choice], chosen: &str) -> Markup {
    html! {
        div.field {
            label for={ "filter-" (name) } { (label) }
            select id={ "filter-" (name) } name=(name) data-send {
                option value="" { (any) }
                @for choice in choices { option value=(choice.value) selected[choice.value == chosen] { (choice.label) } }
            }
        }
    }
}
