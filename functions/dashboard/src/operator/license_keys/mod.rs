//! Licenses: the list, and the actions on one.

mod actions;
mod audit;
pub(crate) mod detail;
mod issue;

use axum::{Router, response::Response, routing::get};
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    AppState,
    domain::{CustomerId, LicenseId, ProductId, Status},
    http::{ListQuery, Problem},
    store::licenses::LicenseFilter,
};

use super::license_table;
use crate::{
    page_context::{OperatorContext, PageContext},
    queries,
    ui::{
        components::{SortDirection, empty_state, link_button, pagination, primary_button},
        inputs::Choice,
        layout::{NavSection, PageLayout},
        with_query,
    },
};

pub(crate) const BASE_PATH: &str = "/dashboard/license-keys";

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(BASE_PATH, get(list))
        .route("/dashboard/license-keys/new", get(issue::new).post(issue::create))
        .route("/dashboard/license-keys/{id}", get(detail::machines))
        .route("/dashboard/license-keys/{id}/history", get(detail::history))
        .route("/dashboard/license-keys/{id}/audit", get(audit::confirm).post(audit::audit))
        .route(
            "/dashboard/license-keys/{id}/machines/{activation}/deactivate",
            get(detail::confirm_deactivate).post(detail::deactivate),
        )
        .route("/dashboard/license-keys/{id}/{action}", get(actions::confirm).post(actions::perform))
}

/// The path of a license's page.
pub(crate) fn path(id: LicenseId) -> String {
    format!("{BASE_PATH}/{id}")
}

/// The query of the list.
#[derive(Debug, Deserialize)]
struct LicensesQuery {
    customer_id: Option<CustomerId>,
    product_id: Option<ProductId>,
    status: Option<Status>,
    /// The order by issue date; newest first by default.
    order: Option<OldestFirst>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum OldestFirst {
    #[serde(rename = "oldest")]
    Oldest,
}

/// The statuses with their parameter values and labels.
const STATUSES: [(Status, &str, &str); 5] = [
    (Status::Active, "active", "Active"),
    (Status::Suspended, "suspended", "Suspended"),
    (Status::Expired, "expired", "Expired"),
    (Status::Superseded, "superseded", "Superseded"),
    (Status::Revoked, "revoked", "Revoked"),
];

impl LicensesQuery {
    /// The URL of the list with the same filters.
    fn url(&self, oldest_first: bool, cursor: &str) -> String {
        let text = |id: Option<String>| id.unwrap_or_default();
        let (customer, product) =
            (text(self.customer_id.map(|id| id.to_string())), text(self.product_id.map(|id| id.to_string())));
        let order = if oldest_first { "oldest" } else { "" };
        let parameters = [
            ("customer_id", &*customer),
            ("product_id", &product),
            ("status", self.status_value()),
            ("order", order),
            ("cursor", cursor),
        ];
        with_query(BASE_PATH, &parameters)
    }

    fn status_value(&self) -> &'static str {
        STATUSES.iter().find(|(status, ..)| Some(*status) == self.status).map_or("", |(_, value, _)| *value)
    }

    fn is_filtered(&self) -> bool {
        self.customer_id.is_some() || self.product_id.is_some() || self.status.is_some()
    }
}

async fn list(
    OperatorContext(page): OperatorContext,
    query: Result<ListQuery<LicensesQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter: query, paging } = query?;
    let oldest_first = query.order.is_some();
    let filter = LicenseFilter {
        customer_id: query.customer_id,
        product_id: query.product_id,
        status: query.status,
        oldest_first,
    };
    let found = queries::licenses(&page, &filter, &paging).await?;
    let next = found.next_cursor.as_deref().map(|cursor| query.url(oldest_first, cursor));
    let first = paging.cursor.is_some().then(|| query.url(oldest_first, ""));
    let reversed = query.url(!oldest_first, "");
    let direction = if oldest_first { SortDirection::Ascending } else { SortDirection::Descending };
    let issue = primary_button("/dashboard/license-keys/new", "Issue license");
    let content = html! {
        (filter_form(&page, &query).await?)
        @if found.items.is_empty() && found.next_cursor.is_none() {
            @if query.is_filtered() {
                (empty_state("No matching licenses", "Try removing a filter.", &link_button(BASE_PATH, "Show all")))
            } @else {
                (empty_state("No licenses yet", "Licenses you issue or customers claim appear here.", &issue))
            }
        } @else {
            (license_table(&page, &found.items, true, Some((&reversed, direction))).await?)
            (pagination(first.as_deref(), next.as_deref()))
        }
    };
    Ok(PageLayout::new(NavSection::LicenseKeys, "Licenses", content).actions(issue).render(&page))
}

async fn filter_form(page: &PageContext, query: &LicensesQuery) -> Result<Markup, Problem> {
    let catalog = page.app.catalog.read(&page.app.table, page.ctx.now).await?;
    let mut products: Vec<_> = catalog.products.values().collect();
    products.sort_by_key(|product| (product.sort_order, product.id));
    let products =
        products.iter().map(|product| Choice::new(product.id.to_string(), &product.name)).collect::<Vec<_>>();
    let statuses = STATUSES.iter().map(|(_, value, label)| Choice::new(*value, *label)).collect::<Vec<_>>();
    let product = query.product_id.map(|id| id.to_string()).unwrap_or_default();
    Ok(html! {
        form.filters method="get" action=(BASE_PATH) {
            @if let Some(id) = query.customer_id { input type="hidden" name="customer_id" value=(id); }
            @if query.order.is_some() { input type="hidden" name="order" value="oldest"; }
            (filter_select("status", "Status", "Any status", &statuses, query.status_value()))
            (filter_select("product_id", "Product", "Any product", &products, &product))
            button.button data-no-script { "Filter" }
            @if query.is_filtered() { a.button.ghost href=(BASE_PATH) { "Clear" } }
        }
    })
}

fn filter_select(name: &str, label: &str, any: &str, choices: &[Choice], selected: &str) -> Markup {
    html! {
        div.form-field {
            label for={ "filter-" (name) } { (label) }
            select id={ "filter-" (name) } name=(name) data-submit-on-change {
                option value="" { (any) }
                @for choice in choices { option value=(choice.value) selected[choice.value == selected] { (choice.label) } }
            }
        }
    }
}
